//! Whose request it is: only who is trusted may say so for somebody else.

use crate::house::{Gateway, Origin, Wire, get};

fn config(server: &str, listener: &str) -> String {
    format!(
        r#"
[server]
listen = [{{ address = "127.0.0.1:0"{listener} }}]
threads = 1
{server}

[apis.shop]
routes = [
    {{ method = "GET", path = "/open", integration = {{ type = "MOCK", body = "open" }} }},
    {{ method = "GET", path = "/pass", integration = {{ type = "HTTP_PROXY", uri = "http://@1/", request_parameters = {{ "integration.request.header.X-Source" = "context.identity.sourceIp" }} }} }},
    {{ method = "POST", path = "/pass", integration = {{ type = "HTTP_PROXY", uri = "http://@1/", request_parameters = {{ "integration.request.header.X-Source" = "context.identity.sourceIp" }} }} }},
]
[apis.shop.stages.prod]
"#
    )
}

const TRUSTING: &str = "trusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]";
const PROXIED: &str = ", proxy_protocol = true";

/// What the back end was told of the client's address.
#[track_caller]
fn source_of(origin: &Origin) -> String {
    let seen = origin.last();
    assert_eq!(seen.field("x-forwarded-for"), seen.field("x-source"), "both say the same");
    seen.field("x-source").expect("a source").to_owned()
}

#[test]
fn x_forwarded_for_is_believed_of_trusted_proxies_only() {
    let origin = Origin::text("ok");
    let check = |server: &str, forwarded: &str, expected: &str| {
        let gateway = Gateway::start(&config(server, ""), &[&origin]);
        let id = "whose-request-is-it";
        let wish = get("/shop/prod/pass").header("X-Forwarded-For", forwarded).header("X-Request-Id", id);
        gateway.ask(&wish).expect(200);
        assert_eq!(source_of(&origin), expected, "{server} {forwarded}");
        assert_eq!(gateway.log_of(id)["client"], expected);
    };
    check("", "198.51.100.7", "127.0.0.1");
    check("trusted_proxies = [\"10.0.0.0/8\"]", "198.51.100.7", "127.0.0.1");
    check(TRUSTING, "198.51.100.7", "198.51.100.7");
    check(TRUSTING, "1.1.1.1, 198.51.100.7, 10.1.2.3", "198.51.100.7");
    check(TRUSTING, "nonsense", "127.0.0.1");
}

#[test]
fn the_scheme_is_what_a_trusted_proxy_says_in_either_lane() {
    let origin = Origin::text("ok");
    for (server, expected) in [(TRUSTING, "https"), ("", "http")] {
        let gateway = Gateway::start(&config(server, ""), &[&origin]);
        for wish in [get("/shop/prod/pass"), get("/shop/prod/pass").header("Expect", "100-continue")] {
            gateway.ask(&wish.header("X-Forwarded-Proto", "https")).expect(200);
            assert_eq!(origin.last().field("x-forwarded-proto"), Some(expected), "{server}");
        }
    }
}

#[test]
fn each_request_of_a_proxys_connection_has_its_own_source_in_either_lane() {
    let origin = Origin::text("ok");
    let gateway = Gateway::start(&config(TRUSTING, ""), &[&origin]);
    let mut wire = gateway.connect();
    for number in 1..=3 {
        let source = format!("198.51.100.{number}");
        wire.ask(&get("/shop/prod/pass").header("X-Forwarded-For", &source)).expect(200);
        assert_eq!(source_of(&origin), source);
        // A client that waits for a go-ahead is the full lane's.
        let source = format!("203.0.113.{number}");
        let fields = format!("X-Forwarded-For: {source}\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nhi");
        wire.send(format!("POST /shop/prod/pass HTTP/1.1\r\nHost: x\r\n{fields}"));
        wire.read().expect(200);
        assert_eq!(source_of(&origin), source);
    }
}

