//! Which fields API Gateway's clients and back ends see, and which in standard style.

use crate::house::{Gateway, Origin, get, post, request};

const SHOP: &str = r#"
[apis.shop]
errors = "STYLE"
method_override = true
routes = [
    { method = "ANY", path = "/proxy", integration = { type = "HTTP_PROXY", uri = "http://@1/" } },
    { method = "GET", path = "/http", integration = { type = "HTTP", method = "POST", uri = "http://@1/", request_parameters = { "integration.request.header.X-Mapped" = "method.request.header.x-own", "integration.request.header.X-Md5" = "method.request.header.content-md5" } } },
    { method = "GET", path = "/mock", integration = { type = "MOCK" } },
    { method = "DELETE", path = "/deleted", integration = { type = "MOCK", body = "deleted" } },
    { method = "POST", path = "/deleted", integration = { type = "MOCK", body = "posted" } },
    { method = "GET", path = "/test", integration = { type = "MOCK", body = "static" } },
    { method = "ANY", path = "/{proxy+}", integration = { type = "MOCK", body = "the rest" } },
]
[apis.shop.stages.prod]
"#;

fn origin() -> Origin {
    let fields = [
        ("Server", "back/1"),
        ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("WWW-Authenticate", "Basic"),
        ("Via", "1.1 back"),
        ("x-amzn-RequestId", "back-1"),
        ("x-origin-a", "1"),
    ];
    Origin::start(move |_, out| out.answer(200, &fields, "hello"))
}

fn start(style: &str, origin: &Origin) -> Gateway {
    Gateway::start(&SHOP.replace("STYLE", style), &[origin])
}

/// The names of the fields that the back end sees, in order.
fn seen(origin: &Origin) -> Vec<String> {
    let mut names: Vec<_> = origin.last().fields.iter().map(|(name, _)| name.to_lowercase()).collect();
    names.sort();
    names
}

#[test]
fn an_http_integration_gets_what_was_recorded_and_what_is_mapped() {
    let origin = origin();
    let gateway = start("aws", &origin);
    let sent = get("/shop/prod/http").header("Accept", "text/html").header("X-Own", "1").header("User-Agent", "curl");
    for wish in [sent.clone().header("Content-MD5", "x"), sent.header("Expect", "100-continue")] {
        gateway.ask(&wish).expect(200);
        let expected = [
            "accept",
            "content-length",
            "host",
            "user-agent",
            "x-amzn-apigateway-api-id",
            "x-amzn-trace-id",
            "x-mapped",
        ];
        assert_eq!(seen(&origin), expected);
        let last = origin.last();
        assert_eq!((last.method.as_str(), last.field("accept")), ("POST", Some("application/json")));
        assert_eq!(last.field("content-length"), Some("0"));
        assert_eq!(last.field("user-agent"), Some("AmazonAPIGateway_shop"));
        assert_eq!(last.field("x-amzn-apigateway-api-id"), Some("shop"));
    }
}

#[test]
fn an_http_proxy_gets_the_clients_fields_but_for_those_that_were_recorded_as_lost() {
    let origin = origin();
    let gateway = start("aws", &origin);
    let kept =
        ["Accept", "Accept-Charset", "Age", "Authorization", "Pragma", "Range", "Referer", "User-Agent", "X-Own"];
    let lost = ["Content-MD5", "Max-Forwards", "Server", "WWW-Authenticate", "Via", "Proxy-Authenticate"];
    let ask = |wish| kept.iter().chain(&lost).fold(wish, |wish: crate::house::Request, name| wish.header(name, "x"));
    for wish in [get("/shop/prod/proxy"), get("/shop/prod/proxy").header("Expect", "100-continue")] {
        gateway.ask(&ask(wish)).expect(200);
        let seen = seen(&origin);
        for name in kept {
            assert!(seen.contains(&name.to_lowercase()), "{name} is not in {seen:?}");
        }
        for name in lost {
            assert!(!seen.contains(&name.to_lowercase()), "{name} is in {seen:?}");
        }
        assert!(seen.contains(&"x-amzn-apigateway-api-id".to_owned()));
    }
    let signed = get("/shop/prod/proxy").header("Authorization", "AWS4-HMAC-SHA256 Credential=x");
    gateway.ask(&signed).expect(200);
    assert_eq!(origin.last().field("authorization"), None);
}

