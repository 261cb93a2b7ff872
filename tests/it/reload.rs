//! A new configuration takes over between two requests, or not at all.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::house::{ALICE, Gateway, Origin, eventually, get};

const SHOP: &str = r#"
[apis.shop]
routes = [
    { method = "GET", path = "/version", integration = { type = "MOCK", body = "{VERSION}" } },
    { method = "GET", path = "/proxied", integration = { type = "HTTP_PROXY", uri = "http://@1/proxied" } },
    { method = "GET", path = "/cached",  cache = { enabled = true }, integration = { type = "HTTP_PROXY", uri = "http://@1/cached" } },
    { method = "GET", path = "/limited", api_key_required = true, integration = { type = "MOCK" } },
]
[apis.shop.stages.prod]
cache = { enabled = true }
[usage_plans.basic]
stages = ["shop/prod"]
throttle = {THROTTLE}
[api_keys.alice]
value = "alice-0123456789-0123456789"
usage_plans = ["basic"]
"#;

fn shop(version: &str, throttle: &str) -> String {
    SHOP.replace("{VERSION}", version).replace("{THROTTLE}", throttle)
}

const PLENTY: &str = "{ rate = 1000, burst = 1000 }";

#[test]
fn fifty_reloads_under_load_fail_no_request() {
    let origin = Origin::text("proxied");
    let gateway = Gateway::start(&shop("0", PLENTY), &[&origin]);
    let (is_over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let client = |target: &'static str| {
        let mut wire = gateway.connect();
        while !is_over.load(Ordering::SeqCst) {
            wire.ask(&get(target)).expect(200);
            answered.fetch_add(1, Ordering::SeqCst);
        }
    };
    thread::scope(|scope| {
        for target in ["/shop/prod/version", "/shop/prod/proxied", "/shop/prod/cached", "/shop/prod/proxied"] {
            scope.spawn(move || client(target));
        }
        for version in 1..=50 {
            let before = answered.load(Ordering::SeqCst);
            gateway.change(&shop(&version.to_string(), PLENTY), &[&origin]);
            eventually("requests go on between two reloads", || answered.load(Ordering::SeqCst) > before);
        }
        eventually("the last version serves", || gateway.get("/shop/prod/version").text() == "50");
        is_over.store(true, Ordering::SeqCst);
    });
    assert_eq!(gateway.metric("tollgate_config_last_reload_success", &[]), 1.0);
}

#[test]
fn a_saved_file_is_loaded_without_being_told() {
    let origin = Origin::text("proxied");
    let gateway = Gateway::start(&shop("one", PLENTY), &[&origin]);
    let text = gateway.folder().read("tollgate.toml").replace("\"one\"", "\"two\"");
    gateway.folder().write("tollgate.toml", &text);
    eventually("the new file serves", || gateway.get("/shop/prod/version").text() == "two");
}

#[test]
fn a_bad_file_changes_nothing_and_is_seen_everywhere() {
    let origin = Origin::text("proxied");
    let gateway = Gateway::start(&shop("good", PLENTY), &[&origin]);
    gateway.change(&shop("bad", "{ rate = 10, brust = 20 }"), &[&origin]);
    assert_eq!(gateway.get("/shop/prod/version").text(), "good");
    assert_eq!(gateway.metric("tollgate_config_last_reload_success", &[]), 0.0);

    let ready = gateway.admin(get("/readyz?verbose")).expect(200);
    assert!(ready.text().contains("brust"), "{}", ready.text());
    eventually("the log says why", || gateway.stderr().contains("brust"));
    assert!(gateway.stderr().contains("burst"), "the nearest known key is suggested:\n{}", gateway.stderr());

    gateway.change(&shop("better", PLENTY), &[&origin]);
    eventually("the mended file serves", || gateway.get("/shop/prod/version").text() == "better");
    assert_eq!(gateway.metric("tollgate_config_last_reload_success", &[]), 1.0);
    assert!(!gateway.admin(get("/readyz?verbose")).expect(200).text().contains("brust"));
}

/// How many of `times` requests with alice's key pass.
fn admitted(gateway: &Gateway, times: usize) -> usize {
    let mut wire = gateway.connect();
    (0..times).filter(|_| wire.ask(&get("/shop/prod/limited").key(ALICE)).status == 200).count()
}

#[test]
fn a_spent_bucket_stays_spent_and_a_changed_rate_keeps_the_debt() {
    let origin = Origin::text("proxied");
    let gateway = Gateway::start(&shop("1", "{ rate = 0.01, burst = 10 }"), &[&origin]);
    assert_eq!(admitted(&gateway, 20), 10);
    gateway.change(&shop("2", "{ rate = 0.01, burst = 10 }"), &[&origin]);
    assert_eq!(admitted(&gateway, 20), 0, "the bucket was filled by a reload");
    gateway.change(&shop("3", "{ rate = 0.02, burst = 10 }"), &[&origin]);
    assert_eq!(admitted(&gateway, 20), 0, "the debt was forgiven by a changed rate");
}

#[test]
fn cached_answers_survive_a_reload() {
    let origin = Origin::counting();
    let gateway = Gateway::start(&shop("1", PLENTY), &[&origin]);
    gateway.get("/shop/prod/cached").expect(200);
    gateway.change(&shop("2", PLENTY), &[&origin]);
    eventually("the new file serves", || gateway.get("/shop/prod/version").text() == "2");
    let answer = gateway.get("/shop/prod/cached").expect(200);
    assert!(answer.is_hit() && answer.text() == "1", "{:?}", answer.fields);
    assert_eq!(origin.requests(), 1);
}

#[test]
fn open_connections_survive_a_reload() {
    let origin = Origin::text("proxied");
    let gateway = Gateway::start(&shop("1", PLENTY), &[&origin]);
    let mut wire = gateway.connect();
    wire.ask(&get("/shop/prod/proxied")).expect(200);
    gateway.reload();
    wire.ask(&get("/shop/prod/proxied")).expect(200);
    assert_eq!(origin.connections(), 1, "the connection to the back end is kept too");
}

#[test]
fn what_needs_a_restart_is_named() {
    let origin = Origin::text("proxied");
    let gateway = Gateway::start(&shop("1", PLENTY), &[&origin]);
    let server = "[server]\nlisten = [\"127.0.0.1:0\", \"127.0.0.1:0\"]\nthreads = 1\n";
    gateway.change(&format!("{server}{}", shop("2", PLENTY)), &[&origin]);
    eventually("the rest of the file serves", || gateway.get("/shop/prod/version").text() == "2");
    eventually("the log names what waits for a restart", || gateway.stderr().contains("restart"));
    let ready = gateway.admin(get("/readyz?verbose")).expect(200);
    assert!(ready.text().contains("restart"), "{}", ready.text());
}
