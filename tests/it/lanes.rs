//! Several ways through the gateway, one set of decisions: what the express lane does over HTTP/1.1 is what it does
//! over HTTP/2, and what the full lane does.

use bytes::Bytes;

use crate::house::{Answer, Gateway, Origin, Streams, Wire};

/// The second listener speaks HTTP/2 as well, the third HTTP/1.1 in TLS.
const SHOP: &str = r#"
[server]
listen = ["127.0.0.1:0", { address = "127.0.0.1:0", h2 = true }, { address = "127.0.0.1:0", tls = { cert = "cert.pem", key = "key.pem" } }]
threads = 1
[server.limits]
body = "2000B"

[api_keys.alice]
value = "alice-0123456789-0123456789"

[apis.shop]
routes = [
    { method = "ANY",  path = "/pass/{proxy+}", cache = { enabled = false }, integration = { type = "HTTP_PROXY", uri = "http://@1/in/{proxy}" } },
    { method = "POST", path = "/plain", integration = { type = "HTTP", uri = "http://@1/plain" } },
    { method = "GET",  path = "/cached/{id}", cache = { ttl = "300s" }, integration = { type = "HTTP_PROXY", uri = "http://@1/c/{id}" } },
    { method = "GET",  path = "/mock", integration = { type = "MOCK", body = "mock", headers = { "ETag" = "\"1\"" } } },
    { method = "GET",  path = "/keyed", api_key_required = true, integration = { type = "MOCK" } },
    { method = "GET",  path = "/spent", throttle = { rate = 0, burst = 0 }, integration = { type = "MOCK" } },
    { method = "GET",  path = "/dead", cache = { enabled = false }, integration = { type = "HTTP_PROXY", uri = "http://{NOBODY}/" } },
]
[apis.shop.stages.prod]
cache = { enabled = true, size = "16MiB" }
"#;

/// What is of one exchange, one moment or one port.
const OF_ONE: &[&str] =
    &["date", "x-request-id", "connection", "age", "x-amzn-requestid", "x-amz-apigw-id", "x-amzn-trace-id"];
const OF_ONE_SENT: &[&str] = &["x-request-id", "traceparent", "x-amzn-trace-id", "expect"];
/// What frames an answer of HTTP/1.1 only.
const FRAMING: &[&str] = &["transfer-encoding"];

fn body_of(answer: &Answer) -> String {
    let body = String::from_utf8_lossy(&answer.body);
    match answer.field("x-request-id") {
        Some(id) => body.replace(id, "ID"),
        None => body.into_owned(),
    }
}

fn without(fields: &[(String, String)], left_out: &[&str]) -> Vec<(String, String)> {
    let mut kept: Vec<_> = fields.iter().filter(|(name, _)| !left_out.contains(&name.as_str())).cloned().collect();
    kept.sort();
    kept
}

/// Status, fields and body.
type Told = (u16, Vec<(String, String)>, String);

/// The answer to `bytes` as a client sees it, and whether the connection can be used again.
fn told(mut wire: Wire, bytes: &[u8], is_head: bool) -> (Told, bool) {
    wire.send_if_taken(bytes);
    let mut answer = wire.read_head();
    if !is_head {
        wire.read_body(&mut answer);
    }
    wire.send_if_taken("GET /shop/prod/mock HTTP/1.1\r\nHost: x\r\n\r\n");
    let is_kept = wire.try_read_head().is_ok();
    (said(&answer), is_kept)
}

/// What of an answer must be the same whichever way it came.
fn said(answer: &Answer) -> Told {
    let mut fields = without(&answer.fields, OF_ONE);
    for (name, value) in &mut fields {
        if name == "cache-status" {
            // Seconds pass.
            value.truncate(value.find("; ttl=").unwrap_or(value.len()));
        }
    }
    if answer.code_or_none().is_some() {
        fields.retain(|(name, _)| name != "content-length");
    }
    (answer.status, fields, body_of(answer))
}

