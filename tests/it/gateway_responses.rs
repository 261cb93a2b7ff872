//! What an API says instead of the gateway's own answers, in both styles and over both protocols.

use crate::house::{Answer, Gateway, Origin, Streams, get, post, tollgate};

const SHOP: &str = r#"
[server]
listen = ["127.0.0.1:0", { address = "127.0.0.1:0", h2 = true }]
[server.limits]
body = "10B"
[telemetry]
access_log = { format = "$context.requestId $context.error.responseType $context.error.messageString" }

[apis.shop]
errors = "STYLE"
routes = [
    { method = "GET",  path = "/spent/{id}", throttle = { rate = 0, burst = 0 }, integration = { type = "MOCK" } },
    { method = "GET",  path = "/locked", api_key_required = true, integration = { type = "MOCK" } },
    { method = "POST", path = "/small", integration = { type = "HTTP_PROXY", uri = "http://@1/" } },
    { method = "GET",  path = "/dead", integration = { type = "HTTP_PROXY", uri = "http://{NOBODY}/" } },
]
[apis.shop.gateway_responses.THROTTLED]
status = 420
headers = { "Retry-After" = "'7'", "gatewayresponse.header.X-Own-Q" = "method.request.querystring.q", "X-Own-Type" = "context.error.responseType", "X-Own-None" = "method.request.header.none" }
templates = { "application/json" = '''{"id":"$method.request.path.id","said":$context.error.messageString,"tier":"$stageVariables.tier","status":$context.status}''', "text/html" = "<p>$method.request.querystring.q</p>" }
[apis.shop.gateway_responses.DEFAULT_4XX]
headers = { "X-Own-Default" = "'4'" }
[apis.shop.gateway_responses.DEFAULT_5XX]
status = 599
templates = { "text/plain" = "$context.stage is down: $context.integrationErrorMessage" }

[apis.shop.stages.prod]
variables = { tier = "gold" }
"#;

fn start(style: &str, origin: &Origin) -> Gateway {
    let config = SHOP.replace("STYLE", style).replace("{NOBODY}", &Origin::nobody());
    Gateway::start(&config, &[origin])
}

/// The answers over HTTP/1.1 and HTTP/2, which say the same.
fn ask(gateway: &Gateway, request: &crate::house::Request) -> Answer {
    let answer = gateway.ask(request);
    let streamed = Streams::open(gateway.listeners()[1]).ask(request);
    let told = |answer: &Answer| (answer.status, answer.field("content-type").map(str::to_owned));
    assert_eq!(told(&answer), told(&streamed));
    answer
}

