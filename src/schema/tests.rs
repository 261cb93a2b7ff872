use serde_json::{Value, json};

use super::*;
use crate::config::{Dialect, Fault, Located, Models, Span};

fn compile(dialect: Dialect, flavor: Flavor, models: Value, schema: Value) -> (Schemas, SchemaId, Vec<Fault>) {
    let schemas = models.as_object().cloned().unwrap_or_default();
    let located = |value| Located::new(value, Span::default());
    let schemas = schemas.into_iter().map(|(name, schema)| (name, located(schema))).collect();
    let models = Models { dialect, schemas };
    let mut compiler = Compiler::new(&models, flavor);
    let id = compiler.add(&located(schema));
    let (schemas, faults) = compiler.finish();
    (schemas, id, faults)
}

fn breaches(dialect: Dialect, schema: Value, value: &Value) -> Vec<(String, String)> {
    let models = json!({"Pet": {"type": "object", "required": ["name"], "properties": {
        "name": {"type": "string", "minLength": 1}, "friends": {"type": "array", "items": {"$ref": "#/definitions/Pet"}}}}});
    let (schemas, id, faults) = compile(dialect, Flavor::OpenApi, models, schema);
    assert_eq!(faults, [], "a good schema");
    let found = schemas.check(id, value, Side::Request, value.to_string().len());
    found.into_iter().map(|breach| (breach.pointer, breach.expected)).collect()
}

/// `yes` hold, `no` do not.
#[track_caller]
fn check(dialect: Dialect, schema: Value, yes: &[Value], no: &[Value]) {
    for value in yes {
        assert_eq!(breaches(dialect, schema.clone(), value), [], "{value} by {schema}");
    }
    for value in no {
        assert_ne!(breaches(dialect, schema.clone(), value), [], "{value} by {schema}");
    }
}

/// The only breach.
#[track_caller]
fn told(schema: Value, value: Value, pointer: &str, expected: &str) {
    let found = breaches(Dialect::OpenApi30, schema.clone(), &value);
    assert_eq!(found, [(pointer.to_owned(), expected.to_owned())], "{value} by {schema}");
}

#[test]
fn values_are_of_their_type() {
    let draft4 = Dialect::Draft4;
    check(
        draft4,
        json!({"type": "integer"}),
        &[json!(1), json!(-9)],
        &[json!(1.0), json!(1.5), json!("1"), json!(null)],
    );
    check(Dialect::Draft202012, json!({"type": "integer"}), &[json!(1.0)], &[json!(1.5)]);
    check(draft4, json!({"type": "number"}), &[json!(1), json!(1.5)], &[json!("1"), json!(true)]);
    check(draft4, json!({"type": ["string", "null"]}), &[json!("a"), json!(null)], &[json!(1)]);
    check(draft4, json!({"enum": [1, "a", {"b": [1]}]}), &[json!(1.0), json!({"b": [1]})], &[json!(true), json!({})]);
}

#[test]
fn numbers_and_texts_are_within_their_bounds() {
    let any = Dialect::OpenApi30;
    check(any, json!({"minimum": 1, "maximum": 3}), &[json!(1), json!(3), json!("x")], &[json!(0.9), json!(4)]);
    check(any, json!({"minimum": 1, "exclusiveMinimum": true}), &[json!(1.1)], &[json!(1)]);
    check(any, json!({"exclusiveMaximum": 3}), &[json!(2)], &[json!(3)]);
    check(any, json!({"multipleOf": 0.01}), &[json!(4.35), json!(3), json!(0)], &[json!(4.355)]);
    check(any, json!({"multipleOf": 0.0001}), &[json!(0.0075)], &[json!(0.00751)]);
    check(any, json!({"multipleOf": 0.5}), &[json!(1e308)], &[]);
    check(any, json!({"multipleOf": 0.123456789}), &[], &[json!(1e308)]);
    check(any, json!({"minLength": 2, "maxLength": 2}), &[json!("💩💩"), json!(7)], &[json!("a"), json!("abc")]);
    check(any, json!({"pattern": "^a+$"}), &[json!("aa"), json!(1)], &[json!("b"), json!("aab")]);
    check(any, json!({"format": "uuid"}), &[json!(1)], &[json!("x")]);
}

