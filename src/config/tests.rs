use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use super::{AnswerSource, ContentHandling, Passthrough};

const KEY: &str = "key-of-alice-0123456789";
const TOKEN: &str = "token-of-the-admin";

/// The environment of these tests.
fn variable(name: &str) -> Option<String> {
    match name {
        "TOLLGATE_ADMIN_TOKEN" => Some(TOKEN.into()),
        "ALICE_KEY" => Some(KEY.into()),
        "SECRET" => Some("secret {x}".into()),
        _ => None,
    }
}

#[track_caller]
fn read(text: &str) -> Config {
    parse_with(text, &variable).unwrap_or_else(|faults| panic!("{faults}"))
}

/// Every fault of a text as `line:column message; help`.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let faults = parse_with(text, &variable).expect_err("a faulty text");
    assert_eq!(short(&faults), expected, "{text}");
}

fn short(faults: &Faults) -> Vec<String> {
    let one = |fault: &Fault| {
        let place = fault.span.map(|span| faults.sources().place(span));
        let place = place.map_or(String::new(), |place| format!("{}:{} ", place.line, place.column));
        format!("{place}{}; {}", fault.message, fault.help.as_deref().unwrap_or_default())
    };
    faults.iter().map(one).collect()
}

/// A folder with files, and the faults of its main file.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        for (name, text) in files {
            let path = folder.path(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self) -> Result<Config, Faults> {
        load_with(&self.path("tollgate.toml"), &variable)
    }

    /// Faults as they are rendered, the folder's own name left out.
    #[track_caller]
    fn faults(&self) -> String {
        let faults = self.load().expect_err("a faulty folder");
        faults.to_string().replace(&format!("{}/", self.0.path().display()), "")
    }
}

const EXAMPLE: &str = r##"
[server]
listen = ["0.0.0.0:8080"]              # { address = "…", tls = { cert = "…", key = "…" }, h2 = true } for more
threads = 0                            # 0: one per core

[admin]
listen = "127.0.0.1:9090"              # /metrics, /livez, /readyz, the admin API, the console
token = "${env:TOLLGATE_ADMIN_TOKEN}"  # without a token only reads from loopback are answered

[state]
dir = "data"                           # the embedded store: quota counters, revisions
# redis = "redis://10.0.0.5:6379"      # shared by several nodes instead

[telemetry]
access_log = { path = "stdout", format = "json" }   # path: stdout | stderr | off | a file

[apis.orders]
protocol = "REST"                      # REST | HTTP | WEBSOCKET
# definition = "orders.openapi.yaml"   # or the routes here:
errors = "standard"                    # standard | aws, see section 4

[[apis.orders.routes]]
method = "GET"                         # or ANY
path = "/orders/{id}"                  # {name} one segment, {name+} the rest
api_key_required = true
integration = { type = "HTTP_PROXY", uri = "http://${stageVariables.backend}/orders/{id}", timeout = "29s" }
cache = { ttl = "60s", key = ["path.id", "querystring.expand", "header.Accept"] }
throttle = { rate = 500, burst = 1000 }

[apis.orders.stages.prod]
variables = { backend = "127.0.0.1:9001" }
cache = { enabled = true, ttl = "300s", size = "512MiB" }
throttle = { rate = 10000, burst = 5000 }

[apis.orders.stages.prod.canary]
percent = 10.0
variables = { backend = "127.0.0.1:9002" }
use_stage_cache = false
sticky = "api_key"                     # none (default: per request) | api_key | ip | header.<Name>

[usage_plans.basic]
stages = ["orders/prod"]
throttle = { rate = 10, burst = 20 }   # fractional rates are fine
quota = { limit = 1000, period = "day", offset = 0 }   # day | week | month, calendar UTC
[usage_plans.basic.route_throttle]
"orders/prod GET /orders/{id}" = { rate = 2, burst = 2 }

[api_keys.alice]
value = "${env:ALICE_KEY}"             # or sha256 = "…"; 20 to 128 characters
usage_plans = ["basic"]
enabled = true

[domains."api.example.com"]            # "*" for any host
mappings = { "/" = "orders/prod", "/v2" = "orders-v2/prod" }
"##;

