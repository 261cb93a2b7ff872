use std::net::IpAddr;
use std::time::Duration;

use indexmap::IndexMap;

use super::*;
use crate::base::Scheme;
use crate::config::{
    Ejection, HttpIntegration, Located, ParameterMapping, ParameterSource, ParameterTarget, ProtocolVersion, Span,
    UpstreamTls,
};
use crate::gateway::transform::ApiTerms;
use crate::telemetry::Trace;

type Wire<'a> = &'a [(&'a str, &'a [u8])];

fn integration(uri: &str, is_proxy: bool) -> HttpIntegration {
    HttpIntegration {
        is_proxy,
        uri: Located::new(uri.to_owned(), Span::default()),
        method: None,
        timeout: Duration::from_secs(29),
        connect_timeout: Duration::from_secs(5),
        targets: Vec::new(),
        balance: crate::config::Balance::RoundRobin,
        health: None,
        ejection: Ejection { failures: 5, rest: Duration::from_secs(10) },
        tls: UpstreamTls::default(),
        protocol_version: ProtocolVersion::Http1,
        preserve_host: false,
        request_parameters: Vec::new(),
        transformation: None,
    }
}

/// What is compiled of an integration.
struct Compiled(Shape, UriTemplate);

impl Compiled {
    fn outgoing<'a>(&'a self, head: &'a Head<'a>, values: &'a [&'a str], context: &'a Context<'a>) -> Outgoing<'a> {
        let Compiled(shape, uri) = self;
        shape.outgoing(uri, head, values, context)
    }
}

fn shape(integration: &HttpIntegration) -> Compiled {
    let variables = IndexMap::from([("tier".to_owned(), "gold".to_owned())]);
    let (shape, uri) =
        Shape::compile(integration, &variables, &["id".into()], ApiTerms::default()).expect("a good integration");
    Compiled(shape, uri)
}

fn head<'a>(fields: Wire<'a>, query: Option<&'a str>, client: &str) -> Head<'a> {
    let client: IpAddr = client.parse().unwrap();
    let fields = Fields::List(fields);
    Head { method: "GET", host: "api.example.com", path: "/orders/7", query, fields, client, scheme: Scheme::Https }
}

static TRACE: Trace = Trace::fixed(false);
static CONTINUED_TRACE: Trace = Trace::fixed(true);

const CONTEXT: Context<'static> = Context {
    body: b"",
    path_overrides: &[],
    request_id: b"req-12345",
    api: "orders",
    stage: "prod",
    route: "/orders/{id}",
    path: "/v1/orders/7",
    key: Some("alice"),
    authority: "api.example.com:8443",
    trace: &TRACE,
};

/// The lines that are written, the first without its protocol.
fn lines(shape: &Compiled, head: &Head<'_>, context: &Context<'_>) -> Vec<String> {
    let mut written = b"what stood there\r\n".to_vec();
    shape.outgoing(head, &["7"], context).write(&mut written);
    let written = String::from_utf8(written).unwrap();
    let written = written.strip_prefix("what stood there\r\n").and_then(|lines| lines.strip_suffix("\r\n")).unwrap();
    let mut lines: Vec<String> = written.split("\r\n").map(str::to_owned).collect();
    lines[0] = lines[0].strip_suffix(" HTTP/1.1").unwrap().to_owned();
    lines
}

#[track_caller]
fn check(fields: Wire<'_>, expected_of_client: &[&str]) {
    let head = head(fields, None, "192.0.2.7");
    let sent = lines(&shape(&integration("http://backend:9001/", true)), &head, &CONTEXT);
    let of_client = &sent[2..sent.len() - 8];
    assert_eq!(of_client, expected_of_client);
}

#[test]
fn a_proxy_passes_the_clients_fields_except_what_was_for_this_hop() {
    check(&[("Accept", b"*/*"), ("X-Any", b"1"), ("X-Any", b"2")], &["Accept: */*", "X-Any: 1", "X-Any: 2"]);
    check(&[("Connection", b"keep-alive, X-Hop"), ("X-Hop", b"1"), ("Keep-Alive", b"5")], &[]);
    check(&[("TE", b"trailers"), ("Trailer", b"x"), ("Transfer-Encoding", b"chunked"), ("Upgrade", b"h2c")], &[]);
    check(&[("Proxy-Authorization", b"Basic x"), ("Proxy-Connection", b"close")], &[]);
    check(&[("Content-Length", b"3"), ("Content-Type", b"a/b"), ("Expect", b"100-continue")], &["Content-Type: a/b"]);
}

