use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{Format, export, load_with, parse};
use crate::config::{Config, Definition, IntegrationKind, ResponseType};

/// A folder with these files and a configuration that serves `api.yaml`.
fn load_files(files: &[(&str, &str)], keys: &str) -> Result<Config, String> {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new(""))).expect("a folder of the file");
        fs::write(path, text).expect("a file");
    }
    let main = folder.path().join("tollgate.toml");
    fs::write(&main, format!("[apis.a]\ndefinition = \"api.yaml\"\n{keys}\n[apis.a.stages.prod]\n")).expect("a file");
    load_with(&main, &|_| None)
        .map_err(|faults| faults.render(false).replace(&folder.path().display().to_string(), "."))
}

#[track_caller]
fn read_with(document: &str, keys: &str) -> Definition {
    let config = load_files(&[("api.yaml", document)], keys).unwrap_or_else(|faults| panic!("{faults}"));
    config.apis.into_iter().next().expect("the api").1.definition
}

#[track_caller]
fn read(document: &str) -> Definition {
    read_with(document, "to = \"http://b\"")
}

/// The faults of a document hold every one of `parts`.
#[track_caller]
fn check_fault(document: &str, parts: &[&str]) {
    let faults = load_files(&[("api.yaml", document)], "").map(drop).expect_err("a faulty document");
    for part in parts {
        assert!(faults.contains(part), "{part:?} is not in\n{faults}");
    }
}

fn uris(definition: &Definition) -> Vec<(String, String)> {
    let uri = |kind: &IntegrationKind| match kind {
        IntegrationKind::Http(http) => http.uri.value.clone(),
        _ => String::new(),
    };
    let name = |route: &crate::config::Route| format!("{} {}", route.method.as_str(), *route.path);
    definition.routes.iter().map(|route| (name(route), uri(&route.integration.kind))).collect()
}

fn unserved(definition: &Definition) -> Vec<&str> {
    definition.unserved.iter().map(|unserved| unserved.what.as_str()).collect()
}

const PETS: &str = r##"
openapi: 3.0.3
info: {title: Pets, version: 1.2, description: All of them}
servers:
  - url: "https://{region}.example.com/{base}/v1/"
    variables: {region: {default: eu}, base: {default: store}}
paths:
  /pets/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: integer}}
      - {name: X-Trace, in: header, schema: {type: string}}
    get:
      operationId: getPet
      tags: [pets]
      parameters:
        - {name: X-Trace, in: header, required: true, schema: {type: string}}
        - {name: fields, in: query, explode: false, schema: {type: array, items: {type: string}}}
      responses:
        200: {description: One, content: {application/json: {schema: {$ref: "#/components/schemas/Pet"}}}}
        default: {$ref: "#/components/responses/Error"}
    x-amazon-apigateway-any-method:
      responses: {}
  /files/{path+}:
    put:
      requestBody:
        required: true
        content:
          "application/json; charset=utf-8": {schema: {$ref: "#/components/schemas/Pet"}}
          image/png: {}
      responses: {}
components:
  responses:
    Error: {description: Bad, headers: {X-Code: {schema: {type: integer}}}}
  schemas:
    Pet:
      type: object
      properties:
        parent: {$ref: "#/components/schemas/Pet"}
        $ref: {type: string}
        tag: {$ref: "#/components/schemas/Pet/properties/$ref", nullable: true}
      example: {$ref: "#/nowhere"}
"##;

#[test]
fn operations_become_routes_that_lead_to_the_server() {
    let definition = read_with(PETS, "");
    let base = "https://eu.example.com/store/v1";
    let expected =
        [("GET /pets/{id}", "/pets/{id}"), ("ANY /pets/{id}", "/pets/{id}"), ("PUT /files/{path+}", "/files/{path}")];
    assert_eq!(uris(&definition), expected.map(|(name, path)| (name.to_owned(), format!("{base}{path}"))));
    assert_eq!(definition.errors, Some(crate::config::ErrorStyle::Aws), "any-method is API Gateway's");
    assert_eq!(definition.about.version.as_deref(), Some("1.2"));
    let described = definition.describe();
    let operation = &described["routes"]["GET /pets/{id}"]["operation"];
    let parameter = |name: &str, place: &str, required: bool, schema: Value, encoding: &str| json!({ "name": name, "in": place, "required": required, "schema": schema, "encoding": encoding, "description": null });
    let expected = json!([
        parameter("x-trace", "Header", true, json!({ "type": "string" }), "Commas"),
        parameter("fields", "Querystring", false, json!({ "type": "array", "items": { "type": "string" } }), "Commas"),
        parameter("id", "Path", true, json!({ "type": "integer" }), "Commas"),
    ]);
    assert_eq!(operation["parameters"], expected);
    assert_eq!(operation["responses"]["200"]["contents"]["application/json"], json!({ "$ref": "#/definitions/Pet" }));
    assert_eq!(operation["responses"]["default"]["headers"]["x-code"], json!({ "type": "integer" }));
    let upload = &described["routes"]["PUT /files/{path+}"]["operation"];
    let bodies = json!({ "application/json": { "$ref": "#/definitions/Pet" }, "image/png": null });
    assert_eq!((&upload["bodies"], &upload["is_body_required"]), (&bodies, &json!(true)));
}