#[test]
fn proxy_protocol_says_whose_connection_it_is() {
    let origin = Origin::text("ok");
    let gateway = Gateway::start(&config(TRUSTING, PROXIED), &[&origin]);
    let v2 = |command: u8, family: u8, rest: &[u8]| {
        let len = (rest.len() as u16).to_be_bytes();
        [&b"\r\n\r\n\0\r\nQUIT\n"[..], &[command, family], &len, rest].concat()
    };
    let v4 = [192, 0, 2, 9, 192, 0, 2, 2, 0x12, 0x67, 0, 80];
    let cases = [
        (b"PROXY TCP4 198.51.100.7 192.0.2.2 4711 80\r\n".to_vec(), "198.51.100.7"),
        (b"PROXY TCP6 2001:db8::7 ::1 4711 80\r\n".to_vec(), "2001:db8::7"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (v2(0x21, 0x11, &v4), "192.0.2.9"),
        (v2(0x21, 0x11, &[&v4[..], &[0x04, 0, 3, 1, 2, 3]].concat()), "192.0.2.9"),
        (v2(0x20, 0, &[]), "127.0.0.1"),
    ];
    for (header, expected) in cases {
        let mut wire = gateway.connect();
        wire.send(&header[..7]);
        wire.send(&header[7..]);
        for _ in 0..2 {
            wire.ask(&get("/shop/prod/pass")).expect(200);
            assert_eq!(source_of(&origin), expected, "{header:?}");
        }
    }
}

#[test]
fn who_does_not_begin_with_proxy_protocol_is_hung_up_on() {
    let origin = Origin::text("ok");
    let gateway = Gateway::start(&config(TRUSTING, PROXIED), &[&origin]);
    for bytes in [
        "GET /shop/prod/open HTTP/1.1\r\nHost: x\r\n\r\n",
        "PROXY TCP4 198.51.100.7 192.0.2.2 4711 80\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "PROXY TCP4 nobody 192.0.2.2 4711 80\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        &format!("PROXY TCP4 {}", "1".repeat(200)),
    ] {
        let mut wire = gateway.connect();
        wire.send_if_taken(bytes);
        assert!(wire.is_closed(), "{bytes:?}");
    }
    gateway.expect_metric("tollgate_connections_cut_total", &[("reason", "proxy_protocol")], 4.0);
    let untrusting = Gateway::start(&config("trusted_proxies = [\"10.0.0.0/8\"]", PROXIED), &[&origin]);
    let mut wire = untrusting.connect();
    wire.send_if_taken("PROXY TCP4 198.51.100.7 192.0.2.2 4711 80\r\n");
    assert!(wire.is_closed(), "it is not among the trusted");
}

#[test]
fn a_proxy_that_says_nothing_is_given_up() {
    let limits = format!("{TRUSTING}\n[server.limits]\nhead_timeout = \"300ms\"");
    let gateway = Gateway::start(&config(&limits, PROXIED), &[&Origin::text("ok")]);
    let mut wire = gateway.connect();
    wire.send("PROXY TCP4 198.51");
    assert!(wire.is_closed());
}

#[test]
fn the_limit_of_an_address_is_that_of_the_client_behind_the_proxy() {
    let limits = format!("{TRUSTING}\n[server.limits]\nconnections_per_address_max = 1");
    let gateway = Gateway::start(&config(&limits, PROXIED), &[&Origin::text("ok")]);
    let open = |source: &str| -> Wire {
        let mut wire = gateway.connect();
        wire.send(format!("PROXY TCP4 {source} 192.0.2.2 4711 80\r\n"));
        wire
    };
    let (mut first, mut second) = (open("198.51.100.7"), open("198.51.100.8"));
    first.ask(&get("/shop/prod/open")).expect(200);
    second.ask(&get("/shop/prod/open")).expect(200);
    open("198.51.100.7").ask(&get("/shop/prod/open")).expect(503);
}
