use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::base::{Answer, Fields, Head, Now, RequestId, Scheme};
use crate::config::{Located, ResponseHeaderSource, Span};
use crate::gateway::respond::{Custom, Refused, Reply};
use crate::telemetry::{Facts, Format, Line, Trace};

type List<'a> = &'a [(&'a str, &'a [u8])];

/// A gateway response with these headers and templates.
fn written(status: Option<u16>, headers: &[(&str, &str)], templates: &[(&str, &str)]) -> GatewayResponse {
    let header = |(name, source): &(&str, &str)| {
        ((*name).to_owned(), ResponseHeaderSource::from_text(source).expect("a good source"))
    };
    let template =
        |(name, text): &(&str, &str)| ((*name).to_owned(), Located::new((*text).to_owned(), Span::default()));
    GatewayResponse {
        span: Span::default(),
        status,
        headers: headers.iter().map(header).collect(),
        templates: templates.iter().map(template).collect(),
    }
}

fn compile(all: &[(ResponseType, GatewayResponse)], style: ErrorStyle) -> GatewayResponses {
    let variables = IndexMap::from([("tier".to_owned(), "a&b".to_owned())]);
    let written = all.iter().cloned().collect();
    GatewayResponses::compile(&written, style, &variables, false).expect("good responses").expect("some")
}

/// What a request with these fields gets for this refusal.
fn ask(responses: &GatewayResponses, style: ErrorStyle, refusal: Refusal, fields: List<'_>) -> Reply {
    let head = Head {
        method: "GET",
        host: "api.example.com",
        path: "/prod/pets/a%22b",
        query: Some("q=1%3C2&r=%22"),
        fields: Fields::List(fields),
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        scheme: Scheme::Http,
    };
    let started = Now { mono_ns: 1, unix_ms: 1_706_695_872_034 };
    let id = RequestId::from_client(b"request-1").expect("well-formed");
    let mut facts = Facts::new(id, Trace::from_head(&head, started), started);
    facts.refusal = Some(refusal);
    let line = Line {
        facts: &facts,
        method: head.method,
        host: head.host,
        path: head.path,
        protocol: "HTTP/1.1",
        client: head.client,
        user_agent: None,
        route: None,
        key: None,
        style,
        format: &Format::Json,
    };
    let params = [("id".into(), "a%22b")];
    let asking = Asking { head: &head, line: &line, params: &params, now: started };
    let custom = responses.of(refusal).map(|response| Custom { response, asking });
    let answer = Answer::new(refusal, "a detail").with_retry_after(3);
    Refused { answer: &answer, style, request_id: &id, custom }.reply()
}

fn field<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
    reply.fields.iter().find(|(other, _)| other == name).and_then(|(_, value)| value.to_str().ok())
}

/// What the JSON template `text` comes to.
#[track_caller]
fn check(media_type: &str, text: &str, expected: &str) {
    let responses = compile(&[(ResponseType::Default4xx, written(None, &[], &[(media_type, text)]))], ErrorStyle::Aws);
    let fields: List<'_> = &[("X-Own", b"o'<\"")];
    let reply = ask(&responses, ErrorStyle::Aws, Refusal::RouteThrottled, fields);
    assert_eq!(std::str::from_utf8(&reply.body).unwrap(), expected, "{text}");
    assert_eq!(field(&reply, "content-type"), Some(media_type));
}

