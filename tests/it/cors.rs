//! Who may call an API from a page of another origin, over both protocols.

use crate::house::{Answer, Gateway, Origin, Request, Streams, get, request, tollgate};

const SHOP: &str = r#"
[server]
listen = ["127.0.0.1:0", { address = "127.0.0.1:0", h2 = true }]

[apis.shop]
routes = [
    { method = "ANY",     path = "/in/{proxy+}", integration = { type = "HTTP_PROXY", uri = "http://@1/{proxy}" } },
    { method = "GET",     path = "/cached", cache = { ttl = "300s" }, integration = { type = "HTTP_PROXY", uri = "http://@1/cached" } },
    { method = "GET",     path = "/locked", api_key_required = true, integration = { type = "MOCK" } },
    { method = "ANY",     path = "/spent", throttle = { rate = 0, burst = 0 }, integration = { type = "MOCK" } },
    { method = "OPTIONS", path = "/own", integration = { type = "MOCK", status = 200, headers = { "Access-Control-Allow-Origin" = "https://own.test" } } },
    { method = "GET",     path = "/own", integration = { type = "MOCK", headers = { "Access-Control-Allow-Origin" = "https://own.test" } } },
]
[apis.shop.cors]
allow_origins = ["https://app.test", "http://*"]
allow_methods = ["GET", "PUT"]
allow_headers = ["X-Own", "content-type"]
expose_headers = ["ETag"]
max_age = "10m"
allow_credentials = true

[apis.open]
errors = "aws"
routes = [{ method = "GET", path = "/a", integration = { type = "MOCK" } }]
cors = { allow_origins = ["*"], allow_methods = ["*"], allow_headers = ["*"] }
gateway_responses = { DEFAULT_4XX = { headers = { "Access-Control-Allow-Origin" = "'https://other.test'" } } }

[apis.plain]
routes = [{ method = "GET", path = "/a", integration = { type = "HTTP_PROXY", uri = "http://@1/plain" } }]

[apis.shop.stages.prod]
cache = { enabled = true, size = "16MiB" }
[apis.open.stages.prod]
[apis.plain.stages.prod]
"#;

/// Its back end has its own word on CORS.
fn start() -> (Gateway, Origin) {
    let fields: &[(&str, &str)] = &[
        ("Access-Control-Allow-Origin", "https://back.test"),
        ("Access-Control-Max-Age", "1"),
        ("Vary", "Accept"),
        ("ETag", "\"1\""),
    ];
    let origin = Origin::start(move |_, out| out.answer(200, fields, "hello"));
    (Gateway::start(SHOP, &[&origin]), origin)
}

/// What an answer says of CORS, and on what it depends.
fn said(answer: &Answer) -> Vec<String> {
    let is_of_it = |name: &str| name.starts_with("access-control-") || name == "vary";
    let fields = answer.fields.iter().filter(|(name, _)| is_of_it(name));
    let mut said: Vec<_> =
        fields.map(|(name, value)| format!("{}: {value}", name.replace("access-control-", ""))).collect();
    said.sort();
    said
}

/// The same answer over HTTP/1.1 and HTTP/2, and by the full lane.
#[track_caller]
fn check(gateway: &Gateway, request: &Request, status: u16, expected: &[&str]) {
    let full = request.clone().header("Expect", "100-continue");
    let streams = Streams::open(gateway.listeners()[1]);
    for answer in [gateway.ask(request), gateway.ask(&full), streams.ask(request)] {
        assert_eq!(answer.status, status, "{} {}", request.method, request.target);
        assert_eq!(said(&answer), expected, "{} {}", request.method, request.target);
    }
}

fn preflight(target: &str, origin: &str) -> Request {
    request("OPTIONS", target).header("Origin", origin).header("Access-Control-Request-Method", "PUT")
}

const GRANTED: [&str; 4] =
    ["allow-credentials: true", "allow-origin: https://app.test", "expose-headers: etag", "vary: Origin"];

#[test]
fn a_preflight_is_answered_before_anyone_asks_for_keys_or_routes() {
    let (gateway, origin) = start();
    let told = [
        "allow-credentials: true",
        "allow-headers: x-own,content-type",
        "allow-methods: GET,PUT",
        "allow-origin: https://app.test",
        "expose-headers: etag",
        "max-age: 600",
        "vary: Origin",
    ];
    for target in ["/shop/prod/in/a", "/shop/prod/locked", "/shop/prod/spent", "/shop/prod/nothing"] {
        check(&gateway, &preflight(target, "https://app.test"), 204, &told);
        check(&gateway, &preflight(target, "https://evil.test"), 204, &["vary: Origin"]);
    }
    assert_eq!(origin.requests(), 0);
    // What only looks like one is a request.
    let bare = request("OPTIONS", "/shop/prod/in/a").header("Origin", "https://app.test");
    check(
        &gateway,
        &bare,
        200,
        &[&GRANTED[..], &["vary: Accept"]]
            .concat()
            .into_iter()
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>(),
    );
}