#[test]
fn a_model_refers_to_models_by_name_wherever_they_were_written() {
    let models = read(PETS).describe()["models"].clone();
    let expected = json!({
        "Pet": {
            "type": "object",
            "properties": {
                "parent": { "$ref": "#/definitions/Pet" },
                "$ref": { "type": "string" },
                "tag": { "$ref": "#/definitions/_ref" },
            },
            "example": { "$ref": "#/nowhere" },
        },
        "_ref": { "type": "string" },
    });
    assert_eq!(models, expected);
}

#[test]
fn files_beside_the_document_take_part_and_no_others() {
    let api = "openapi: 3.1.0\npaths:\n  /a: {$ref: 'paths/a.json'}\n  /b: {$ref: 'paths/a.json'}\n";
    let path = r#"{"get": {"responses": {"200": {"description": "", "content": {"application/json": {"schema":
        {"$ref": "../models.yaml#/Thing", "title": "A thing"}}}}}}}"#;
    let models = "Thing: {type: object, properties: {next: {$ref: '#/Thing'}, other: {$ref: 'other.yaml'}}}";
    let files = [("api.yaml", api), ("paths/a.json", path), ("models.yaml", models), ("other.yaml", "type: string")];
    let config = load_files(&files, "to = \"http://b\"").unwrap_or_else(|faults| panic!("{faults}"));
    let described = config.apis["a"].definition.describe();
    let schema = &described["routes"]["GET /b"]["operation"]["responses"]["200"]["contents"]["application/json"];
    assert_eq!(*schema, json!({ "$ref": "#/definitions/Thing", "title": "A thing" }));
    assert_eq!(described["models"]["Thing"]["properties"]["other"], json!({ "$ref": "#/definitions/other" }));
    assert_eq!(described["models"]["other"], json!({ "type": "string" }));
    let names = config.sources.footprint().files().map(|path| path.file_name().map(|name| name.to_owned()));
    assert_eq!(names.count(), 5, "each file is watched once");

    let leads = |reference: &str| format!("openapi: 3.0.0\npaths:\n  /a: {{$ref: '{reference}'}}\n");
    check_fault(&leads("../../etc/passwd"), &["leaves the folder", "(at #/paths/~1a/$ref)", "api.yaml:3:"]);
    check_fault(&leads("/etc/passwd"), &["leaves the folder"]);
    check_fault(&leads("https://example.com/a.yaml#/x"), &["network", "save that document"]);
    check_fault(&leads("missing.yaml"), &["leads to a file that is no document", "there is no such file"]);
    check_fault(&leads("#/paths/~1b"), &["names nothing", "such as \"/a\""]);
    check_fault(&leads("#/paths/~1a"), &["leads back to itself"]);
}

#[test]
fn every_fault_of_a_document_is_told_with_its_place() {
    let document = r##"
openapi: 3.0.1
paths:
  /a:
    get:
      parameters:
        - {name: q, in: body2}
        - {in: query}
      responses: {2000: {description: x}}
      x-amazon-apigateway-integration: {type: http, uri: "ftp://x"}
    put:
      security: [{keys: []}]
      x-amazon-apigateway-integraton: {}
      responses: {}
"##;
    check_fault(
        document,
        &[
            "api.yaml:7:25",
            "\"body2\" is not known here (at #/paths/~1a/get/parameters/0/in)",
            "this parameter has no name (at #/paths/~1a/get/parameters/1)",
            "\"2000\" is no status",
            "is not http or https (at #/paths/~1a/get/x-amazon-apigateway-integration/uri)",
            "there is no security scheme \"keys\" (at #/paths/~1a/put/security/0/keys)",
            "did you mean \"x-amazon-apigateway-integration\"?",
            "nothing says where PUT /a goes (at #/paths/~1a/put)",
        ],
    );
    check_fault("a: 1", &["this is no OpenAPI document"]);
    check_fault("openapi: 4.0.0", &["version 4.0.0 is not read"]);
    check_fault("openapi: 3.0.0", &["has no `paths`"]);
    check_fault("openapi: 3.0.0\npaths: []", &["an array, not an object (at #/paths)"]);
}

