//! What is answered from the cache, for whom, for how long; and that nobody stampedes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::json;

use crate::house::{ALICE, Answer, BOB, Gate, Gateway, Origin, Request, Wire, eventually, get, post, request};

/// A stage with a cache; `{STAGE}` adds to its cache block.
const LIBRARY: &str = r#"
[apis.library]
routes = [
    { method = "GET",  path = "/books/{id}", integration = { type = "HTTP_PROXY", uri = "http://@1/books/{id}" } },
    { method = "POST", path = "/books/{id}", integration = { type = "HTTP_PROXY", uri = "http://@1/books/{id}" } },
    { method = "GET",  path = "/keyed/{id}", cache = { key = ["path.id", "querystring.expand", "header.Accept"] }, integration = { type = "HTTP_PROXY", uri = "http://@1/keyed/{id}" } },
    { method = "GET",  path = "/brief",      cache = { ttl = "1s" }, integration = { type = "HTTP_PROXY", uri = "http://@1/brief" } },
    { method = "GET",  path = "/never",      cache = { enabled = false }, integration = { type = "HTTP_PROXY", uri = "http://@1/never" } },
    { method = "GET",  path = "/mine",       api_key_required = true, integration = { type = "HTTP_PROXY", uri = "http://@1/mine" } },
]
[apis.library.stages.prod]
cache = { enabled = true, ttl = "300s", size = "64MiB"{STAGE} }

[usage_plans.staff]
stages = ["library/prod"]
may_invalidate_cache = true
[usage_plans.readers]
stages = ["library/prod"]
[api_keys.alice]
value = "alice-0123456789-0123456789"
usage_plans = ["staff"]
[api_keys.bob]
value = "bob-0123456789-0123456789-bob"
usage_plans = ["readers"]
"#;

fn library(stage: &str) -> String {
    LIBRARY.replace("{STAGE}", stage)
}

/// What the answer was and whether it came from the cache.
fn told(answer: &Answer) -> (u16, &str, bool) {
    (answer.status, answer.text(), answer.is_hit())
}

/// Asks and compares body and hit.
#[track_caller]
fn check(gateway: &Gateway, wish: &Request, expected: (&str, bool)) {
    let answer = gateway.ask(wish);
    assert_eq!(told(&answer), (200, expected.0, expected.1), "{} {}: {:?}", wish.method, wish.target, answer.fields);
}

#[test]
fn the_second_request_is_answered_from_the_cache_and_says_so() {
    let origin = Origin::counting();
    let gateway = Gateway::start(&library(""), &[&origin]);
    let first = gateway.get("/library/prod/books/1").expect(200);
    assert_eq!(told(&first), (200, "1", false));
    assert!(first.field("cache-status").is_some_and(|status| status.contains("fwd=")), "{:?}", first.fields);
    let second = gateway.get("/library/prod/books/1").expect(200);
    assert_eq!(told(&second), (200, "1", true));
    let status = second.field("cache-status").expect("Cache-Status");
    let ttl = status.split(';').find_map(|part| part.trim().strip_prefix("ttl="));
    let ttl: u64 = ttl.unwrap_or_else(|| panic!("no ttl in {status}")).parse().unwrap();
    assert!((290..=300).contains(&ttl), "{status}");
    assert_eq!(second.field("content-type"), Some("text/plain"));
    assert_ne!(first.field("x-request-id"), second.field("x-request-id"));
    assert_eq!(origin.requests(), 1);
    gateway.expect_metric("tollgate_cache_hits_total", &[("api", "library"), ("stage", "prod")], 1.0);
    gateway.expect_metric("tollgate_cache_misses_total", &[("api", "library"), ("stage", "prod")], 1.0);
    assert!(gateway.metric("tollgate_cache_bytes", &[]) > 0.0);
}