#[test]
fn objects_have_their_properties() {
    let any = Dialect::Draft4;
    let closed = json!({"properties": {"a": {"type": "integer"}}, "patternProperties": {"^x-": {}}, "additionalProperties": false});
    check(any, closed, &[json!({"a": 1, "x-b": 2}), json!([])], &[json!({"b": 1}), json!({"a": "1"})]);
    check(any, json!({"additionalProperties": {"type": "string"}}), &[json!({"a": "b"})], &[json!({"a": 1})]);
    check(
        any,
        json!({"minProperties": 1, "maxProperties": 2}),
        &[json!({"a": 1})],
        &[json!({}), json!({"a":1,"b":1,"c":1})],
    );
    check(
        any,
        json!({"dependencies": {"a": ["b"], "c": {"required": ["d"]}}}),
        &[json!({"b": 1}), json!({"a": 1, "b": 1})],
        &[json!({"a": 1}), json!({"c": 1})],
    );
}

#[test]
fn arrays_have_their_items() {
    let any = Dialect::Draft4;
    check(any, json!({"items": {"type": "integer"}}), &[json!([1, 2]), json!([])], &[json!([1, "2"])]);
    check(
        any,
        json!({"items": [{"type": "integer"}], "additionalItems": false}),
        &[json!([1]), json!([])],
        &[json!([1, 2])],
    );
    check(
        any,
        json!({"uniqueItems": true}),
        &[json!([1, "1", true, {"a": 1}]), json!([0, false])],
        &[json!([1, 1.0]), json!([{"a": 1, "b": 2}, {"b": 2, "a": 1}])],
    );
    check(any, json!({"minItems": 1, "maxItems": 2}), &[json!([1])], &[json!([]), json!([1, 2, 3])]);
}

#[test]
fn schemas_are_put_together() {
    let any = Dialect::Draft4;
    check(any, json!({"allOf": [{"minimum": 1}, {"maximum": 2}]}), &[json!(1)], &[json!(0), json!(3)]);
    check(any, json!({"anyOf": [{"type": "string"}, {"minimum": 2}]}), &[json!("a"), json!(2)], &[json!(1)]);
    check(any, json!({"oneOf": [{"multipleOf": 2}, {"multipleOf": 3}]}), &[json!(2), json!(3)], &[json!(6), json!(5)]);
    check(any, json!({"not": {"type": "null"}}), &[json!(1)], &[json!(null)]);
    check(any, json!({"$ref": "#/definitions/Pet", "maxProperties": 0}), &[json!({"name": "a"})], &[json!({})]);
    check(any, json!({"not": {"$ref": "#/definitions/Pet"}}), &[json!({})], &[json!({"name": "a"})]);
}

