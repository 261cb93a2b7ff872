//! Who may operate the gateway: guesses, browsers, floods, and what is written down of all that.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use crate::house::{ADMIN_TOKEN, ALICE, DEADLINE, Folder, Gateway, Origin, Request, Wire, eventually_some, get, post};
use crate::house::{request, tls, tollgate};

const SHOP: &str = r#"
[admin]
listen = "127.0.0.1:0"
token = "admin-token-of-the-tests"
tokens = [{ name = "ci", token = "token-of-the-build" }]
hosts = ["gateway.internal"]
audit_log = { path = "audit.log" }
[apis.shop]
routes = [
    { method = "GET", path = "/cached", api_key_required = true, cache = { key = ["header.X-Api-Key"] }, integration = { type = "MOCK", body = "here" } },
]
[apis.shop.stages.prod]
variables = { version = "1" }
cache = { enabled = true }
canary = { percent = 10, variables = { version = "2" } }
[usage_plans.basic]
stages = ["shop/prod"]
quota = { limit = 1000, period = "month" }
[api_keys.alice]
value = "alice-0123456789-0123456789"
usage_plans = ["basic"]
"#;

fn bearer(request: Request, token: &str) -> Request {
    request.header("Authorization", format!("Bearer {token}"))
}

/// Waits for the audit log's line of the first change that `is_it`.
#[track_caller]
fn audited(gateway: &Gateway, is_it: impl Fn(&Value) -> bool) -> Value {
    eventually_some("the audit log has the change", || {
        let log = gateway.folder().read("audit.log");
        log.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).find(|line| is_it(line))
    })
}

#[test]
fn who_guesses_is_not_looked_at_for_a_while_and_loopback_still_reads() {
    let gateway = Gateway::start(SHOP, &[]);
    let statuses: Vec<u16> =
        (0..12).map(|_| gateway.admin_without_token(&bearer(post("/v1/reload", ""), "guess")).status).collect();
    assert_eq!(statuses[..10], [401; 10]);
    assert_eq!(statuses[11], 429);
    let right = gateway.admin(post("/v1/reload", ""));
    assert_eq!(right.status, 429, "a right token is not looked at either");
    let wait_s: u64 = right.field("retry-after").and_then(|wait| wait.parse().ok()).expect("a time to wait");
    assert!((1..=6).contains(&wait_s), "{wait_s}");
    gateway.admin_without_token(&get("/readyz")).expect(200);
    let metrics = gateway.admin_without_token(&get("/metrics")).expect(200);
    assert!(metrics.text().contains("tollgate_admin_refused_total{reason=\"wrong_token\"} 10"));
    let line = audited(&gateway, |line| line["audit"] == "admit");
    assert_eq!((line["outcome"].as_str(), &line["who"]), (Some("failed"), &Value::Null));
    let admitted = |gateway: &Gateway| (gateway.admin(get("/v1/routes")).status == 200).then_some(());
    eventually_some("the right token is looked at again", || admitted(&gateway));
}

#[test]
fn nothing_is_done_that_a_browser_asks_for_another_site() {
    let gateway = Gateway::start(SHOP, &[]);
    let own = gateway.admin_address().to_string();
    let check = |request: Request, expected: u16| {
        let answer = gateway.admin_as_it_is(&request);
        assert_eq!(answer.status, expected, "{}: {}", String::from_utf8_lossy(&request.bytes()), answer.text());
    };
    let reload = || bearer(post("/v1/reload", ""), ADMIN_TOKEN).host(&own);
    check(reload(), 200);
    check(reload().header("Origin", format!("http://{own}")).header("Sec-Fetch-Site", "same-origin"), 200);
    check(reload().header("Origin", "http://evil.example"), 403);
    check(reload().header("Origin", "null"), 403);
    check(reload().header("Sec-Fetch-Site", "cross-site"), 403);
    check(reload().header("Sec-Fetch-Site", "same-site"), 403);
    // A page whose name its owner has led to this machine reads nothing.
    let read = || get("/v1/config");
    check(read().host("evil.example:9090"), 421);
    check(get("/readyz?verbose").host("evil.example:9090"), 200);
    assert!(!gateway.admin_as_it_is(&get("/readyz?verbose").host("evil.example")).text().contains("config"));
    for name in [&*own, "localhost", "localhost:9090", "[::1]:9090", "Gateway.internal:9090"] {
        check(read().host(name), 200);
    }
    check(bearer(read().host("gateway.test"), "token-of-the-build"), 200);
    let preflight = request("OPTIONS", "/v1/reload")
        .host(&own)
        .header("Origin", "http://evil.example")
        .header("Access-Control-Request-Method", "POST");
    check(preflight, 403);
}

