//! The operator's listener: who may ask, and what it tells and does.

use serde_json::json;

use crate::house::{ADMIN_TOKEN, ALICE, Gateway, Origin, eventually, find_object, get, post};

const SHOP: &str = r#"
[apis.shop]
routes = [
    { method = "GET", path = "/orders/{id}", api_key_required = true, cache = { key = ["path.id"] }, integration = { type = "HTTP_PROXY", uri = "http://@1/orders/{id}" } },
    { method = "ANY", path = "/{rest+}", integration = { type = "MOCK", body = "rest" } },
]
[apis.shop.stages.prod]
cache = { enabled = true }
[usage_plans.basic]
stages = ["shop/prod"]
throttle = { rate = 100, burst = 100 }
quota = { limit = 1000, period = "month" }
[api_keys.alice]
value = "alice-0123456789-0123456789"
usage_plans = ["basic"]
"#;

/// The contract of the admin API: method and path.
const PATHS: &[(&str, &str)] = &[
    ("get", "/v1/routes"),
    ("get", "/v1/usage"),
    ("post", "/v1/usage/extend"),
    ("post", "/v1/cache/flush"),
    ("post", "/v1/cache/purge"),
    ("post", "/v1/reload"),
    ("post", "/v1/upgrade"),
    ("get", "/v1/explain"),
    ("get", "/v1/export"),
    ("post", "/v1/promote"),
    ("get", "/v1/config"),
    ("get", "/v1/openapi.json"),
];

fn start() -> (Gateway, Origin) {
    let origin = Origin::mirror();
    (Gateway::start(SHOP, &[&origin]), origin)
}

#[test]
fn with_a_token_only_its_bearer_may_ask_and_change() {
    let (gateway, _origin) = start();
    let reload = || post("/v1/reload", "");
    for wrong in ["Bearer wrong", "Bearer ", ADMIN_TOKEN, "Basic YWRtaW46YWRtaW4=", &format!("Bearer {ADMIN_TOKEN}x")] {
        let answer = gateway.admin_without_token(&reload().header("Authorization", wrong)).expect(401);
        assert!(answer.field("www-authenticate").is_some_and(|scheme| scheme.starts_with("Bearer")), "{wrong}");
    }
    gateway.admin_without_token(&get("/v1/routes").header("Authorization", "Bearer wrong")).expect(401);
    gateway.admin_without_token(&reload()).expect(401);
    gateway.admin(get("/v1/routes")).expect(200);
    assert!((200..300).contains(&gateway.admin(reload()).status));
    for open in ["/livez", "/readyz"] {
        gateway.admin_without_token(&get(open)).expect(200);
    }
}

#[test]
fn without_a_token_reads_from_loopback_are_answered_and_changes_are_not() {
    let config = format!("[admin]\nlisten = \"127.0.0.1:0\"\n{SHOP}");
    let origin = Origin::mirror();
    let gateway = Gateway::start(&config, &[&origin]);
    for read in ["/v1/routes", "/v1/usage", "/v1/config", "/metrics", "/readyz?verbose"] {
        gateway.admin_without_token(&get(read)).expect(200);
    }
    for (method, path) in PATHS.iter().filter(|(method, _)| *method == "post") {
        let answer = gateway.admin_without_token(&post(path, "{}").header("Content-Type", "application/json"));
        assert_eq!(answer.status, 403, "{method} {path}");
    }
}

#[test]
fn liveness_readiness_and_metrics_speak_their_own_formats() {
    let (gateway, _origin) = start();
    gateway.admin(get("/livez")).expect(200);
    gateway.admin(get("/readyz")).expect(200);
    assert!(gateway.admin(get("/readyz?verbose")).expect(200).text().contains("config"));
    let metrics = gateway.admin(get("/metrics")).expect(200);
    assert!(metrics.field("content-type").is_some_and(|kind| kind.starts_with("text/plain")), "{:?}", metrics.fields);
    gateway.admin(get("/v1/nothing")).expect(404);
    gateway.admin(post("/v1/routes", "")).expect(405);
}