#[test]
fn the_contract_s_example_means_what_it_says() {
    let config = read(EXAMPLE);
    let api = &config.apis["orders"];
    let route = &api.definition.routes[0];
    assert_eq!((route.method.as_str(), route.path.as_str()), ("GET", "/orders/{id}"));
    assert!(route.api_key_required);
    let cache = route.cache.as_ref().unwrap();
    let key: Vec<String> = cache.key.iter().flatten().map(|part| part.to_string()).collect();
    assert_eq!(key, ["path.id", "querystring.expand", "header.accept"]);
    let IntegrationKind::Http(http) = &route.integration.kind else { panic!("HTTP_PROXY is HTTP") };
    assert_eq!(http.uri.as_str(), "http://${stageVariables.backend}/orders/{id}");
    assert_eq!((http.timeout, http.connect_timeout), (Duration::from_secs(29), Duration::from_secs(5)));

    let stage = &api.stages["prod"];
    assert_eq!(stage.variables["backend"], "127.0.0.1:9001");
    assert_eq!(stage.cache.as_ref().map(|cache| cache.size), Some(512 << 20));
    let canary = stage.canary.as_ref().unwrap();
    assert_eq!((*canary.percent, &canary.sticky), (10.0, &Sticky::ApiKey));

    let plan = &config.usage_plans["basic"];
    assert_eq!(plan.route_throttle[0].0.as_str(), "orders/prod GET /orders/{id}");
    assert_eq!(plan.quota.map(|quota| (quota.limit, quota.period)), Some((1000, Period::Day)));
    assert_eq!(*config.api_keys["alice"].digest, digest(KEY.as_bytes()));
    assert_eq!(config.domains["api.example.com"].mappings[1].base_path.as_str(), "/v2");
    assert_eq!(config.admin.tokens[0].digest, digest(TOKEN.as_bytes()));
}

#[test]
fn what_is_not_written_has_its_documented_default() {
    let config = read(
        r#"
        [[apis.a.routes]]
        method = "ANY"
        path = "/"
        integration = { type = "MOCK" }
        throttle = { rate = 0.5 }
        [apis.a.stages.prod]
        cache = {}
        "#,
    );
    assert_eq!(config.server.listen[0].address.as_str(), "0.0.0.0:8080");
    assert_eq!(config.server.limits, Limits::default());
    assert_eq!(config.admin.listen.as_str(), "127.0.0.1:9090");
    assert_eq!(config.telemetry.key_labels_max, 1000);
    let api = &config.apis["a"];
    assert_eq!(api.definition.routes[0].throttle.map(|throttle| throttle.burst), Some(1));
    assert!(matches!(&api.definition.routes[0].integration.kind, IntegrationKind::Mock(mock) if mock.status == 200));
    let cache = api.stages["prod"].cache.as_ref().unwrap();
    assert_eq!((cache.enabled, cache.ttl), (false, Duration::from_secs(300)));
    assert!(cache.invalidation.require_authorization);
}

#[test]
fn every_way_to_write_a_back_end_is_read() {
    let config = read(
        r#"
        [[apis.a.routes]]
        method = "POST"
        path = "/files/{path+}"
        body_limit = "unlimited"
        [apis.a.routes.integration]
        type = "HTTP"
        uri = "https://api.internal/{path}?v=${stageVariables.v}"
        method = "ANY"
        timeout = "2s"
        targets = ["10.0.0.1:443", { address = "${stageVariables.host}:443", weight = 3 }]
        balance = "least_busy"
        health = { path = "/healthz" }
        ejection = { failures = 0 }
        tls = { server_name = "api.internal" }
        [apis.a.routes.integration.request_parameters]
        "integration.request.header.X-Path" = "method.request.path.path"
        "integration.request.querystring.who" = "context.identity.apiKeyId"
        "integration.request.header.X-Fixed" = "'fixed'"
        "#,
    );
    let route = &config.apis["a"].definition.routes[0];
    assert_eq!(route.body_bytes_max, Some(u64::MAX));
    let IntegrationKind::Http(http) = &route.integration.kind else { panic!("HTTP") };
    assert_eq!((http.is_proxy, &http.method), (false, &None));
    assert_eq!(http.connect_timeout, Duration::from_secs(2), "never more than the timeout");
    assert_eq!(http.targets[1].weight, 3);
    assert_eq!(http.balance, Balance::LeastBusy);
    assert_eq!(http.ejection, Ejection { failures: 0, rest: Duration::from_secs(10) });
    let fixed = http.request_parameters.iter().map(|mapping| &mapping.source).collect::<Vec<_>>();
    assert_eq!(
        fixed,
        [
            &ParameterSource::Path("path".into()),
            &ParameterSource::Context("identity.apiKeyId".into()),
            &ParameterSource::Static("fixed".into()),
        ]
    );
}