#[test]
fn the_path_of_the_server_is_dropped_or_put_before_routes() {
    let document = "swagger: '2.0'\nhost: b:81\nbasePath: /x/y\nschemes: [http]\npaths: {/a: {get: {responses: {}}}}";
    let check = |keys: &str, path: &str, uri: &str| {
        assert_eq!(uris(&read_with(document, keys)), [(path.to_owned(), uri.to_owned())], "{keys}");
    };
    check("", "GET /a", "http://b:81/x/y/a");
    check("basepath = \"prepend\"", "GET /x/y/a", "http://b:81/x/y/a");
    check("basepath = \"split\"", "GET /y/a", "http://b:81/x/y/a");
    check("to = \"http://c/d/\"", "GET /a", "http://c/d/a");
}

#[test]
fn swagger_s_bodies_and_forms_are_schemas_by_type() {
    let document = r##"
swagger: "2.0"
consumes: [application/json, application/xml]
produces: [application/json]
paths:
  /a:
    post:
      parameters: [{name: b, in: body, required: true, schema: {$ref: "#/definitions/My Pet"}}]
      responses: {200: {description: ok, schema: {type: file}, headers: {X-A: {type: integer}}}}
    put:
      consumes: []
      parameters:
        - {name: n, in: formData, type: string, required: true}
        - {name: f, in: formData, type: file}
        - {name: q, in: query, type: array, items: {type: string}, collectionFormat: multi}
      responses: {}
definitions:
  My Pet: {type: object}
"##;
    let described = read(document).describe();
    let post = &described["routes"]["POST /a"]["operation"];
    let model = json!({ "$ref": "#/definitions/My_Pet" });
    assert_eq!(post["bodies"], json!({ "application/json": model, "application/xml": model }));
    let file = json!({ "type": "string", "format": "binary" });
    assert_eq!(post["responses"]["200"]["contents"], json!({ "application/json": file }));
    let put = &described["routes"]["PUT /a"]["operation"];
    let form = json!({ "type": "object", "properties": { "n": { "type": "string" }, "f": file }, "required": ["n"] });
    assert_eq!(put["bodies"], json!({ "multipart/form-data": form }));
    assert_eq!(put["parameters"][0]["encoding"], json!("Repeated"));
}

