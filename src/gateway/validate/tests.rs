use indexmap::IndexMap;
use serde_json::{Value, json};

use super::*;
use crate::base::{Answer, Fields, Head, Refusal, Scheme};
use crate::config::{
    Definition, Dialect, ErrorStyle, Integration, IntegrationKind, Located, Method, MethodResponse, MockAnswer, Models,
    Operation, Parameter, ParameterEncoding, ParameterPlace, ResponseValidation, Route, Span, Validator,
};

fn located<T>(value: T) -> Located<T> {
    Located::new(value, Span::default())
}

fn parameter(place: ParameterPlace, name: &str, schema: Value) -> Parameter {
    Parameter {
        span: Span::default(),
        name: name.to_owned(),
        place,
        is_required: place == ParameterPlace::Path,
        schema: Some(located(schema)),
        encoding: ParameterEncoding::Commas,
        description: None,
    }
}

fn required(place: ParameterPlace, name: &str) -> Parameter {
    Parameter { is_required: true, ..parameter(place, name, json!({"type": "string"})) }
}

fn query(name: &str, encoding: ParameterEncoding, schema: Value) -> Parameter {
    Parameter { encoding, ..parameter(ParameterPlace::Querystring, name, schema) }
}

fn contents(types: &[(&str, Option<Value>)]) -> IndexMap<String, Option<Located<Value>>> {
    types.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone().map(located))).collect()
}

const ALL: Validator = Validator { checks_parameters: true, checks_body: true };

fn operation(parameters: Vec<Parameter>) -> Operation {
    Operation { parameters, validator: ALL, ..Operation::default() }
}

fn pet_operation() -> Operation {
    let pet = json!({"$ref": "#/definitions/Pet"});
    Operation { bodies: contents(&[("application/json", Some(pet))]), ..operation(Vec::new()) }
}

/// The plan of a route `/pets/{id}/{issuer}` with this operation.
fn plan(style: ErrorStyle, operation: Operation, responses: ResponseValidation) -> Plan {
    let mock = MockAnswer { status: 200, headers: Default::default(), body: String::new(), transformation: None };
    let route = Route {
        span: Span::default(),
        method: located(Method::Any),
        path: located("/pets/{id}/{issuer}".to_owned()),
        api_key_required: false,
        integration: Integration { span: Span::default(), kind: IntegrationKind::Mock(mock.into()) },
        cache: None,
        throttle: None,
        body_bytes_max: None,
        operation: Some(Box::new(operation)),
    };
    let pet = json!({"type": "object", "required": ["name"], "properties": {
        "name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}, "password": {"type": "string", "minLength": 9},
        "tags": {"type": "array", "items": {"type": "string"}}}, "additionalProperties": false});
    let schemas = [("Pet".to_owned(), located(pet))].into();
    let models = Models { dialect: Dialect::OpenApi30, schemas };
    let definition = Definition { routes: vec![route], models, ..Definition::default() };
    let (mut plans, faults) = compile(&definition, Rules { style, requests: None, responses });
    assert_eq!(faults, []);
    plans.remove(0)
}

/// A request, as tests write it.
#[derive(Clone, Copy)]
struct Asked<'a> {
    query: &'a str,
    fields: &'a [(&'a str, &'a [u8])],
    path: [&'a str; 2],
    body: Option<&'a str>,
}

const ASKED: Asked<'static> = Asked { query: "", fields: &[], path: ["7", "me"], body: None };

fn ask(plan: &Plan, asked: Asked<'_>) -> Result<(), Answer> {
    let head = Head {
        method: "POST",
        host: "",
        path: "/pets/7/me",
        query: Some(asked.query),
        fields: Fields::List(asked.fields),
        client: std::net::Ipv4Addr::LOCALHOST.into(),
        scheme: Scheme::Http,
    };
    let path = |at: usize| asked.path.get(at).copied();
    plan.check_head(&head, path)?;
    match plan.wants_body(&head) {
        true => plan.check_whole(&head, path, asked.body.unwrap_or_default().as_bytes()),
        false => Ok(()),
    }
}

