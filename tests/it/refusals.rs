//! How the gateway says no: the documents, the ids, the limits, and what becomes of the connection.

use std::thread;
use std::time::{Duration, Instant};

use crate::house::{Answer, Gateway, Origin, Wire, eventually, get, post, request};

/// The second listener is in TLS.
const LISTEN: &str = r#"
[server]
listen = ["127.0.0.1:0", { address = "127.0.0.1:0", tls = { cert = "cert.pem", key = "key.pem" } }]
threads = 2
"#;

const SHOP: &str = r#"
[server.limits]
head = "10240B"
body = "1000B"

[apis.shop]
routes = [
    { method = "GET",  path = "/open",   integration = { type = "MOCK", body = "open" } },
    { method = "POST", path = "/upload", integration = { type = "HTTP_PROXY", uri = "http://@1/upload" } },
    { method = "POST", path = "/large",  body_limit = "2000B", integration = { type = "HTTP_PROXY", uri = "http://@1/large" } },
    { method = "GET",  path = "/locked", api_key_required = true, integration = { type = "MOCK" } },
    { method = "GET",  path = "/spent",  throttle = { rate = 0, burst = 0 }, integration = { type = "MOCK" } },
    { method = "GET",  path = "/dead",   integration = { type = "HTTP_PROXY", uri = "http://{NOBODY}/" } },
]
[apis.shop.stages.prod]
"#;

fn start(origin: &Origin) -> Gateway {
    Gateway::start(&(LISTEN.to_owned() + &SHOP.replace("{NOBODY}", &Origin::nobody())), &[origin])
}

/// A connection in plaintext, then one in TLS.
fn both(gateway: &Gateway) -> impl Iterator<Item = (&'static str, Wire)> {
    let connect = |way| if way == "TLS" { Wire::open_tls(gateway.listeners()[1]) } else { gateway.connect() };
    ["plaintext", "TLS"].into_iter().map(move |way| (way, connect(way)))
}

/// A problem document as RFC 9457 section 3 has it, and ours.
#[track_caller]
fn check_problem(answer: &Answer, code: &str) {
    assert_eq!(answer.field("content-type"), Some("application/problem+json"));
    let problem = answer.json();
    assert_eq!(problem["code"], code);
    assert_eq!(problem["status"], answer.status);
    assert!(problem["type"].as_str().is_some_and(|uri| uri.contains(code)), "{problem}");
    for member in ["title", "detail"] {
        assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{member} in {problem}");
    }
    assert_eq!(problem["request_id"].as_str(), answer.field("x-request-id"), "{problem}");
}

#[test]
fn every_refusal_is_a_problem_document_with_its_status_and_keeps_the_connection() {
    let origin = Origin::echo();
    let gateway = start(&origin);
    let mut wire = gateway.connect();
    let cases = [
        (get("/nowhere/prod/open"), 404, "unknown_stage"),
        (get("/shop/prod/nothing"), 404, "unknown_route"),
        (request("PUT", "/shop/prod/open"), 405, "method_not_allowed"),
        (get("/shop/prod/locked"), 401, "missing_api_key"),
        (get("/shop/prod/locked").key("nobody-0123456789-0123456789"), 401, "unknown_api_key"),
        (get("/shop/prod/spent"), 429, "route_throttled"),
        (get("/shop/prod/dead"), 502, "back_end_failed"),
        (post("/shop/prod/nothing", "a body that nobody reads"), 404, "unknown_route"),
        (get("/shop/prod/%00"), 400, "malformed_request"),
    ];
    for (wish, status, code) in cases {
        let answer = wire.ask(&wish).expect(status);
        check_problem(&answer, code);
        assert_ne!(answer.field("connection"), Some("close"), "{code} closes the connection");
    }
    assert_eq!(wire.ask(&get("/shop/prod/open")).expect(200).text(), "open");
    assert_eq!(origin.requests(), 0);
}

#[test]
fn a_refused_head_request_has_no_body() {
    let gateway = start(&Origin::echo());
    let mut wire = gateway.connect();
    wire.ask(&request("HEAD", "/shop/prod/nothing")).expect(404);
    wire.ask(&get("/shop/prod/open")).expect(200);
}

