//! APIs that are served from OpenAPI documents.

use std::fmt::Write;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::house::{ALICE, Folder, Gateway, Origin, Wire, get, request, tollgate, tollgate_in};

/// `tests/openapi/`: documents that others wrote, with the names of their APIs here.
fn documents() -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the documents") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "json" || extension == "yaml") {
            let name = path.file_stem().expect("a name").to_string_lossy().replace('.', "-");
            found.push((name, path));
        }
    }
    found.sort();
    assert!(found.len() >= 10, "{found:?}");
    found
}

fn configuration(documents: &[(String, PathBuf)]) -> String {
    let mut text = String::new();
    for (name, path) in documents {
        let (path, to) = (path.display(), format!("http://@1/{name}"));
        write!(text, "[apis.{name}]\ndefinition = \"{path}\"\nto = \"{to}\"\n[apis.{name}.stages.prod]\n")
            .expect("text");
    }
    text
}

/// The first routes of an API that anybody may call, as paths of requests.
fn paths_of(routes: &Value, api: &str) -> Vec<String> {
    let rows = routes["routes"].as_array().expect("rows").iter();
    let open = rows.filter(|row| row["api"] == api && row["method"] == "GET" && row["api_key"] == false);
    let path = |row: &Value| row["path"].as_str().expect("a path").to_owned();
    let filled = |path: String| {
        path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect::<Vec<_>>().join("/")
    };
    open.map(path).map(filled).take(5).collect()
}

#[test]
fn documents_that_others_wrote_are_imported_served_and_exported() {
    let origin = Origin::mirror();
    let documents = documents();
    let gateway = Gateway::start(&configuration(&documents), &[&origin]);
    let routes = gateway.admin(get("/v1/routes")).expect(200).json();
    let (mut asked, folder) = (0, gateway.folder());
    let mut exports = Vec::new();
    for (name, _) in &documents {
        for path in paths_of(&routes, name) {
            gateway.get(&format!("/{name}/prod{path}")).expect(200);
            assert_eq!(origin.last().target, format!("/{name}{path}"));
            asked += 1;
        }
        for format in ["oas30", "swagger"] {
            let target = format!("/v1/export?stage={name}/prod&format={format}&extensions=true");
            let exported = gateway.admin(get(&target)).expect(200).json();
            folder.write(&format!("{name}-{format}.json"), &exported["document"].to_string());
            exports.push((format!("{name}-{format}"), PathBuf::from(format!("{name}-{format}.json"))));
        }
    }
    assert!(asked > 30, "{asked} requests");
    folder.write("exports.toml", &configuration(&exports).replace("@1", "127.0.0.1:9"));
    tollgate_in(folder.path(), &["check", "exports.toml"]).expect(0);
}

/// An API as API Gateway exports it.
const ORDERS: &str = r##"{
 "openapi": "3.0.1", "info": {"title": "orders", "version": "1"},
 "paths": {
  "/orders/{id}": {
   "get": {"security": [{"api_key": []}], "responses": {"200": {"description": "ok"}},
    "x-amazon-apigateway-integration": {"type": "http_proxy", "httpMethod": "GET",
     "uri": "http://${stageVariables.backend}/o/{key}",
     "requestParameters": {"integration.request.path.key": "method.request.path.id",
      "integration.request.header.X-Tags": "method.request.multivalueheader.X-Tag",
      "integration.request.querystring.t": "method.request.multivaluequerystring.tag"}}},
   "options": {"responses": {"200": {"description": "ok"}},
    "x-amazon-apigateway-integration": {"type": "mock", "requestTemplates": {"application/json": "{\"statusCode\": 200}"},
     "responses": {"default": {"statusCode": "204", "responseParameters":
      {"method.response.header.X-Origin-Allowed": "'*'"}}}}},
   "delete": {"responses": {}, "x-amazon-apigateway-integration": {"type": "aws_proxy", "uri": "arn:aws:lambda:x"}}}},
 "components": {"securitySchemes": {"api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"}}}}"##;

const SERVED: &str = r#"
[apis.orders]
definition = "orders.json"
[apis.orders.stages.prod]
variables = { backend = "@1" }
[usage_plans.basic]
stages = ["orders/prod"]
[api_keys.alice]
value = "alice-0123456789-0123456789"
usage_plans = ["basic"]
"#;