#[test]
fn nominated_credentials_stay() {
    let fields: Wire<'_> =
        &[("Connection", b"authorization, cookie"), ("Authorization", b"Bearer x"), ("Cookie", b"a=b")];
    check(fields, &["Authorization: Bearer x", "Cookie: a=b"]);
}

#[test]
fn what_the_gateway_states_is_never_the_clients_word() {
    check(
        &[
            ("X-Forwarded-For", b"6.6.6.6"),
            ("x_forwarded_for", b"6.6.6.6"),
            ("X-Forwarded-Port", b"1"),
            ("Forwarded", b"for=6.6.6.6"),
            ("X-Real-IP", b"6.6.6.6"),
            ("X-Request-Id", b"mine-12345"),
            ("Traceparent", b"00-0"),
            ("Tracestate", b"a=1"),
            ("x-amzn-trace-id", b"Root=0"),
            ("Host", b"evil.example"),
            ("x-api-key", b"secret"),
            ("Via", b"1.0 squid"),
        ],
        &["Via: 1.0 squid"],
    );
}

#[test]
fn a_proxy_says_who_asked_and_where() {
    let shape = shape(&integration("http://backend:9001/o/{id}?t=1", true));
    let expected = [
        "GET /o/7?t=1&a=%20b&c",
        "host: backend:9001",
        "x-forwarded-for: 2001:db8::1",
        "x-forwarded-proto: https",
        "x-forwarded-host: api.example.com:8443",
        "forwarded: for=\"[2001:db8::1]\";host=\"api.example.com:8443\";proto=https",
        "x-request-id: req-12345",
        "traceparent: 00-000000000000000000000000000000aa-00000000000000bb-01",
        "x-amzn-trace-id: Root=1-00000000-0000000000000000000000aa;Parent=00000000000000bb;Sampled=1",
        "via: 1.1 tollgate",
    ];
    assert_eq!(lines(&shape, &head(&[], Some("a=%20b&c"), "2001:db8::1"), &CONTEXT), expected);
    let v4_in_v6 = lines(&shape, &head(&[], None, "::ffff:192.0.2.7"), &CONTEXT);
    assert_eq!(v4_in_v6[2], "x-forwarded-for: 192.0.2.7");
    assert!(v4_in_v6[5].starts_with("forwarded: for=192.0.2.7;"));
}

#[test]
fn tracestate_goes_on_with_a_continued_trace_only() {
    let context = Context { trace: &CONTINUED_TRACE, ..CONTEXT };
    let shape = shape(&integration("http://b/", true));
    let sent = lines(&shape, &head(&[("Tracestate", b"a=1")], None, "::1"), &context);
    assert!(sent.contains(&"Tracestate: a=1".to_owned()));
}

#[test]
fn an_http_integration_sends_what_is_mapped_and_little_else() {
    let mapping = |target, source| ParameterMapping { target, source };
    let header = |name: &str| ParameterTarget::Header(name.to_owned());
    let query = |name: &str| ParameterTarget::Querystring(name.to_owned());
    let mut integration = integration("http://backend/find", false);
    integration.method = Some("POST".to_owned());
    integration.request_parameters = vec![
        mapping(header("x-api-key"), ParameterSource::Header("x-api-key".to_owned())),
        mapping(header("x-tier"), ParameterSource::StageVariable("tier".to_owned())),
        mapping(header("x-none"), ParameterSource::StageVariable("none".to_owned())),
        mapping(header("x-request-id"), ParameterSource::Static("fixed".to_owned())),
        mapping(header("x-bad"), ParameterSource::Querystring("bad".to_owned())),
        mapping(header("x-key"), ParameterSource::Context("identity.apiKeyId".to_owned())),
        mapping(query("id"), ParameterSource::Path("id".to_owned())),
        mapping(query("q"), ParameterSource::Querystring("search text".to_owned())),
        mapping(query("absent"), ParameterSource::Querystring("absent".to_owned())),
        mapping(query("from"), ParameterSource::Context("identity.sourceIp".to_owned())),
    ];
    let fields: Wire<'_> = &[
        ("x-api-key", b"first"),
        ("X-Api-Key", b"secret"),
        ("Authorization", b"Bearer x"),
        ("Accept", b"*/*"),
        ("Connection", b"accept"),
        ("Content-Type", b"a/b"),
    ];
    let head = head(fields, Some("search%20text=1&search+text=a%26b&bad=%0d%0aSet-Cookie:x"), "192.0.2.7");
    let sent = lines(&shape(&integration), &head, &CONTEXT);
    assert_eq!(
        sent[..5],
        [
            "POST /find?id=7&q=a%26b&from=192.0.2.7",
            "host: backend",
            "Accept: */*",
            "Content-Type: a/b",
            "user-agent: tollgate",
        ]
    );
    assert_eq!(sent[sent.len() - 4..], ["x-api-key: secret", "x-tier: gold", "x-request-id: fixed", "x-key: alice"]);
    assert_eq!(sent.iter().filter(|line| line.starts_with("x-request-id")).count(), 1);
}