#[test]
fn a_well_formed_request_id_is_kept_and_any_other_replaced() {
    let origin = Origin::echo();
    let gateway = start(&origin);
    let id_of = |sent: &str| {
        let answer = gateway.ask(&get("/shop/prod/open").header("X-Request-Id", sent));
        answer.expect(200).field("x-request-id").expect("every answer has an id").to_owned()
    };
    assert_eq!(id_of("req-2026.01:7"), "req-2026.01:7");
    for replaced in ["short", "with spaces in it", &"a".repeat(65), "quotes\"and<tags>"] {
        let id = id_of(replaced);
        assert_ne!(id, replaced);
        assert_eq!((id.len(), id.as_bytes()[14]), (36, b'7'), "a UUIDv7: {id}");
    }
    gateway.ask(&post("/shop/prod/upload", "x").header("X-Request-Id", "seen-by-back-end")).expect(200);
    assert_eq!(origin.last().field("x-request-id"), Some("seen-by-back-end"));
}

#[test]
fn a_body_over_the_limit_is_refused_with_413_before_the_back_end_sees_it() {
    let origin = Origin::echo();
    let gateway = start(&origin);
    gateway.ask(&post("/shop/prod/upload", vec![b'x'; 1000])).expect(200);
    gateway.ask(&post("/shop/prod/large", vec![b'x'; 2000])).expect(200);
    assert_eq!(origin.requests(), 2);
    for (target, size) in [("/shop/prod/upload", 1001), ("/shop/prod/large", 2001), ("/shop/prod/upload", 1 << 30)] {
        let mut wire = gateway.connect();
        wire.send(format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"));
        check_problem(&wire.read().expect(413), "body_too_large");
    }
    assert_eq!(origin.requests(), 2);
}

#[test]
fn a_chunked_body_that_grows_over_the_limit_is_cut() {
    let origin = Origin::echo();
    let gateway = start(&origin);
    let mut wire = gateway.connect();
    wire.send("POST /shop/prod/upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..11 {
        wire.send_if_taken(format!("64\r\n{}\r\n", "x".repeat(100)));
    }
    wire.send_if_taken("0\r\n\r\n");
    check_problem(&wire.read().expect(413), "body_too_large");
    assert_eq!(origin.requests(), 0, "the back end got a whole request");
}

#[test]
fn heads_over_the_limit_are_refused_with_414_or_431() {
    let gateway = start(&Origin::echo());
    let long_target = format!("/shop/prod/open?{}", "q".repeat(11_000));
    check_problem(&gateway.get(&long_target).expect(414), "uri_too_long");
    let long_field = get("/shop/prod/open").header("X-Long", "v".repeat(11_000));
    check_problem(&gateway.ask(&long_field).expect(431), "headers_too_large");
    let fits = get("/shop/prod/open").header("X-Long", "v".repeat(9_000));
    gateway.ask(&fits).expect(200);
}

#[test]
fn a_slow_head_is_answered_with_408_and_closed() {
    let config = "[server.limits]\nhead_timeout = \"300ms\"\n[apis.shop]\nroutes = []\n[apis.shop.stages.prod]\n";
    let gateway = Gateway::start(&(LISTEN.to_owned() + config), &[]);
    for (way, mut wire) in both(&gateway) {
        wire.send("GET /shop/prod/open HTT");
        check_problem(&wire.read().expect(408), "request_timeout");
        assert!(wire.is_closed(), "{way}");
    }
}

/// Sends a byte each 50 ms until the gateway has enough of it.
#[track_caller]
fn check_trickle(limits: &str, timeout: &str, start: &str) {
    let origin = Origin::echo();
    let config = format!(
        r#"
        [server.limits]
        {limits}
        [apis.shop]
        routes = [{{ method = "POST", path = "/upload", integration = {{ type = "HTTP_PROXY", uri = "http://@1/", timeout = "{timeout}", ejection = {{ failures = 1, for = "60s" }} }} }}]
        [apis.shop.stages.prod]
        "#
    );
    let gateway = Gateway::start(&config, &[&origin]);
    let mut wire = gateway.connect();
    wire.send(start);
    let began = Instant::now();
    while !wire.has_answer() {
        assert!(began.elapsed() < Duration::from_secs(10), "it may trickle for ever");
        thread::sleep(Duration::from_millis(50));
        wire.send_if_taken("x");
    }
    check_problem(&wire.read().expect(408), "request_timeout");
    assert_eq!(gateway.metric("tollgate_back_end_healthy", &[]), 1.0, "the back end is not to blame");
    assert_eq!(origin.requests(), 0, "the back end got a whole request");
}

#[test]
fn a_head_that_trickles_has_one_deadline() {
    check_trickle("head_timeout = \"500ms\"", "20s", "GET / HTTP/1.1\r\nHost: x\r\nX-A: ");
}

#[test]
fn a_body_that_trickles_is_too_slow_on_the_whole() {
    let head = "POST /shop/prod/upload HTTP/1.1\r\nHost: x\r\n";
    let limits = "body_timeout = \"500ms\"\nbody_rate_min = \"1KB\"";
    check_trickle(limits, "20s", &format!("{head}Content-Length: 1000\r\n\r\n"));
    check_trickle(limits, "20s", &format!("{head}Transfer-Encoding: chunked\r\n\r\n3e8\r\n"));
    // These two take the full lane.
    let head = format!("{head}Expect: 100-continue\r\n");
    check_trickle(limits, "20s", &format!("{head}Content-Length: 1000\r\n\r\n"));
    check_trickle(limits, "20s", &format!("{head}Transfer-Encoding: chunked\r\n\r\n3e8\r\n"));
}

#[test]
fn a_back_end_is_not_blamed_for_what_its_client_keeps_back() {
    let start = "POST /shop/prod/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx";
    check_trickle("body_timeout = \"20s\"\nbody_rate_min = \"0B\"", "500ms", start);
}

#[test]
fn a_head_has_no_more_fields_than_it_may() {
    let config = SHOP.replace("head = \"10240B\"", "head = \"10240B\"\nfields_max = 10");
    let gateway = Gateway::start(&config.replace("{NOBODY}", &Origin::nobody()), &[&Origin::echo()]);
    let with = |fields: usize| (0..fields).fold(get("/shop/prod/open"), |wish, n| wish.header(&format!("X-{n}"), "v"));
    gateway.ask(&with(9)).expect(200);
    check_problem(&gateway.ask(&with(10)).expect(431), "headers_too_large");
    let mut wire = gateway.connect();
    wire.send(with(300).bytes());
    check_problem(&wire.read().expect(431), "headers_too_large");
}

#[test]
fn an_idle_connection_is_closed_in_silence() {
    let config = "[server.limits]\nidle_timeout = \"300ms\"\n[apis.shop]\nroutes = []\n[apis.shop.stages.prod]\n";
    let gateway = Gateway::start(&(LISTEN.to_owned() + config), &[]);
    for (way, mut wire) in both(&gateway) {
        wire.ask(&get("/shop/prod/open")).expect(404);
        assert!(wire.is_closed(), "{way}");
    }
}

#[test]
fn ambiguous_framing_is_refused_with_400_and_the_connection_closed() {
    let origin = Origin::echo();
    let gateway = start(&origin);
    let post = "POST /shop/prod/upload HTTP/1.1\r\nHost: x\r\n";
    let cases = [
        ("both framings", format!("{post}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
        ("two lengths", format!("{post}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc")),
        ("equal lengths", format!("{post}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc")),
        ("a list of lengths", format!("{post}Content-Length: 3, 3\r\n\r\nabc")),
        ("a signed length", format!("{post}Content-Length: +3\r\n\r\nabc")),
        ("a coding after chunked", format!("{post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n")),
        ("an odd space", format!("{post}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n")),
        ("a folded field", format!("{post}X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n")),
        ("bare line feeds", "GET /shop/prod/open HTTP/1.1\nHost: x\n\n".to_owned()),
        ("two hosts", "GET /shop/prod/open HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n".to_owned()),
        ("no host", "GET /shop/prod/open HTTP/1.1\r\n\r\n".to_owned()),
        ("a bad host", "GET /shop/prod/open HTTP/1.1\r\nHost: a, b\r\n\r\n".to_owned()),
        ("a NUL in a field", "GET /shop/prod/open HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n".to_owned()),
        ("nonsense", "NONSENSE\r\n\r\n".to_owned()),
        ("a length of two words", format!("{post}Content-Length: 3 3\r\n\r\nabc")),
        ("a length in hexadecimal", format!("{post}Content-Length: 0x3\r\n\r\nabc")),
        ("a length beyond all bounds", format!("{post}Content-Length: 99999999999999999999\r\n\r\nabc")),
        ("a length misspelt", format!("{post}Content_Length: 3\r\n\r\nabc")),
        ("a coding misspelt", format!("{post}Transfer_Encoding: chunked\r\n\r\n0\r\n\r\n")),
        ("a coding twice", format!("{post}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
        ("another coding", format!("{post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")),
        ("a tab before chunked", format!("{post}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n")),
        ("a coding of HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned()),
        ("a bare carriage return", "GET /shop/prod/open HTTP/1.1\r\nHost: x\r\nX-A: a\rb\r\n\r\n".to_owned()),
        ("a line feed before all", "\nGET /shop/prod/open HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()),
        ("a folded first field", "GET /shop/prod/open HTTP/1.1\r\n Host: x\r\n\r\n".to_owned()),
        ("a field without a name", "GET /shop/prod/open HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n".to_owned()),
        ("an empty host", "GET /shop/prod/open HTTP/1.1\r\nHost:\r\n\r\n".to_owned()),
        ("a host with a path", "GET /shop/prod/open HTTP/1.1\r\nHost: a/b\r\n\r\n".to_owned()),
        ("a host with a user", "GET /shop/prod/open HTTP/1.1\r\nHost: a@b\r\n\r\n".to_owned()),
        ("a target for another host", "GET http://y/shop/prod/open HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()),
        ("a target that is no path", "GET shop/prod/open HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()),
        ("a target of another scheme", "GET ftp://x/open HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()),
        ("a NUL in the target", "GET /shop/prod/open\0 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()),
        ("a space in the target", "GET /shop/prod/open x HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()),
        ("two spaces", "GET  /shop/prod/open HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()),
        ("HTTP/0.9", "GET /shop/prod/open\r\n\r\n".to_owned()),
        ("HTTP/2.0", "GET /shop/prod/open HTTP/2.0\r\nHost: x\r\n\r\n".to_owned()),
        ("HTTP/1.2", "GET /shop/prod/open HTTP/1.2\r\nHost: x\r\n\r\n".to_owned()),
        ("http/1.1", "GET /shop/prod/open http/1.1\r\nHost: x\r\n\r\n".to_owned()),
        ("a tunnel", "CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n".to_owned()),
    ];
    let count = cases.len();
    for (what, bytes) in cases {
        for (way, mut wire) in both(&gateway) {
            wire.send(&bytes);
            let answer = wire.read();
            assert_eq!(answer.status, 400, "{what} in {way}");
            check_problem(&answer, "malformed_request");
            assert!(wire.is_closed(), "{what} in {way}: the connection stays open");
        }
    }
    assert_eq!(origin.requests(), 0);
    gateway.expect_metric("tollgate_refusals_total", &[("code", "malformed_request")], 2.0 * count as f64);
    eventually("all are in the log", || gateway.access_log().len() == 2 * count);
}

#[test]
fn a_bad_chunk_never_completes_a_request() {
    let origin = Origin::echo();
    let gateway = start(&origin);
    for chunk in [
        "zz\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\n",
        "3 \r\nabc\r\n0\r\n\r\n",
        "3\nabc\n0\n\n",
        "3;a=b\nx\r\nabc\r\n0\r\n\r\n",
        &format!("1;{}\r\nx\r\n", "x".repeat(2000)).repeat(20),
        "3\r\nabc\r\n0\r\nno trailer\r\n\r\n",
        &format!("3\r\nabc\r\n0\r\n{}\r\n", "X-A: b\r\n".repeat(1000)),
    ] {
        for (way, mut wire) in both(&gateway) {
            let head = "POST /shop/prod/upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
            wire.send_if_taken(format!("{head}{chunk}"));
            let answer = wire.read();
            assert_eq!(answer.status, 400, "{chunk:?} in {way}");
            assert!(wire.is_closed(), "{chunk:?} in {way}");
        }
    }
    assert_eq!(origin.requests(), 0);
}

#[test]
fn a_connection_option_cannot_strip_what_was_judged() {
    let config = r#"
        [apis.shop]
        routes = [{ method = "GET", path = "/", integration = { type = "HTTP_PROXY", uri = "http://@1/", request_parameters = { "integration.request.header.X-Caller" = "'gateway'" } } }]
        [apis.shop.stages.prod]
    "#;
    let origin = Origin::text("ok");
    let gateway = Gateway::start(config, &[&origin]);
    let nominated = "X-Mine, X-Caller, X-Request-Id, Authorization, Cookie, X-Forwarded-For, Host, Content-Length";
    let wish = get("/shop/prod/").header("X-Mine", "1").header("Connection", nominated);
    gateway.ask(&wish.header("Authorization", "Bearer x").header("Cookie", "a=b")).expect(200);
    let seen = origin.last();
    for (name, value) in [("authorization", "Bearer x"), ("cookie", "a=b"), ("x-forwarded-for", "127.0.0.1")] {
        assert_eq!(seen.field(name), Some(value), "{name} cannot be nominated");
    }
    assert_eq!(seen.field("x-mine"), None, "a hop-by-hop field is not forwarded (RFC 9110 section 7.6.1)");
    assert_eq!(seen.field("x-caller"), Some("gateway"));
    assert!(seen.field("x-request-id").is_some());
}

#[test]
fn an_expected_100_is_answered_before_the_body_comes() {
    let origin = Origin::echo();
    let gateway = start(&origin);
    let mut wire = gateway.connect();
    wire.send("POST /shop/prod/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    wire.send("abc");
    assert_eq!(wire.read().expect(200).text(), "abc");
    let refused = "POST /shop/prod/nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    let mut wire = Wire::open(gateway.http());
    wire.send(refused);
    wire.read().expect(404);
}
