//! Who may call: API keys, usage plans, and what a stranger hears in both styles.

use std::sync::Arc;

use crate::house::{ALICE, BOB, Folder, Gateway, Origin, get};

const DORA: &str = "dora-0123456789-0123456789";
const ERIN: &str = "erin-0123456789-0123456789";

/// The same routes in both styles of errors; alice may call both, bob is in a plan for another stage, dora's key is
/// switched off, erin is in no plan, and nobody has the key that mallory tries.
const TWO_STYLES: &str = r#"
[apis.plain]
errors = "standard"
routes = [
    { method = "GET", path = "/open", integration = { type = "HTTP_PROXY", uri = "http://@1/open" } },
    { method = "GET", path = "/locked", api_key_required = true, integration = { type = "HTTP_PROXY", uri = "http://@1/locked" } },
    { method = "GET", path = "/mapped", api_key_required = true, integration = { type = "HTTP_PROXY", uri = "http://@1/mapped", request_parameters = { "integration.request.header.X-Api-Key" = "method.request.header.X-Api-Key" } } },
]
[apis.plain.stages.prod]
[apis.plain.stages.beta]

[apis.cloud]
errors = "aws"
routes = [{ method = "GET", path = "/locked", api_key_required = true, integration = { type = "MOCK", body = "in" } }]
[apis.cloud.stages.prod]

[usage_plans.both]
stages = ["plain/prod", "cloud/prod"]
[usage_plans.beta]
stages = ["plain/beta"]

[api_keys.alice]
value = "alice-0123456789-0123456789"
usage_plans = ["both"]
[api_keys.bob]
value = "bob-0123456789-0123456789-bob"
usage_plans = ["beta"]
[api_keys.dora]
value = "dora-0123456789-0123456789"
usage_plans = ["both"]
enabled = false
[api_keys.erin]
value = "erin-0123456789-0123456789"
"#;

const MALLORY: &str = "mallory-0123456789-0123456789";

#[test]
fn standard_style_tells_a_stranger_from_a_caller_who_may_not() {
    let gateway = Gateway::start(TWO_STYLES, &[&Origin::mirror()]);
    let cases = [
        (None, 401, "missing_api_key"),
        (Some(MALLORY), 401, "unknown_api_key"),
        (Some(""), 401, "missing_api_key"),
        (Some(DORA), 403, "disabled_api_key"),
        (Some(BOB), 403, "no_usage_plan"),
        (Some(ERIN), 403, "no_usage_plan"),
    ];
    for (key, status, code) in cases {
        let wish = key.map_or(get("/plain/prod/locked"), |key| get("/plain/prod/locked").key(key));
        let answer = gateway.ask(&wish).expect(status);
        assert_eq!(answer.code(), code, "{key:?}");
        assert_eq!(answer.field("www-authenticate").is_some(), status == 401, "{key:?}: {:?}", answer.fields);
        assert!(!answer.text().contains(MALLORY), "the key is echoed");
    }
    gateway.ask(&get("/plain/prod/locked").key(ALICE)).expect(200);
    gateway.ask(&get("/plain/beta/locked").key(BOB)).expect(200);
}

