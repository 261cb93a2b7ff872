//! A new program takes over from the running one: nothing is lost, nothing is counted twice, and what fails changes
//! nothing.

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::house::{
    ADMIN_TOKEN, ALICE, BOB, Folder, Gate, Gateway, Origin, Streams, Wire, eventually, eventually_some, get, post,
    tollgate_in,
};

const LIMIT: u64 = 100_000;

fn shop(limit: u64) -> String {
    format!(
        r#"
[server]
listen = ["127.0.0.1:0", {{ address = "127.0.0.1:0", h2 = true }}]
threads = 2
drain_delay = "2s"
[apis.shop]
routes = [
    {{ method = "GET", path = "/mock", api_key_required = true, integration = {{ type = "MOCK", body = "here" }} }},
    {{ method = "ANY", path = "/pass/{{path+}}", api_key_required = true, integration = {{ type = "HTTP_PROXY", uri = "http://@1/{{path}}" }} }},
]
[apis.shop.stages.prod]
throttle = {{ rate = 1000000, burst = 1000000 }}
[usage_plans.basic]
stages = ["shop/prod"]
quota = {{ limit = {limit}, period = "month" }}
[api_keys.alice]
value = "{ALICE}"
usage_plans = ["basic"]
[api_keys.bob]
value = "{BOB}"
usage_plans = ["basic"]
"#
    )
}

/// Clients that ask until they are told to stop; each request must be answered.
#[derive(Default)]
struct Load {
    is_over: AtomicBool,
    answered: AtomicU64,
}

impl Load {
    /// Keeps its connection for as long as the gateway does.
    fn keep_alive(&self, address: SocketAddr, key: &str) {
        let mut wire = Wire::open(address);
        while !self.is_over.load(Ordering::SeqCst) {
            let answer = wire.ask(&get("/shop/prod/pass/a").key(key)).expect(200);
            self.answered.fetch_add(1, Ordering::SeqCst);
            if answer.field("connection") == Some("close") {
                wire = Wire::open(address);
            }
        }
    }