#[test]
fn routes_are_listed_with_their_api_and_method() {
    let (gateway, _origin) = start();
    let routes = gateway.admin(get("/v1/routes")).expect(200).json();
    let orders = find_object(&routes, &|o| o.get("path") == Some(&"/orders/{id}".into()));
    let orders = orders.unwrap_or_else(|| panic!("{routes}"));
    assert_eq!((orders["api"].as_str(), orders["method"].as_str()), (Some("shop"), Some("GET")), "{orders}");
}

#[test]
fn usage_is_told_per_key_and_plan() {
    let (gateway, _origin) = start();
    for _ in 0..3 {
        gateway.ask(&get("/shop/prod/orders/1").key(ALICE)).expect(200);
    }
    assert_eq!(gateway.usage("alice", "basic", "used"), 3);
    assert_eq!(gateway.usage("alice", "basic", "remaining"), 997);
    gateway.command("/v1/usage/extend", &json!({ "key": "alice", "plan": "basic", "requests": 10 }));
    assert_eq!(gateway.usage("alice", "basic", "remaining"), 1007);
    for (body, status) in [
        (r#"{"key":"nobody","plan":"basic","requests":10}"#, 404),
        (r#"{"key":"alice","plan":"nothing","requests":10}"#, 404),
        (r#"{"key":"alice","plan":"basic"}"#, 400),
        (r#"{"key":"alice","plan":"basic","requests":"many"}"#, 400),
        ("no json", 400),
    ] {
        let answer = gateway.admin(post("/v1/usage/extend", body).header("Content-Type", "application/json"));
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }
}

#[test]
fn explain_names_what_would_happen_and_changes_nothing() {
    let (gateway, origin) = start();
    let url = "http://gateway.test/shop/prod/orders/7";
    let told = gateway.admin(get(&format!("/v1/explain?method=GET&url={url}&header=x-api-key:%20{ALICE}"))).expect(200);
    for named in ["shop", "prod", "/orders/{id}", "alice", "basic", &origin.address()] {
        assert!(told.text().contains(named), "{named} is missing: {}", told.text());
    }
    assert!(!told.text().contains(ALICE), "the key is echoed");
    let refused = gateway.admin(get(&format!("/v1/explain?method=GET&url={url}"))).expect(200);
    assert!(refused.text().contains("missing_api_key"), "{}", refused.text());
    gateway.admin(get("/v1/explain?method=GET")).expect(400);
    assert_eq!(origin.requests(), 0);
    assert_eq!(gateway.usage("alice", "basic", "used"), 0);
}

#[test]
fn a_reload_is_answered_with_its_outcome() {
    let (gateway, _origin) = start();
    assert!((200..300).contains(&gateway.admin(post("/v1/reload", "")).status));
    let text = gateway.folder().read("tollgate.toml").replace("[usage_plans.basic]", "[usage_plan.basic]");
    gateway.folder().write("tollgate.toml", &text);
    let answer = gateway.admin(post("/v1/reload", ""));
    assert!((400..500).contains(&answer.status), "{}", answer.status);
    assert!(answer.text().contains("usage_plan"), "{}", answer.text());
    eventually("the failure is counted", || gateway.metric("tollgate_config_last_reload_success", &[]) == 0.0);
}

#[test]
fn flushing_what_does_not_exist_is_a_404() {
    let (gateway, _origin) = start();
    for (body, status) in [
        (r#"{"stage":"shop/nowhere"}"#, 404),
        (r#"{"stage":"shop/prod","route":"GET /nothing/here"}"#, 404),
        (r#"{}"#, 400),
    ] {
        let answer = gateway.admin(post("/v1/cache/flush", body).header("Content-Type", "application/json"));
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }
}

#[test]
fn the_openapi_document_lists_every_path() {
    let (gateway, _origin) = start();
    let document = gateway.admin(get("/v1/openapi.json")).expect(200).json();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.")), "{document}");
    for (method, path) in PATHS {
        let operation = &document["paths"][path][method];
        assert!(operation["responses"].is_object(), "{method} {path} is missing");
    }
}

#[test]
fn a_refusal_of_the_admin_api_is_a_problem_document() {
    let (gateway, _origin) = start();
    let answer = gateway.admin_without_token(&post("/v1/reload", "")).expect(401);
    assert_eq!(answer.field("content-type"), Some("application/problem+json"));
    assert_eq!(answer.json()["status"], 401);
}