#[test]
fn the_words_of_2020_12_are_known_where_they_are_in_force() {
    let new = Dialect::Draft202012;
    check(new, json!({"const": 1}), &[json!(1.0)], &[json!(2)]);
    check(Dialect::Draft4, json!({"const": 1}), &[json!(2)], &[]);
    check(
        new,
        json!({"prefixItems": [{"type": "integer"}], "items": false}),
        &[json!([1])],
        &[json!([1, 2]), json!(["a"])],
    );
    check(
        new,
        json!({"contains": {"type": "integer"}, "maxContains": 1}),
        &[json!([1, "a"])],
        &[json!(["a"]), json!([1, 2])],
    );
    check(
        new,
        json!({"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {"required": ["c"]}}),
        &[json!({"a": 1, "b": 1}), json!({"c": 1})],
        &[json!({"a": 1}), json!({})],
    );
    check(new, json!({"propertyNames": {"maxLength": 1}}), &[json!({"a": 1})], &[json!({"ab": 1})]);
    check(new, json!({"dependentRequired": {"a": ["b"]}}), &[json!({"b": 1})], &[json!({"a": 1})]);
    check(
        new,
        json!({"$ref": "#/definitions/Pet", "maxProperties": 1}),
        &[json!({"name": "a"})],
        &[json!({"name": "a", "b": 1})],
    );
    let closed =
        json!({"allOf": [{"$ref": "#/definitions/Pet"}], "properties": {"a": {}}, "unevaluatedProperties": false});
    check(new, closed, &[json!({"name": "x", "a": 1})], &[json!({"name": "x", "b": 1})]);
    let closed = json!({"prefixItems": [{}], "contains": {"type": "string"}, "unevaluatedItems": false});
    check(new, closed, &[json!([1, "a", "b"])], &[json!([1, "a", 2])]);
    let either = json!({"anyOf": [{"properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"properties": {"b": {}}, "required": ["b"]}], "unevaluatedProperties": false});
    check(new, either, &[json!({"a": 1}), json!({"b": 1}), json!({"a": 1, "b": 1})], &[json!({"a": "x", "b": 1})]);
}

#[test]
fn every_breach_is_told_with_its_place() {
    told(json!({"$ref": "#/definitions/Pet"}), json!({}), "/name", "a value");
    told(
        json!({"$ref": "#/definitions/Pet"}),
        json!({"name": "a", "friends": [{"name": ""}]}),
        "/friends/0/name",
        "at least 1 character",
    );
    told(json!({"properties": {"a/b~": {"type": "integer"}}}), json!({"a/b~": "x"}), "/a~1b~0", "an integer");
    told(json!({"type": "object", "additionalProperties": false}), json!({"a": 1}), "/a", "no such property");
    told(json!({"enum": ["a", "b"]}), json!("c"), "", "one of \"a\", \"b\"");
    told(json!({"enum": ["a"]}), json!("c"), "", "\"a\"");
    told(json!({"type": ["string", "number"]}), json!([]), "", "a string or a number");
    told(json!({"oneOf": [{"type": "null"}, {"$ref": "#/definitions/Pet"}]}), json!({"name": 1}), "/name", "a string");
    let kinds = json!({"oneOf": [
        {"properties": {"kind": {"enum": ["cat"]}, "lives": {"type": "integer"}}},
        {"properties": {"kind": {"enum": ["dog"]}, "tricks": {"type": "array"}}}]});
    told(kinds.clone(), json!({"kind": "dog", "tricks": 1}), "/tricks", "an array");
    told(kinds, json!({"kind": "cow"}), "", "one of 2 alternatives");
    let both = json!({"type": "object", "required": ["a", "b"], "properties": {"c": {"maximum": 1}}});
    assert_eq!(breaches(Dialect::Draft4, both, &json!({"c": 2})).len(), 3);
}

#[test]
fn what_was_sent_is_shortened() {
    let (schemas, id, _) = compile(Dialect::Draft4, Flavor::OpenApi, json!({}), json!({"type": "null"}));
    let sent = |value: Value| schemas.check(id, &value, Side::Request, 1).remove(0).sent.unwrap();
    assert_eq!(sent(json!({"a": [1, "b\"", null]})), r#"{"a":[1,"b\"",null]}"#);
    let long = sent(json!("é".repeat(1000)));
    assert_eq!((long.chars().count(), long.ends_with('…')), (65, true));
    assert!(sent(json!([["x".repeat(50)], ["y".repeat(50)]])).starts_with("[[\"xxx"));
}

#[test]
fn null_is_fine_where_openapi_says_so() {
    let schema = json!({"type": "string", "nullable": true, "enum": ["a"]});
    check(Dialect::OpenApi30, schema.clone(), &[json!("a"), json!(null)], &[json!("b"), json!(1)]);
    let (schemas, id, _) = compile(Dialect::Draft4, Flavor::ApiGateway, json!({}), schema);
    assert!(!schemas.check(id, &json!(null), Side::Request, 4).is_empty());
}

#[test]
fn nobody_needs_to_send_what_is_only_read() {
    let schema = json!({"required": ["id", "password"], "properties": {
        "id": {"$ref": "#/definitions/Id"}, "password": {"writeOnly": true}}});
    let models = json!({"Id": {"type": "integer", "readOnly": true}});
    let missing = |flavor, side| {
        let (schemas, id, _) = compile(Dialect::OpenApi30, flavor, models.clone(), schema.clone());
        let found = schemas.check(id, &json!({}), side, 2);
        found.into_iter().map(|breach| breach.pointer).collect::<Vec<_>>()
    };
    assert_eq!(missing(Flavor::OpenApi, Side::Request), ["/password"]);
    assert_eq!(missing(Flavor::OpenApi, Side::Response), ["/id"]);
    assert_eq!(missing(Flavor::ApiGateway, Side::Request), ["/id", "/password"]);
}

#[test]
fn a_schema_that_says_nonsense_is_a_fault_with_its_place() {
    let messages = |models: Value, schema: Value| {
        let (_, _, faults) = compile(Dialect::Draft4, Flavor::OpenApi, models, schema);
        faults.into_iter().map(|fault| fault.message).collect::<Vec<_>>()
    };
    let one = |schema: Value| messages(json!({}), schema);
    assert_eq!(one(json!({"type": "strng"})), ["/type of the schema is \"strng\""]);
    assert_eq!(
        one(json!({"properties": {"a": {"minLength": "3"}}})),
        ["/properties/a/minLength of the schema is \"3\""]
    );
    assert_eq!(one(json!({"items": 3})), ["/items of the schema is 3, which is no schema"]);
    assert!(
        one(json!({"pattern": "(?!a)"}))[0].contains("no pattern: look-around"),
        "{:?}",
        one(json!({"pattern": "(?!a)"}))
    );
    let unknown = messages(json!({"Pet": {}}), json!({"$ref": "#/definitions/Pot"}));
    assert_eq!(unknown, ["/$ref of the schema names the unknown model \"#/definitions/Pot\""]);
    let circle = json!({"A": {"allOf": [{"$ref": "#/definitions/B"}]}, "B": {"$ref": "#/definitions/A"}});
    let said = messages(circle, json!({"$ref": "#/definitions/A"}));
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said.iter().all(|message| message.contains("made of itself")));
    let two = messages(json!({"A": {"minimum": "x", "maximum": []}}), json!({"items": {"$ref": "#/definitions/A"}}));
    assert_eq!(two, ["/minimum of model \"A\" is \"x\"", "/maximum of model \"A\" is []"]);
}

#[test]
fn a_model_is_there_once_whoever_refers_to_it() {
    let pet = json!({"properties": {"friends": {"items": {"$ref": "#/definitions/Pet"}}, "home": {"$ref": "#/definitions/Home"}}});
    let located = |value| Located::new(value, Span::default());
    let schemas = [("Pet".to_owned(), located(pet)), ("Home".to_owned(), located(json!({"type": "string"})))].into();
    let models = Models { dialect: Dialect::Draft4, schemas };
    let mut compiler = Compiler::new(&models, Flavor::OpenApi);
    for _ in 0..1000 {
        compiler.add(&located(json!({"$ref": "#/definitions/Pet"})));
        compiler.add(&located(json!({"type": "array", "items": {"$ref": "#/definitions/Pet"}})));
    }
    let (schemas, faults) = compiler.finish();
    assert_eq!((schemas.len(), faults), (4, vec![]));
}

/// Both branches fail at the bottom only, so each level doubles the work of whoever tries all.
#[test]
fn work_is_bounded_whatever_the_schema() {
    let branch = |name: &str| json!({"properties": {"c": {"$ref": "#/definitions/Node"}}, "required": [name]});
    let models = json!({"Node": {"anyOf": [branch("a"), branch("b")], "minProperties": 1},
        "Deep": {"anyOf": [{"properties": {"c": {"$ref": "#/definitions/Deep"}, "d": {}}, "additionalProperties": false},
                           {"properties": {"c": {"$ref": "#/definitions/Deep"}, "e": {}}, "additionalProperties": false}]}});
    for name in ["Node", "Deep"] {
        let schema = json!({"$ref": format!("#/definitions/{name}")});
        let (schemas, id, _) = compile(Dialect::Draft4, Flavor::OpenApi, models.clone(), schema);
        let value = (0..100).fold(json!({"x": 1}), |inner, _| json!({"c": inner, "d": 1, "e": 1}));
        let value = (0..100).fold(value, |inner, _| json!({"c": inner}));
        let found = schemas.check(id, &value, Side::Request, 1000);
        assert!(!found.is_empty(), "{name}");
        assert!(found.len() <= BREACHES_MAX);
    }
}

#[test]
fn breaches_are_counted_up_to_a_bound() {
    let (schemas, id, _) = compile(Dialect::Draft4, Flavor::OpenApi, json!({}), json!({"items": {"type": "string"}}));
    let value = Value::from(vec![1; 10_000]);
    assert_eq!(schemas.check(id, &value, Side::Request, 20_000).len(), BREACHES_MAX);
}

#[test]
fn parameters_learn_the_types_and_parts_of_their_schemas() {
    let models = json!({"Id": {"type": "integer"}, "Ids": {"type": "array", "items": {"$ref": "#/definitions/Id"}}});
    let schema = json!({"allOf": [{"properties": {"ids": {"$ref": "#/definitions/Ids"}}}, {"type": "object"}]});
    let (schemas, id, _) = compile(Dialect::Draft4, Flavor::OpenApi, models, schema);
    assert_eq!(schemas.kinds(id), Kinds::OBJECT);
    let ids = schemas.property(id, "ids").unwrap();
    assert_eq!(schemas.kinds(ids), Kinds::ARRAY);
    assert_eq!(schemas.kinds(schemas.items(ids).unwrap()), Kinds::INTEGER);
    assert_eq!(schemas.property_names(id), ["ids"]);
}