#[test]
fn an_answer_comes_back_under_the_names_that_were_recorded() {
    let origin = origin();
    let gateway = start("aws", &origin);
    for wish in [get("/shop/prod/proxy"), get("/shop/prod/proxy").header("Expect", "100-continue")] {
        let answer = gateway.ask(&wish).expect(200);
        for (name, value) in [
            ("x-amzn-remapped-server", "back/1"),
            ("x-amzn-remapped-date", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("x-amzn-remapped-www-authenticate", "Basic"),
            ("x-amzn-remapped-content-length", "5"),
            ("x-amzn-remapped-x-amzn-requestid", "back-1"),
            ("x-origin-a", "1"),
            ("content-length", "5"),
        ] {
            assert_eq!(answer.field(name), Some(value), "{name}");
        }
        for name in ["server", "www-authenticate", "via", "x-amzn-trace-id", "x-request-id"] {
            assert_eq!(answer.field(name), None, "{name}");
        }
        assert_ne!(answer.field("date"), answer.field("x-amzn-remapped-date"));
        assert_eq!(answer.field("x-amz-apigw-id").map(str::len), Some(16));
        assert!(answer.field("x-amzn-requestid").is_some_and(|id| id != "back-1"));
    }
}

#[test]
fn only_answers_of_http_integrations_name_their_trace() {
    let origin = origin();
    let gateway = start("aws", &origin);
    let trace = |target: &str| gateway.get(target).field("x-amzn-trace-id").map(str::to_owned);
    assert!(trace("/shop/prod/http").is_some_and(|trace| trace.starts_with("Root=1-")));
    assert_eq!(trace("/shop/prod/mock"), None);
    assert_eq!(trace("/shop/prod/proxy"), None);
    let error = gateway.ask(&request("BREW", "/shop/prod/http"));
    assert_eq!((error.status, error.field("x-amzn-trace-id")), (403, None));
    assert!(error.field("x-amz-apigw-id").is_some());
}

#[test]
fn in_standard_style_nothing_is_renamed() {
    let origin = Origin::start(|_, out| out.answer(200, &[("Via", "1.1 back"), ("WWW-Authenticate", "Basic")], ""));
    let gateway = start("standard", &origin);
    let answer = gateway.get("/shop/prod/proxy").expect(200);
    assert_eq!(answer.field("via"), Some("1.1 back"));
    assert!(answer.fields.iter().all(|(name, _)| !name.contains("remapped")), "{:?}", answer.fields);
    assert!(origin.last().field("via").is_some());
}

#[test]
fn a_path_without_the_verb_falls_through_in_aws_style_and_head_is_no_get() {
    let origin = origin();
    let gateway = start("aws", &origin);
    assert_eq!(gateway.get("/shop/prod/test/").text(), "static");
    assert_eq!(gateway.ask(&request("OPTIONS", "/shop/prod/test")).text(), "the rest");
    assert_eq!(gateway.ask(&request("PUT", "/shop/prod/deleted/")).text(), "the rest");
    let head = "HEAD /shop/prod/http HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut wire = gateway.connect();
    wire.send_if_taken(head);
    assert_eq!(wire.read_head().status, 200, "the greedy route takes any verb");
    assert_eq!(origin.requests(), 0);
}

#[test]
fn a_post_may_stand_for_another_method_where_that_is_switched_on() {
    let origin = Origin::echo();
    let gateway = start("standard", &origin);
    let overridden = |name: &str| post("/shop/prod/deleted", "").header("X-HTTP-Method-Override", name);
    assert_eq!(gateway.ask(&overridden("DELETE")).text(), "deleted");
    assert_eq!(gateway.ask(&overridden("HEAD")).text(), "posted");
    assert_eq!(gateway.ask(&get("/shop/prod/test").header("X-HTTP-Method-Override", "DELETE")).text(), "static");
    for wish in [post("/shop/prod/proxy", "a"), post("/shop/prod/proxy", "a").header("Expect", "100-continue")] {
        gateway.ask(&wish.header("X-HTTP-Method-Override", "PATCH")).expect(200);
        assert_eq!(origin.last().method, "PATCH");
    }
    let off = Gateway::start(&SHOP.replace("STYLE", "standard").replace("method_override = true", ""), &[&origin]);
    assert_eq!(off.ask(&overridden("DELETE")).text(), "posted");
}