    fn new_connections(&self, address: SocketAddr, key: &str) {
        while !self.is_over.load(Ordering::SeqCst) {
            Wire::open(address).ask(&get("/shop/prod/mock").key(key)).expect(200);
            self.answered.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn wait_for_more(&self, requests: u64) {
        let before = self.answered.load(Ordering::SeqCst);
        eventually("the load goes on", || self.answered.load(Ordering::SeqCst) >= before + requests);
    }
}

#[test]
fn no_request_is_lost_and_every_one_is_counted_once() {
    let origin = Origin::mirror();
    let mut gateway = Gateway::start(&shop(LIMIT), &[&origin]);
    let loads = [Load::default(), Load::default()];
    let keys = [ALICE, BOB];
    let address = gateway.http();
    thread::scope(|scope| {
        for (load, key) in loads.iter().zip(keys) {
            scope.spawn(move || load.keep_alive(address, key));
            scope.spawn(move || load.new_connections(address, key));
        }
        // Whatever fails in here, the clients come to their end.
        let over = scope.spawn(|| {
            loads.iter().for_each(|load| load.wait_for_more(300));
            gateway.upgrade();
            loads.iter().for_each(|load| load.wait_for_more(300));
            assert_eq!(gateway.exit_status().code(), Some(0), "the old process drains and ends");
            loads.iter().for_each(|load| load.wait_for_more(300));
        });
        let ended = over.join();
        loads.iter().for_each(|load| load.is_over.store(true, Ordering::SeqCst));
        ended.expect("the upgrade succeeds under load");
    });
    for (load, key) in loads.iter().zip(["alice", "bob"]) {
        let answered = load.answered.load(Ordering::SeqCst);
        eventually("every request is counted once", || gateway.usage(key, "basic", "used") == answered);
    }
}

#[test]
fn a_quota_holds_to_the_request_across_upgrades() {
    let mut gateway = Gateway::start(&shop(50), &[&Origin::mirror()]);
    let admitted = |gateway: &Gateway, tries: usize| {
        (0..tries).filter(|_| gateway.ask(&get("/shop/prod/mock").key(ALICE)).status == 200).count()
    };
    assert_eq!(admitted(&gateway, 20), 20);
    gateway.upgrade();
    assert_eq!(gateway.exit_status().code(), Some(0));
    assert_eq!(gateway.usage("alice", "basic", "used"), 20);
    assert_eq!(admitted(&gateway, 20), 20);
    eventually("the second upgrade succeeds", || gateway.try_upgrade().is_some());
    eventually("what was used before is used", || gateway.usage("alice", "basic", "used") == 40);
    assert_eq!(admitted(&gateway, 20), 10);
}

#[test]
fn the_old_process_ends_what_it_has_begun_and_lends_from_the_new_one() {
    let gate = Gate::default();
    let at_the_gate = gate.clone();
    let origin = Origin::start(move |seen, out| {
        if seen.target == "/slow" {
            at_the_gate.wait();
        }
        out.text("in time");
    });
    let mut gateway = Gateway::start(&shop(50), &[&origin]);
    let (mut busy, mut idle) = (gateway.connect(), gateway.connect());
    let streams = Streams::open(gateway.listeners()[1]);
    streams.ask(&get("/shop/prod/mock").key(ALICE)).expect(200);
    idle.ask(&get("/shop/prod/mock").key(ALICE)).expect(200);
    busy.send(get("/shop/prod/pass/slow").key(ALICE).bytes());
    eventually("the back end is asked", || origin.heads() == 1);
    gateway.upgrade();
    // All of the quota that is left is used by the new process.
    assert_eq!((0..60).filter(|_| gateway.ask(&get("/shop/prod/mock").key(ALICE)).status == 200).count(), 47);
    // A connection of the old one must not find any more of it.
    assert_eq!(idle.ask(&get("/shop/prod/mock").key(ALICE)).expect(429).field("connection"), Some("close"));
    gate.open();
    assert_eq!(busy.read().expect(200).text(), "in time");
    assert!(streams.ends_in_peace());
    assert_eq!(gateway.exit_status().code(), Some(0));
    assert_eq!(gateway.usage("alice", "basic", "used"), 50);
}

/// Asks for an upgrade that must fail, and returns why.
#[track_caller]
fn refused(gateway: &Gateway) -> String {
    let answer = gateway.admin(post("/v1/upgrade", "")).expect(409);
    answer.json()["detail"].as_str().expect("a detail").to_owned()
}

#[test]
fn a_new_process_that_fails_changes_nothing() {
    let folder = std::sync::Arc::new(Folder::new(&shop(50), &[&Origin::mirror()]));
    let gateway = Gateway::start_in(std::sync::Arc::clone(&folder), &[]);
    let ask = || gateway.ask(&get("/shop/prod/mock").key(ALICE)).expect(200);
    ask();

    let good = folder.read("tollgate.toml");
    folder.write("tollgate.toml", &good.replace("quota", "qouta"));
    assert!(refused(&gateway).contains("qouta"));
    ask();
    folder.write("tollgate.toml", &good);

    for (program, said) in [("/bin/false", "exit status: 1"), ("/nowhere/tollgate", "cannot start")] {
        std::fs::remove_file(folder.program()).unwrap();
        symlink(program, folder.program()).unwrap();
        let why = refused(&gateway);
        assert!(why.contains(said), "{why}");
        ask();
    }
    eventually("the log says it too", || gateway.stderr().contains("not upgraded"));
    assert_eq!(gateway.usage("alice", "basic", "used"), 4);
    assert!(gateway.admin(get("/readyz?verbose")).expect(200).text().contains("[+] state: ok"));
}

#[test]
fn a_new_process_that_cannot_open_the_state_leaves_it_to_the_old_one() {
    let folder = std::sync::Arc::new(Folder::new(&shop(50), &[&Origin::mirror()]));
    let mut gateway = Gateway::start_in(std::sync::Arc::clone(&folder), &[]);
    let admitted = (0..30).filter(|_| gateway.ask(&get("/shop/prod/mock").key(ALICE)).status == 200).count();
    assert_eq!(admitted, 30);
    let good = folder.read("tollgate.toml");
    folder.write("blocked", "a file");
    folder.write("tollgate.toml", &good.replace("dir = \"data\"", "dir = \"blocked\""));
    assert!(refused(&gateway).contains("blocked"));
    folder.write("tollgate.toml", &good);
    let admitted = (0..30).filter(|_| gateway.ask(&get("/shop/prod/mock").key(ALICE)).status == 200).count();
    assert_eq!(admitted, 20);
    gateway.kill9();
    gateway.restart();
    assert_eq!(gateway.usage("alice", "basic", "used"), 50);
}

#[test]
fn a_signal_upgrades_and_the_command_says_who_serves() {
    let mut gateway = Gateway::start(&shop(50), &[&Origin::mirror()]);
    gateway.signal("-USR2");
    let serves = || gateway.stderr().lines().filter(|line| line.contains("tollgate: ready")).count();
    eventually("another process is ready", || serves() == 2);
    let said = eventually_some("the old process says who", || {
        let stderr = gateway.stderr();
        let line = stderr.lines().find(|line| line.contains("another process serves"))?;
        line.split("pid=").nth(1)?.trim().parse::<u64>().ok()
    });
    gateway.adopt(said);
    assert_eq!(gateway.exit_status().code(), Some(0));
    let admin = format!("http://{}", gateway.admin_address());
    let arguments = ["upgrade", "--admin", &admin, "--token", ADMIN_TOKEN];
    let output = eventually_some("it can be upgraded again", || {
        let output = tollgate_in(gateway.folder().path(), &arguments);
        (output.code == 0).then_some(output)
    });
    let pid = output.stdout.split_whitespace().find_map(|word| word.parse::<u64>().ok());
    gateway.adopt(pid.unwrap_or_else(|| panic!("no process in {:?}", output.stdout)));
    gateway.ask(&get("/shop/prod/mock").key(ALICE)).expect(200);
}
