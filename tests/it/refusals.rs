//! How the gateway says no: the documents, the ids, the limits, and what becomes of the connection.

use crate::house::{Answer, Gateway, Origin, Wire, get, post, request};

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
    ];
    for (what, bytes) in cases {
        for (way, mut wire) in both(&gateway) {
            wire.send(&bytes);
            let answer = wire.read();
            assert_eq!(answer.status, 400, "{what} in {way}");
            assert!(wire.is_closed(), "{what} in {way}: the connection stays open");
        }
    }
    assert_eq!(origin.requests(), 0);
}

#[test]
fn a_bad_chunk_never_completes_a_request() {
    let origin = Origin::echo();
    let gateway = start(&origin);
    for chunk in
        ["zz\r\nabc\r\n0\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n", "-3\r\nabc\r\n0\r\n\r\n", "ffffffffffffffffff\r\n"]
    {
        for (way, mut wire) in both(&gateway) {
            let head = "POST /shop/prod/upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
            wire.send(format!("{head}{chunk}"));
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
    let wish = get("/shop/prod/").header("X-Mine", "1").header("Connection", "X-Mine, X-Caller, X-Request-Id");
    gateway.ask(&wish).expect(200);
    let seen = origin.last();
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
