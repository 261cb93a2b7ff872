//! Requests, and the answers to them, are held to what an OpenAPI document says.

use std::io::Write;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::house::{Answer, Folder, Gateway, Origin, Request, Streams, eventually, get, post};

const PETS: &str = r##"
openapi: 3.0.3
info: { title: Pets, version: "1" }
paths:
  /pets:
    get:
      parameters:
        - { name: limit, in: query, schema: { type: integer, minimum: 1, maximum: 100 } }
        - { name: kinds, in: query, style: form, explode: false, schema: { type: array, items: { enum: [cat, dog] } } }
        - { name: x-page, in: header, required: true, schema: { type: integer } }
        - { name: x-api-key, in: header, schema: { type: string, minLength: 90 } }
      responses:
        "200": { description: pets, content: { application/json: { schema: { type: array, items: { $ref: "#/components/schemas/Pet" } } } } }
    post:
      parameters:
        - { name: limit, in: query, schema: { type: integer } }
      requestBody:
        required: true
        content:
          application/json: { schema: { $ref: "#/components/schemas/Pet" } }
          text/csv: {}
      responses:
        "201": { description: made, content: { application/json: { schema: { $ref: "#/components/schemas/Pet" } } } }
  /cached:
    get:
      parameters:
        - { name: page, in: query, schema: { type: integer } }
      responses:
        "200": { description: a pet, content: { application/json: { schema: { $ref: "#/components/schemas/Pet" } } } }
components:
  schemas:
    Pet:
      type: object
      required: [id, name]
      properties:
        id: { type: integer, readOnly: true }
        name: { type: string, minLength: 1 }
        note: { type: string }
        friends: { type: array, items: { $ref: "#/components/schemas/Pet" } }
"##;

const AWS: &str = r##"
swagger: "2.0"
info: { title: Orders, version: "1" }
x-amazon-apigateway-request-validators:
  all: { validateRequestBody: true, validateRequestParameters: true }
x-amazon-apigateway-request-validator: all
definitions:
  Order:
    type: object
    required: [item]
    properties: { item: { type: string }, count: { type: integer } }
paths:
  /orders:
    post:
      parameters:
        - { name: qs1, in: query, required: true, type: integer }
        - { name: x-header-param, in: header, required: true, type: string }
        - { name: order, in: body, schema: { $ref: "#/definitions/Order" } }
      x-amazon-apigateway-integration: { type: http_proxy, httpMethod: POST, uri: "http://@1/orders" }
"##;

const LISTEN: &str = r#"
[server]
listen = ["127.0.0.1:0", { address = "127.0.0.1:0", h2 = true }]
threads = 2
[server.limits]
body_timeout = "1s"
"#;

/// An API of this document, with these keys in its table.
fn start(document: &str, keys: &str, stage: &str, origin: &Origin) -> Gateway {
    let config =
        format!("{LISTEN}\n[apis.pets]\ndefinition = \"pets.yaml\"\n{keys}\n[apis.pets.stages.prod]\n{stage}\n");
    let folder = Folder::new(&config, &[origin]);
    folder.write("pets.yaml", &document.replace("@1", &origin.address()));
    Gateway::start_in(Arc::new(folder), &[])
}

fn pets(origin: &Origin) -> Gateway {
    start(PETS, "to = \"http://@1\"", "", origin)
}

/// The answers over HTTP/1.1 and over HTTP/2.
fn both(gateway: &Gateway, request: &Request) -> [Answer; 2] {
    [gateway.ask(request), Streams::open(gateway.listeners()[1]).ask(request)]
}

fn json_post(target: &str, body: &Value) -> Request {
    post(target, body.to_string()).header("Content-Type", "application/json")
}

#[track_caller]
fn check_violations(answer: &Answer, code: &str, expected: &Value) {
    assert_eq!((answer.status, &*answer.code()), (400, code), "{}", answer.text());
    assert_eq!(&answer.json()["violations"], expected);
}