const GATEWAY: &str = r##"
{"openapi": "3.0.1", "info": {"title": "orders", "version": "2024"},
 "x-amazon-apigateway-request-validators": {"all": {"validateRequestBody": true, "validateRequestParameters": true}},
 "x-amazon-apigateway-request-validator": "all",
 "x-amazon-apigateway-binary-media-types": ["image~1png", "*/*"],
 "x-amazon-apigateway-minimum-compression-size": 1024,
 "x-amazon-apigateway-policy": {"Version": "2012-10-17"},
 "x-amazon-apigateway-cors": {"allowOrigins": ["*"], "allowHeaders": ["X-A"], "maxAge": 60},
 "x-amazon-apigateway-gateway-responses": {"DEFAULT_4XX": {"statusCode": 400,
   "responseParameters": {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"},
   "responseTemplates": {"application/json": "{\"message\":$context.error.messageString}"}}},
 "paths": {
  "/orders/{id}": {
   "get": {
    "security": [{"api_key": []}, {"pool": []}],
    "responses": {"200": {"description": "ok"}},
    "x-amazon-apigateway-integration": {
     "type": "http_proxy", "uri": "http://${stageVariables.backend}/o/{key}", "httpMethod": "ANY",
     "requestParameters": {"integration.request.path.key": "method.request.path.id",
      "integration.request.header.X-Stage": "context.stage",
      "integration.request.querystring.all": "method.request.multivaluequerystring.a"},
     "cacheKeyParameters": ["method.request.path.id"], "timeoutInMillis": 1500, "passthroughBehavior": "when_no_match"}},
   "post": {
    "x-amazon-apigateway-request-validator": "none",
    "x-amazon-apigateway-auth": {"type": "AWS_IAM"},
    "x-amazon-apigateway-integration": {
     "type": "http", "uri": "http://b/o", "httpMethod": "POST", "connectionType": "INTERNET",
     "requestTemplates": {"application/json": "$input.json('$')"}, "passthroughBehavior": "never",
     "responses": {"4\\d{2}": {"statusCode": "400", "responseParameters":
       {"method.response.header.X-Id": "integration.response.header.Id"}}, "default": {"statusCode": "200"}}}},
   "options": {"x-amazon-apigateway-integration": {"type": "mock",
     "requestTemplates": {"application/json": "{\"statusCode\": 200}"}, "responses": {"default": {"statusCode": 204}}}},
   "delete": {"x-amazon-apigateway-integration": {"type": "aws_proxy", "uri": "arn:aws:lambda"}}}},
 "components": {"securitySchemes": {
   "api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
   "pool": {"type": "apiKey", "name": "Authorization", "in": "header",
     "x-amazon-apigateway-authtype": "cognito_user_pools",
     "x-amazon-apigateway-authorizer": {"type": "cognito_user_pools"}}}}}
"##;

#[test]
fn a_definition_of_api_gateway_means_what_it_means_there() {
    let text = GATEWAY.replace("\"x-amazon-apigateway-request-validator\": \"none\",", "");
    let definition = read_with(&text, "");
    assert_eq!(definition.errors, Some(crate::config::ErrorStyle::Aws));
    assert_eq!(definition.binary_media_types, ["image/png", "*/*"]);
    assert_eq!(definition.compression_bytes_min, Some(1024));
    assert_eq!(definition.gateway_responses[&ResponseType::Default4xx].status, Some(400));
    let described = definition.describe();
    let get = &described["routes"]["GET /orders/{id}"];
    assert_eq!(get["api_key_required"], json!(true));
    assert_eq!(get["operation"]["validator"], json!({ "parameters": true, "body": true }));
    let integration = &get["integration"];
    assert_eq!(integration["uri"], json!("http://${stageVariables.backend}/o/{id}"));
    let parameters = json!({
        "integration.request.header.x-stage": "context.stage",
        "integration.request.querystring.all": "method.request.multivaluequerystring.a",
    });
    assert_eq!(integration["request_parameters"], parameters);
    assert_eq!((&integration["timeout"], &integration["method"]), (&json!("1500ms"), &Value::Null));
    assert_eq!(get["cache"]["key"], json!(["path.id"]));
    let transformation = &described["routes"]["POST /orders/{id}"]["integration"]["transformation"];
    assert_eq!(transformation["passthrough_behavior"], json!("NEVER"));
    assert_eq!(transformation["responses"][0]["selection_pattern"], json!("4\\d{2}"));
    assert_eq!(
        described["routes"]["OPTIONS /orders/{id}"]["integration"]["transformation"]["responses"][0]["status"],
        204
    );
    let told = unserved(&definition);
    for part in ["policy", "authorizer `pool`", "AWS_IAM of POST", "AWS_PROXY integration of DELETE /orders/{id}"] {
        assert!(told.iter().any(|what| what.contains(part)), "{part} is not in {told:?}");
    }
    check_fault(GATEWAY, &["there is no request validator \"none\"", "such as \"all\""]);
}

#[test]
fn what_is_referred_to_too_often_is_refused_and_not_expanded() {
    let values = vec!["{}"; 5_000].join(", ");
    let paths: String = (0..1_000).map(|path| format!("  /p{path}: {{$ref: '#/x-item'}}\n")).collect();
    let document = format!(
        "openapi: 3.0.0\nservers: [{{url: 'http://b'}}]\nx-item: {{get: {{parameters: [{{$ref: '#/x-parameter'}}], responses: {{}}}}}}\n\
         x-parameter: {{name: q, in: query, schema: {{enum: [{values}]}}}}\npaths:\n{paths}"
    );
    check_fault(&document, &["more than 4000000 values", "components"]);
}

#[test]
fn what_cannot_be_a_route_is_told_and_the_rest_is_served() {
    let document =
        "openapi: 3.0.0\npaths: {'/a/{x}.json': {get: {responses: {}}}, /b: {gett: {}, get: {responses: {}}}}";
    let definition = read(document);
    assert_eq!(uris(&definition).len(), 1);
    let told = unserved(&definition);
    assert!(told[0].contains("/a/{x}.json") && told[1].contains("`gett` of /b"), "{told:?}");
}

#[test]
fn a_canary_has_a_definition_of_its_own() {
    let v1 = "openapi: 3.0.0\npaths: {/a: {get: {responses: {}}}}";
    let v2 = "openapi: 3.0.0\npaths: {/b: {get: {responses: {}}}}";
    let keys = "to = \"http://b\"\n[apis.a.stages.dev.canary]\npercent = 5\ndefinition = \"v2.yaml\"";
    let config = load_files(&[("api.yaml", v1), ("v2.yaml", v2)], keys).unwrap_or_else(|faults| panic!("{faults}"));
    let canary = config.apis["a"].stages["dev"].canary.as_ref().expect("a canary");
    assert_eq!(uris(canary.definition.as_ref().expect("a definition"))[0].0, "GET /b");
}

/// What is served is the same after an export and an import.
#[track_caller]
fn check_round(name: &str, text: &str) {
    let config = parse(text).unwrap_or_else(|faults| panic!("{name}: {faults}"));
    let api = &config.apis["api"];
    for format in [Format::OpenApi30, Format::Swagger20] {
        let document = export(&config, "api/prod", format, true).expect("a stage").document;
        for text in [document.to_string(), super::to_yaml(&document)] {
            let again = parse(&text).unwrap_or_else(|faults| panic!("{name} {format:?}: {faults}"));
            let again = &again.apis["api"];
            assert_eq!(again.errors(), api.errors(), "{name} {format:?}");
            let (mut before, after) = (api.definition.describe(), again.definition.describe());
            before["unserved"] = after["unserved"].clone();
            assert!(before == after, "{name} {format:?}\n{before:#}\n{after:#}");
        }
    }
}

#[test]
fn documents_that_others_wrote_say_the_same_after_an_export() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi");
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap_or_else(|_| panic!("{}", folder.display())) {
        let path = entry.expect("an entry").path();
        let is_document = path.extension().is_some_and(|extension| extension == "json" || extension == "yaml");
        if is_document {
            check_round(&path.display().to_string(), &fs::read_to_string(&path).expect("a text"));
            count += 1;
        }
    }
    assert!(count >= 10, "{count}");
}