/// Bad configurations beside the exact faults that they print. `BLESS=1` writes what they print now.
#[test]
fn every_fault_of_a_file_is_printed_with_its_place_and_what_to_try() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults");
    let mut checked = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let faults = parse_with(&std::fs::read_to_string(&path).unwrap(), &variable).expect_err("a faulty file");
            let expected = path.with_extension("txt");
            if std::env::var_os("BLESS").is_some() {
                std::fs::write(&expected, faults.to_string()).unwrap();
            }
            assert_eq!(faults.to_string(), std::fs::read_to_string(expected).unwrap(), "{}", path.display());
            checked += 1;
        }
    }
    assert!(checked > 0);
}

#[test]
fn a_value_outside_its_bounds_is_refused() {
    let words = [
        ("[server]\nthreads = 1.5", "2:11 `threads` must be a whole number, not a float; write a whole number"),
        (
            "[server]\nlisten = []",
            "2:10 `listen` is empty, so no request could come in; write listen = [\"0.0.0.0:8080\"]",
        ),
        ("[server]\nlisten = \"a\"", "2:10 `listen` must be a list in [ ], not a string; write a list in [ ]"),
        (
            "[state]\nredis = \"x\"",
            "2:1 `redis` is not served by this release; counters are kept by each node, in `dir`",
        ),
        ("[admin]\ntokn = 1", "2:1 unknown key `tokn` in [admin]; did you mean `token`?"),
        (
            "[admin]\ntoken = \"a\"\ntokens = [{ name = \"admin\", token = \"b\" }]",
            "3:20 `name` is \"admin\", as another token is called; each is known by its name in the audit log; `token` is `admin`",
        ),
        (
            "[admin]\nhosts = [\"gateway:9090\"]",
            "2:10 `hosts` is \"gateway:9090\", which is no host's name; write it without a port, such as \"gateway.internal\"",
        ),
        (
            "[server.limits]\nbody = 10",
            "2:8 `body` is the bare number 10, but a size needs a unit; write it as a string with its unit, such as \"10B\"",
        ),
        (
            "[api_keys.\"a b\"]\nsha256 = \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"",
            "1:11 `a b` cannot name an api key; use 1 to 1024 letters, digits, _ . @ -",
        ),
        (
            "[domains.\"API.example.com:80\"]\nmappings = {}",
            "1:10 \"API.example.com:80\" is not a host; \
             write a name such as \"api.example.com\" in lower case and without its port, or \"*\" for any host",
        ),
        (
            "[domains.\"*\"]\nmappings = { \"/v2/\" = \"a/prod\" }",
            "2:14 \"/v2/\" is not a base path; write \"/\" or a path such as \"/v2\", without a slash at its end",
        ),
        (
            "[usage_plans.p.route_throttle]\n\"orders/prod GET\" = { rate = 1 }",
            "2:1 \"orders/prod GET\" does not name a stage's route; \
             write stage, method and path, such as \"orders/prod GET /orders/{id}\"",
        ),
        (
            "[usage_plans.p]\nquota = { limit = 5, period = \"day\", offset = 6 }",
            "2:47 `offset` is 6, which is out of range; write a number from 0 to 5",
        ),
        ("include = [\"x.toml\"]", "1:12 this text is not a file, so it can include none; write everything into it"),
        ("# nothing\n", "tollgate.toml configures nothing; conf/quickstart.toml is a configuration to begin with"),
    ];
    for (text, expected) in words {
        check(text, &[expected]);
    }
}

