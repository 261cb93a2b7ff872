//! Limits that hold: rate, burst and quota, under concurrency, over restarts.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::house::{ALICE, Answer, BOB, Gateway, Origin, Wire, eventually, get};

/// A shop with one usage plan; `{PLAN}` is its body.
const SHOP: &str = r#"
[apis.shop]
routes = [
    { method = "GET", path = "/a", api_key_required = true, integration = { type = "MOCK", body = "a" } },
    { method = "GET", path = "/b", api_key_required = true, integration = { type = "MOCK", body = "b" } },
]
[apis.shop.stages.prod]

[usage_plans.basic]
stages = ["shop/prod"]
{PLAN}

[api_keys.alice]
value = "alice-0123456789-0123456789"
usage_plans = ["basic"]
[api_keys.bob]
value = "bob-0123456789-0123456789-bob"
usage_plans = ["basic"]
"#;

fn shop(plan: &str) -> String {
    SHOP.replace("{PLAN}", plan)
}

/// Asks `target` as `key`, `times` times over one connection; how many were let in.
#[track_caller]
fn admitted(gateway: &Gateway, target: &str, key: &str, times: usize) -> usize {
    let mut wire = gateway.connect();
    (0..times).filter(|_| wire.ask(&get(target).key(key)).status == 200).count()
}

/// When an admitted request was sent and answered, in seconds since the start.
type Admission = (f64, f64);

/// Asks with 8 connections as fast as they can for `span`.
fn hammer(address: SocketAddr, target: &str, key: &str, span: Duration) -> Vec<Admission> {
    let start = Instant::now();
    let admissions = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let (mut wire, wish) = (Wire::open(address), get(target).key(key));
                while start.elapsed() < span {
                    let sent = start.elapsed().as_secs_f64();
                    let answer = wire.ask(&wish);
                    if answer.status == 200 {
                        admissions.lock().expect("no client panicked").push((sent, start.elapsed().as_secs_f64()));
                    } else {
                        assert_eq!(answer.status, 429);
                    }
                }
            });
        }
    });
    admissions.into_inner().expect("no client panicked")
}

#[test]
fn parallel_clients_get_burst_plus_rate_and_not_one_more() {
    let gateway = Gateway::start(&shop("throttle = { rate = 20, burst = 40 }"), &[]);
    let (rate, burst) = (20.0, 40.0);
    let mut admissions = hammer(gateway.http(), "/shop/prod/a", ALICE, Duration::from_secs(2));
    admissions.sort_by(|a, b| a.1.total_cmp(&b.1));

    let first_sent = admissions.iter().map(|a| a.0).fold(f64::MAX, f64::min);
    let last_answered = admissions.last().expect("some were let in").1;
    let most = burst + rate * (last_answered - first_sent) + 1.5;
    // A full bucket fills no further: tokens come back from the first admission on, which is before its answer.
    let first_answered = admissions.first().expect("some were let in").1;
    let ideal = burst + rate * (2.0 - first_answered);
    let total = admissions.len() as f64;
    assert!(total <= most, "{total} were let in, at most {most} may");
    assert!(total >= (ideal * 0.98).floor(), "{total} were let in, {ideal} could");

    // No window may admit more either, wherever it begins.
    for (i, from) in admissions.iter().enumerate() {
        for (j, to) in admissions.iter().enumerate().skip(i) {
            let inside = admissions[i..=j].iter().filter(|a| a.0 >= from.0).count() as f64;
            let most = burst + rate * (to.1 - from.0) + 1.5;
            assert!(inside <= most, "{inside} in {:.3} s, at most {most} may", to.1 - from.0);
        }
    }
}

