#![no_main]
//! Parameters, forms and bodies of any bytes are judged, and what is told of them is bounded.

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use tollgate::base::{Fields, Head, Scheme};
use tollgate::config::{
    Definition, Dialect, ErrorStyle, Integration, IntegrationKind, Located, Method, MockAnswer, Models, Operation,
    Parameter, ParameterEncoding, ParameterPlace, ResponseValidation, Route, Span,
};
use tollgate::gateway::validate::{Plan, Rules, compile};

const ENCODINGS: [ParameterEncoding; 8] = [
    ParameterEncoding::Commas,
    ParameterEncoding::Repeated,
    ParameterEncoding::Spaces,
    ParameterEncoding::Pipes,
    ParameterEncoding::Tabs,
    ParameterEncoding::DeepObject,
    ParameterEncoding::Json,
    ParameterEncoding::Opaque,
];

thread_local! {
    static PLANS: Vec<Plan> = [ErrorStyle::Standard, ErrorStyle::Aws].map(plan).into();
}

fuzz_target!(|input: (&str, &[u8], &[u8], &[u8], bool)| {
    let (query, content_type, field, body, is_aws) = input;
    let fields = [("content-type", content_type), ("x-list", field), ("cookie", field), ("accept", field)];
    let head = Head {
        method: "POST",
        host: "",
        path: "/a",
        query: Some(query),
        fields: Fields::List(&fields),
        client: std::net::Ipv4Addr::LOCALHOST.into(),
        scheme: Scheme::Http,
    };
    PLANS.with(|plans| {
        let plan = &plans[usize::from(is_aws)];
        let judged = plan.check_head(&head, |_| Some("a")).and_then(|()| plan.check_whole(&head, |_| Some("a"), body));
        if let Err(answer) = judged {
            assert!(answer.violations().len() <= 32);
            for violation in answer.violations() {
                assert!(violation.sent.as_ref().is_none_or(|sent| sent.chars().count() <= 65), "{violation:?}");
            }
        }
    });
});

fn plan(style: ErrorStyle) -> Plan {
    let located = |value: Value| Located::new(value, Span::default());
    let anything = json!({"type": "object", "properties": {"a": {"type": "integer"}, "l": {"type": "array", "items": {"type": "number"}}},
        "additionalProperties": {"anyOf": [{"$ref": "#/definitions/A"}, {"type": "string", "maxLength": 3}]}});
    let shapes = [anything.clone(), json!({"type": "array", "items": {"type": "integer"}, "uniqueItems": true}), json!({"type": "number"})];
    let mut operation = Operation::default();
    for (at, encoding) in ENCODINGS.into_iter().enumerate() {
        for (place, name) in [(ParameterPlace::Querystring, "q"), (ParameterPlace::Header, "x-list"), (ParameterPlace::Cookie, "c")] {
            operation.parameters.push(Parameter {
                span: Span::default(),
                name: name.to_owned(),
                place,
                is_required: at == 0,
                schema: Some(located(shapes[at % shapes.len()].clone())),
                encoding,
                description: None,
            });
        }
    }
    for kind in ["application/json", "application/x-www-form-urlencoded"] {
        operation.bodies.insert(kind.to_owned(), Some(located(json!({"$ref": "#/definitions/A"}))));
    }
    operation.validator.checks_body = true;
    operation.validator.checks_parameters = true;
    let mock = MockAnswer { status: 200, headers: Default::default(), body: String::new(), transformation: None };
    let route = Route {
        span: Span::default(),
        method: Located::new(Method::Any, Span::default()),
        path: Located::new("/{id}".to_owned(), Span::default()),
        api_key_required: false,
        integration: Integration { span: Span::default(), kind: IntegrationKind::Mock(mock.into()) },
        cache: None,
        throttle: None,
        body_bytes_max: None,
        operation: Some(Box::new(operation)),
    };
    let models = Models { dialect: Dialect::OpenApi30, schemas: [("A".to_owned(), located(anything))].into() };
    let definition = Definition { routes: vec![route], models, ..Definition::default() };
    compile(&definition, Rules { style, requests: None, responses: ResponseValidation::Off }).0.remove(0)
}