#[test]
fn the_clients_host_is_sent_only_where_it_is_preserved() {
    let mut integration = integration("http://backend/", true);
    integration.preserve_host = true;
    let shape = shape(&integration);
    assert_eq!(lines(&shape, &head(&[], None, "::1"), &CONTEXT)[1], "host: api.example.com:8443");
    let without_host = Context { authority: "", ..CONTEXT };
    assert_eq!(lines(&shape, &head(&[], None, "::1"), &without_host)[1], "host: backend");
}

#[test]
fn every_way_out_carries_the_same_fields() {
    let fields: Wire<'_> = &[
        ("host", b"api.example.com"),
        ("connection", b"keep-alive, x-hop, authorization"),
        ("x-hop", b"1"),
        ("authorization", b"Bearer x"),
        ("x-forwarded-for", b"6.6.6.6"),
        ("x-api-key", b"secret"),
        ("if-none-match", b"\"1\""),
        ("via", b"1.0 squid"),
    ];
    let head = head(fields, Some("a=1"), "192.0.2.7");
    for is_proxy in [true, false] {
        let shape = shape(&integration("http://backend/o/{id}", is_proxy));
        let sorted = |request: &RequestHeader| {
            let mut fields: Vec<String> =
                request.headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
            fields.sort();
            (String::from_utf8_lossy(request.raw_path()).into_owned(), fields)
        };
        let built = shape.outgoing(&head, &["7"], &CONTEXT).build(&[]).unwrap();
        let mut laid_over = RequestHeader::build("GET", b"/orders/7?a=1", None).unwrap();
        for (name, value) in fields.iter().filter(|(name, _)| *name != "connection") {
            laid_over.append_header(name.to_string(), *value).unwrap();
        }
        shape.outgoing(&head, &["7"], &CONTEXT).apply(&mut laid_over).unwrap();
        assert_eq!(sorted(&built), sorted(&laid_over));
        let mut plain = lines(&shape, &head, &CONTEXT).split_off(1);
        plain.sort();
        assert_eq!(sorted(&built).1, plain);
        let vias: Vec<_> = laid_over.headers.get_all("via").iter().collect();
        assert_eq!(vias.last().unwrap(), &"1.1 tollgate");
    }
}

#[test]
fn a_shared_fetch_leaves_one_clients_conditions_behind() {
    let fields: Wire<'_> =
        &[("If-None-Match", b"1"), ("Range", b"bytes=0-1"), ("Expect", b"100-continue"), ("Accept", b"a/b")];
    let head = head(fields, None, "::1");
    let shape = shape(&integration("http://backend/", true));
    let built = shape.outgoing(&head, &[], &CONTEXT).build(&["if-none-match", "range"]).unwrap();
    assert!(built.headers.contains_key("accept"));
    assert!(["if-none-match", "range", "expect"].iter().all(|name| !built.headers.contains_key(*name)));
}

#[test]
fn an_upgrade_that_pingora_lets_through_stays_one() {
    let head = head(&[("Connection", b"Upgrade"), ("Upgrade", b"websocket")], None, "::1");
    let shape = shape(&integration("http://backend/", true));
    let mut request = RequestHeader::build("GET", b"/", None).unwrap();
    request.append_header("Connection", "Upgrade").unwrap();
    request.append_header("Upgrade", "websocket").unwrap();
    shape.outgoing(&head, &[], &CONTEXT).apply(&mut request).unwrap();
    assert_eq!(request.headers.get("upgrade").unwrap(), "websocket");
}

#[test]
fn every_fault_of_a_shape_is_told_at_once() {
    let mut integration = integration("ftp://b/", true);
    integration.method = Some("GE T".to_owned());
    integration.request_parameters = vec![ParameterMapping {
        target: ParameterTarget::Querystring("x".to_owned()),
        source: ParameterSource::Path("order".to_owned()),
    }];
    let faults = Shape::compile(&integration, &IndexMap::new(), &[], ApiTerms::default()).unwrap_err();
    assert_eq!(faults.len(), 3, "{faults:?}");
}
