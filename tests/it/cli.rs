//! The command line: what people type, what it says, and its exit codes.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::house::{
    ADMIN_TOKEN, ALICE, Folder, Gateway, Origin, Output, binary, eventually, get, tollgate, tollgate_in,
};

const SHOP: &str = r#"
[apis.shop]
routes = [{ method = "GET", path = "/orders/{id}", api_key_required = true, integration = { type = "HTTP_PROXY", uri = "http://${stageVariables.backend}/orders/{id}" } }]

[apis.shop.stages.prod]
variables = { backend = "@1" }

# two percent of the traffic
[apis.shop.stages.prod.canary]
percent = 2.0
variables = { backend = "@2" }

[usage_plans.basic]
stages = ["shop/prod"]
quota = { limit = 1000, period = "month" }
[api_keys.alice]
value = "alice-0123456789-0123456789"
usage_plans = ["basic"]
"#;

/// A command that asks a running gateway.
#[track_caller]
fn ask(gateway: &Gateway, arguments: &[&str]) -> Output {
    let admin = format!("http://{}", gateway.admin_address());
    let all = [arguments, &["--admin", &admin, "--token", ADMIN_TOKEN]].concat();
    tollgate_in(gateway.folder().path(), &all)
}

#[test]
fn help_names_every_command_and_version_the_version() {
    let help = tollgate(&["--help"]).expect(0);
    for command in [
        "run",
        "check",
        "plan",
        "reload",
        "upgrade",
        "promote",
        "import",
        "export",
        "explain",
        "routes",
        "usage",
        "health",
        "completions",
    ] {
        assert!(help.stdout.contains(command), "{command} is missing:\n{}", help.stdout);
    }
    assert!(tollgate(&["--version"]).expect(0).stdout.contains(env!("CARGO_PKG_VERSION")));
    assert!(tollgate(&["completions", "bash"]).expect(0).stdout.contains("tollgate"));
    let unknown = tollgate(&["chekc"]).expect(2);
    assert!(unknown.stderr.contains("check"), "the nearest command is suggested:\n{}", unknown.stderr);
}

#[test]
fn run_without_a_file_explains_how_to_start() {
    let empty = tempfile::tempdir().unwrap();
    let output = tollgate_in(empty.path(), &["run"]);
    assert_ne!(output.code, 0);
    for word in ["tollgate run", ".toml"] {
        assert!(output.said().contains(word), "{word} is missing:\n{}", output.said());
    }
    let missing = tollgate_in(empty.path(), &["run", "missing.toml"]);
    assert!(missing.code != 0 && missing.stderr.contains("missing.toml"), "{}", missing.stderr);
}

#[test]
fn check_accepts_what_is_sound() {
    let origin = Origin::mirror();
    let folder = Folder::new(SHOP, &[&origin, &origin]);
    let file = folder.config();
    tollgate(&["check", file.to_str().unwrap()]).expect(0);
    let json = tollgate(&["check", file.to_str().unwrap(), "--json"]).expect(0).json();
    assert_eq!(json["faults"].as_array().map(Vec::len), Some(0), "{json}");
}

#[test]
fn check_tells_every_fault_of_every_file_at_once() {
    let main = r#"
        include = ["apis/*.toml"]
        [server]
        listen = ["127.0.0.1:0"]
        [server.limits]
        head_timeout = 10
        [usage_plans.basic]
        stages = ["shop/nowhere"]
        throttle = { rate = 10, brust = 20 }
    "#;
    let folder = Folder::new(main, &[]);
    std::fs::create_dir(folder.path().join("apis")).unwrap();
    folder.write("apis/shop.toml", "[apis.shop]\nroutes = [{ method = \"GET\", path = \"orders\", integration = { type = \"MOCK\" } }]\n[apis.shop.stages.prod]\n");
    let file = folder.config();
    let output = tollgate(&["check", file.to_str().unwrap()]).expect(1);
    for said in ["head_timeout", "10s", "brust", "burst", "tollgate.toml", "shop.toml", "orders", "^"] {
        assert!(output.said().contains(said), "{said} is missing:\n{}", output.said());
    }
    let json = tollgate(&["check", file.to_str().unwrap(), "--json"]).expect(1).json();
    let faults = json["faults"].as_array().expect("a list of faults");
    assert!(faults.len() >= 3, "{json}");
    for fault in faults {
        assert!(fault["message"].is_string() && fault["file"].is_string() && fault["line"].is_u64(), "{fault}");
    }
}

#[test]
fn a_secret_is_never_echoed() {
    let config = "[api_keys.alice]\nvalue = \"${env:SHORT_SECRET}\"\nunknown = \"hidden-words\"\n";
    let folder = Folder::new(config, &[]);
    let output =
        Command::new(binary()).arg("check").arg(folder.config()).env("SHORT_SECRET", "tooshort-7").output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(!output.status.success());
    assert!(!said.contains("tooshort-7"), "{said}");
}