#[test]
fn without_declared_parameters_the_whole_path_and_query_are_the_key() {
    let gateway = Gateway::start(&library(""), &[&Origin::counting()]);
    check(&gateway, &get("/library/prod/books/1"), ("1", false));
    check(&gateway, &get("/library/prod/books/2"), ("2", false));
    check(&gateway, &get("/library/prod/books/1?page=2"), ("3", false));
    check(&gateway, &get("/library/prod/books/1?page=2"), ("3", true));
    check(&gateway, &get("/library/prod/books/%31"), ("1", true));
}

#[test]
fn only_declared_parameters_tell_answers_apart() {
    let gateway = Gateway::start(&library(""), &[&Origin::counting()]);
    let ask =
        |id: &str, query: &str, accept: &str| get(&format!("/library/prod/keyed/{id}{query}")).header("Accept", accept);
    check(&gateway, &ask("1", "?expand=all", "text/plain"), ("1", false));
    check(&gateway, &ask("1", "?other=x&expand=all", "text/plain"), ("1", true));
    check(&gateway, &ask("2", "?expand=all", "text/plain"), ("2", false));
    check(&gateway, &ask("1", "?expand=none", "text/plain"), ("3", false));
    check(&gateway, &ask("1", "", "text/plain"), ("4", false));
    check(&gateway, &ask("1", "?expand=", "text/plain"), ("5", false));
    check(&gateway, &ask("1", "?expand=all", "text/html"), ("6", false));
    check(&gateway, &ask("1", "?expand=all", "text/plain"), ("1", true));
}

#[test]
fn only_get_is_cached_and_a_route_may_say_no() {
    let origin = Origin::counting();
    let gateway = Gateway::start(&library(""), &[&origin]);
    for wish in [post("/library/prod/books/1", "x"), get("/library/prod/never")] {
        let (first, second) = (gateway.ask(&wish), gateway.ask(&wish));
        assert!(!first.is_hit() && !second.is_hit() && first.text() != second.text(), "{}", wish.target);
    }
    assert_eq!(origin.requests(), 4);
}

#[test]
fn a_head_is_answered_from_the_stored_get() {
    let origin = Origin::text("twelve bytes");
    let gateway = Gateway::start(&library(""), &[&origin]);
    gateway.get("/library/prod/books/1").expect(200);
    let mut wire = gateway.connect();
    let head = wire.ask(&request("HEAD", "/library/prod/books/1")).expect(200);
    assert!(head.is_hit() && head.body.is_empty(), "{:?}", head.fields);
    assert_eq!(head.field("content-length"), Some("12"));
    assert_eq!(wire.ask(&get("/library/prod/books/1")).text(), "twelve bytes");
    assert_eq!(origin.requests(), 1);
}

#[test]
fn an_answer_lives_for_its_ttl() {
    let origin = Origin::counting();
    let gateway = Gateway::start(&library(""), &[&origin]);
    check(&gateway, &get("/library/prod/brief"), ("1", false));
    check(&gateway, &get("/library/prod/brief"), ("1", true));
    eventually("the answer is fetched again", || gateway.get("/library/prod/brief").text() == "2");
}

#[test]
fn errors_and_very_large_answers_are_not_stored() {
    let large = "x".repeat((1 << 20) + 1);
    let just_small_enough = "x".repeat(1 << 20);
    let origin = Origin::start(move |seen, out| match seen.target.as_str() {
        "/books/error" => out.answer(500, &[], "broken"),
        "/books/away" => out.answer(503, &[], "away"),
        "/books/large" => out.text(&large),
        "/books/chunked" => {
            out.head(200, &[("Transfer-Encoding", "chunked")]);
            large.as_bytes().chunks(100_000).for_each(|piece| out.chunk(piece));
            out.last_chunk();
        }
        _ => out.text(&just_small_enough),
    });
    let gateway = Gateway::start(&library(""), &[&origin]);
    for (id, status) in [("error", 500), ("away", 503), ("large", 200), ("chunked", 200)] {
        let target = format!("/library/prod/books/{id}");
        let (first, second) = (gateway.get(&target).expect(status), gateway.get(&target).expect(status));
        assert!(!first.is_hit() && !second.is_hit(), "{id}");
        assert_eq!(first.body, second.body, "{id}");
    }
    assert_eq!(origin.requests(), 8);
    gateway.get("/library/prod/books/fits").expect(200);
    assert!(gateway.get("/library/prod/books/fits").is_hit());
}