#[test]
fn a_definition_of_api_gateway_is_served_unchanged() {
    let origin = Origin::mirror();
    let folder = Folder::new(SERVED, &[&origin]);
    folder.write("orders.json", ORDERS);
    let gateway = Gateway::start_in(folder.into(), &[]);
    let refused = gateway.get("/orders/prod/orders/7").expect(403);
    assert_eq!(refused.text(), r#"{"message":"Forbidden"}"#);
    let asked = get("/orders/prod/orders/7?tag=a&tag=b%20c").header("x-api-key", ALICE);
    gateway.ask(&asked.header("X-Tag", "x").header("X-Tag", "y")).expect(200);
    let seen = origin.last();
    assert_eq!((seen.target.as_str(), seen.field("x-tags")), ("/o/7?tag=a&tag=b%20c&t=a&t=b%20c", Some("x,y")));
    let preflight = gateway.ask(&request("OPTIONS", "/orders/prod/orders/7")).expect(204);
    assert_eq!(preflight.field("x-origin-allowed"), Some("*"));
    let unserved = gateway.ask(&request("DELETE", "/orders/prod/orders/7")).expect(500);
    assert_eq!(unserved.text(), r#"{"message": "Internal server error"}"#);

    let path = gateway.folder().config();
    let checked = tollgate(&["check", &path.display().to_string()]).expect(0);
    let told = "declared, not served yet: the AWS_PROXY integration of DELETE /orders/{id}";
    assert!(checked.said().contains(told), "{}", checked.said());
}

#[test]
fn a_changed_document_is_a_changed_configuration() {
    let document = |path: &str| format!("openapi: 3.0.3\npaths:\n  {path}: {{$ref: 'items.yaml#/item'}}\n");
    let item = |method: &str| format!("item: {{{method}: {{responses: {{}}}}}}\n");
    let origin = Origin::mirror();
    let folder =
        Folder::new("[apis.a]\ndefinition = \"api.yaml\"\nto = \"http://@1\"\n[apis.a.stages.prod]\n", &[&origin]);
    folder.write("api.yaml", &document("/one"));
    folder.write("items.yaml", &item("get"));
    let gateway = Gateway::start_in(folder.into(), &[]);
    gateway.get("/a/prod/one").expect(200);
    gateway.folder().write("api.yaml", &document("/two"));
    crate::house::eventually("the new path is served", || gateway.get("/a/prod/two").status == 200);
    gateway.folder().write("items.yaml", &item("put"));
    crate::house::eventually("the new method is served", || gateway.get("/a/prod/two").status == 405);
    gateway.folder().write("items.yaml", "item: {get: [}");
    gateway.reload();
    gateway.ask(&request("PUT", "/a/prod/two")).expect(200);
    let said = gateway.stderr();
    assert!(said.contains("items.yaml:1:"), "{said}");
}

#[test]
fn a_canary_serves_a_definition_of_its_own() {
    let document = |paths: &str| format!("openapi: 3.0.3\npaths: {{{paths}}}\n");
    let (stable, canary) = (Origin::mirror(), Origin::mirror());
    let text = r#"
[apis.a]
definition = "v1.yaml"
to = "http://${stageVariables.backend}"
[apis.a.stages.prod]
variables = { backend = "@1" }
[apis.a.stages.prod.canary]
percent = 50.0
sticky = "header.X-User"
definition = "v2.yaml"
variables = { backend = "@2" }
[usage_plans.basic]
stages = ["a/prod"]
[usage_plans.basic.route_throttle]
"a/prod GET /new" = { rate = 1, burst = 1 }
"#;
    let folder = Folder::new(text, &[&stable, &canary]);
    folder.write("v1.yaml", &document("/old: {get: {responses: {}}}, /both: {get: {responses: {}}}"));
    folder.write("v2.yaml", &document("/both: {get: {responses: {}}}, /new: {get: {responses: {}}}"));
    let gateway = Gateway::start_in(folder.into(), &[]);
    let mut seen = [0, 0];
    for user in 0..20 {
        let ask = |path: &str| gateway.ask(&get(path).header("X-User", user.to_string())).status;
        let of_canary = ask("/a/prod/new") == 200;
        seen[usize::from(of_canary)] += 1;
        assert_eq!(ask("/a/prod/old"), if of_canary { 404 } else { 200 });
        assert_eq!(ask("/a/prod/both"), 200);
    }
    assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
    assert_eq!(canary.requests(), 2 * seen[1]);
}

#[test]
fn faults_of_documents_are_told_with_pointer_and_line() {
    let folder = Folder::new("[apis.a]\ndefinition = \"api.yaml\"\n[apis.a.stages.prod]\n", &[]);
    folder.write(
        "api.yaml",
        "openapi: 3.0.3\npaths:\n  /a:\n    get: {parameters: [{name: x, in: nowhere}], responses: {}}\n",
    );
    let path = folder.config().display().to_string();
    let said = tollgate(&["check", &path]).expect(1).said();
    for part in ["api.yaml:4:", "#/paths/~1a/get/parameters/0/in", "nothing says where GET /a goes", "write `to = "] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    folder.write("tollgate.toml", "[apis.a]\nto = \"http://b\"\n[apis.b]\ndefinition = \"none.yaml\"\nroutes = []\n");
    let said = tollgate(&["check", &path]).expect(1).said();
    assert!(
        said.contains("`to` means nothing without `definition`") && said.contains("`routes` stands beside"),
        "{said}"
    );
}

#[test]
fn an_import_prints_toml_that_serves_the_same_routes() {
    let folder = Folder::new("", &[]);
    folder.write("orders.json", ORDERS);
    let printed = tollgate_in(folder.path(), &["import", "openapi", "orders.json"]).expect(0);
    folder.write("tollgate.toml", &format!("{}variables = {{ backend = \"b:1\" }}\n", printed.stdout));
    let config = folder.config().display().to_string();
    let routes = tollgate(&["routes", "--json", "--config", &config]).expect(0).json();
    let names: Vec<_> = routes.as_array().expect("rows").iter().map(|row| row["method"].clone()).collect();
    assert_eq!(names, ["GET", "OPTIONS"]);
    assert!(printed.stdout.contains("# Not in TOML: its integration is AWS_PROXY."), "{}", printed.stdout);
}

#[test]
fn a_canary_with_a_definition_of_its_own_is_not_promoted_without_it() {
    let text = "[apis.a]\ndefinition = \"v1.yaml\"\nto = \"http://b\"\n[apis.a.stages.prod.canary]\npercent = 5\ndefinition = \"v2.yaml\"\n";
    let folder = Folder::new(text, &[]);
    folder.write("v1.yaml", "openapi: 3.0.3\npaths: {}\n");
    folder.write("v2.yaml", "openapi: 3.0.3\npaths: {}\n");
    let config = folder.config().display().to_string();
    let said = tollgate(&["promote", "a/prod", "--config", &config]).expect(1).said();
    assert!(said.contains("v2.yaml as the `definition` of a"), "{said}");
    assert!(folder.read("tollgate.toml").contains("canary"));
}

/// Kills what it holds when a test fails.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_document_is_served_without_a_configuration() {
    let origin = Origin::mirror();
    let folder = Folder::new("", &[]);
    folder.write("orders.yaml", "openapi: 3.0.3\nservers: [{url: /v1}]\npaths: {/orders: {get: {responses: {}}}}\n");
    let to = format!("http://{}", origin.address());
    let arguments = ["run", "--openapi", "orders.yaml", "--to", &to, "--basepath", "prepend"];
    let listen = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let mut command = std::process::Command::new(folder.program());
    command.args(arguments).args(listen).current_dir(folder.path()).env("TMPDIR", folder.path());
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
    let mut running = Running(command.spawn().expect("the program starts"));
    let lines = BufReader::new(running.0.stderr.take().expect("piped")).lines().map_while(Result::ok);
    let mut said = String::new();
    let address = lines.into_iter().find_map(|line| {
        said += &format!("{line}\n");
        let (_, rest) = line.split_once("ready, serving on http://")?;
        rest.split(',').next()?.parse().ok()
    });
    let address = address.unwrap_or_else(|| panic!("{said}"));
    assert!(said.contains("GET     /v1/orders") && said.contains("try: curl 'http://127.0.0.1:0/v1/orders'"), "{said}");
    Wire::open(address).ask(&get("/v1/orders?x=1")).expect(200);
    assert_eq!(origin.last().target, "/orders?x=1");
}