#[test]
fn an_integration_that_could_not_work_is_refused() {
    let with = |integration: &str| {
        format!("[[apis.a.routes]]\nmethod = \"GET\"\npath = \"/a/{{id}}\"\nintegration = {{ {integration} }}")
    };
    let uri_help = "write \"http://HOST:PORT/PATH\"";
    let words = [
        ("type = \"HTTP\"", "4:15 an HTTP integration needs the key `uri`; add `uri = …`".to_owned()),
        (
            "type = \"MOCK\", uri = \"http://h\"",
            "4:32 unknown key `uri` in a MOCK integration; known keys are `type`, `status`, `headers`, \
             `body`, `request_templates`, `passthrough_behavior`, `content_handling`, `responses`"
                .into(),
        ),
        (
            "type = \"MOCK\", status = 600",
            "4:41 `status` is 600, which is out of range; write a number from 200 to 599".into(),
        ),
        (
            "type = \"HTTP\", uri = \"ftp://h\"",
            format!("4:38 `uri` is \"ftp://h\", which does not start with http:// or https://; {uri_help}"),
        ),
        (
            "type = \"HTTP\", uri = \"http:///x\"",
            format!("4:38 `uri` is \"http:///x\", which names no host; {uri_help}"),
        ),
        (
            "type = \"HTTP\", uri = \"http://u:p@h/x\"",
            format!("4:38 `uri` is \"http://u:p@h/x\", which names no host; {uri_help}"),
        ),
        (
            "type = \"HTTP\", uri = \"http://h/{name}\"",
            "4:38 the route's path has no parameter `name`; its parameters are id".into(),
        ),
        (
            "type = \"HTTP\", uri = \"http://h/${x}\"",
            "4:38 the uri's braces hold \"x\"; \
             write {name} for a path parameter, ${stageVariables.NAME} for a stage variable"
                .into(),
        ),
        (
            "type = \"HTTP\", uri = \"http://h\", targets = [\"h\"]",
            "4:61 \"h\" is not a target; write a host and a port, such as \"10.0.0.5:9001\" or \"backend:9001\"".into(),
        ),
        (
            "type = \"HTTP\", uri = \"http://h\", timeout = \"1s\", connect_timeout = \"2s\"",
            "4:84 `connect_timeout` is \"2s\", which is out of range; write a duration from \"1ms\" to \"1s\"".into(),
        ),
        (
            "type = \"HTTP\", uri = \"http://h\", \
             request_parameters = { \"integration.request.header.Host\" = \"context.stage\" }",
            "4:73 `integration.request.header.Host` cannot be mapped; \
             it belongs to the connection, which the gateway keeps itself"
                .into(),
        ),
    ];
    for (integration, expected) in words {
        check(&with(integration), &[&expected]);
    }
}

#[test]
fn what_a_reference_stands_for_is_nowhere_in_faults_or_description() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults");
    let text = std::fs::read_to_string(folder.join("secrets.toml")).unwrap();
    let faults = parse_with(&text, &variable).expect_err("a faulty file");
    for shown in [faults.render(true), faults.to_json().to_string(), format!("{faults:?}")] {
        let shown = shown.replace("${env:SECRET}", "").replace("secrets.toml", "");
        assert!(!shown.contains("secret"), "{shown}");
    }

    let config = read(&EXAMPLE.replace("127.0.0.1:9001", "${env:ALICE_KEY}").replace(
        "timeout = \"29s\"",
        "request_parameters = { \"integration.request.header.X-Key\" = \"'${env:ALICE_KEY}'\" }",
    ));
    let described = config.describe().to_string();
    assert!(!described.contains(KEY) && !described.contains(TOKEN), "{described}");
    let stage = &config.describe()["apis"]["orders"]["stages"]["prod"];
    assert_eq!(stage["variables"]["backend"], "(secret) 9ec3eef0");
    assert_eq!(stage["canary"]["variables"]["backend"], "127.0.0.1:9002");
}

#[test]
fn a_literal_secret_is_forgotten_as_soon_as_it_is_read() {
    let config = read("[api_keys.a]\nvalue = \"abcdefghijklmnopqrst\"\n[admin]\ntoken = 't'\n");
    assert_eq!(*config.api_keys["a"].digest, digest(b"abcdefghijklmnopqrst"));
    assert_eq!(config.sources.text(0), "[api_keys.a]\nvalue = \"********************\"\n[admin]\ntoken = '*'\n");
}

#[test]
fn references_are_replaced_and_files_are_found_beside_the_file_that_names_them() {
    let folder = Folder::new(&[
        ("tollgate.toml", "include = [\"apis/*.toml\"]\n[admin]\ntoken = \"${file:token}\"\n"),
        ("token", "line\n"),
        ("apis/host", "10.0.0.1\r\n"),
        ("apis/a.toml", "[apis.a.stages.s]\nvariables = { h = \"http://${file:host}:80/${env:ALICE_KEY}\" }\n"),
    ]);
    let config = folder.load().unwrap();
    assert_eq!(config.admin.tokens[0].digest, digest(b"line"));
    assert_eq!(config.apis["a"].stages["s"].variables["h"], format!("http://10.0.0.1:80/{KEY}"));
}