#[test]
fn an_answer_names_the_origin_and_the_back_end_has_no_say() {
    let (gateway, _origin) = start();
    let mut granted = GRANTED.to_vec();
    granted.insert(3, "vary: Accept");
    check(&gateway, &get("/shop/prod/in/a").header("Origin", "https://app.test"), 200, &granted);
    granted[1] = "allow-origin: http://any.test:81";
    check(&gateway, &get("/shop/prod/in/a").header("Origin", "http://any.test:81"), 200, &granted);
    for request in [get("/shop/prod/in/a").header("Origin", "https://evil.test"), get("/shop/prod/in/a")] {
        check(&gateway, &request, 200, &["vary: Accept", "vary: Origin"]);
    }
}

#[test]
fn an_error_can_be_read_by_the_page_that_caused_it() {
    let (gateway, _origin) = start();
    for (target, status) in [("/shop/prod/locked", 401), ("/shop/prod/spent", 429), ("/shop/prod/nothing", 404)] {
        check(&gateway, &get(target).header("Origin", "https://app.test"), status, &GRANTED);
    }
    check(&gateway, &get("/open/prod/nothing").header("Origin", "https://a.test"), 403, &["allow-origin: *"]);
}

#[test]
fn a_cached_answer_is_for_every_origin_and_names_the_one_that_asks() {
    let (gateway, origin) = start();
    let ask = |origin: &str| get("/shop/prod/cached").header("Origin", origin);
    let mut granted = GRANTED.to_vec();
    granted.insert(3, "vary: Accept");
    for _ in 0..2 {
        check(&gateway, &ask("https://app.test"), 200, &granted);
        check(&gateway, &ask("https://evil.test"), 200, &["vary: Accept", "vary: Origin"]);
    }
    assert_eq!(origin.requests(), 1);
}

#[test]
fn a_route_that_is_written_for_options_answers_by_itself() {
    let (gateway, _origin) = start();
    check(&gateway, &preflight("/shop/prod/own", "https://app.test"), 200, &["allow-origin: https://own.test"]);
    check(&gateway, &get("/shop/prod/own").header("Origin", "https://app.test"), 200, &GRANTED);
}

#[test]
fn anyone_is_anyone_and_what_is_asked_for_is_allowed() {
    let (gateway, _origin) = start();
    let asked =
        preflight("/open/prod/a", "https://a.test").header("Access-Control-Request-Headers", "authorization,x-a");
    check(&gateway, &asked, 204, &["allow-headers: authorization,x-a", "allow-methods: PUT", "allow-origin: *"]);
    check(&gateway, &get("/open/prod/a"), 200, &["allow-origin: *"]);
}

#[test]
fn without_the_block_the_back_end_speaks_for_itself() {
    let (gateway, _origin) = start();
    let own = ["allow-origin: https://back.test", "max-age: 1", "vary: Accept"];
    check(&gateway, &get("/plain/prod/a").header("Origin", "https://app.test"), 200, &own);
    check(&gateway, &preflight("/plain/prod/a", "https://app.test"), 405, &[]);
}

#[test]
fn a_block_that_no_browser_takes_is_a_fault() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tollgate.toml");
    let check = |block: &str, expected: &str| {
        std::fs::write(&file, format!("[apis.shop]\ncors = {{ {block} }}\n")).expect("written");
        let said = tollgate(&["check", &file.display().to_string()]).expect(1).said();
        assert!(said.contains(expected), "{expected} is not in\n{said}");
    };
    check(
        r#"allow_origins = ["*"], allow_credentials = true"#,
        "`allow_origins` is \"*\" while credentials are allowed",
    );
    check(r#"allow_methods = ["GET"]"#, "needs the key `allow_origins`");
    check(r#"allow_origins = []"#, "allows no origin");
    check(r#"allow_origins = ["https://a.test/"]"#, "is not an origin");
    check(r#"allow_origins = ["*"], allow_methods = ["get"]"#, "write \"GET\"");
    check(r#"allow_origins = ["*"], max_age = "2d""#, "out of range");
    check(r#"allow_origin = ["*"]"#, "did you mean `allow_origins`?");
}