#[test]
fn aws_style_answers_byte_for_byte_as_the_service() {
    let gateway = Gateway::start(TWO_STYLES, &[&Origin::mirror()]);
    let forbidden = (403, r#"{"message":"Forbidden"}"#, "ForbiddenException");
    let missing_token = (403, r#"{"message":"Missing Authentication Token"}"#, "MissingAuthenticationTokenException");
    let cases = [
        ("/cloud/prod/locked", None, forbidden),
        ("/cloud/prod/locked", Some(MALLORY), forbidden),
        ("/cloud/prod/locked", Some(DORA), forbidden),
        ("/cloud/prod/locked", Some(BOB), forbidden),
        ("/cloud/prod/nothing", Some(ALICE), missing_token),
    ];
    for (target, key, expected) in cases {
        let wish = key.map_or(get(target), |key| get(target).key(key));
        let answer = gateway.ask(&wish);
        let error_type = answer.field("x-amzn-errortype").unwrap_or_default();
        assert_eq!((answer.status, answer.text(), error_type), expected, "{target} {key:?}");
        assert_eq!(answer.field("content-type"), Some("application/json"));
        assert!(answer.field("x-amzn-requestid").is_some(), "{:?}", answer.fields);
        assert!(answer.field("www-authenticate").is_none());
    }
    gateway.ask(&get("/cloud/prod/locked").key(ALICE)).expect(200);
}

#[test]
fn the_key_reaches_the_back_end_only_where_it_is_mapped() {
    let origin = Origin::mirror();
    let gateway = Gateway::start(TWO_STYLES, &[&origin]);
    gateway.ask(&get("/plain/prod/locked").key(ALICE)).expect(200);
    assert_eq!(origin.last().field("x-api-key"), None);
    gateway.ask(&get("/plain/prod/open").key(ALICE)).expect(200);
    assert_eq!(origin.last().field("x-api-key"), None);
    gateway.ask(&get("/plain/prod/mapped").key(ALICE)).expect(200);
    assert_eq!(origin.last().field("x-api-key"), Some(ALICE));
}

#[test]
fn a_refused_caller_never_reaches_the_back_end() {
    let origin = Origin::mirror();
    let gateway = Gateway::start(TWO_STYLES, &[&origin]);
    gateway.get("/plain/prod/locked").expect(401);
    gateway.ask(&get("/plain/prod/locked").key(DORA)).expect(403);
    assert_eq!(origin.requests(), 0);
    gateway.get("/plain/prod/open").expect(200);
    assert_eq!(origin.requests(), 1);
}

#[test]
fn keys_come_from_the_environment_from_files_and_as_digests() {
    let config = r#"
        [apis.shop]
        routes = [{ method = "GET", path = "/", api_key_required = true, integration = { type = "MOCK", body = "in" } }]
        [apis.shop.stages.prod]
        [usage_plans.all]
        stages = ["shop/prod"]
        [api_keys.by_env]
        value = "${env:KEY_OF_THE_TEST}"
        usage_plans = ["all"]
        [api_keys.by_file]
        value = "${file:key.txt}"
        usage_plans = ["all"]
        [api_keys.by_digest]
        sha256 = "b37a76c1e6f1d9f2e32a7a4c7a9d0c6a0a3b3e58e8b4c8f4cbb3d8f1b7b5c111"
        usage_plans = ["all"]
    "#;
    let digest = sha256_hex("digest-0123456789-0123456789");
    let config = config.replace("b37a76c1e6f1d9f2e32a7a4c7a9d0c6a0a3b3e58e8b4c8f4cbb3d8f1b7b5c111", &digest);
    let folder = Folder::new(&config, &[]);
    folder.write("key.txt", "file-0123456789-0123456789\n");
    let gateway = Gateway::start_in(Arc::new(folder), &[("KEY_OF_THE_TEST", "env-0123456789-0123456789")]);
    for key in ["env-0123456789-0123456789", "file-0123456789-0123456789", "digest-0123456789-0123456789"] {
        gateway.ask(&get("/shop/prod/").key(key)).expect(200);
    }
    gateway.ask(&get("/shop/prod/").key(&digest)).expect(401);
}

fn sha256_hex(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_key_is_neither_logged_nor_served() {
    let gateway = Gateway::start(TWO_STYLES, &[&Origin::mirror()]);
    let answer = gateway.ask(&get("/plain/prod/locked").key(ALICE)).expect(200);
    let line = gateway.log_of(answer.field("x-request-id").expect("an id"));
    assert!(line.to_string().contains("alice\""), "the key's name is logged: {line}");
    let shown = gateway.admin(get("/v1/config")).expect(200);
    for text in [line.to_string(), shown.text().to_owned(), gateway.stderr(), gateway.metrics()] {
        assert!(!text.contains(ALICE) && !text.contains(DORA), "{text}");
    }
}