#[test]
fn everything_that_is_wrong_with_a_request_is_told_at_once_and_the_back_end_sees_nothing() {
    let origin = Origin::echo();
    let gateway = pets(&origin);
    let body = json!({"name": "", "friends": [{"name": 7}]});
    for answer in both(&gateway, &json_post("/pets/prod/pets?limit=many", &body)) {
        let expected = json!([
            {"in": "query", "name": "limit", "expected": "an integer", "sent": "many"},
            {"in": "body", "pointer": "/name", "expected": "at least 1 character", "sent": "\"\""},
            {"in": "body", "pointer": "/friends/0/name", "expected": "a string", "sent": "7"},
        ]);
        check_violations(&answer, "invalid_parameters", &expected);
    }
    for answer in both(&gateway, &get("/pets/prod/pets?limit=0&kinds=cat,cow").key("a-secret")) {
        let expected = json!([
            {"in": "query", "name": "limit", "expected": "at least 1", "sent": "0"},
            {"in": "query", "name": "kinds", "pointer": "/1", "expected": "one of \"cat\", \"dog\"", "sent": "\"cow\""},
            {"in": "header", "name": "x-page", "expected": "a value"},
            {"in": "header", "name": "x-api-key", "expected": "at least 90 characters"},
        ]);
        check_violations(&answer, "invalid_parameters", &expected);
    }
    assert_eq!(origin.requests(), 0);
    gateway.expect_metric("tollgate_validation_failures_total", &[("side", "request")], 4.0);
}

#[test]
fn a_refused_client_goes_on_with_its_connection() {
    let origin = Origin::echo();
    let gateway = pets(&origin);
    let mut wire = gateway.connect();
    for _ in 0..3 {
        let expected = json!([{"in": "body", "expected": "JSON, not EOF while parsing an object at line 1 column 1"}]);
        let broken = post("/pets/prod/pets", "{").header("Content-Type", "application/json");
        check_violations(&wire.ask(&broken), "invalid_body", &expected);
        wire.ask(&json_post("/pets/prod/pets", &json!({"name": "x"}))).expect(200);
    }
}

#[test]
fn a_body_that_was_checked_arrives_as_it_was() {
    let origin = Origin::echo();
    let gateway = pets(&origin);
    // More than what Pingora would send again.
    let body = format!("{{ \"name\" : \"x\",\n \"note\": \"{}\" }}", "é".repeat(150_000));
    let request =
        post("/pets/prod/pets?limit=7", body.clone()).header("Content-Type", "application/json; charset=utf-8");
    for answer in both(&gateway, &request) {
        assert_eq!(answer.expect(200).text(), body);
    }
    let mut wire = gateway.connect();
    wire.send("POST /pets/prod/pets HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    wire.send("8\r\n{\"name\":\r\n4\r\n\"x\"}\r\n0\r\n\r\n");
    assert_eq!(wire.read().expect(200).text(), "{\"name\":\"x\"}");
    assert_eq!(origin.last().field("content-length"), Some("12"));
    wire.send("POST /pets/prod/pets HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 12\r\n\r\n");
    eventually("the 100 comes", || wire.has_answer());
    wire.send("{\"name\":\"y\"}");
    assert_eq!(wire.read().expect(200).text(), "{\"name\":\"y\"}");
}

#[test]
fn a_body_that_does_not_come_or_is_too_large_reaches_no_back_end() {
    let origin = Origin::echo();
    let gateway = pets(&origin);
    let mut wire = gateway.connect();
    wire.send("POST /pets/prod/pets HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n{\"name\"");
    assert_eq!(wire.read().expect(408).code(), "request_timeout");
    let mut gone = gateway.connect();
    gone.send("POST /pets/prod/pets HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n{\"name\"");
    drop(gone);
    let mut wire = gateway.connect();
    wire.send("POST /pets/prod/pets HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n");
    assert_eq!(wire.read().expect(413).code(), "body_too_large");
    assert_eq!(origin.requests(), 0);
}

#[test]
fn types_that_the_operation_does_not_have_are_not_taken_and_not_given() {
    let origin = Origin::echo();
    let gateway = pets(&origin);
    for answer in both(&gateway, &post("/pets/prod/pets", "<pet/>").header("Content-Type", "text/xml")) {
        assert_eq!(answer.expect(415).code(), "unsupported_media_type");
    }
    for answer in both(&gateway, &get("/pets/prod/pets").header("X-Page", "1").header("Accept", "text/html")) {
        assert_eq!(answer.expect(406).code(), "not_acceptable");
    }
    let packed =
        post("/pets/prod/pets", "xyz").header("Content-Type", "application/json").header("Content-Encoding", "br");
    assert_eq!(gateway.ask(&packed).expect(415).code(), "unsupported_media_type");
    assert_eq!(origin.requests(), 0);
    gateway.ask(&post("/pets/prod/pets", "a,b").header("Content-Type", "text/csv")).expect(200);
    assert_eq!(origin.requests(), 1);
}

#[test]
fn a_packed_body_is_checked_unpacked_and_sent_on_as_it_came() {
    let origin = Origin::echo();
    let gateway = pets(&origin);
    let packed = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).expect("gzip")
    };
    let of = |body: Vec<u8>| {
        post("/pets/prod/pets", body).header("Content-Type", "application/json").header("Content-Encoding", "gzip")
    };
    assert_eq!(gateway.ask(&of(packed("{}"))).expect(400).code(), "invalid_body");
    assert_eq!(gateway.ask(&of(b"xyz".to_vec())).expect(400).code(), "malformed_request");
    assert_eq!(origin.requests(), 0);
    let sound = packed(r#"{"name":"Rex"}"#);
    gateway.ask(&of(sound.clone())).expect(200);
    assert_eq!(origin.last().body, sound);
}

