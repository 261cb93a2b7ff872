//! What it takes to hold a request to its operation: parameters alone, and a body of 2 KB, good and bad.
//!
//! `cargo bench --bench validation`

use std::hint::black_box;
use std::net::Ipv4Addr;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};

use tollgate::base::{Fields, Head, Scheme};
use tollgate::config::{
    Definition, Dialect, ErrorStyle, Integration, IntegrationKind, Located, Method, MockAnswer, Models, Operation,
    Parameter, ParameterEncoding, ParameterPlace, ResponseValidation, Route, Span,
};
use tollgate::gateway::validate::{Plan, Rules, compile};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const LINES: usize = 16;

fn located<T>(value: T) -> Located<T> {
    Located::new(value, Span::default())
}

fn order_schema() -> Value {
    json!({"type": "object", "required": ["id", "customer", "lines"], "additionalProperties": false, "properties": {
        "id": {"type": "string", "format": "uuid"},
        "customer": {"type": "object", "required": ["email"], "properties": {
            "email": {"type": "string", "format": "email"}, "since": {"type": "string", "format": "date-time"}}},
        "lines": {"type": "array", "maxItems": 100, "items": {"$ref": "#/definitions/Line"}}}})
}

fn line_schema() -> Value {
    json!({"type": "object", "required": ["sku", "count"], "properties": {
        "sku": {"type": "string", "pattern": "^[A-Z]{3}-[0-9]+$"}, "count": {"type": "integer", "minimum": 1},
        "price": {"type": "number", "multipleOf": 0.01}, "kind": {"enum": ["book", "game", "film"]},
        "note": {"oneOf": [{"type": "null"}, {"type": "string", "maxLength": 200}]}}})
}

fn body(sku: &str) -> String {
    let line =
        json!({"sku": sku, "count": 3, "price": 19.99, "kind": "game", "note": "wrapped, with a card and a ribbon"});
    json!({"id": "2eb8aa08-aa98-11ea-b4aa-73b441d16380",
        "customer": {"email": "joe.bloggs@example.com", "since": "2024-02-29T23:59:59Z"}, "lines": vec![line; LINES]})
    .to_string()
}

fn parameter(name: &str, schema: Value) -> Parameter {
    Parameter {
        span: Span::default(),
        name: name.to_owned(),
        place: ParameterPlace::Querystring,
        is_required: true,
        schema: Some(located(schema)),
        encoding: ParameterEncoding::Commas,
        description: None,
    }
}

fn operation(has_body: bool) -> Operation {
    let parameters = vec![
        parameter("limit", json!({"type": "integer", "minimum": 1, "maximum": 100})),
        parameter("order", json!({"enum": ["asc", "desc"]})),
        parameter("kinds", json!({"type": "array", "items": {"type": "string", "maxLength": 9}})),
    ];
    let mut operation = Operation { parameters, ..Operation::default() };
    if has_body {
        operation.bodies.insert("application/json".into(), Some(located(json!({"$ref": "#/definitions/Order"}))));
    }
    operation
}

fn plan(has_body: bool) -> Plan {
    let mock = MockAnswer { status: 200, headers: Default::default(), body: String::new(), transformation: None };
    let route = Route {
        span: Span::default(),
        method: located(Method::Any),
        path: located("/orders".to_owned()),
        api_key_required: false,
        integration: Integration { span: Span::default(), kind: IntegrationKind::Mock(mock.into()) },
        cache: None,
        throttle: None,
        body_bytes_max: None,
        operation: Some(Box::new(operation(has_body))),
    };
    let schemas = [("Order".to_owned(), located(order_schema())), ("Line".to_owned(), located(line_schema()))].into();
    let models = Models { dialect: Dialect::OpenApi30, schemas };
    let definition = Definition { routes: vec![route], models, ..Definition::default() };
    let rules = Rules { style: ErrorStyle::Standard, requests: None, responses: ResponseValidation::Off };
    compile(&definition, rules).0.remove(0)
}

fn head() -> Head<'static> {
    Head {
        method: "POST",
        host: "api.example.com",
        path: "/orders",
        query: Some("limit=20&order=asc&kinds=book,game"),
        fields: Fields::List(&[("content-type", b"application/json")]),
        client: Ipv4Addr::LOCALHOST.into(),
        scheme: Scheme::Http,
    }
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("validation");
    let (of_head, whole) = (plan(false), plan(true));
    assert!(of_head.check_head(&head(), |_| None).is_ok());
    group.bench_function("parameters", |bencher| {
        bencher.iter(|| black_box(&of_head).check_head(black_box(&head()), |_| None).is_ok());
    });
    for (name, sku) in [("body", "ABC-123"), ("bad body", "abc")] {
        let body = body(sku);
        assert_eq!(whole.check_whole(&head(), |_| None, body.as_bytes()).is_ok(), name == "body");
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(&whole).check_whole(&head(), |_| None, black_box(body.as_bytes())).is_ok());
        });
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
