//! HTTP/2 from clients that mean harm: they are sent away and counted, and honest clients notice nothing.

use std::time::{Duration, Instant};

use crate::house::frames::{self, Frames, fields_of, frame, head};
use crate::house::{Gateway, Origin, Streams, eventually, get, post};

const FRONT: &str = r#"
[server]
listen = [{ address = "127.0.0.1:0", h2 = true }]
threads = 1
[server.limits]
{LIMITS}

[apis.front]
routes = [
    { method = "ANY", path = "/pass/{proxy+}", integration = { type = "HTTP_PROXY", uri = "http://@1/{proxy}" } },
    { method = "ANY", path = "/mock", integration = { type = "MOCK", body = "mock" } },
    { method = "GET", path = "/large", cache = { ttl = "300s" }, integration = { type = "HTTP_PROXY", uri = "http://@1/large" } },
]
[apis.front.stages.prod]
cache = { enabled = true, size = "16MiB" }
"#;

const MOCK: &str = "/front/prod/mock";

fn front(limits: &str, origin: &Origin) -> Gateway {
    Gateway::start(&FRONT.replace("{LIMITS}", limits), &[origin])
}

fn resident_kib(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a figure");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Sends what `attack` makes until the gateway has enough, while an honest client asks beside. Memory stays as it was
/// and the flood is counted under `reason`; `None`: the framer counts it as an error.
#[track_caller]
fn check_flood(reason: Option<&str>, attack: impl Fn(u32) -> Vec<u8>) {
    let gateway = front("", &Origin::text("ok"));
    let honest = Streams::open(gateway.http());
    honest.ask(&get(MOCK)).expect(200);
    let before = resident_kib(&gateway);
    let mut frames = Frames::open(gateway.http(), &[]);
    let (mut sent, mut slowest) = (0, Duration::ZERO);
    while frames.write(&attack(sent)) {
        sent += 1;
        assert!(sent < 200_000, "the gateway bears it for ever");
        if sent % 500 == 0 {
            let asked = Instant::now();
            honest.ask(&get(MOCK)).expect(200);
            slowest = slowest.max(asked.elapsed());
        }
    }
    assert_eq!(frames.goodbye(), Some(frames::ENHANCE_YOUR_CALM), "after {sent}");
    assert!(slowest < Duration::from_secs(2), "an honest client waits for {slowest:?}");
    let grown = resident_kib(&gateway).saturating_sub(before);
    assert!(grown < 16 << 10, "memory has grown by {grown} KiB");
    if let Some(reason) = reason {
        gateway.expect_metric("tollgate_connections_cut_total", &[("reason", reason)], 1.0);
    }
    let labels = [("scope", "connection"), ("code", "enhance_your_calm")];
    gateway.expect_metric("tollgate_http2_errors_total", &labels, 1.0);
    honest.ask(&get(MOCK)).expect(200);
    eventually("the connection is closed", || gateway.metric("tollgate_connections", &[]) == 1.0);
}

#[test]
fn a_flood_of_pings_ends_the_connection() {
    check_flood(Some("control_frames"), |_| frame(frames::PING, 0, 0, b"pingping"));
}

#[test]
fn a_flood_of_settings_ends_the_connection() {
    check_flood(Some("control_frames"), |_| frame(frames::SETTINGS, 0, 0, &[]));
}

#[test]
fn a_flood_of_priorities_ends_the_connection() {
    check_flood(Some("control_frames"), |n| frame(frames::PRIORITY, 0, 2 * n + 1, &[0, 0, 0, 0, 7]));
}

#[test]
fn a_flood_of_frames_that_nobody_knows_ends_the_connection() {
    check_flood(Some("control_frames"), |_| frame(0xee, 0, 0, b"what"));
}

#[test]
fn streams_that_are_opened_to_be_reset_end_the_connection() {
    // CVE-2023-44487, whichever of the two budgets is spent first: the framer has one of its own.
    let cancelled = |n: u32| {
        let head = frame(frames::HEADERS, frames::END_STREAM | frames::END_HEADERS, 2 * n + 1, &head("GET", MOCK, &[]));
        [head, frame(frames::RST_STREAM, 0, 2 * n + 1, &[0, 0, 0, 8])].concat()
    };
    check_flood(None, cancelled);
}

#[test]
fn streams_that_the_gateway_is_made_to_reset_end_the_connection() {
    // CVE-2025-8671: a window that is opened too wide is an error of the stream, whose request is at the back end.
    check_flood(None, |n| {
        let stream = 2 * n + 1;
        let head = frame(frames::HEADERS, frames::END_HEADERS, stream, &head("POST", "/front/prod/pass/x", &[]));
        [head, frame(frames::WINDOW_UPDATE, 0, stream, &[0x7f, 0xff, 0xff, 0xff])].concat()
    });
}

#[test]
fn a_head_that_is_continued_for_ever_ends_the_connection() {
    // CVE-2024-27316
    check_flood(None, |n| match n {
        0 => frame(frames::HEADERS, frames::END_STREAM, 1, &head("GET", MOCK, &[])),
        _ => frame(frames::CONTINUATION, 0, 1, &fields_of(&[("x-a", "b")])),
    });
}

#[test]
fn a_body_of_empty_frames_ends_the_connection() {
    check_flood(None, |n| match n {
        0 => frame(frames::HEADERS, frames::END_HEADERS, 1, &head("POST", "/front/prod/pass/x", &[])),
        _ => frame(frames::DATA, 0, 1, &[]),
    });
}

#[test]
fn a_list_of_fields_that_unpacks_to_much_more_ends_the_connection() {
    let gateway = front("", &Origin::text("ok"));
    let mut frames = Frames::open(gateway.http(), &[]);
    let large = "v".repeat(3000);
    let remembered = [&[0x40][..], &fields_of(&[("x-large", &large)])[1..]].concat();
    // What was remembered just now, as often as fits.
    let bomb = [head("GET", MOCK, &[]), remembered, vec![0xbe; 10_000]].concat();
    frames.send(frames::HEADERS, frames::END_STREAM | frames::END_HEADERS, 1, &bomb);
    assert_eq!(frames.goodbye(), Some(frames::ENHANCE_YOUR_CALM));
    gateway.get(MOCK).expect(200);
}

/// A client that takes no answer gets its time for one, and goes.
#[track_caller]
fn check_unread(path: &str, open_window: impl Fn(&mut Frames)) {
    let large = vec![b'x'; 300_000];
    let origin = Origin::start(move |seen, out| match seen.target.as_str() {
        "/large" => out.answer(200, &[], &large),
        _ => out.text("ok"),
    });
    let gateway = front("idle_timeout = \"300ms\"\nbody_timeout = \"500ms\"", &origin);
    // SETTINGS_INITIAL_WINDOW_SIZE = 0
    let mut frames = Frames::open(gateway.http(), &[0, 4, 0, 0, 0, 0]);
    for n in 0..20 {
        frames.get(2 * n + 1, path);
    }
    let opened = Instant::now();
    while opened.elapsed() < Duration::from_secs(15) && gateway.metric("tollgate_connections", &[]) > 0.0 {
        open_window(&mut frames);
    }
    eventually("the connection is closed", || gateway.metric("tollgate_connections", &[]) == 0.0);
    gateway.get(MOCK).expect(200);
}

#[test]
fn a_window_that_stays_shut_holds_a_connection_for_no_longer_than_patience() {
    check_unread(MOCK, |_| {});
    check_unread("/front/prod/large", |_| {});
}

#[test]
fn a_window_that_is_opened_byte_by_byte_holds_a_connection_for_no_longer_than_patience() {
    for path in ["/front/prod/large", "/front/prod/pass/large"] {
        check_unread(path, |frames| {
            for n in 0..20 {
                frames.send(frames::WINDOW_UPDATE, 0, 2 * n + 1, &[0, 0, 0, 1]);
            }
        });
    }
}

#[test]
fn a_head_that_the_framer_refuses_is_counted_and_logged() {
    let gateway = front("", &Origin::text("ok"));
    let long = "v".repeat(20_000);
    let mut frames = Frames::open(gateway.http(), &[]);
    // Over what the framer takes: it answers 431 by itself.
    let block = head("GET", MOCK, &[("x-a", &long), ("x-b", &long)]);
    let (first, rest) = block.split_at(16_000);
    frames.send(frames::HEADERS, frames::END_STREAM, 1, first);
    for (at, piece) in rest.chunks(16_000).enumerate() {
        let is_last = (at + 1) * 16_000 >= rest.len();
        frames.send(frames::CONTINUATION, if is_last { frames::END_HEADERS } else { 0 }, 1, piece);
    }
    frames.wait_for(|frame| frame.kind == frames::HEADERS && frame.stream == 1);
    gateway.expect_metric("tollgate_refusals_total", &[("code", "headers_too_large")], 1.0);
    gateway.expect_metric("tollgate_requests_total", &[("status", "431")], 1.0);
    frames.get(3, MOCK);
    frames.wait_for(|frame| frame.stream == 3 && frame.begins_with_status(200));
    eventually("it is in the log", || gateway.access_log().iter().any(|line| line.contains("refused by the framer")));
}

/// What no name or value can hold: the framer gives up the connection, since its table of fields may be in doubt.
const BROKEN: &[&str] = &[
    "an upper-case name",
    "a carriage return in a value",
    "a line feed in a value",
    "a NUL in a value",
    "an odd name",
    "an unknown pseudo-field",
];

#[test]
fn a_malformed_head_is_refused_whoever_notices_and_counted() {
    let gateway = front("", &Origin::text("ok"));
    let whole = [(":method", "GET"), (":scheme", "http"), (":path", MOCK), (":authority", "gateway.test")];
    let with = |field: (&'static str, &'static str)| [&whole[..], &[field]].concat();
    let without = |name: &str| whole.iter().copied().filter(|(n, _)| *n != name).collect::<Vec<_>>();
    let cases = [
        ("an upper-case name", with(("X-A", "b"))),
        ("connection", with(("connection", "close"))),
        ("keep-alive", with(("keep-alive", "1"))),
        ("proxy-connection", with(("proxy-connection", "close"))),
        ("transfer-encoding", with(("transfer-encoding", "chunked"))),
        ("upgrade", with(("upgrade", "h2c"))),
        ("te other than trailers", with(("te", "gzip"))),
        ("a carriage return in a value", with(("x-a", "a\rb"))),
        ("a line feed in a value", with(("x-a", "a\nb"))),
        ("a NUL in a value", with(("x-a", "a\0b"))),
        ("an odd name", with(("x a", "b"))),
        ("another host", with(("host", "other.test"))),
        ("two authorities", with((":authority", "gateway.test"))),
        ("two methods", with((":method", "GET"))),
        ("two paths", with((":path", MOCK))),
        ("an unknown pseudo-field", with((":odd", "x"))),
        ("a status", with((":status", "200"))),
        ("no method", without(":method")),
        ("no scheme", without(":scheme")),
        ("no path", without(":path")),
        ("no authority", without(":authority")),
        ("a pseudo-field at the end", [&without(":path")[..], &[("x-a", "b"), (":path", MOCK)]].concat()),
        ("a length of two numbers", with(("content-length", "1, 1"))),
        ("a length with a sign", with(("content-length", "+0"))),
        ("a length misspelt", with(("content_length", "3"))),
        ("a body that was announced and does not come", with(("content-length", "5"))),
    ];
    let count = cases.len() as f64;
    for (what, fields) in cases {
        let mut frames = Frames::open(gateway.http(), &[]);
        frames.send(frames::HEADERS, frames::END_STREAM | frames::END_HEADERS, 1, &fields_of(&fields));
        let refused =
            frames.wait_for(|frame| matches!(frame.kind, frames::HEADERS | frames::RST_STREAM | frames::GOAWAY));
        match refused.kind {
            frames::HEADERS => assert!(refused.begins_with_status(400), "{what}: {refused:?}"),
            _ => assert_eq!(refused.error(), frames::PROTOCOL_ERROR, "{what}"),
        }
        if refused.kind == frames::GOAWAY {
            assert!(BROKEN.contains(&what), "{what} is no reason to end the whole connection");
            continue;
        }
        // The other streams go on.
        frames.get(3, MOCK);
        frames.wait_for(|frame| frame.stream == 3 && frame.begins_with_status(200));
    }
    gateway.expect_metric("tollgate_refusals_total", &[("code", "malformed_request")], count);
}

#[test]
fn a_body_that_is_not_as_long_as_announced_reaches_nobody_whole() {
    let origin = Origin::echo();
    let gateway = front("", &origin);
    for (data, is_end) in [(&b"too much of it"[..], true), (b"few", true)] {
        let mut frames = Frames::open(gateway.http(), &[]);
        let fields = head("POST", "/front/prod/pass/x", &[("content-length", "5")]);
        frames.send(frames::HEADERS, frames::END_HEADERS, 1, &fields);
        frames.send(frames::DATA, if is_end { frames::END_STREAM } else { 0 }, 1, data);
        let refused = frames.wait_for(|frame| frame.stream == 1 && frame.kind == frames::RST_STREAM);
        assert_eq!(refused.error(), frames::PROTOCOL_ERROR);
    }
    gateway.ask(&post("/front/prod/pass/x", "fives")).expect(200);
    assert_eq!(origin.requests(), 1, "only the honest one");
}

#[test]
fn a_connection_of_streams_has_no_more_requests_than_it_may() {
    let gateway = front("requests_per_connection_max = 3", &Origin::text("ok"));
    let mut frames = Frames::open(gateway.http(), &[]);
    for stream in [1, 3] {
        frames.get(stream, MOCK);
        frames.wait_for(|frame| frame.stream == stream && frame.begins_with_status(200));
    }
    frames.get(5, MOCK);
    assert_eq!(frames.goodbye(), Some(frames::NO_ERROR));
}

#[test]
fn a_head_that_is_begun_and_not_ended_is_no_reason_to_stay() {
    let gateway = front("idle_timeout = \"300ms\"", &Origin::text("ok"));
    let mut frames = Frames::open(gateway.http(), &[]);
    frames.send(frames::HEADERS, frames::END_STREAM, 1, &head("GET", MOCK, &[]));
    assert_eq!(frames.goodbye(), Some(frames::NO_ERROR));
}

#[test]
fn a_body_that_trickles_is_too_slow_on_the_whole() {
    let origin = Origin::echo();
    let gateway = front("body_timeout = \"500ms\"\nbody_rate_min = \"1KB\"", &origin);
    let mut frames = Frames::open(gateway.http(), &[]);
    frames.send(frames::HEADERS, frames::END_HEADERS, 1, &head("POST", "/front/prod/pass/x", &[]));
    eventually("it is refused", || {
        frames.send(frames::DATA, 0, 1, b"x");
        gateway.metric("tollgate_refusals_total", &[("code", "request_timeout")]) == 1.0
    });
    frames.wait_for(|frame| frame.stream == 1 && frame.kind == frames::HEADERS);
    assert_eq!(origin.requests(), 0, "the back end got a whole request");
}