#[test]
fn one_key_turns_the_checks_off() {
    let origin = Origin::echo();
    let ask = |keys: &str| {
        let gateway = start(PETS, &format!("to = \"http://@1\"\n{keys}"), "", &origin);
        gateway.ask(&json_post("/pets/prod/pets?limit=many", &json!({}))).status
    };
    assert_eq!(ask("validate_requests = \"off\""), 200);
    assert_eq!(ask("validate_requests = \"parameters\""), 400);
    assert_eq!(ask("validate_requests = \"body\""), 400);
}

#[test]
fn a_document_of_api_gateway_is_answered_as_there() {
    let origin = Origin::echo();
    let gateway = start(AWS, "", "", &origin);
    let missing = |answer: &Answer| {
        assert_eq!(answer.field("x-amzn-errortype"), Some("BadRequestException"));
        answer.text().to_owned()
    };
    let invalid = r#"{"message":"Invalid request body"}"#;
    for answer in both(&gateway, &json_post("/pets/prod/orders?qs1=", &json!({}))) {
        let expected = r#"{"message":"Missing required request parameters: [x-header-param, qs1]"}"#;
        assert_eq!(missing(&answer.expect(400)), expected);
    }
    let order = |body: &Value| json_post("/pets/prod/orders?qs1=x", body).header("X-Header-Param", "x");
    for answer in both(&gateway, &order(&json!({"item": 1}))) {
        let id = answer.field("x-amzn-requestid").unwrap_or_default().to_owned();
        assert_eq!(missing(&answer.expect(400)), invalid);
        assert_eq!(gateway.log_of(&id)["detail"], "body /item: a string expected");
    }
    let empty = post("/pets/prod/orders?qs1=x", "").header("X-Header-Param", "x");
    assert_eq!(missing(&gateway.ask(&empty).expect(400)), invalid);
    assert_eq!(origin.requests(), 0);
    gateway.ask(&order(&json!({"item": "x"}))).expect(200);
    gateway.ask(&order(&json!({"item": "x"})).header("Content-Type", "text/plain")).expect(200);
}