#[test]
fn a_busy_port_is_named_with_what_to_try() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap().to_string();
    let folder = Folder::new(
        &format!("[server]\nlisten = [\"{address}\"]\n[apis.shop]\nroutes = []\n[apis.shop.stages.prod]\n"),
        &[],
    );
    let output = tollgate(&["run", folder.config().to_str().unwrap()]);
    assert_ne!(output.code, 0);
    assert!(output.stderr.contains(&address) && output.stderr.contains("in use"), "{}", output.stderr);
    assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
}

#[test]
fn an_unwritable_state_folder_is_named() {
    // A file where the folder should be fails for root as well.
    let folder =
        Folder::new("[state]\ndir = \"blocked/data\"\n[apis.shop]\nroutes = []\n[apis.shop.stages.prod]\n", &[]);
    folder.write("blocked", "a file");
    let output = tollgate(&["run", folder.config().to_str().unwrap()]);
    assert_ne!(output.code, 0);
    assert!(output.stderr.contains("blocked/data") && !output.stderr.contains("panicked"), "{}", output.stderr);
}

#[test]
fn a_second_gateway_on_the_same_state_is_refused() {
    let origin = Origin::mirror();
    let gateway = Gateway::start(SHOP, &[&origin, &origin]);
    let output = tollgate(&["run", gateway.folder().config().to_str().unwrap()]);
    assert_ne!(output.code, 0);
    assert!(output.stderr.contains("data") && !output.stderr.contains("panicked"), "{}", output.stderr);
}

#[test]
fn explain_tells_a_requests_way() {
    let origin = Origin::mirror();
    let gateway = Gateway::start(SHOP, &[&origin, &origin]);
    let header = format!("x-api-key: {ALICE}");
    let told = ask(&gateway, &["explain", "GET", "http://gateway.test/shop/prod/orders/7", "-H", &header]).expect(0);
    for named in ["shop", "prod", "/orders/{id}", "alice", "basic"] {
        assert!(told.stdout.contains(named), "{named} is missing:\n{}", told.stdout);
    }
    assert!(!told.said().contains(ALICE));
}

#[test]
fn routes_and_usage_are_tables() {
    let origin = Origin::mirror();
    let gateway = Gateway::start(SHOP, &[&origin, &origin]);
    gateway.ask(&get("/shop/prod/orders/7").key(ALICE)).expect(200);
    let routes = ask(&gateway, &["routes"]).expect(0);
    assert!(routes.stdout.contains("/orders/{id}") && routes.stdout.contains("GET"), "{}", routes.stdout);
    let usage = ask(&gateway, &["usage"]).expect(0);
    assert!(usage.stdout.contains("alice") && usage.stdout.contains("1000"), "{}", usage.stdout);
}

#[test]
fn plan_tells_what_a_file_would_change() {
    let origin = Origin::mirror();
    let gateway = Gateway::start(SHOP, &[&origin, &origin]);
    let file = gateway.folder().config();
    let same = ask(&gateway, &["plan", file.to_str().unwrap()]).expect(0);
    assert!(same.stdout.contains("no change"), "{}", same.stdout);

    let changed = gateway
        .folder()
        .read("tollgate.toml")
        .replace("limit = 1000", "limit = 2000")
        .replace("percent = 2.0", "percent = 5.0");
    gateway.folder().write("next.toml", &changed);
    let plan = ask(&gateway, &["plan", gateway.folder().path().join("next.toml").to_str().unwrap()]);
    for named in ["basic", "2000", "percent"] {
        assert!(plan.stdout.contains(named), "{named} is missing:\n{}", plan.said());
    }
}

#[test]
fn promote_and_reload_act_on_the_running_gateway() {
    let (stable, canary) = (Origin::text("stable"), Origin::text("canary"));
    let gateway = Gateway::start(SHOP, &[&stable, &canary]);
    ask(&gateway, &["reload"]).expect(0);
    ask(&gateway, &["promote", "shop/prod"]).expect(0);
    eventually("the canary is the stage", || {
        gateway.ask(&get("/shop/prod/orders/1").key(ALICE)).expect(200).text() == "canary"
    });
    assert!(!gateway.folder().read("tollgate.toml").contains("percent"));
    let again = ask(&gateway, &["promote", "shop/prod"]);
    assert!(again.code != 0 && again.stderr.contains("canary"), "{}", again.said());
}

#[test]
fn health_is_an_exit_code() {
    let origin = Origin::mirror();
    let mut gateway = Gateway::start(SHOP, &[&origin, &origin]);
    ask(&gateway, &["health"]).expect(0);
    gateway.kill9();
    assert_ne!(ask(&gateway, &["health"]).code, 0);
}

#[test]
fn a_command_without_a_gateway_says_so() {
    let nobody = format!("http://{}", Origin::nobody());
    let output = tollgate(&["routes", "--admin", &nobody]);
    assert_ne!(output.code, 0);
    assert!(output.stderr.contains(&nobody) && !output.stderr.contains("panicked"), "{}", output.stderr);
}

#[test]
fn long_output_into_a_closed_pipe_is_no_panic() {
    let mut child = Command::new(binary());
    let mut child = child.arg("--help").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
}
