//! More than the gateway may carry is turned away in words, in a fair order, and the gateway recovers by itself.

use std::thread;

use crate::house::{Answer, Gate, Gateway, Origin, Wire, eventually, get};

fn config(limits: &str) -> String {
    format!(
        r#"
[server]
listen = [{{ address = "127.0.0.1:0", h2 = true }}]
threads = 2
[server.limits]
{limits}

[apis.shop]
routes = [
    {{ method = "GET", path = "/open", integration = {{ type = "MOCK", body = "open" }} }},
    {{ method = "GET", path = "/pass", integration = {{ type = "HTTP_PROXY", uri = "http://@1/" }} }},
]
[apis.shop.stages.prod]
"#
    )
}

const OPEN: &str = "/shop/prod/open";

#[track_caller]
fn check_shed(answer: Answer) {
    let answer = answer.expect(503);
    assert_eq!((answer.code().as_str(), answer.field("retry-after")), ("unavailable", Some("1")));
}

#[track_caller]
fn readiness(gateway: &Gateway) -> String {
    gateway.admin(get("/readyz?verbose")).expect(200).text().to_owned()
}

#[test]
fn connections_over_the_limit_are_turned_away_and_let_in_again() {
    let gateway = Gateway::start(&config("connections_max = 4"), &[&Origin::text("ok")]);
    assert!(readiness(&gateway).contains("[+] load: ok"));
    let mut kept: Vec<Wire> = (0..4).map(|_| gateway.connect()).collect();
    // Who is answered has taken its seat.
    kept.iter_mut().for_each(|wire| drop(wire.ask(&get(OPEN)).expect(200)));
    let mut refused = gateway.connect();
    check_shed(refused.ask(&get(OPEN)));
    assert!(refused.is_closed());
    assert!(readiness(&gateway).contains("connections_max"));
    kept.iter_mut().for_each(|wire| drop(wire.ask(&get(OPEN)).expect(200)));
    assert!(gateway.metric("tollgate_shed_total", &[]) >= 1.0);
    drop(kept);
    eventually("there is room again", || gateway.metric("tollgate_connections", &[]) == 0.0);
    gateway.get(OPEN).expect(200);
}

#[test]
fn a_client_of_http_2_that_is_turned_away_is_told_in_its_own_words() {
    use crate::house::frames::{ENHANCE_YOUR_CALM, Frames};
    let gateway = Gateway::start(&config("connections_per_address_max = 1"), &[&Origin::text("ok")]);
    let mut kept = gateway.connect();
    kept.ask(&get(OPEN)).expect(200);
    assert_eq!(Frames::open(gateway.http(), &[]).goodbye(), Some(ENHANCE_YOUR_CALM));
    gateway.expect_metric("tollgate_shed_total", &[("reason", "address")], 1.0);
}

#[test]
fn an_address_has_no_more_connections_than_it_may() {
    let gateway = Gateway::start(&config("connections_per_address_max = 2"), &[&Origin::text("ok")]);
    let mut kept: Vec<Wire> = (0..2).map(|_| gateway.connect()).collect();
    kept.iter_mut().for_each(|wire| drop(wire.ask(&get(OPEN)).expect(200)));
    check_shed(gateway.get(OPEN));
    gateway.expect_metric("tollgate_shed_total", &[("reason", "address")], 1.0);
    drop(kept.pop());
    eventually("a seat is free", || gateway.metric("tollgate_connections", &[]) == 1.0);
    gateway.get(OPEN).expect(200);
}

#[test]
fn a_connection_has_no_more_requests_than_it_may() {
    let gateway = Gateway::start(&config("requests_per_connection_max = 3"), &[&Origin::text("ok")]);
    for target in [OPEN, "/shop/prod/pass", "/shop/prod/nothing"] {
        let mut wire = gateway.connect();
        for number in 1..=3 {
            let answer = wire.ask(&get(target));
            assert_eq!(answer.announces_close(), number == 3, "{target} {number}");
        }
        assert!(wire.is_closed());
    }
}

#[test]
fn requests_over_the_limit_are_shed_new_connections_before_kept_ones() {
    let gate = Gate::default();
    let at_the_gate = gate.clone();
    let origin = Origin::start(move |_, out| {
        at_the_gate.wait();
        out.text("answered");
    });
    let gateway = Gateway::start(&config("in_flight_max = 8"), &[&origin]);
    // A client has its answer before its request is over.
    let over =
        |times| gateway.expect_metric("tollgate_requests_total", &[("route", "/open"), ("status", "200")], times);
    let mut kept = gateway.connect();
    kept.ask(&get(OPEN)).expect(200);
    over(1.0);
    let asked: Vec<_> = (0..7)
        .map(|_| {
            let mut wire = gateway.connect();
            thread::spawn(move || wire.ask(&get("/shop/prod/pass")))
        })
        .collect();
    eventually("seven are in flight", || origin.heads() == 7);
    let mut new = gateway.connect();
    check_shed(new.ask(&get(OPEN)));
    kept.ask(&get(OPEN)).expect(200);
    over(2.0);
    new.ask(&get(OPEN)).expect(200);
    over(3.0);
    let last = thread::spawn(move || kept.ask(&get("/shop/prod/pass")));
    eventually("eight are in flight", || origin.heads() == 8);
    check_shed(new.ask(&get(OPEN)));
    gateway.expect_metric("tollgate_shed_total", &[("reason", "in_flight")], 2.0);
    gateway.expect_metric("tollgate_refusals_total", &[("code", "unavailable")], 2.0);
    assert!(readiness(&gateway).contains("in_flight_max"), "the probes are never shed");
    gate.open();
    asked.into_iter().chain([last]).for_each(|asked| drop(asked.join().expect("an answer").expect(200)));
    gateway.get(OPEN).expect(200);
}

#[test]
fn memory_over_its_limit_sheds_until_there_is_more() {
    let origin = Origin::text("ok");
    let gateway = Gateway::start(&config("memory_max = \"1MiB\""), &[&origin]);
    eventually("a sample was taken", || gateway.get(OPEN).status == 503);
    check_shed(gateway.get(OPEN));
    assert!(gateway.metric("tollgate_shed_total", &[("reason", "memory")]) >= 2.0);
    assert!(readiness(&gateway).contains("memory_max"));
    gateway.change(&config("memory_max = \"8GiB\""), &[&origin]);
    eventually("it recovers", || gateway.get(OPEN).status == 200);
}
