#![no_main]
//! Whatever a schema says, it is compiled or refused; whatever a value is, it is judged in bounded time, and a schema and
//! its opposite never agree on one.

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use tollgate::config::{Dialect, Located, Models, Span};
use tollgate::schema::{BREACHES_MAX, Compiler, Flavor, Side};

fuzz_target!(|input: (u8, &str, &str)| {
    let (choice, schema, value) = input;
    let Ok(schema) = serde_json::from_str::<Value>(schema) else { return };
    let value = serde_json::from_str::<Value>(value).unwrap_or_else(|_| value.into());
    let dialect = [Dialect::Draft4, Dialect::OpenApi30, Dialect::Draft202012][usize::from(choice % 3)];
    let located = |value: &Value| Located::new(value.clone(), Span::default());
    let models = Models { dialect, schemas: [("A".to_owned(), located(&schema))].into() };
    let mut compiler = Compiler::new(&models, if choice & 4 == 0 { Flavor::OpenApi } else { Flavor::ApiGateway });
    let own = compiler.add(&located(&json!({"$ref": "#/definitions/A"})));
    let opposite = compiler.add(&located(&json!({"not": {"$ref": "#/definitions/A"}})));
    let (schemas, faults) = compiler.finish();
    if !faults.is_empty() {
        return;
    }
    let judge = |id| schemas.check(id, &value, Side::Request, value.to_string().len());
    let (held, opposed) = (judge(own), judge(opposite));
    assert!(held.len() <= BREACHES_MAX && opposed.len() <= BREACHES_MAX);
    assert!(!(held.is_empty() && opposed.is_empty()), "{value} is and is not {schema}");
});