#[test]
fn a_definition_of_api_gateway_says_the_same_after_an_export() {
    check_round("gateway", &GATEWAY.replace("\"x-amazon-apigateway-request-validator\": \"none\",", ""));
    check_round("pets", PETS);
}

mod written {
    use proptest::prelude::{Just, Strategy, any, prop, prop_assume, prop_oneof, proptest};
    use serde_json::{Value, json};

    use super::check_round;

    fn word() -> impl Strategy<Value = String> {
        "[a-zA-Z][a-zA-Z0-9_]{0,6}"
    }

    fn schema() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!({ "type": "string", "enum": ["$ref", "x"] })),
            Just(json!({ "type": "integer", "minimum": 1 })),
            Just(json!({ "type": "array", "items": { "type": "string", "format": "uuid" } })),
            Just(json!({ "$ref": "#/components/schemas/Known" })),
            Just(json!({ "type": "string", "nullable": true, "example": { "$ref": "#/x" } })),
            Just(json!({})),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                (word(), inner.clone())
                    .prop_map(|(name, it)| json!({ "type": "object", "properties": { (name): it } })),
                inner.clone().prop_map(|it| json!({ "type": "array", "items": it })),
                (inner.clone(), inner).prop_map(|(one, other)| json!({ "oneOf": [one, other] })),
            ]
        })
    }

    fn content() -> impl Strategy<Value = Value> {
        let kind = prop_oneof![Just("application/json"), Just("text/plain"), Just("Application/XML; charset=utf-8")];
        let media =
            prop::option::of(schema()).prop_map(|it| it.map_or_else(|| json!({}), |it| json!({ "schema": it })));
        prop::collection::btree_map(kind, media, 0..3).prop_map(|contents| json!(contents))
    }

    fn parameter() -> impl Strategy<Value = Value> {
        let place = prop_oneof![Just("query"), Just("header"), Just("cookie")];
        let style = prop_oneof![
            Just(json!({})),
            Just(json!({ "explode": false })),
            Just(json!({ "style": "deepObject" })),
            Just(json!({ "style": "pipeDelimited" })),
            Just(json!({ "style": "spaceDelimited", "explode": true })),
        ];
        (place, style, schema(), any::<bool>(), any::<bool>()).prop_map(
            |(place, style, schema, is_required, is_json)| {
                let mut parameter = json!({ "name": "n", "in": place, "required": is_required });
                match is_json {
                    true => parameter["content"] = json!({ "application/json": { "schema": schema } }),
                    false => {
                        parameter["schema"] = schema;
                        style
                            .as_object()
                            .into_iter()
                            .flatten()
                            .for_each(|(word, value)| parameter[word] = value.clone());
                    }
                }
                parameter
            },
        )
    }

    fn integration() -> impl Strategy<Value = Value> {
        let response = json!({ "statusCode": "200", "responseParameters": {
            "method.response.header.X": "integration.response.body.a", "method.response.header.Y": "'y'" } });
        let templates = json!({ "application/json": "#set($x = 1)\n$input.json('$')", "$default": "" });
        prop_oneof![
            Just(Value::Null),
            Just(
                json!({ "type": "HTTP_PROXY", "uri": "https://b/{x}/{y}", "httpMethod": "POST", "timeoutInMillis": 50,
                "requestParameters": { "integration.request.path.x": "method.request.path.id",
                    "integration.request.path.y": "method.request.header.Y",
                    "integration.request.header.Z": "method.request.body.a.b" } })
            ),
            Just(json!({ "type": "http", "uri": "http://${stageVariables.b}", "requestTemplates": templates,
                "passthroughBehavior": "NEVER", "contentHandling": "CONVERT_TO_TEXT",
                "responses": { "5\\d{2}": response, "default": { "statusCode": 200 } } })),
            Just(json!({ "type": "mock", "requestTemplates": templates, "responses": { "default": response } })),
            Just(json!({ "type": "aws", "uri": "arn:aws:x", "credentials": "role" })),
        ]
    }

    fn operation() -> impl Strategy<Value = Value> {
        let validator = prop::option::of(prop_oneof![Just("both"), Just("one")]);
        (prop::option::of(content()), content(), prop::option::of(parameter()), integration(), any::<bool>(), validator)
            .prop_map(|(body, answer, parameter, integration, is_keyed, validator)| {
                let mut operation = json!({ "responses": { "200": { "description": "ok", "content": answer,
                    "headers": { "X-A": { "schema": { "type": "string" } }, "X-B": {} } }, "4XX": { "description": "" } } });
                if let Some(body) = body {
                    operation["requestBody"] = json!({ "content": body, "required": is_keyed });
                }
                if let Some(parameter) = parameter {
                    operation["parameters"] = json!([parameter]);
                }
                if is_keyed {
                    operation["security"] = json!([{ "key": [] }]);
                }
                if let Some(validator) = validator {
                    operation["x-amazon-apigateway-request-validator"] = json!(validator);
                }
                if !integration.is_null() {
                    operation["x-amazon-apigateway-integration"] = integration;
                }
                operation
            })
    }

    fn document() -> impl Strategy<Value = Value> {
        let method = prop_oneof![Just("get"), Just("post"), Just("x-amazon-apigateway-any-method")];
        let item = prop::collection::btree_map(method, operation(), 1..3);
        let version = prop_oneof![Just("3.0.3"), Just("3.1.0")];
        (version, prop::collection::btree_map("/[a-z]{1,4}/\\{id\\}(/\\{rest\\+\\})?", item, 0..4), schema(), any::<bool>()).prop_map(
            |(version, paths, model, is_keyed)| {
                let mut document = json!({ "openapi": version, "info": { "title": "t", "version": "1" }, "paths": paths,
                    "components": { "schemas": { "Known": model, "Other Name": { "$ref": "#/components/schemas/Known" } },
                        "securitySchemes": { "key": { "type": "apiKey", "in": "header", "name": "X-API-Key" } } },
                    "x-amazon-apigateway-request-validators": { "both": { "validateRequestBody": true,
                        "validateRequestParameters": true }, "one": { "validateRequestBody": true } } });
                if is_keyed {
                    document["x-amazon-apigateway-binary-media-types"] = json!(["*/*"]);
                    document["x-amazon-apigateway-gateway-responses"] = json!({ "THROTTLED": { "statusCode": 503,
                        "responseParameters": { "gatewayresponse.header.X-A": "context.requestId" } } });
                }
                document
            },
        )
    }

    proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(100))]
        #[test]
        fn any_document_says_the_same_after_an_export(document in document()) {
            // A schema that is itself is none.
            prop_assume!(document["components"]["schemas"]["Known"].get("$ref").is_none());
            check_round("made up", &document.to_string());
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
            let _ = super::parse(&text);
            let _ = super::parse(&format!("openapi: 3.0.0\npaths:\n  /a:\n    get: {text}\n"));
        }
    }
}