#[test]
fn a_variable_stands_for_what_the_request_says() {
    check(
        JSON,
        r#"{"message":$context.error.messageString}"#,
        r#"{"message":"Rate exceeded"}"#.replace("Rate exceeded", "Route throttled").as_str(),
    );
    check(JSON, r#""$context.error.responseType, $context.httpMethod.""#, r#""THROTTLED, GET.""#);
    check(JSON, r#""$method.request.querystring.q""#, r#""1<2""#);
    check(JSON, r#""$method.request.header.x-own-""#, r#""o'<\"-""#);
    check(JSON, r#""$method.request.path.id""#, r#""a\"b""#);
    check(JSON, r#""$stageVariables.tier$stageVariables.none""#, r#""a&b""#);
}

#[test]
fn what_names_no_variable_stands_and_what_has_no_value_is_empty() {
    check(
        JSON,
        "$5 $contexts $input.body $context. $method.request.body.x $",
        "$5 $contexts $input.body $context. $method.request.body.x $",
    );
    check(JSON, r#""$context.authorizer.claims.sub$context.nothing$method.request.header.none""#, r#""""#);
    check(JSON, r#""$context.integrationErrorMessage""#, r#""""#);
}

#[test]
fn a_value_cannot_leave_its_place_in_any_kind_of_text() {
    check("text/html", "<p title='$method.request.header.X-Own'>", "<p title='o&#39;&lt;&quot;'>");
    check("application/problem+json", r#""$method.request.querystring.r""#, r#""\"""#);
    check("text/plain", "$method.request.header.X-Own", "o'<\"");
}

#[test]
fn the_own_type_wins_over_the_default_of_its_class_and_that_over_what_is_built_in() {
    let all = [
        (ResponseType::Throttled, written(Some(420), &[], &[])),
        (ResponseType::Default4xx, written(Some(418), &[], &[])),
    ];
    for style in [ErrorStyle::Aws, ErrorStyle::Standard] {
        let responses = compile(&all, style);
        let status = |refusal| ask(&responses, style, refusal, &[]).status;
        assert_eq!(status(Refusal::RateExceeded), 420);
        assert_eq!(status(Refusal::StageThrottled), 420);
        assert_eq!(status(Refusal::QuotaExceeded), 418);
        assert_eq!(status(Refusal::UnknownRoute), 418);
        assert_eq!(status(Refusal::BodyTooLarge), 413);
        assert_eq!(status(Refusal::InternalError), 500);
    }
}

#[test]
fn the_client_chooses_among_the_templates_and_gets_json_where_it_has_no_wish() {
    let templates = [("text/html", "html"), ("application/json", "json"), ("text/plain", "plain")];
    let responses = compile(&[(ResponseType::Throttled, written(None, &[], &templates))], ErrorStyle::Aws);
    let choose = |accept: &str| {
        let fields = [("accept", accept.as_bytes())];
        String::from_utf8(ask(&responses, ErrorStyle::Aws, Refusal::RateExceeded, &fields).body.to_vec()).unwrap()
    };
    for (accept, expected) in [
        ("", "json"),
        ("*/*", "json"),
        ("image/png", "json"),
        ("text/html", "html"),
        ("text/*;q=0.5, application/json;q=0.1", "html"),
        ("text/html;q=0.2, text/plain;q=0.9", "plain"),
        ("text/html;q=0, text/*", "plain"),
        ("application/xhtml+xml,TEXT/HTML,*/*;q=0.8", "html"),
    ] {
        assert_eq!(choose(accept), expected, "{accept}");
    }
}

#[test]
fn headers_are_laid_over_those_of_the_refusal_and_one_without_a_value_is_not_sent() {
    let headers = [
        ("retry-after", "'60'"),
        ("x-q", "method.request.querystring.q"),
        ("x-none", "method.request.header.none"),
        ("x-type", "context.error.responseType"),
        ("x-tier", "stageVariables.tier"),
    ];
    let responses = compile(&[(ResponseType::Throttled, written(None, &headers, &[]))], ErrorStyle::Standard);
    let reply = ask(&responses, ErrorStyle::Standard, Refusal::RateExceeded, &[]);
    let names: Vec<_> = reply.fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["content-type", "retry-after", "x-q", "x-type", "x-tier"]);
    assert_eq!(field(&reply, "retry-after"), Some("60"));
    assert_eq!(field(&reply, "x-q"), Some("1<2"));
    assert_eq!(field(&reply, "content-type"), Some("application/problem+json"));
    assert!(reply.body.starts_with(b"{\"type\""), "without a template the body is the refusal's own");
}

#[test]
fn in_aws_style_the_type_of_the_error_stays() {
    let responses = compile(&[(ResponseType::Default4xx, written(Some(400), &[], &[(JSON, "{}")]))], ErrorStyle::Aws);
    let reply = ask(&responses, ErrorStyle::Aws, Refusal::QuotaExceeded, &[]);
    assert_eq!((reply.status, &reply.body[..]), (400, &b"{}"[..]));
    assert_eq!(field(&reply, "x-amzn-errortype"), Some("LimitExceededException"));
}

#[test]
fn what_frames_an_answer_is_not_an_apis_to_say() {
    let all = IndexMap::from([(ResponseType::Throttled, written(None, &[("content-length", "'1'")], &[]))]);
    let faults = GatewayResponses::compile(&all, ErrorStyle::Aws, &IndexMap::new(), false).unwrap_err();
    assert!(faults[0].message.contains("writes \"content-length\" itself"), "{faults:?}");
}

proptest::proptest! {
    /// Whatever an operator writes and a client sends: what is JSON without the client's words is JSON with them.
    #[test]
    fn no_client_can_break_a_document(before in "[^\"\\\\\\p{C}]{0,8}", value in proptest::collection::vec(32u8..=126, 0..20)) {
        let text = format!(r#"{{"a":"{before}$method.request.header.x-own"}}"#);
        let all = [(ResponseType::Default4xx, written(None, &[], &[(JSON, &text)]))];
        let responses = compile(&all, ErrorStyle::Aws);
        let reply = ask(&responses, ErrorStyle::Aws, Refusal::RouteThrottled, &[("x-own", &value)]);
        let document: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        let said = document["a"].as_str().unwrap();
        proptest::prop_assert!(said.ends_with(std::str::from_utf8(&value).unwrap()), "{said}");
    }
}