#[test]
fn a_back_end_that_is_gone_or_slow_is_told_as_anywhere() {
    let document = AWS.replace("@1", &Origin::nobody());
    let gateway = start(&document, "", "", &Origin::echo());
    let order = json_post("/pets/prod/orders?qs1=x", &json!({"item": "x"})).header("X-Header-Param", "x");
    for answer in both(&gateway, &order) {
        assert_eq!(answer.expect(504).text(), r#"{"message": "Internal server error"}"#);
    }
}

/// A back end whose pets have a number for a name, where the target says so.
fn careless() -> Origin {
    Origin::start(|seen, out| {
        let name = if seen.target.contains("page=2") { "7" } else { "\"x\"" };
        let fields = [("Content-Type", "application/json")];
        match seen.method.as_str() {
            "POST" if seen.target.contains("limit=5") => {
                out.answer(201, &fields, format!("{{\"id\":1,\"name\":\"{}\"}}", "x".repeat(2 << 20)))
            }
            "POST" => out.answer(
                201,
                &fields,
                format!("{{\"id\":1,\"name\":{}}}", if seen.target.contains("limit=2") { "7" } else { "\"x\"" }),
            ),
            _ => out.answer(200, &fields, format!("{{\"id\":1,\"name\":{name}}}")),
        }
    })
}

#[test]
fn a_back_end_that_breaks_its_contract_is_withheld_where_that_is_enforced() {
    let origin = careless();
    let cache = "cache = { enabled = true }";
    let gateway = start(PETS, "to = \"http://@1\"\nvalidate_responses = \"enforce\"", cache, &origin);
    let make = |target: &str| json_post(target, &json!({"name": "x"}));
    for answer in both(&gateway, &make("/pets/prod/pets?limit=2")) {
        let answer = answer.expect(502);
        assert_eq!(answer.code(), "response_breaks_contract");
        let log = gateway.log_of(answer.field("x-request-id").unwrap_or_default());
        assert_eq!(log["contract"], "body /name: a string expected");
    }
    for answer in both(&gateway, &make("/pets/prod/pets?limit=1")) {
        assert_eq!(answer.expect(201).text(), r#"{"id":1,"name":"x"}"#);
    }
    // What is withheld is not kept, and what is kept was checked.
    for requests in 1..=2 {
        let before = origin.requests();
        gateway.get("/pets/prod/cached?page=2").expect(502);
        assert_eq!(origin.requests() - before, 1, "{requests}");
    }
    assert!(!gateway.get("/pets/prod/cached?page=1").expect(200).is_hit());
    assert!(gateway.get("/pets/prod/cached?page=1").expect(200).is_hit());
    gateway.expect_metric("tollgate_validation_failures_total", &[("side", "response")], 4.0);
}

#[test]
fn a_back_end_that_breaks_its_contract_is_logged_and_a_large_answer_goes_by_unchecked() {
    let origin = careless();
    let gateway = start(PETS, "to = \"http://@1\"\nvalidate_responses = \"log\"", "", &origin);
    let contract =
        |answer: &Answer| gateway.log_of(answer.field("x-request-id").unwrap_or_default())["contract"].clone();
    let make = |target: &str| json_post(target, &json!({"name": "x"}));
    for answer in both(&gateway, &make("/pets/prod/pets?limit=2")) {
        let answer = answer.expect(201);
        assert_eq!(answer.text(), r#"{"id":1,"name":7}"#);
        assert_eq!(contract(&answer), "body /name: a string expected");
    }
    for answer in both(&gateway, &make("/pets/prod/pets?limit=5")) {
        let answer = answer.expect(201);
        assert_eq!(answer.body.len(), (2 << 20) + 18);
        assert_eq!(contract(&answer), "not checked: the body is too large");
    }
    gateway.expect_metric("tollgate_validation_failures_total", &[("side", "response")], 2.0);
}

#[test]
fn a_request_is_checked_before_the_cache_is_asked() {
    let origin = careless();
    let gateway = start(PETS, "to = \"http://@1\"", "cache = { enabled = true }", &origin);
    gateway.get("/pets/prod/cached?page=1").expect(200);
    for answer in both(&gateway, &get("/pets/prod/cached?page=x")) {
        check_violations(
            &answer,
            "invalid_parameters",
            &json!([{"in": "query", "name": "page", "expected": "an integer", "sent": "x"}]),
        );
    }
    for answer in both(&gateway, &get("/pets/prod/cached?page=1")) {
        assert!(answer.expect(200).is_hit());
    }
}

#[test]
fn a_schema_that_says_nonsense_is_a_fault_with_its_place() {
    let folder = Folder::new(
        "[apis.pets]\ndefinition = \"pets.yaml\"\nto = \"http://127.0.0.1:9\"\n[apis.pets.stages.prod]\n",
        &[],
    );
    folder.write("pets.yaml", &PETS.replace("minLength: 1", "pattern: \"(?=x)\""));
    let said = crate::house::tollgate_in(folder.path(), &["check", "tollgate.toml"]).expect(1).said();
    assert!(said.contains("/properties/name/pattern of model \"Pet\" is \"(?=x)\", which is no pattern"), "{said}");
    assert!(said.contains("pets.yaml:"), "{said}");
}

const MADE: &str = r##"
openapi: 3.0.3
info: { title: Made, version: "1" }
paths:
  /pets/{id}:
    get:
      parameters: [{ name: id, in: path, required: true, schema: { type: string } }]
      responses:
        "200":
          description: ok
          content: { application/json: { schema: { type: object, properties: { id: { type: integer } } } } }
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates: { application/json: '{"statusCode": 200}' }
        responses:
          default:
            statusCode: "200"
            responseTemplates: { application/json: '{"id": "$input.params("id")"}' }
"##;

#[test]
fn an_answer_that_templates_make_is_held_to_its_operation_too() {
    let text = "[apis.made]\ndefinition = \"made.yaml\"\nerrors = \"standard\"\nvalidate_responses = \"MODE\"\n[apis.made.stages.prod]\n";
    for (mode, status) in [("enforce", 502), ("log", 200)] {
        let folder = Folder::new(&text.replace("MODE", mode), &[]);
        folder.write("made.yaml", MADE);
        let gateway = Gateway::start_in(Arc::new(folder), &[]);
        let answer = gateway.get("/made/prod/pets/x").expect(status);
        if status == 502 {
            assert_eq!(answer.code(), "response_breaks_contract");
        }
        gateway.expect_metric("tollgate_validation_failures_total", &[("side", "response")], 1.0);
    }
}
