use http::header::{ACCEPT, CONTENT_TYPE};
use indexmap::IndexMap;

use super::*;
use crate::base::{Fields, Head, Now, RequestId, Scheme};
use crate::config::{AnswerSource, IntegrationResponse, Located, TemplateLimits, Transformation};
use crate::gateway::transform::Context;
use crate::telemetry::Trace;

fn located(text: &str) -> Located<String> {
    Located::new(text.to_owned(), Span::default())
}

fn templates(written: &[(&str, &str)]) -> IndexMap<String, Located<String>> {
    written.iter().map(|(media_type, text)| ((*media_type).to_owned(), located(text))).collect()
}

fn response(pattern: Option<&str>, status: u16, written: &[(&str, &str)]) -> IntegrationResponse {
    IntegrationResponse {
        pattern: pattern.map(located),
        status,
        headers: Vec::new(),
        templates: templates(written),
        content_handling: None,
    }
}

/// Runs `run` with a GET of `/pets/7?kind=cat&kind=dog` that has these fields.
fn with_scene<R>(fields: &[(&str, &[u8])], run: impl FnOnce(&Scene<'_>) -> R) -> R {
    let head = Head {
        method: "GET",
        host: "api.example.com",
        path: "/shop/prod/pets/7",
        query: Some("kind=cat&kind=dog"),
        fields: Fields::List(fields),
        client: [192, 0, 2, 1].into(),
        scheme: Scheme::Https,
    };
    let started = Now { mono_ns: 1, unix_ms: 1_700_000_000_000 };
    let request_id = RequestId::generate(started.unix_ms, 7);
    let trace = Trace::from_head(&head, started);
    let context = Context {
        body: b"",
        path_overrides: &[],
        request_id: request_id.as_bytes(),
        api: "shop",
        stage: "prod",
        route: "/pets/{id}",
        path: head.path,
        key: None,
        authority: "api.example.com:8443",
        trace: &trace,
    };
    let variables = IndexMap::from([("backend".to_owned(), "b1".to_owned())]);
    run(&Scene {
        head: &head,
        names: &["id".into()],
        values: &["7"],
        context: &context,
        variables: &variables,
        started,
        protocol: "HTTP/1.1",
        is_canary: false,
        subject: None,
    })
}

fn compile(written: &Transformation) -> Mapping {
    Mapping::compile(written, Span::default(), &TemplateLimits::default()).expect("sound")
}

#[track_caller]
fn check_request(
    passthrough: Passthrough,
    written: &[(&str, &str)],
    content_type: &str,
    expected: Result<&str, Refusal>,
) {
    let mapping =
        compile(&Transformation { passthrough, request_templates: templates(written), ..Transformation::default() });
    let body = Bytes::from_static(br#"{"a":1}"#);
    let fields = [("Content-Type", content_type.as_bytes())];
    let sent = with_scene(&fields, |scene| mapping.request(scene, &BinaryTypes::default(), body));
    let sent = sent.as_ref().map(|sent| &sent.body[..]).map_err(|answer| answer.refusal);
    assert_eq!(sent, expected.map(str::as_bytes), "{passthrough:?} {written:?} {content_type}");
}

/// Section 6.3, a cell a line.
#[test]
fn a_body_without_a_template_passes_as_the_passthrough_behaviour_says() {
    let json = [("application/json", "T")];
    for passthrough in [Passthrough::WhenNoMatch, Passthrough::WhenNoTemplates, Passthrough::Never] {
        check_request(passthrough, &json, "application/JSON; charset=utf-8", Ok("T"));
        check_request(passthrough, &[("$default", "D")], "text/plain", Ok("D"));
    }
    check_request(Passthrough::WhenNoMatch, &json, "text/plain", Ok(r#"{"a":1}"#));
    check_request(Passthrough::WhenNoMatch, &[], "text/plain", Ok(r#"{"a":1}"#));
    check_request(Passthrough::WhenNoTemplates, &json, "text/plain", Err(Refusal::UnsupportedMediaType));
    check_request(Passthrough::WhenNoTemplates, &[], "text/plain", Ok(r#"{"a":1}"#));
    check_request(Passthrough::Never, &json, "text/plain", Err(Refusal::UnsupportedMediaType));
    check_request(Passthrough::Never, &[], "text/plain", Err(Refusal::UnsupportedMediaType));
}

#[test]
fn a_template_sees_the_request_and_not_what_belongs_to_its_connection() {
    let text = "$context.httpMethod $context.path $context.resourcePath $context.domainName $context.requestTime \
        $input.params('id') $input.params('kind') $input.params('X-A') [$input.params('Connection')] \
        $stageVariables.backend $input.path('$.a')";
    let expected = "GET /shop/prod/pets/7 /pets/{id} api.example.com 14/Nov/2023:22:13:20 +0000 7 dog two [] b1 1";
    let mapping = compile(&Transformation {
        request_templates: templates(&[("application/json", text)]),
        ..Transformation::default()
    });
    let fields: &[(&str, &[u8])] = &[("x-a", b"one"), ("connection", b"close"), ("x-a", b"two")];
    let body = Bytes::from_static(br#"{"a":1}"#);
    let sent = with_scene(fields, |scene| mapping.request(scene, &BinaryTypes::default(), body)).expect("rendered");
    assert_eq!(sent.body, expected);
}

#[test]
fn a_template_that_fails_is_our_own_fault_with_its_line_and_column_in_the_log() {
    let text = "{\n  #foreach($i in [1..2000])$i#end\n}";
    let mapping = compile(&Transformation {
        request_templates: templates(&[("application/json", text)]),
        ..Transformation::default()
    });
    let answer =
        with_scene(&[], |scene| mapping.request(scene, &BinaryTypes::default(), Bytes::new())).expect_err("failed");
    assert_eq!(answer.refusal, Refusal::InternalError);
    let log = answer.log.for_log().expect("a reason");
    assert!(log.starts_with("request template for application/json at line 2, column 3: "), "{log}");
}

#[test]
fn a_faulty_template_is_told_with_a_picture_of_its_line() {
    let written = Transformation {
        request_templates: templates(&[("application/json", "{\n  #if($x\n}")]),
        responses: vec![response(Some("4(xx"), 400, &[])],
        ..Transformation::default()
    };
    let faults = Mapping::compile(&written, Span::default(), &TemplateLimits::default()).expect_err("two faults");
    assert_eq!(faults.len(), 2);
    assert!(
        faults[0].message.starts_with("the request template for application/json is faulty at line "),
        "{faults:?}"
    );
    assert!(faults[0].help.as_deref().is_some_and(|help| help.contains('^')), "{faults:?}");
    assert!(faults[1].message.starts_with("the selection pattern \"4(xx\" is not one: "), "{faults:?}");
}

#[track_caller]
fn check_mock(text: &str, expected: Option<u16>) {
    let mapping = compile(&Transformation {
        request_templates: templates(&[("application/json", text)]),
        ..Transformation::default()
    });
    let status = with_scene(&[], |scene| {
        let sent = mapping.request(scene, &BinaryTypes::default(), Bytes::new()).expect("rendered");
        mapping.mock_status(&sent)
    });
    assert_eq!(status.ok(), expected, "{text}");
}

#[test]
fn a_mock_reads_its_status_from_loose_json() {
    check_mock(r#"{"statusCode": 201}"#, Some(201));
    check_mock("{statusCode: 202,}", Some(202));
    check_mock("{'statusCode': 203}", Some(203));
    check_mock("{\"other\": 1}", None);
    check_mock("{\"statusCode\": \"200\"}", None);
    check_mock("{\"statusCode\": 99}", None);
    check_mock("statusCode", None);
    check_mock("", None);
}

fn came(status: u16, body: &'static str) -> (u16, HeaderMap, Bytes) {
    let mut fields = HeaderMap::new();
    fields.append("x-old", HeaderValue::from_static("1"));
    fields.append("x-old", HeaderValue::from_static("2"));
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    (status, fields, Bytes::from_static(body.as_bytes()))
}

#[track_caller]
fn check_answer(responses: Vec<IntegrationResponse>, accept: &str, status: u16, expected: Option<(u16, &str)>) {
    let mapping = compile(&Transformation { responses, ..Transformation::default() });
    let (status, fields, body) = came(status, r#"{"a":{"b":"x"}}"#);
    let came = Came { status, fields: &fields, body: &body };
    let made = with_scene(&[(ACCEPT.as_str(), accept.as_bytes())], |scene| {
        mapping.answer(scene, &BinaryTypes::default(), came, &Overrides::default())
    });
    let made = made.ok();
    assert_eq!(made.as_ref().map(|made| (made.status, &made.body[..])), expected.map(|(s, b)| (s, b.as_bytes())));
}

#[test]
fn the_first_pattern_that_the_whole_status_matches_selects_the_response() {
    let responses =
        || vec![response(Some("4\\d{2}"), 400, &[]), response(Some("40"), 499, &[]), response(None, 200, &[])];
    let body = r#"{"a":{"b":"x"}}"#;
    check_answer(responses(), "", 404, Some((400, body)));
    check_answer(responses(), "", 500, Some((200, body)));
    check_answer(vec![response(Some("4.."), 400, &[])], "", 500, None);
}

#[test]
fn a_response_template_is_chosen_by_accept_then_json_then_the_first() {
    let both = || vec![response(None, 200, &[("text/xml", "<a>$input.path('$.a.b')</a>"), ("application/json", "J")])];
    check_answer(both(), "text/xml", 200, Some((200, "<a>x</a>")));
    check_answer(both(), "text/html", 200, Some((200, "J")));
    check_answer(vec![response(None, 200, &[("text/xml", "X")])], "text/html", 200, Some((200, "X")));
}

#[test]
fn headers_are_mapped_and_an_absent_source_drops_its_field() {
    let mut mapped = response(None, 200, &[]);
    mapped.headers = [
        ("X-Last", AnswerSource::Header("x-old".into())),
        ("X-All", AnswerSource::Headers("x-old".into())),
        ("X-None", AnswerSource::Header("x-absent".into())),
        ("X-Body", AnswerSource::Body(Some("$.a.b".into()))),
        ("X-Fixed", AnswerSource::Static("f".into())),
        ("X-Stage", AnswerSource::Context("stage".into())),
        ("X-Variable", AnswerSource::StageVariable("backend".into())),
    ]
    .map(|(name, source)| (name.to_owned(), source))
    .into();
    let mapping = compile(&Transformation { responses: vec![mapped], ..Transformation::default() });
    let (status, fields, body) = came(200, r#"{"a":{"b":"x"}}"#);
    let came = Came { status, fields: &fields, body: &body };
    let made = with_scene(&[], |scene| mapping.answer(scene, &BinaryTypes::default(), came, &Overrides::default()));
    let made = made.expect("made").fields;
    let told: Vec<_> = made.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap_or("?"))).collect();
    let expected = [
        ("x-last", "2"),
        ("x-all", "1,2"),
        ("x-body", "x"),
        ("x-fixed", "f"),
        ("x-stage", "prod"),
        ("x-variable", "b1"),
        ("content-type", "application/json"),
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_the_request_template_overrides_the_answer_has() {
    let written = Transformation {
        request_templates: templates(&[(
            "application/json",
            "#set($context.requestOverride.header.X-R = 'r')#set($context.responseOverride.status = 444){\"statusCode\":200}",
        )]),
        responses: vec![response(
            None,
            200,
            &[(
                "application/json",
                "#set($context.responseOverride.header.X-A = 'a')$context.requestOverride.header.X-R",
            )],
        )],
        ..Transformation::default()
    };
    let mapping = compile(&written);
    let made = with_scene(&[], |scene| {
        let sent = mapping.request(scene, &BinaryTypes::default(), Bytes::new()).expect("rendered");
        let (fields, body) = (HeaderMap::new(), Bytes::new());
        let came = Came { status: mapping.mock_status(&sent).expect("a status"), fields: &fields, body: &body };
        mapping.answer(scene, &BinaryTypes::default(), came, &sent.overrides).expect("made")
    });
    assert_eq!((made.status, &made.body[..]), (444, &b"r"[..]));
    assert_eq!(made.fields[0], (HeaderName::from_static("x-a"), HeaderValue::from_static("a")));
}

#[test]
fn overrides_reach_the_back_ends_request() {
    let mut request = pingora_http::RequestHeader::build("GET", b"/a?x=1&y=2&x=3", None).expect("a request");
    request.append_header("x-r", "old").expect("a field");
    let one = |text: &str| crate::template::Override::One(text.to_owned());
    let overrides = Overrides {
        request_headers: vec![("X-R".into(), one("new")), ("Content-Length".into(), one("9"))],
        request_querystring: vec![("x".into(), one("a b"))],
        ..Overrides::default()
    };
    apply_overrides(&overrides, &mut request).expect("legal");
    assert_eq!(request.raw_path(), b"/a?y=2&x=a%20b");
    assert_eq!(request.headers.get("x-r").map(HeaderValue::as_bytes), Some(&b"new"[..]));
    assert!(!request.headers.contains_key("content-length"));
}

/// Section 12.2, a line of its table each.
#[test]
fn bytes_and_text_are_made_of_each_other_as_the_service_does() {
    let png = ["image/png".to_owned()];
    let (text, base64, bytes) = ("aGk=", "aGk=", "hi");
    let (to_binary, to_text) = (Some(ContentHandling::ConvertToBinary), Some(ContentHandling::ConvertToText));
    let check =
        |types: &[String], came_type: &'static str, accept: &str, handling, body: &'static str, expected: &str| {
            let mut selected = response(None, 200, &[]);
            selected.content_handling = handling;
            let mapping = compile(&Transformation { responses: vec![selected], ..Transformation::default() });
            let fields = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(came_type))]);
            let body = Bytes::from_static(body.as_bytes());
            let came = Came { status: 200, fields: &fields, body: &body };
            let made = with_scene(&[("accept", accept.as_bytes())], |scene| {
                mapping.answer(scene, &BinaryTypes::new(types), came, &Overrides::default())
            });
            assert_eq!(made.expect("made").body, expected, "{came_type} {accept} {handling:?}");
        };
    check(&[], "image/png", "text/plain", None, bytes, bytes);
    check(&[], "image/png", "text/plain", to_binary, base64, bytes);
    check(&[], "image/png", "text/plain", to_text, bytes, bytes);
    check(&png, "text/plain", "text/plain", None, text, text);
    check(&png, "text/plain", "text/plain", to_binary, base64, bytes);
    check(&png, "text/plain", "text/plain", to_text, text, text);
    check(&png, "text/plain", "image/png, text/plain", None, base64, bytes);
    check(&png, "text/plain", "image/png", to_binary, base64, bytes);
    check(&png, "text/plain", "image/png", to_text, text, text);
    check(&png, "image/png", "text/plain", None, bytes, base64);
    check(&png, "image/png", "text/plain", to_binary, bytes, bytes);
    check(&png, "image/png", "text/plain", to_text, bytes, base64);
    check(&png, "image/png", "image/png", None, bytes, bytes);
    check(&png, "image/png", "image/png", to_binary, bytes, bytes);
    check(&png, "image/png", "image/png", to_text, bytes, base64);
}
