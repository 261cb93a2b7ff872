//! A gateway that is told to stop: it says so first, ends what is in flight, and refuses what it cannot end.

use std::net::TcpStream;

use crate::house::{Gate, Gateway, Origin, Request, Streams, Wire, eventually, get};

fn front(server: &str) -> String {
    format!(
        r#"
[server]
listen = [{{ address = "127.0.0.1:0", h2 = true }}]
threads = 2
{server}
[apis.front]
routes = [
    {{ method = "GET", path = "/mock", integration = {{ type = "MOCK", body = "here" }} }},
    {{ method = "GET", path = "/cached/{{path+}}", cache = {{ ttl = "60s" }}, integration = {{ type = "HTTP_PROXY", uri = "http://@1/{{path}}" }} }},
    {{ method = "ANY", path = "/pass/{{path+}}", cache = {{ enabled = false }}, integration = {{ type = "HTTP_PROXY", uri = "http://@1/{{path}}" }} }},
]
[apis.front.stages.prod]
cache = {{ enabled = true }}
"#
    )
}

/// A back end that answers when the gate opens.
fn behind(gate: &Gate) -> Origin {
    let gate = gate.clone();
    Origin::start(move |_, out| {
        gate.wait();
        out.text("in time");
    })
}

#[test]
fn balancers_are_told_before_anybody_is_turned_away() {
    let mut gateway = Gateway::start(&front("drain_delay = \"60s\""), &[&Origin::mirror()]);
    let mut kept = gateway.connect();
    assert_eq!(kept.ask(&get("/front/prod/mock")).expect(200).field("connection"), None);
    gateway.admin(get("/readyz")).expect(200);
    gateway.signal("-TERM");
    eventually("the gateway says that it is not ready", || gateway.admin(get("/readyz")).status == 503);
    for target in ["/front/prod/mock", "/front/prod/pass/a"] {
        let answer = gateway.get(target).expect(200);
        assert_eq!(answer.field("connection"), Some("close"), "clients are led elsewhere");
    }
    assert_eq!(kept.ask(&get("/front/prod/mock")).expect(200).field("connection"), Some("close"));
    assert!(kept.is_closed());
    gateway.signal("-TERM");
    assert_eq!(gateway.exit_status().code(), Some(0), "a second signal means now");
}

#[test]
fn a_terminal_does_not_wait_for_balancers() {
    let mut gateway = Gateway::start(&front("drain_delay = \"60s\""), &[&Origin::mirror()]);
    gateway.signal("-INT");
    assert_eq!(gateway.exit_status().code(), Some(0));
}

#[test]
fn while_the_last_requests_end_nobody_new_is_accepted() {
    let gate = Gate::default();
    let origin = behind(&gate);
    let mut gateway = Gateway::start(&front("drain_delay = \"0s\""), &[&origin]);
    let (mut busy, mut idle) = (gateway.connect(), gateway.connect());
    idle.ask(&get("/front/prod/mock")).expect(200);
    busy.send(get("/front/prod/pass/a").bytes());
    eventually("the back end is asked", || origin.heads() == 1);
    gateway.signal("-TERM");
    eventually("new connections are refused", || TcpStream::connect(gateway.http()).is_err());
    assert!(idle.is_closed());
    gate.open();
    let answer = busy.read().expect(200);
    assert_eq!((answer.text(), answer.field("connection")), ("in time", Some("close")));
    assert_eq!(gateway.exit_status().code(), Some(0));
}

/// A request whose back end does not answer, and how the gateway is told to stop.
#[track_caller]
fn check_refused(server: &str, stop: impl Fn(&Gateway)) {
    check_refused_as(&get("/front/prod/pass/a"), server, stop);
}

/// The same with another request.
#[track_caller]
fn check_refused_as(request: &Request, server: &str, stop: impl Fn(&Gateway)) {
    let gate = Gate::default();
    let origin = behind(&gate);
    let mut gateway = Gateway::start(&front(server), &[&origin]);
    let mut busy = gateway.connect();
    busy.send(request.bytes());
    eventually("the back end is asked", || origin.heads() == 1);
    stop(&gateway);
    let answer = busy.read().expect(503);
    assert_eq!((&*answer.code(), answer.field("connection")), ("unavailable", Some("close")));
    assert!(busy.is_closed());
    assert_eq!(gateway.exit_status().code(), Some(0));
    let log = gateway.log_of(answer.field("x-request-id").expect("an id"));
    assert_eq!(log["status"], 503, "what is refused at the end is logged: {log}");
    gate.open();
}

#[test]
fn what_is_not_answered_when_the_drain_is_over_is_refused() {
    check_refused("drain_delay = \"0s\"\ndrain = \"200ms\"", |gateway| gateway.signal("-TERM"));
}

const SHORTLY: &str = "drain_delay = \"0s\"\ndrain = \"200ms\"";

#[test]
fn what_a_shared_fetch_or_a_session_of_the_full_lane_is_to_answer_is_refused_too() {
    let stop = |gateway: &Gateway| gateway.signal("-TERM");
    check_refused_as(&get("/front/prod/cached/a"), SHORTLY, stop);
    check_refused_as(&get("/front/prod/pass/a").header("Expect", "100-continue"), SHORTLY, stop);
}

#[test]
fn streams_that_are_not_answered_when_the_drain_is_over_are_refused_and_the_connection_ends_well() {
    for path in ["/front/prod/pass/a", "/front/prod/cached/a"] {
        let gate = Gate::default();
        let origin = behind(&gate);
        let mut gateway = Gateway::start(&front(SHORTLY), &[&origin]);
        let streams = Streams::open(gateway.http());
        let busy = streams.start(get(path).stream().0, false);
        eventually("the back end is asked", || origin.heads() == 1);
        gateway.signal("-TERM");
        let answer = streams.finish(busy.answer).expect("an answer").expect(503);
        assert_eq!(answer.code(), "unavailable");
        assert!(streams.ends_in_peace(), "{path}");
        assert_eq!(gateway.exit_status().code(), Some(0));
        gate.open();
    }
}

#[test]
fn a_second_signal_ends_the_drain() {
    check_refused("drain_delay = \"0s\"\ndrain = \"1h\"", |gateway| {
        gateway.signal("-TERM");
        eventually("it stops", || gateway.stderr().contains("draining"));
        gateway.signal("-TERM");
    });
}

#[test]
fn an_answer_that_has_begun_is_cut_and_not_completed_falsely() {
    let gate = Gate::default();
    let at_the_gate = gate.clone();
    let origin = Origin::start(move |_, out| {
        out.head(200, &[("Content-Length", "10")]);
        out.raw("begun");
        at_the_gate.wait();
    });
    let mut gateway = Gateway::start(&front("drain_delay = \"0s\"\ndrain = \"200ms\""), &[&origin]);
    let mut busy: Wire = gateway.connect();
    busy.send(get("/front/prod/pass/a").bytes());
    let mut answer = busy.read_head().expect(200);
    gateway.signal("-TERM");
    assert!(busy.try_read_body(&mut answer).is_err(), "it must not look whole");
    assert_eq!(gateway.exit_status().code(), Some(0));
    gate.open();
}