/// `place name pointer: expected (sent)` of each violation.
fn violations(plan: &Plan, asked: Asked<'_>) -> Vec<String> {
    let Err(answer) = ask(plan, asked) else { return Vec::new() };
    let or_none = |part: &Option<Box<str>>| part.as_deref().unwrap_or("-").to_owned();
    let told = |it: &crate::base::Violation| {
        format!(
            "{} {} {}: {} ({})",
            it.place.as_str(),
            or_none(&it.name),
            or_none(&it.pointer),
            it.expected,
            or_none(&it.sent)
        )
    };
    answer.violations().iter().map(told).collect()
}

#[track_caller]
fn check_query(parameter: &Parameter, cases: &[(&str, &[&str])]) {
    for (query, expected) in cases {
        let written = Parameter {
            span: parameter.span,
            name: parameter.name.clone(),
            schema: parameter.schema.clone(),
            description: None,
            ..*parameter
        };
        let plan = plan(ErrorStyle::Standard, operation(vec![written]), ResponseValidation::Off);
        assert_eq!(violations(&plan, Asked { query, ..ASKED }), *expected, "?{query}");
    }
}

#[test]
fn api_gateway_names_what_is_missing_or_blank_and_looks_no_further() {
    use ParameterPlace::{Header, Path, Querystring};
    let mut parameters = vec![required(Querystring, "qs1"), required(Header, "x-header-param")];
    parameters.extend([parameter(Path, "issuer", json!({"type": "integer"})), required(Querystring, "a")]);
    parameters.push(parameter(Querystring, "page", json!({"type": "integer"})));
    let plan = plan(ErrorStyle::Aws, operation(parameters), ResponseValidation::Off);
    let body = |asked| ask(&plan, asked).err().map(|answer| (answer.refusal, answer.detail.into_owned()));
    let missing =
        |names: &str| Some((Refusal::InvalidParameters, format!("Missing required request parameters: [{names}]")));
    assert_eq!(body(Asked { path: ["7", ""], ..ASKED }), missing("x-header-param, issuer, a, qs1"));
    let fields: &[(&str, &[u8])] = &[("X-Header-Param", b" ")];
    assert_eq!(body(Asked { fields, query: "qs1=%20&a=1&qs1=", ..ASKED }), missing("x-header-param"));
    let fields: &[(&str, &[u8])] = &[("X-Header-Param", b"x")];
    assert_eq!(body(Asked { fields, query: "qs1=1&a=1&page=x", ..ASKED }), None);
    assert_eq!(body(Asked { fields, query: "qs1&a=1", ..ASKED }), missing("qs1"));
}