#[test]
fn the_whole_burst_passes_at_once() {
    let gateway = Gateway::start(&shop("throttle = { rate = 0.01, burst = 40 }"), &[]);
    let total: usize = thread::scope(|scope| {
        let client = || scope.spawn(|| admitted(&gateway, "/shop/prod/a", ALICE, 8));
        let clients: Vec<_> = (0..8).map(|_| client()).collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    assert_eq!(total, 40);
    assert_eq!(admitted(&gateway, "/shop/prod/a", BOB, 41), 40, "each key has a bucket of its own");
}

#[test]
fn a_route_of_a_plan_has_its_own_bucket() {
    let plan = r#"
        throttle = { rate = 0.01, burst = 10 }
        [usage_plans.basic.route_throttle]
        "shop/prod GET /b" = { rate = 0.01, burst = 3 }
    "#;
    let gateway = Gateway::start(&shop(plan), &[]);
    assert_eq!(admitted(&gateway, "/shop/prod/b", ALICE, 20), 3);
    assert_eq!(admitted(&gateway, "/shop/prod/a", ALICE, 20), 10);
    assert_eq!(admitted(&gateway, "/shop/prod/b", BOB, 20), 3);
}

#[test]
fn routes_and_stages_have_limits_for_all_callers_together() {
    let config = r#"
        [apis.shop]
        routes = [
            { method = "GET", path = "/a", throttle = { rate = 0.01, burst = 3 }, integration = { type = "MOCK" } },
            { method = "GET", path = "/b", integration = { type = "MOCK" } },
        ]
        [apis.shop.stages.prod]
        throttle = { rate = 0.01, burst = 8 }
    "#;
    let gateway = Gateway::start(config, &[]);
    let statuses = |target: &str, times: usize| -> Vec<Answer> { (0..times).map(|_| gateway.get(target)).collect() };

    let a = statuses("/shop/prod/a", 5);
    assert_eq!(a.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 200, 200, 429, 429]);
    assert_eq!(a[4].code(), "route_throttled");

    let b = statuses("/shop/prod/b", 10);
    assert_eq!(b.iter().filter(|answer| answer.status == 200).count(), 5, "what the route let in counts for the stage");
    assert_eq!(b[9].code(), "stage_throttled");
}

#[test]
fn a_refused_request_says_which_limit_and_when_to_come_back() {
    let plan = "throttle = { rate = 0.5, burst = 2 }\nquota = { limit = 1000, period = \"month\" }";
    let gateway = Gateway::start(&shop(plan), &[]);
    assert_eq!(admitted(&gateway, "/shop/prod/a", ALICE, 2), 2);
    let answer = gateway.ask(&get("/shop/prod/a").key(ALICE)).expect(429);
    assert_eq!(answer.code(), "rate_exceeded");
    assert_eq!(answer.field("content-type"), Some("application/problem+json"));
    let seconds: u64 = answer.field("retry-after").expect("Retry-After").parse().expect("seconds");
    assert!((1..=2).contains(&seconds), "{seconds}");
    let remaining = answer.field("ratelimit").expect("RateLimit");
    assert!(remaining.starts_with("\"basic\"") && remaining.contains("r=0"), "{remaining}");
    let policy = answer.field("ratelimit-policy").expect("RateLimit-Policy");
    assert!(policy.starts_with("\"basic\"") && policy.contains("q=2"), "{policy}");
    gateway.expect_metric("tollgate_throttled_total", &[("plan", "basic"), ("reason", "rate")], 1.0);
}

#[test]
fn a_quota_is_exact_and_what_is_refused_does_not_count() {
    let gateway = Gateway::start(&shop("quota = { limit = 25, period = \"month\" }"), &[]);
    assert_eq!(admitted(&gateway, "/shop/prod/a", ALICE, 40), 25);
    let answer = gateway.ask(&get("/shop/prod/a").key(ALICE)).expect(429);
    assert_eq!(answer.code(), "quota_exceeded");
    assert!(answer.field("retry-after").is_some());
    assert_eq!(gateway.usage("alice", "basic", "used"), 25);
    assert_eq!(admitted(&gateway, "/shop/prod/a", BOB, 5), 5);
    assert_eq!(gateway.usage("bob", "basic", "used"), 5);
    gateway.expect_metric("tollgate_throttled_total", &[("plan", "basic"), ("reason", "quota")], 16.0);
}

#[test]
fn a_request_refused_for_its_rate_spends_no_quota() {
    let plan = "throttle = { rate = 0.01, burst = 3 }\nquota = { limit = 100, period = \"month\" }";
    let gateway = Gateway::start(&shop(plan), &[]);
    assert_eq!(admitted(&gateway, "/shop/prod/a", ALICE, 30), 3);
    assert_eq!(gateway.usage("alice", "basic", "used"), 3);
}

#[test]
fn an_offset_is_taken_off_the_first_period() {
    let gateway = Gateway::start(&shop("quota = { limit = 10, period = \"month\", offset = 4 }"), &[]);
    assert_eq!(admitted(&gateway, "/shop/prod/a", ALICE, 12), 6);
}

#[test]
fn a_quota_survives_an_orderly_restart_to_the_request() {
    let mut gateway = Gateway::start(&shop("quota = { limit = 50, period = \"month\" }"), &[]);
    assert_eq!(admitted(&gateway, "/shop/prod/a", ALICE, 30), 30);
    assert!(gateway.terminate().success());
    gateway.restart();
    assert_eq!(gateway.usage("alice", "basic", "used"), 30);
    assert_eq!(admitted(&gateway, "/shop/prod/a", ALICE, 30), 20);
}

#[test]
fn a_quota_holds_through_a_kill_and_loses_at_most_two_small_reservations() {
    const LIMIT: u64 = 1000;
    const RESERVATION: u64 = LIMIT / 200;
    let mut gateway = Gateway::start(&shop("quota = { limit = 1000, period = \"month\" }"), &[]);
    let address = Mutex::new(gateway.http());
    let (answered, broken) = (AtomicU64::new(0), AtomicU64::new(0));
    let is_over = AtomicBool::new(false);
    let client = || {
        let wish = get("/shop/prod/a").key(ALICE);
        while !is_over.load(Ordering::SeqCst) {
            let now = *address.lock().unwrap();
            let Ok(mut wire) = Wire::try_open(now) else { continue };
            loop {
                match wire.try_ask(&wish).map(|answer| answer.status) {
                    Ok(200) => answered.fetch_add(1, Ordering::SeqCst),
                    Ok(status) => {
                        assert_eq!(status, 429);
                        is_over.store(true, Ordering::SeqCst);
                        return;
                    }
                    // Sent and perhaps counted, but the answer died with the gateway.
                    Err(_) => {
                        broken.fetch_add(1, Ordering::SeqCst);
                        break;
                    }
                };
            }
        }
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..8).map(|_| scope.spawn(client)).collect();
        eventually("the clients are in full swing", || answered.load(Ordering::SeqCst) > 400);
        gateway.kill9();
        gateway.restart();
        *address.lock().unwrap() = gateway.http();
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
    let (answered, broken) = (answered.into_inner(), broken.into_inner());
    assert!(answered <= LIMIT, "{answered} of {LIMIT}");
    assert!(answered + broken >= LIMIT - 2 * RESERVATION, "{answered} answered and {broken} broken of {LIMIT}");
}

#[test]
fn a_spent_quota_is_extended_through_the_admin_api() {
    let gateway = Gateway::start(&shop("quota = { limit = 5, period = \"month\" }"), &[]);
    assert_eq!(admitted(&gateway, "/shop/prod/a", ALICE, 8), 5);
    gateway.command("/v1/usage/extend", &json!({ "key": "alice", "plan": "basic", "requests": 3 }));
    assert_eq!(admitted(&gateway, "/shop/prod/a", ALICE, 8), 3);
}

#[test]
fn a_rate_of_zero_admits_nobody_and_a_fraction_is_a_rate() {
    let gateway = Gateway::start(&shop("throttle = { rate = 0, burst = 0 }"), &[]);
    assert_eq!(admitted(&gateway, "/shop/prod/a", ALICE, 3), 0);
    gateway.change(&shop("throttle = { rate = 4.5, burst = 1 }"), &[]);
    eventually("a fraction of a second brings a request", || admitted(&gateway, "/shop/prod/a", ALICE, 1) == 1);
}

#[test]
fn an_answer_from_the_cache_counts_like_any_other() {
    let config = r#"
        [apis.shop]
        routes = [{ method = "GET", path = "/a", api_key_required = true, integration = { type = "HTTP_PROXY", uri = "http://@1/a" } }]
        [apis.shop.stages.prod]
        cache = { enabled = true }
        [usage_plans.basic]
        stages = ["shop/prod"]
        quota = { limit = 4, period = "month" }
        [api_keys.alice]
        value = "alice-0123456789-0123456789"
        usage_plans = ["basic"]
    "#;
    let origin = Origin::text("a");
    let gateway = Gateway::start(config, &[&origin]);
    assert_eq!(admitted(&gateway, "/shop/prod/a", ALICE, 10), 4);
    assert_eq!(origin.requests(), 1);
}