#[test]
fn a_reference_to_nothing_is_a_fault() {
    let with = |text: &str| format!("[admin]\ntoken = \"{text}\"");
    check(
        &with("${env:NOPE}"),
        &["2:9 the environment variable NOPE is not set; set NOPE before the gateway starts, or write ${file:PATH}"],
    );
    check(
        &with("${file:/no/such}"),
        &["2:9 cannot read /no/such: there is no such file; ${file:…} is relative to the working directory"],
    );
    check(
        &with("${env:NOPE"),
        &["2:9 the reference `${env:NOPE` has no closing brace; write ${env:NAME} or ${file:PATH}"],
    );
}

#[test]
fn included_files_are_read_once_in_order_whatever_way_they_are_reached() {
    let folder = Folder::new(&[
        (
            "tollgate.toml",
            "include = [\"apis/*.toml\", \"apis/../apis/a.toml\", \"more.toml\"]\n[state]\ndir = \"d\"\n",
        ),
        ("apis/b.toml", "[apis.b]\n"),
        ("apis/a.toml", "[apis.a]\n"),
        ("apis/.a.toml.swp.toml", "not read"),
        ("more.toml", "include = [\"apis/b.toml\"]\n[usage_plans.p]\n"),
    ]);
    let config = folder.load().unwrap();
    assert_eq!(config.apis.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(config.sources.paths().count(), 4);
    assert_eq!(config.state.dir.value, folder.path("d"));
}

#[test]
fn files_that_include_each_other_are_a_fault_that_names_the_chain() {
    let folder = Folder::new(&[
        ("tollgate.toml", "include = [\"a.toml\"]\n"),
        ("a.toml", "include = [\"b.toml\"]\n"),
        ("b.toml", "include = [\"a.toml\"]\n"),
    ]);
    assert_eq!(
        folder.faults(),
        r#"error: the files include each other: a.toml → b.toml → a.toml
 --> b.toml:1:12
  |
1 | include = ["a.toml"]
  |            ^^^^^^^^
  |
  = help: remove one of these includes, or narrow its pattern
"#
    );
}

#[test]
fn a_name_in_two_files_is_a_fault_that_shows_both() {
    let folder = Folder::new(&[
        ("tollgate.toml", "include = [\"a.toml\"]\n[apis.orders]\n[admin]\n"),
        ("a.toml", "\n[apis.orders]\nerrors = \"aws\"\n[admin]\n"),
    ]);
    assert_eq!(
        folder.faults(),
        r#"error: the api `orders` is defined a second time
 --> a.toml:2:7
  |
2 | [apis.orders]
  |       ^^^^^^
  |
 ::: tollgate.toml:2:7
  |
2 | [apis.orders]
  |       ------ first defined here
  |
  = help: keep it in one file, whole

error: [admin] is defined a second time
 --> a.toml:4:2
  |
4 | [admin]
  |  ^^^^^
  |
 ::: tollgate.toml:3:2
  |
3 | [admin]
  |  ----- first defined here
  |
  = help: keep it in one file, whole
"#
    );
}

#[test]
fn an_integration_may_say_what_it_makes_of_bodies() {
    let config = parse(
        r#"
        [[apis.a.routes]]
        method = "POST"
        path = "/a"
        [apis.a.routes.integration]
        type = "HTTP"
        uri = "http://b/"
        passthrough_behavior = "NEVER"
        request_templates = { "Text/XML" = "$input.body" }
        content_handling = "CONVERT_TO_TEXT"
        [[apis.a.routes.integration.responses]]
        selection_pattern = "4\\d{2}"
        status = 400
        response_parameters = { "method.response.header.X-A" = "integration.response.body.a.b" }
        response_templates = { "application/json" = "{}" }
        [[apis.a.routes]]
        method = "GET"
        path = "/m"
        integration = { type = "MOCK", request_templates = { "application/json" = "{\"statusCode\": 200}" }, responses = [{ status = 200 }] }
        "#,
    )
    .unwrap();
    let routes = &config.apis["a"].definition.routes;
    let IntegrationKind::Http(http) = &routes[0].integration.kind else { panic!("HTTP") };
    let written = http.transformation.as_ref().expect("a transformation");
    assert_eq!(
        (written.passthrough, written.content_handling),
        (Passthrough::Never, Some(ContentHandling::ConvertToText))
    );
    assert_eq!(written.request_templates["text/xml"].value, "$input.body");
    let response = &written.responses[0];
    assert_eq!((response.pattern.as_ref().map(|it| it.as_str()), response.status), (Some("4\\d{2}"), 400));
    assert_eq!(response.headers, [("X-A".to_owned(), AnswerSource::Body(Some("$.a.b".to_owned())))]);
    assert!(matches!(&routes[1].integration.kind, IntegrationKind::Mock(mock) if mock.transformation.is_some()));
}

#[test]
fn what_an_integration_makes_of_bodies_is_checked() {
    let check = |integration: &str, expected: &str| {
        let text = format!("[[apis.a.routes]]\nmethod = \"GET\"\npath = \"/a\"\nintegration = {{ {integration} }}");
        let faults = parse_with(&text, &variable).unwrap_err();
        let messages = short(&faults);
        assert!(messages.iter().any(|message| message.contains(expected)), "{messages:?}");
    };
    let mock = |rest: &str| format!("type = \"MOCK\", {rest}");
    check(&mock("request_templates = {}, body = \"x\""), "unknown key `body` in a MOCK integration with templates");
    check(&mock("responses = [{ status = 99 }]"), "out of range");
    check(&mock("responses = [{ status = 200, response_parameters = { X = \"'a'\" } }]"), "`X` is not a target");
    check(
        &mock("responses = [{ status = 200, response_parameters = { \"method.response.header.X\" = \"method.x\" } }]"),
        "\"method.x\" is not a source",
    );
    check(&mock("request_templates = { a = \"${env:X} b\" }"), "holds a reference to the environment");
    check("type = \"HTTP_PROXY\", uri = \"http://b/\", responses = []", "unknown key `responses`");
}

#[test]
fn faults_of_all_files_are_reported_at_once() {
    let folder = Folder::new(&[
        ("tollgate.toml", "include = [\"a.toml\", \"b.toml\", \"none.toml\", \"no-dir/*.toml\"]\nx = 1\n"),
        ("a.toml", "[apis.a\n"),
        ("b.toml", "[apis.b]\nroutes = 1\n"),
    ]);
    std::fs::write(folder.path("b.toml"), b"[apis.b]\nx = \"\xff\"\n").unwrap();
    let faults = folder.load().unwrap_err();
    let messages: Vec<String> = short(&faults);
    assert_eq!(messages.len(), 4, "{messages:?}");
    assert!(messages[0].starts_with("1:22 cannot read") && messages[0].contains("0xff stands at offset 14"));
    assert!(messages[1].starts_with("1:32 cannot read") && messages[1].contains("there is no such file"));
    assert!(messages[2].starts_with("2:1 unknown key `x`"));
    assert!(messages[3].starts_with("1:8 not TOML: unclosed table"));
}

#[test]
fn a_main_file_that_cannot_be_read_is_a_fault_that_names_it() {
    let folder = Folder::new(&[]);
    let expected = "error: cannot read tollgate.toml: there is no such file\n";
    assert!(folder.faults().starts_with(expected), "{}", folder.faults());
    let json = folder.load().unwrap_err().to_json();
    assert_eq!(json[0]["line"], serde_json::Value::Null);
    assert!(json[0]["file"].as_str().is_some_and(|file| file.ends_with("/tollgate.toml")));
}

#[test]
fn a_fault_as_json_says_where_what_and_what_to_try() {
    let faults = parse("[server]\nthreads = -1\n").unwrap_err();
    let expected = serde_json::json!([{
        "file": "tollgate.toml",
        "line": 2,
        "column": 11,
        "message": "`threads` is -1, which is out of range",
        "help": "write a number from 0 to 1024",
    }]);
    assert_eq!(faults.to_json(), expected);
}

#[test]
fn no_text_makes_reading_panic() {
    let words =
        ["[apis.a]\n", "[[apis.a.routes]]\n", "method = ", "\"${env:", "SECRET}\"", "{", "}", "[", "]\n", "é", "path"];
    proptest::proptest!(|(picks in proptest::collection::vec(0..words.len(), 0..12))| {
        let text: String = picks.into_iter().map(|pick| words[pick]).collect();
        if let Err(faults) = parse_with(&text, &variable) {
            let _ = (faults.render(true), faults.to_json());
        }
    });
}