#[test]
fn each_change_is_written_down_with_who_made_it_and_how_it_went() {
    let mut gateway = Gateway::start(SHOP, &[]);
    let started = audited(&gateway, |line| line["audit"] == "start");
    let running = started["after"].as_str().expect("a digest").to_owned();

    let extend = json!({ "key": "alice", "plan": "basic", "requests": 10 });
    let request = bearer(post("/v1/usage/extend", extend.to_string()), "token-of-the-build");
    let answer = gateway.admin_without_token(&request.header("X-Request-Id", "change-0001")).expect(200);
    assert_eq!(answer.field("x-request-id"), Some("change-0001"));
    let line = audited(&gateway, |line| line["request_id"] == "change-0001");
    let about = json!({ "key": "alice", "plan": "basic", "requests": 10 });
    assert_eq!((&line["audit"], &line["about"]), (&json!("quota.extend"), &about));
    assert_eq!((&line["before"], &line["after"]), (&json!(0), &json!(10)));
    assert_eq!((&line["via"], &line["who"], &line["address"]), (&json!("admin"), &json!("ci"), &json!("127.0.0.1")));

    gateway.admin(post("/v1/usage/extend", r#"{"key":"nobody","plan":"basic","requests":1}"#)).expect(404);
    let line = audited(&gateway, |line| line["about"]["key"] == "nobody");
    assert_eq!((&line["outcome"], &line["who"]), (&json!("failed"), &json!("admin")));

    gateway.command("/v1/cache/flush", &json!({ "stage": "shop/prod" }));
    let line = audited(&gateway, |line| line["audit"] == "cache.flush");
    assert_eq!(line["after"], "all answers of shop/prod");

    gateway.command("/v1/promote", &json!({ "stage": "shop/prod" }));
    let line = audited(&gateway, |line| line["audit"] == "promote");
    assert_eq!(line["after"], json!([["version", "2"]]));
    let line = audited(&gateway, |line| line["audit"] == "reload");
    assert_eq!((&line["who"], &line["before"]), (&json!("admin"), &json!(running)));
    assert_ne!(line["after"], json!(running));

    gateway.reload();
    let line = audited(&gateway, |line| line["who"] == "SIGHUP");
    assert_eq!((&line["via"], line["before"] == line["after"]), (&json!("signal"), true));

    gateway.folder().write("tollgate.toml", "[apis.shop");
    let line = audited(&gateway, |line| line["via"] == "files");
    assert_eq!((&line["outcome"], &line["after"]), (&json!("failed"), &Value::Null));

    assert!(gateway.terminate().success());
    audited(&gateway, |line| line["audit"] == "stop" && line["who"] == "SIGTERM");
}

/// What must be seen nowhere. The API keys are long enough to be accepted.
const SECRETS: [&str; 9] = [
    "sesame-admin-token-0001",
    "sesame-named-token-0002",
    "sesame-api-key-value-0003",
    "sesame-key-from-environment-0004",
    "sesame-static-parameter-0005",
    "sesame-stage-variable-0006",
    "sesame-header-of-a-question-0007",
    "sesame-query-of-a-question-0008",
    "sesame-wrong-token-0009",
];

const SECRETIVE: &str = r#"
[server]
listen = [{ address = "127.0.0.1:0", tls = { cert = "cert.pem", key = "key.pem" } }]
threads = 1
drain_delay = "0s"
[admin]
listen = "127.0.0.1:0"
token = "sesame-admin-token-0001"
tokens = [{ name = "ci", token = "sesame-named-token-0002" }]
audit_log = { path = "audit.log" }
[apis.shop]
routes = [
    { method = "GET", path = "/cached/{id}", api_key_required = true, cache = { key = ["path.id"] }, integration = { type = "HTTP_PROXY", uri = "http://@1/${stageVariables.secret}", request_parameters = { "integration.request.header.Authorization" = "'${env:STATIC}'" } } },
    { method = "GET", path = "/down", integration = { type = "HTTP_PROXY", uri = "http://127.0.0.1:1/${stageVariables.secret}" } },
]
[apis.shop.stages.prod]
cache = { enabled = true }
variables = { secret = "${env:VARIABLE}" }
canary = { percent = 10, variables = { version = "2" } }
[usage_plans.basic]
stages = ["shop/prod"]
quota = { limit = 1000, period = "month" }
[api_keys.alice]
value = "sesame-api-key-value-0003"
usage_plans = ["basic"]
[api_keys.bob]
value = "${env:KEY}"
usage_plans = ["basic"]
"#;

const SECRET_ENV: [(&str, &str); 4] =
    [("KEY", SECRETS[3]), ("STATIC", SECRETS[4]), ("VARIABLE", SECRETS[5]), ("RUST_LOG", "debug")];

#[test]
fn no_secret_is_in_any_answer_log_metric_or_fault() {
    let origin = Origin::text("answer");
    let folder = Arc::new(Folder::new(SECRETIVE, &[&origin]));
    let mut gateway = Gateway::start_in(folder, &SECRET_ENV);
    let mut said = drive(&gateway);
    said.extend(misconfigure(&gateway));
    assert!(gateway.terminate().success());
    said.push(("standard error".to_owned(), gateway.stderr()));
    said.push(("the access log".to_owned(), gateway.access_log().join("\n")));
    said.push(("the audit log".to_owned(), gateway.folder().read("audit.log")));
    let key_line = tls::pem().1.lines().nth(1).expect("a line of the private key");
    for (whence, text) in &said {
        for secret in SECRETS.iter().chain([&key_line]) {
            assert!(!text.contains(secret), "{whence} holds {secret}:\n{text}");
        }
    }
}

/// Uses everything that there is, and returns what it said.
fn drive(gateway: &Gateway) -> Vec<(String, String)> {
    let mut said = Vec::new();
    let mut keep = |request: Request| {
        let answer = gateway.admin_without_token(&bearer(request.clone(), SECRETS[0]));
        said.push((format!("{} {}", request.method, request.target), format!("{:?} {}", answer.fields, answer.text())));
    };
    let question = format!("/shop/prod/cached/1?token={}", SECRETS[7]);
    let header = format!("x-api-key:%20{}", SECRETS[6]);
    for path in
        ["/metrics", "/readyz?verbose", "/v1/routes", "/v1/config", "/v1/usage", "/v1/openapi.json", "/v1/nothing"]
    {
        keep(get(path));
    }
    keep(get(&format!("/v1/explain?url=/shop/prod/cached/1&header={header}")));
    keep(get(&format!("/v1/explain?url=/shop/prod/cached/1&header=x-api-key:%20{}", SECRETS[2])));
    let of_question =
        json!({ "stage": "shop/prod", "url": question, "headers": [format!("x-api-key: {}", SECRETS[6])] });
    keep(post("/v1/cache/flush", of_question.to_string()));
    keep(post("/v1/cache/flush", json!({ "stage": "shop/nowhere", "url": question }).to_string()));
    keep(post("/v1/cache/purge", json!({ "stage": "shop/prod", "url": question }).to_string()));
    keep(post("/v1/usage/extend", json!({ "key": "alice", "plan": "basic", "requests": 1 }).to_string()));
    keep(post("/v1/usage/extend", json!({ "key": "bob", "plan": "none", "requests": 1 }).to_string()));
    keep(post("/v1/reload", ""));
    keep(post("/v1/promote", json!({ "stage": "shop/prod" }).to_string()));
    keep(bearer(post("/v1/reload", ""), SECRETS[8]));
    let wrong = gateway.admin_without_token(&bearer(post("/v1/reload", ""), SECRETS[8])).expect(401);
    said.push(("a wrong token".to_owned(), wrong.text().to_owned()));
    for path in [question.as_str(), "/shop/prod/down", "/shop/prod/nothing", "/nothing"] {
        for key in [SECRETS[2], SECRETS[3], SECRETS[6], "short"] {
            let answer = Wire::open_tls(gateway.http()).ask(&get(path).host(tls::NAME).key(key));
            said.push((format!("GET {path}"), format!("{:?} {}", answer.fields, answer.text())));
        }
    }
    said
}

/// Writes configurations that have faults next to secrets, and returns what was said of them.
fn misconfigure(gateway: &Gateway) -> Vec<(String, String)> {
    let text = gateway.folder().read("tollgate.toml");
    let mut said = Vec::new();
    for (part, fault) in [
        ("token = \"sesame-admin-token-0001\"", "token = \"sesame-admin-token-0001"),
        ("token = \"sesame-admin-token-0001\"", "tokn = \"sesame-admin-token-0001\""),
        ("name = \"ci\", ", ""),
        ("name = \"ci\", token", "name = \"ci\", tokn"),
        ("value = \"sesame-api-key-value-0003\"", "value = \"sesame-api-key-value-0003\" x"),
        ("value = \"sesame-api-key-value-0003\"", "vlaue = \"sesame-api-key-value-0003\""),
        ("'${env:STATIC}'", "${env:STATIC}"),
        ("uri = \"http://127.0.0.1:1/", "uri = \"${env:STATIC}://127.0.0.1:1/"),
        ("key.pem", "cert.pem"),
    ] {
        assert!(text.contains(part), "{part}");
        gateway.folder().write("tollgate.toml", &text.replace(part, fault));
        let answer = gateway.admin_without_token(&bearer(post("/v1/reload", ""), SECRETS[0]));
        said.push((format!("a reload with {fault}"), answer.text().to_owned()));
        let verbose = gateway.admin_without_token(&bearer(get("/readyz?verbose"), SECRETS[0]));
        said.push(("readyz".to_owned(), verbose.text().to_owned()));
        let checked = tollgate(&["check", gateway.folder().config().to_str().expect("a path")]);
        said.push((format!("a check with {fault}"), checked.said()));
    }
    gateway.folder().write("tollgate.toml", &text);
    said
}

#[test]
fn connections_to_the_admin_listener_are_bounded_and_slow_ones_end() {
    let gateway = Gateway::start(SHOP, &[]);
    let open = || TcpStream::connect(gateway.admin_address()).expect("a connection");
    let began = Instant::now();
    let mut slow: Vec<TcpStream> = (0..100).map(|_| open()).collect();
    for tcp in &mut slow {
        tcp.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        // Those who are over the bound have been hung up on.
        let _ = tcp.write_all(b"GET /livez HTTP/1.1\r\n");
    }
    gateway.get("/shop/prod/cached").expect(401);
    let ended: Vec<_> = slow.into_iter().map(|mut tcp| (tcp.read(&mut [0; 1]), began.elapsed())).collect();
    assert!(ended.iter().all(|(read, _)| !matches!(read, Ok(1))), "nobody is answered");
    let at_once = ended.iter().filter(|(read, _)| read.is_err() || matches!(read, Ok(0))).count();
    assert_eq!(at_once, 100);
    assert!(began.elapsed().as_secs() >= 9, "a slow head has its time: {:?}", began.elapsed());
    assert_eq!(gateway.metric("tollgate_admin_refused_total", &[("reason", "connections")]), 36.0);
    gateway.ask(&get("/shop/prod/cached").key(ALICE)).expect(200);
}