/// A request of HTTP/1.1 as HTTP/2 says it: without fields of the connection, and those that it nominates.
fn as_stream(request: &str) -> (http::Request<()>, Option<Bytes>) {
    let (head, body) = request.split_once("\r\n\r\n").expect("a head");
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let fields = lines.filter_map(|line| line.split_once(": "));
    let fields: Vec<_> = fields.map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    let of = |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value);
    let uri = format!("http://{}{target}", of("host").expect("a host"));
    let mut stream = http::Request::builder().method(method).uri(uri);
    let of_connection = ["host", "connection", "x-mine", "transfer-encoding"];
    for (name, value) in fields.iter().filter(|(name, _)| !of_connection.contains(&name.as_str())) {
        stream = stream.header(name, http::HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
    }
    let body = match of("transfer-encoding") {
        Some(_) => Some(Bytes::from_static(b"abcde")),
        None => of("content-length").map(|_| Bytes::copy_from_slice(body.as_bytes())),
    };
    (stream.body(()).expect("a request"), body)
}

impl Answer {
    fn code_or_none(&self) -> Option<String> {
        serde_json::from_slice::<serde_json::Value>(&self.body).ok()?.get("code")?.as_str().map(str::to_owned)
    }
}

/// Methods × targets × fields × bodies: some hundreds of requests, the same in every run.
fn requests() -> Vec<String> {
    let targets = [
        "/shop/prod/pass/a",
        "/shop/prod/pass//b/../c%7Ed?x=1&y=%20&x",
        "/shop/prod/pass/chunks",
        "/shop/prod/pass/none",
        "/shop/prod/plain?q=1",
        "/shop/prod/cached/7?z",
        "/shop/prod/cached/missed-by-LANE?NUMBER",
        "/shop/prod/mock",
        "/shop/prod/keyed",
        "/shop/prod/spent",
        "/shop/prod/dead",
        "/shop/prod/nothing",
        "/nowhere/prod/mock",
        "/shop/prod/%zz",
    ];
    let fields = [
        "",
        "X-Api-Key: alice-0123456789-0123456789\r\nX-Forwarded-For: 1.2.3.4\r\nOrigin: https://app.test\r\n",
        "Connection: X-Mine, keep-alive\r\nX-Mine: 1\r\nx-odd: \u{fc}\r\nAccept: a\r\nAccept: b\r\nTE: trailers\r\n",
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\ntracestate: a=b\r\nCookie: c=d\r\n",
    ];
    let long = format!("Content-Length: 1999\r\n\r\n{}", "x".repeat(1999));
    let large = format!("Content-Length: 2001\r\n\r\n{}", "x".repeat(2001));
    let bodies = [
        ("GET", "\r\n"),
        ("HEAD", "\r\n"),
        ("POST", "Content-Length: 3\r\nContent-Type: text/plain\r\n\r\nabc"),
        ("PUT", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"),
        ("POST", "Content-Length: 0\r\n\r\n"),
        ("POST", &*long),
        ("PATCH", &*large),
        ("DELETE", "\r\n"),
    ];
    let mut all = Vec::new();
    for target in targets {
        for fields in fields {
            for (method, rest) in bodies {
                let target = target.replace("NUMBER", &all.len().to_string());
                all.push(format!("{method} {target} HTTP/1.1\r\nHost: Shop.test:80\r\n{fields}{rest}"));
            }
        }
    }
    all
}

/// The same API as API Gateway would serve it, with its own words for refusals and for CORS.
const AWS: &str = r#"
[apis.shop]
errors = "aws"
cors = { allow_origins = ["https://app.test"], expose_headers = ["ETag"], allow_credentials = true }
gateway_responses = { THROTTLED = { status = 420, headers = { "X-Own-Path" = "context.path" }, templates = { "text/plain" = "$context.httpMethod $method.request.header.accept" } }, DEFAULT_5XX = { headers = { "X-Own-Key" = "context.identity.apiKeyId" } } }
"#;

#[test]
fn both_lanes_answer_alike_and_the_back_end_sees_no_difference() {
    check_lanes(SHOP);
}

#[test]
fn both_lanes_answer_alike_in_aws_style() {
    check_lanes(&SHOP.replace("\n[apis.shop]\n", AWS));
}

#[track_caller]
fn check_lanes(config: &str) {
    let origin = Origin::start(|seen, out| match seen.target.as_str() {
        "/in/chunks" => {
            out.head(201, &[("Transfer-Encoding", "chunked"), ("Connection", "x-origin-hop"), ("x-origin-hop", "1")]);
            if seen.method != "HEAD" {
                out.chunk("a, ");
                out.chunk("b");
                out.last_chunk();
            }
        }
        "/in/none" => out.head(204, &[("x-origin-a", "1")]),
        _ => {
            let length = seen.body.len().to_string();
            out.head(200, &[("Content-Length", &*length), ("x-origin-a", "1"), ("x-origin-a", "2")]);
            if seen.method != "HEAD" {
                out.raw(&seen.body);
            }
        }
    });
    let gateway = Gateway::start(&config.replace("{NOBODY}", &Origin::nobody()), &[&origin]);
    // What is cached is fetched once, and a hit for either lane after that.
    let cached = "GET /shop/prod/cached/7?z HTTP/1.1\r\nHost: Shop.test:80\r\n\r\n";
    told(gateway.connect(), cached.as_bytes(), false);
    let (hit, _) = told(gateway.connect(), cached.as_bytes(), false);
    assert!(hit.1.iter().any(|(name, value)| name == "cache-status" && value.contains("hit")), "{hit:?}");
    assert_eq!(origin.requests(), 1);
    let streams = Streams::open(gateway.listeners()[1]);
    let mut number = 0;
    for request in requests() {
        let mut seen_before = origin.requests();
        let mut seen = |own: &str, scheme: &str| {
            let seen = (origin.requests() > seen_before).then(|| origin.last());
            seen_before = origin.requests();
            seen.map(|seen| {
                let mut fields = without(&seen.fields, OF_ONE_SENT);
                for (name, value) in &mut fields {
                    match name.as_str() {
                        "x-forwarded-proto" => *value = if value == scheme { "SCHEME" } else { "?" }.to_owned(),
                        "forwarded" if value.ends_with(&format!(";proto={scheme}")) => {
                            value.truncate(value.len() - scheme.len());
                        }
                        _ => {}
                    }
                }
                (seen.method.clone(), seen.target.replace(own, "LANE"), fields, seen.body)
            })
        };
        let is_head = request.starts_with("HEAD");
        // A miss of one lane must not be a hit of the other.
        let mut own = || {
            number += 1;
            format!("lane-{number}.")
        };
        let of_express = own();
        let (express, is_kept) = told(gateway.connect(), request.replace("LANE", &of_express).as_bytes(), is_head);
        let express = (express, seen(&of_express, "http"));

        // Whoever expects something is served by the full lane.
        let of_full = own();
        let expecting = request.replace("LANE", &of_full).replacen("\r\n", "\r\nExpect: 100-continue\r\n", 1);
        let (full, is_kept_by_full) = told(gateway.connect(), expecting.as_bytes(), is_head);
        let full = (full, seen(&of_full, "http"));
        // The express lane knows the end of a body in chunks that nobody read, and may keep more.
        assert!(is_kept || !is_kept_by_full, "closed for\n{request}");
        assert_eq!(express, full, "\nexpress lane left, full lane right, for\n{request}");

        // The same two in TLS.
        let tls = || Wire::open_tls(gateway.listeners()[2]);
        let of_tls = own();
        let (secured, is_kept_in_tls) = told(tls(), request.replace("LANE", &of_tls).as_bytes(), is_head);
        assert_eq!(is_kept, is_kept_in_tls, "in TLS, for\n{request}");
        assert_eq!(express, (secured, seen(&of_tls, "https")), "\nplaintext left, TLS right, for\n{request}");
        let of_tls = own();
        let expecting = request.replace("LANE", &of_tls).replacen("\r\n", "\r\nExpect: 100-continue\r\n", 1);
        let (secured, _) = told(tls(), expecting.as_bytes(), is_head);
        assert_eq!(express, (secured, seen(&of_tls, "https")), "\nfull lane in TLS right, for\n{request}");

        let of_stream = own();
        let (head, body) = as_stream(&request.replace("LANE", &of_stream));
        let answer = streams.exchange(head, body).unwrap_or_else(|e| panic!("{e} for\n{request}"));
        let streamed = (said(&answer), seen(&of_stream, "http"));
        let ((status, fields, body), seen_by_express) = express;
        let express = ((status, without(&fields, FRAMING), body), seen_by_express);
        assert_eq!(express, streamed, "\nHTTP/1.1 left, HTTP/2 right, for\n{request}");
    }
}