#[test]
fn fifty_clients_that_miss_together_fetch_once() {
    let gate = Gate::default();
    let at_the_gate = gate.clone();
    let origin = Origin::start(move |_, out| {
        at_the_gate.wait();
        out.text("fetched");
    });
    let gateway = Gateway::start(&library(""), &[&origin]);
    let wish = get("/library/prod/books/1");
    thread::scope(|scope| {
        let clients: Vec<_> = (0..50).map(|_| scope.spawn(|| gateway.ask(&wish))).collect();
        eventually("every client is connected", || gateway.metric("tollgate_connections", &[]) >= 50.0);
        eventually("the back end is asked", || origin.heads() >= 1);
        gate.open();
        for client in clients {
            assert_eq!(client.join().unwrap().expect(200).text(), "fetched");
        }
    });
    assert_eq!(origin.requests(), 1);
}

#[test]
fn clients_that_come_while_an_answer_streams_do_not_fetch_again() {
    let gate = Gate::default();
    let at_the_gate = gate.clone();
    let origin = Origin::start(move |_, out| {
        out.head(200, &[("Transfer-Encoding", "chunked")]);
        out.chunk("first half, ");
        at_the_gate.wait();
        out.chunk("second half");
        out.last_chunk();
    });
    let gateway = Gateway::start(&library(""), &[&origin]);
    let wish = get("/library/prod/books/1");
    let mut first = gateway.connect();
    first.send(wish.bytes());
    let mut streaming = first.read_head().expect(200);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..50).map(|_| scope.spawn(|| gateway.ask(&wish))).collect();
        eventually("every client is connected", || gateway.metric("tollgate_connections", &[]) >= 51.0);
        gate.open();
        first.read_body(&mut streaming);
        assert_eq!(streaming.text(), "first half, second half");
        for client in clients {
            assert_eq!(client.join().unwrap().expect(200).text(), "first half, second half");
        }
    });
    assert_eq!(origin.requests(), 1);
}

#[test]
fn when_the_fetching_client_goes_away_the_others_still_get_an_answer() {
    let gate = Gate::default();
    let at_the_gate = gate.clone();
    let asked = AtomicUsize::new(0);
    let origin = Origin::start(move |_, out| {
        if asked.fetch_add(1, Ordering::SeqCst) == 0 {
            at_the_gate.wait();
        }
        out.text("fetched");
    });
    let gateway = Gateway::start(&library(""), &[&origin]);
    let wish = get("/library/prod/books/1");
    let mut first = gateway.connect();
    first.send(wish.bytes());
    eventually("the back end is asked", || origin.heads() == 1);
    thread::scope(|scope| {
        let second = scope.spawn(|| gateway.ask(&wish));
        eventually("both are connected", || gateway.metric("tollgate_connections", &[]) >= 2.0);
        drop(first);
        gate.open();
        assert_eq!(second.join().unwrap().expect(200).text(), "fetched");
    });
}

#[test]
fn whoever_may_refreshes_an_entry_with_max_age_0() {
    let origin = Origin::counting();
    let gateway = Gateway::start(&library(""), &[&origin]);
    let mine = |key| get("/library/prod/mine").key(key);
    let refresh = |key| mine(key).header("Cache-Control", "max-age=0");
    check(&gateway, &mine(ALICE), ("1", false));
    check(&gateway, &refresh(ALICE), ("2", false));
    check(&gateway, &mine(BOB), ("2", true));
}