#[test]
fn a_customised_type_is_answered_in_both_styles_as_the_api_says() {
    for (style, message) in [("standard", "Route throttled"), ("aws", "Too Many Requests")] {
        let gateway = start(style, &Origin::echo());
        let answer = ask(&gateway, &get("/shop/prod/spent/a%22b?q=1%3C2"));
        assert_eq!(answer.status, 420);
        let expected = format!(r#"{{"id":"a\"b","said":"{message}","tier":"gold","status":420}}"#);
        assert_eq!(answer.text(), expected);
        assert_eq!(answer.field("content-type"), Some("application/json"));
        assert_eq!(answer.field("retry-after"), Some("7"));
        assert_eq!(answer.field("x-own-q"), Some("1<2"));
        assert_eq!(answer.field("x-own-type"), Some("THROTTLED"));
        assert_eq!(answer.field("x-own-none"), None);
        let error_type = (style == "aws").then_some("TooManyRequestsException");
        assert_eq!(answer.field("x-amzn-errortype"), error_type);

        let html = ask(&gateway, &get("/shop/prod/spent/1?q=%3Cb%3E").header("Accept", "text/html, */*;q=0.1"));
        assert_eq!((html.field("content-type"), html.text()), (Some("text/html"), "<p>&lt;b&gt;</p>"));
    }
}

#[test]
fn what_is_not_customised_has_its_own_body_and_what_the_default_of_its_class_adds() {
    let gateway = start("aws", &Origin::echo());
    let locked = ask(&gateway, &get("/shop/prod/locked"));
    assert_eq!((locked.status, locked.text()), (403, r#"{"message":"Forbidden"}"#));
    assert_eq!(locked.field("x-own-default"), Some("4"));
    let missed = ask(&gateway, &get("/shop/prod/nothing"));
    assert_eq!((missed.status, missed.text()), (403, r#"{"message":"Missing Authentication Token"}"#));
    assert_eq!(missed.field("x-own-default"), Some("4"));

    let gateway = start("standard", &Origin::echo());
    let missed = ask(&gateway, &get("/shop/prod/nothing"));
    assert_eq!((missed.status, missed.json()["code"].as_str()), (404, Some("unknown_route")));
    assert_eq!(missed.field("x-own-default"), Some("4"));
}

#[test]
fn a_failure_of_the_back_end_says_nothing_that_only_the_log_may_know() {
    for style in ["standard", "aws"] {
        let gateway = start(style, &Origin::echo());
        let dead = ask(&gateway, &get("/shop/prod/dead"));
        assert_eq!((dead.status, dead.text()), (599, "prod is down: "), "{style}");
    }
}

#[test]
fn what_is_too_large_and_what_reaches_no_api_is_always_answered_alike() {
    let origin = Origin::echo();
    let gateway = start("aws", &origin);
    let large = gateway.ask(&post("/shop/prod/small", "more than ten"));
    assert_eq!((large.status, large.field("x-own-default")), (413, None));
    let lost = gateway.get("/nowhere/prod/x");
    assert_eq!((lost.status, lost.text()), (403, r#"{"message":"Forbidden"}"#));
    assert_eq!(lost.field("x-own-default"), None);
}

#[test]
fn the_access_log_has_the_type_and_the_message_of_an_error() {
    let gateway = start("aws", &Origin::echo());
    let id = gateway.get("/shop/prod/nothing").field("x-amzn-requestid").unwrap_or_default().to_owned();
    let line = crate::house::eventually_some("the line", || {
        gateway.access_log().into_iter().find(|line| line.starts_with(&id))
    });
    assert_eq!(line, format!(r#"{id} MISSING_AUTHENTICATION_TOKEN "Missing Authentication Token""#));
}

#[test]
fn an_authorization_that_is_no_signature_is_called_an_incomplete_one_in_aws_style() {
    let gateway = start("aws", &Origin::echo());
    let asked = get("/shop/prod/nothing").header("Authorization", "Bearer abc");
    let answer = ask(&gateway, &asked);
    let expected = "{\"message\":\"Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with Base64): 'w1Xc6WwWEogNEZQP/dkBTThsJT4MNlKmzQanIm970rY='.\"}";
    assert_eq!((answer.status, answer.text()), (403, expected));
    assert_eq!(answer.field("x-amzn-errortype"), Some("IncompleteSignatureException"));
    let signed = get("/shop/prod/nothing").header("Authorization", "AWS4-HMAC-SHA256 Credential=x");
    assert_eq!(gateway.ask(&signed).text(), r#"{"message":"Missing Authentication Token"}"#);
    let gateway = start("standard", &Origin::echo());
    assert_eq!(ask(&gateway, &asked).json()["code"], "unknown_route");
}

#[test]
fn a_type_that_does_not_exist_is_a_fault_with_what_was_meant() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tollgate.toml");
    let text = r#"
[apis.shop.gateway_responses]
THROTLED = { status = 429 }
REQUEST_TOO_LARGE = { status = 400 }
THROTTLED = { status = 200, headers = { "X-A" = "request.header.b", "Connection" = "'close'" }, templates = { "json" = "" } }
"#;
    std::fs::write(&file, text).expect("written");
    let said = tollgate(&["check", &file.display().to_string()]).expect(1).said();
    for expected in [
        "`THROTLED` is not a type of gateway response",
        "did you mean `THROTTLED`?",
        "`REQUEST_TOO_LARGE` is always answered alike",
        "`status` is 200, which is out of range",
        "\"request.header.b\" is not where a header's value comes from",
        "the gateway writes \"Connection\" itself",
        "\"json\" is not a media type",
    ] {
        assert!(said.contains(expected), "{expected} is not in\n{said}");
    }
}