#[test]
fn api_gateway_holds_a_body_to_the_model_of_its_type() {
    let plan = plan(ErrorStyle::Aws, pet_operation(), ResponseValidation::Off);
    let body = |kind: &str, body: &str| {
        let fields = [("content-type", kind.as_bytes())];
        let fields = if kind.is_empty() { &[][..] } else { &fields[..] };
        ask(&plan, Asked { fields, body: Some(body), ..ASKED }).err().map(|answer| answer.refusal)
    };
    let invalid = Some(Refusal::InvalidBody);
    assert_eq!(body("", r#"{"name": "x"}"#), None);
    assert_eq!(body("", r#"{}"#), invalid);
    assert_eq!(body("", ""), invalid, "an empty body is {{}}");
    assert_eq!(body("application/json; charset=utf-8", "{"), invalid);
    assert_eq!(body("text/plain", "whatever"), None, "no model for this type");
    assert_eq!(body("", r#"{"name": null}"#), invalid);
}

#[test]
fn what_is_wrong_with_a_body_is_only_for_the_log_in_aws_style() {
    let plan = plan(ErrorStyle::Aws, pet_operation(), ResponseValidation::Off);
    let answer = ask(&plan, Asked { body: Some(r#"{"name": 1, "x": "secret"}"#), ..ASKED }).unwrap_err();
    let log = answer.log.for_log().unwrap();
    assert_eq!(log, "body /name: a string expected; body /x: no such property expected");
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let limit = parameter(ParameterPlace::Querystring, "limit", json!({"type": "integer", "maximum": 10}));
    let id = parameter(ParameterPlace::Path, "id", json!({"type": "integer"}));
    let operation =
        Operation { parameters: vec![limit, id, required(ParameterPlace::Cookie, "session")], ..pet_operation() };
    let plan = plan(ErrorStyle::Standard, operation, ResponseValidation::Off);
    let asked = Asked { query: "limit=11", path: ["x%20y", "me"], body: Some(r#"{"age": -1}"#), ..ASKED };
    let expected = [
        "query limit -: at most 10 (11)",
        "path id -: an integer (x y)",
        "cookie session -: a value (-)",
        "body - /name: a value (-)",
        "body - /age: at least 0 (-1)",
    ];
    assert_eq!(violations(&plan, asked), expected);
    assert_eq!(ask(&plan, asked).unwrap_err().refusal, Refusal::InvalidParameters);
}

#[test]
fn a_parameters_text_is_read_as_its_schema_means_it() {
    let query = |schema| query("a", ParameterEncoding::Commas, schema);
    check_query(
        &query(json!({"type": "integer"})),
        &[("a=1", &[]), ("a=1.5", &["query a -: an integer (1.5)"]), ("", &[]), ("a=%31", &[])],
    );
    check_query(&query(json!({"type": "boolean"})), &[("a=true", &[]), ("a=yes", &["query a -: true or false (yes)"])]);
    check_query(
        &query(json!({"type": "string", "maxLength": 2})),
        &[("a=12", &[]), ("a=a+b", &["query a -: at most 2 characters (a b)"])],
    );
    check_query(&query(json!({"enum": ["1", "b"]})), &[("a=1", &[]), ("a=c", &["query a -: one of \"1\", \"b\" (c)"])]);
    check_query(
        &query(json!({"oneOf": [{"type": "integer"}, {"type": "string", "pattern": "^0x"}]})),
        &[("a=1", &[]), ("a=0x1", &[])],
    );
    check_query(
        &query(json!({"anyOf": [{"type": "string", "pattern": "^12$"}, {"type": "number", "maximum": 1}]})),
        &[("a=12", &[])],
    );
    check_query(&query(json!({"type": "string", "format": "uuid"})), &[("a=x", &["query a -: format uuid (x)"])]);
    check_query(&query(json!({"type": "integer"})), &[("a=1&a=2", &["query a -: a single value (-)"])]);
}

#[test]
fn lists_and_objects_stand_in_a_text_as_the_document_says() {
    use ParameterEncoding::{Commas, DeepObject, Json, Opaque, Pipes, Repeated, Spaces, Tabs};
    let list = json!({"type": "array", "items": {"type": "integer"}, "maxItems": 2});
    let wrong: &[&str] = &["query a /1: an integer (\"x\")"];
    let of = |encoding| query("a", encoding, list.clone());
    check_query(
        &of(Commas),
        &[("a=1,2", &[]), ("a=1,x", wrong), ("a=", &[]), ("a=1,2,3", &["query a -: at most 2 items (1,2,3)"])],
    );
    check_query(&of(Repeated), &[("a=1&a=2", &[]), ("a=1&a=x", wrong)]);
    check_query(&of(Spaces), &[("a=1%202", &[]), ("a=1+x", wrong)]);
    check_query(&of(Pipes), &[("a=1|2", &[]), ("a=1%7Cx", wrong)]);
    check_query(&of(Tabs), &[("a=1%092", &[]), ("a=1%09x", wrong)]);
    check_query(&of(Opaque), &[("a=whatever", &[])]);
    check_query(
        &of(Json),
        &[
            ("a=%5B1%5D", &[]),
            ("a=%5B1,%22x%22%5D", wrong),
            ("a=[", &["query a -: JSON, not EOF while parsing a list at line 1 column 1 (-)"]),
        ],
    );
    let texts = query("a", Commas, json!({"type": "array", "items": {"enum": ["a,b", "c"]}}));
    check_query(&texts, &[("a=a%2Cb,c", &[])]);
    let object = json!({"type": "object", "required": ["r"], "properties": {"r": {"type": "integer"}, "g": {"type": "integer"}}});
    let missing: &[&str] = &["query a /r: a value (-)"];
    check_query(&query("a", Commas, object.clone()), &[("a=r,1,g,2", &[]), ("a=g,1", missing)]);
    check_query(&query("a", DeepObject, object.clone()), &[("a[r]=1", &[]), ("a%5Bg%5D=1", missing), ("b[g]=1", &[])]);
    check_query(&query("a", Repeated, object), &[("r=1&g=2", &[]), ("g=2", missing), ("x=1", &[])]);
}

#[test]
fn what_may_be_a_credential_is_not_repeated() {
    use ParameterPlace::{Cookie, Header, Querystring};
    let number = json!({"type": "integer"});
    let parameters = vec![
        parameter(Header, "x-api-key", number.clone()),
        parameter(Header, "x-page", number.clone()),
        parameter(Querystring, "access_token", number.clone()),
        parameter(Cookie, "seen", number),
    ];
    let plan = plan(ErrorStyle::Standard, Operation { parameters, ..pet_operation() }, ResponseValidation::Off);
    let fields: &[(&str, &[u8])] = &[("X-Api-Key", b"k1"), ("X-Page", b"p1"), ("Cookie", b"a=b; seen=c1")];
    let found = violations(
        &plan,
        Asked { fields, query: "access_token=t1", body: Some(r#"{"name":"a","password":"short"}"#), ..ASKED },
    );
    assert_eq!(found.len(), 5);
    assert!(found[1].ends_with("(p1)"), "{found:?}");
    for at in [0, 2, 3, 4] {
        assert!(found[at].ends_with("(-)"), "{found:?}");
    }
}

#[test]
fn a_body_of_another_type_or_in_a_coding_is_not_taken() {
    let plan = plan(ErrorStyle::Standard, pet_operation(), ResponseValidation::Off);
    let refusal = |fields: &[(&str, &[u8])]| {
        ask(&plan, Asked { fields, body: Some(r#"{"name":"x"}"#), ..ASKED }).err().map(|answer| answer.refusal)
    };
    let unsupported = Some(Refusal::UnsupportedMediaType);
    assert_eq!(refusal(&[("content-type", b"text/xml"), ("content-length", b"12")]), unsupported);
    assert_eq!(refusal(&[("content-type", b"text/xml"), ("transfer-encoding", b"chunked")]), unsupported);
    assert_eq!(refusal(&[("content-type", b"text/xml"), ("content-length", b"0")]), None);
    assert_eq!(refusal(&[("content-type", b"Application/JSON;charset=utf-8"), ("content-length", b"12")]), None);
    assert_eq!(refusal(&[("content-type", b"application/json"), ("content-encoding", b"br")]), unsupported);
    assert_eq!(refusal(&[("content-length", b"12")]), None);
}

#[test]
fn a_body_may_be_a_form_and_need_not_be_there() {
    let pet = Some(json!({"$ref": "#/definitions/Pet"}));
    let bodies = contents(&[
        ("application/x-www-form-urlencoded", pet),
        ("multipart/form-data", Some(json!({"type": "object"}))),
    ]);
    let of = |is_body_required| {
        let operation = Operation { bodies: bodies.clone(), is_body_required, ..operation(Vec::new()) };
        plan(ErrorStyle::Standard, operation, ResponseValidation::Off)
    };
    let form: &[(&str, &[u8])] = &[("content-type", b"application/x-www-form-urlencoded"), ("content-length", b"9")];
    let asked = |body| Asked { fields: form, body: Some(body), ..ASKED };
    assert_eq!(violations(&of(true), asked("name=a+b&age=3&tags=x&tags=y")), [""; 0]);
    assert_eq!(violations(&of(true), asked("age=x")), ["body - /name: a value (-)", "body - /age: an integer (\"x\")"]);
    assert_eq!(violations(&of(true), asked("")), ["body - -: a body (-)"]);
    assert_eq!(violations(&of(false), asked("")), [""; 0]);
    let multipart: &[(&str, &[u8])] = &[("content-type", b"multipart/form-data; boundary=x"), ("content-length", b"9")];
    assert_eq!(violations(&of(true), Asked { fields: multipart, body: Some("--x"), ..ASKED }), [""; 0]);
}

#[test]
fn broken_json_is_told_with_its_place() {
    let plan = plan(ErrorStyle::Standard, pet_operation(), ResponseValidation::Off);
    let found = violations(&plan, Asked { body: Some("{\"name\": \n oops}"), ..ASKED });
    assert_eq!(found, ["body - -: JSON, not expected value at line 2 column 2 (-)"]);
    let twice = violations(&plan, Asked { body: Some(r#"{"name": "a", "name": 1}"#), ..ASKED });
    assert!(twice[0].contains("the same name twice"), "{twice:?}");
}

#[test]
fn an_operation_answers_in_a_type_that_the_client_takes() {
    let response = |types| MethodResponse { contents: contents(types), ..MethodResponse::default() };
    let responses = [
        ("200".to_owned(), response(&[("application/json", None), ("text/csv", None)])),
        ("default".to_owned(), response(&[("application/problem+json", None)])),
    ];
    let operation = Operation { responses: responses.into(), ..operation(Vec::new()) };
    let plan = plan(ErrorStyle::Standard, operation, ResponseValidation::Off);
    let refusal = |accept: &'static [u8]| {
        ask(&plan, Asked { fields: &[("accept", accept)], ..ASKED }).err().map(|answer| answer.refusal)
    };
    assert_eq!(refusal(b"text/csv"), None);
    assert_eq!(refusal(b"application/problem+json"), Some(Refusal::NotAcceptable));
    assert_eq!(refusal(b"text/html, image/*"), Some(Refusal::NotAcceptable));
}

#[test]
fn answers_are_held_to_what_the_operation_says() {
    let pet = Some(json!({"$ref": "#/definitions/Pet"}));
    let ok = MethodResponse {
        contents: contents(&[("application/json", pet)]),
        headers: [("x-left".to_owned(), Some(located(json!({"type": "integer"}))))].into(),
        ..MethodResponse::default()
    };
    let responses = [("200".to_owned(), ok), ("4XX".to_owned(), MethodResponse::default())];
    let operation = Operation { responses: responses.into(), ..operation(Vec::new()) };
    let plan = plan(ErrorStyle::Standard, operation, ResponseValidation::Enforce);
    let answers = plan.answers().unwrap();
    let check = |status: u16, fields: &[(&str, &[u8])], body: &str| {
        answers.check(status, &Fields::List(fields), Some(body.as_bytes()))
    };
    let json: &[(&str, &[u8])] = &[("content-type", b"application/json"), ("x-left", b"3")];
    assert!(answers.is_enforced() && answers.wants_body(200, &Fields::List(json)));
    assert!(!answers.wants_body(404, &Fields::List(json)));
    assert_eq!(check(200, json, r#"{"name": "x"}"#), Ok(()));
    assert_eq!(check(404, &[("content-type", b"text/html")], "<p>"), Ok(()));
    assert_eq!(check(304, &[], ""), Ok(()));
    assert_eq!(check(200, json, r#"{"name": 7}"#), Err("body /name: a string expected".to_owned()));
    assert_eq!(check(201, json, "{}"), Err("status 201: one that the operation declares expected".to_owned()));
    assert_eq!(
        check(200, &[("content-type", b"text/html")], ""),
        Err("header content-type: application/json expected".to_owned())
    );
    let both = check(200, &[("content-type", b"application/json"), ("x-left", b"x")], "[");
    assert_eq!(
        both.unwrap_err(),
        "header x-left: an integer expected; body: JSON, not EOF while parsing a list at line 1 column 1 expected"
    );
}

#[test]
fn a_document_of_api_gateway_asks_for_its_checks_and_another_is_the_contract() {
    let of = |style, validator| {
        let operation = Operation { validator, ..operation(vec![required(ParameterPlace::Querystring, "a")]) };
        ask(&plan(style, operation, ResponseValidation::Off), ASKED).is_ok()
    };
    assert!(of(ErrorStyle::Aws, Validator::default()));
    assert!(!of(ErrorStyle::Aws, ALL));
    assert!(!of(ErrorStyle::Standard, Validator::default()));
}