#[test]
fn whoever_may_not_refresh_is_answered_as_the_stage_says() {
    let origin = Origin::counting();
    let gateway = Gateway::start(&library(", invalidation = { on_unauthorized = \"fail_403\" }"), &[&origin]);
    let mine = get("/library/prod/mine").key(BOB);
    let refresh = mine.clone().header("Cache-Control", "max-age=0");
    check(&gateway, &mine, ("1", false));
    assert_eq!(gateway.ask(&refresh).expect(403).code(), "cache_invalidation_forbidden");

    gateway.change(&library(", invalidation = { on_unauthorized = \"warn\" }"), &[&origin]);
    let warned = gateway.ask(&refresh);
    assert_eq!(told(&warned), (200, "1", true));
    assert!(warned.field("warning").is_some_and(|text| text.starts_with("199 ")), "{:?}", warned.fields);

    gateway.change(&library(", invalidation = { on_unauthorized = \"ignore\" }"), &[&origin]);
    let ignored = gateway.ask(&refresh);
    assert_eq!(told(&ignored), (200, "1", true));
    assert!(ignored.field("warning").is_none());

    gateway.change(&library(", invalidation = { require_authorization = false }"), &[&origin]);
    check(&gateway, &refresh, ("2", false));
    check(&gateway, &mine, ("2", true));
}

#[test]
fn a_stage_a_route_or_one_answer_is_flushed_through_the_admin_api() {
    let origin = Origin::counting();
    let gateway = Gateway::start(&library(""), &[&origin]);
    let wishes = ["/library/prod/books/1", "/library/prod/books/2", "/library/prod/keyed/1"];
    let are_hits = || wishes.map(|wish| gateway.get(wish).expect(200).is_hit());
    assert_eq!(are_hits(), [false, false, false]);
    assert_eq!(are_hits(), [true, true, true]);

    let url = format!("http://{}/library/prod/books/1", gateway.http());
    gateway.command("/v1/cache/flush", &json!({ "stage": "library/prod", "url": url }));
    assert_eq!(are_hits(), [false, true, true]);
    gateway.command("/v1/cache/flush", &json!({ "stage": "library/prod", "route": "GET /books/{id}" }));
    assert_eq!(are_hits(), [false, false, true]);
    gateway.command("/v1/cache/flush", &json!({ "stage": "library/prod" }));
    assert_eq!(are_hits(), [false, false, false]);
}

#[test]
fn what_is_told_to_one_caller_is_not_told_to_another_host_or_stage() {
    let config = r#"
        [apis.library]
        routes = [{ method = "GET", path = "/who", integration = { type = "HTTP_PROXY", uri = "http://@1/${stageVariables.name}" } }]
        [apis.library.stages.prod]
        cache = { enabled = true }
        variables = { name = "prod" }
        [apis.library.stages.beta]
        cache = { enabled = true }
        variables = { name = "beta" }
    "#;
    let gateway = Gateway::start(config, &[&Origin::mirror()]);
    check(&gateway, &get("/library/prod/who"), ("GET /prod", false));
    check(&gateway, &get("/library/beta/who"), ("GET /beta", false));
    check(&gateway, &get("/library/prod/who"), ("GET /prod", true));
}

#[test]
fn a_broken_off_answer_is_not_stored() {
    let asked = AtomicUsize::new(0);
    let origin = Origin::start(move |_, out| {
        if asked.fetch_add(1, Ordering::SeqCst) == 0 {
            out.head(200, &[("Content-Length", "10")]);
            out.raw("half");
            out.close();
        } else {
            out.text("whole body");
        }
    });
    let gateway = Gateway::start(&library(""), &[&origin]);
    let mut wire = Wire::open(gateway.http());
    assert!(wire.try_ask(&get("/library/prod/books/1")).is_err(), "half an answer must not look whole");
    check(&gateway, &get("/library/prod/books/1"), ("whole body", false));
}
