//! The real binary, with a folder of its own.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::wire::{Answer, Request, Wire, get};
use super::{DEADLINE, Origin, eventually, eventually_some, post, tls};

/// The token that fixtures have for the admin API unless they write `[admin]` themselves.
pub const ADMIN_TOKEN: &str = "admin-token-of-the-tests";

/// What all of these tests are about: this build's program, or the one that `TOLLGATE` names, such as one that ships.
pub fn binary() -> PathBuf {
    let named = std::env::var_os("TOLLGATE").unwrap_or_else(|| env!("CARGO_BIN_EXE_tollgate").into());
    fs::canonicalize(&named).unwrap_or_else(|why| panic!("TOLLGATE is {named:?}: {why}"))
}

/// A folder with a configuration, `tollgate.toml`, and the state that a gateway leaves in it.
pub struct Folder {
    dir: tempfile::TempDir,
    bin: tempfile::TempDir,
}

impl Folder {
    /// `@1`, `@2` … in the text stand for the back ends' addresses. What the text does not say about listeners, admin,
    /// state and telemetry is filled in, and who names `cert.pem` and `key.pem` has them.
    pub fn new(config: &str, back_ends: &[&Origin]) -> Folder {
        let temporary = || tempfile::tempdir().expect("a temporary folder");
        let folder = Folder { dir: temporary(), bin: temporary() };
        // A name of its own, as an installed program has one that stays when it is replaced.
        std::os::unix::fs::symlink(binary(), folder.program()).expect("the folder takes a link");
        folder.write("tollgate.toml", &complete(config, back_ends));
        if config.contains("cert.pem") {
            let (cert, key) = tls::pem();
            folder.write("cert.pem", cert);
            folder.write("key.pem", key);
        }
        folder
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn config(&self) -> PathBuf {
        self.path().join("tollgate.toml")
    }

    /// The program that gateways of this folder run.
    pub fn program(&self) -> PathBuf {
        self.bin.path().join("tollgate")
    }

    /// Writes a file by rename, as editors do.
    pub fn write(&self, name: &str, text: &str) {
        let (path, draft) = (self.path().join(name), self.path().join(format!("{name}.draft")));
        std::fs::write(&draft, text).expect("the folder takes a file");
        std::fs::rename(&draft, &path).expect("the folder takes a rename");
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).expect("the file is there")
    }
}

/// Adds what a fixture leaves out and names its back ends.
fn complete(config: &str, back_ends: &[&Origin]) -> String {
    // Behind the test's own text, which may begin with keys of no section.
    let mut text = format!("{config}\n");
    let defaults = [
        ("[server]", "listen = [\"127.0.0.1:0\"]\nthreads = 2\ndrain_delay = \"0s\"\n"),
        ("[admin]", &*format!("listen = \"127.0.0.1:0\"\ntoken = \"{ADMIN_TOKEN}\"\n")),
        ("[state]", "dir = \"data\"\n"),
        ("[telemetry]", "access_log = { path = \"stdout\", format = \"json\" }\n"),
    ];
    for (section, body) in defaults {
        if !config.lines().any(|line| line.trim() == section) {
            text += &format!("{section}\n{body}\n");
        }
    }
    for (i, origin) in back_ends.iter().enumerate().rev() {
        text = text.replace(&format!("@{}", i + 1), &origin.address());
    }
    text
}

type Lines = Arc<Mutex<Vec<String>>>;

/// A running gateway. Killed when dropped.
pub struct Gateway {
    folder: Arc<Folder>,
    env: Vec<(String, String)>,
    child: Child,
    /// Processes that have taken over from the child, oldest first.
    successors: Vec<u64>,
    http: Vec<SocketAddr>,
    admin: SocketAddr,
    stdout: Lines,
    stderr: Lines,
}

impl Gateway {
    /// Runs the gateway with this configuration and waits until it is ready.
    #[track_caller]
    pub fn start(config: &str, back_ends: &[&Origin]) -> Gateway {
        Gateway::start_in(Arc::new(Folder::new(config, back_ends)), &[])
    }

    /// The same with variables in its environment.
    #[track_caller]
    pub fn start_in(folder: Arc<Folder>, env: &[(&str, &str)]) -> Gateway {
        let env: Vec<_> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (child, stdout, stderr, lines) = spawn(&folder, &env);
        let mut child = child;
        let ready = wait_until_ready(&mut child, &lines, &stderr);
        let (http, admin) = parse_ready(&ready);
        Gateway { folder, env, child, successors: Vec::new(), http, admin, stdout, stderr }
    }

    pub fn folder(&self) -> &Arc<Folder> {
        &self.folder
    }

    /// The first data listener.
    pub fn http(&self) -> SocketAddr {
        self.http[0]
    }

    /// Every data listener, in the order of the configuration.
    pub fn listeners(&self) -> &[SocketAddr] {
        &self.http
    }

    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A new connection to the data plane.
    pub fn connect(&self) -> Wire {
        Wire::open(self.http())
    }

    /// One request on a connection of its own.
    #[track_caller]
    pub fn ask(&self, request: &Request) -> Answer {
        self.connect().ask(request)
    }

    #[track_caller]
    pub fn get(&self, target: &str) -> Answer {
        self.ask(&get(target))
    }

    /// A request to the admin listener with the token.
    #[track_caller]
    pub fn admin(&self, request: Request) -> Answer {
        self.admin_without_token(&request.header("Authorization", format!("Bearer {ADMIN_TOKEN}")))
    }

    /// A request to the admin listener by its address.
    #[track_caller]
    pub fn admin_without_token(&self, request: &Request) -> Answer {
        self.admin_as_it_is(&request.clone().host(&self.admin.to_string()))
    }

    /// A request to the admin listener under whatever name.
    #[track_caller]
    pub fn admin_as_it_is(&self, request: &Request) -> Answer {
        Wire::open(self.admin).ask(request)
    }

    /// A change through the admin API that must succeed.
    #[track_caller]
    pub fn command(&self, path: &str, body: &Value) -> Value {
        let answer = self.admin(post(path, body.to_string()).header("Content-Type", "application/json"));
        assert!((200..300).contains(&answer.status), "{path}: {} {}", answer.status, answer.text());
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    /// A counter of how much of its quota a key has used, from `GET /v1/usage`.
    #[track_caller]
    pub fn usage(&self, key: &str, plan: &str, counter: &str) -> u64 {
        let usage = self.admin(get(&format!("/v1/usage?key={key}&plan={plan}"))).expect(200).json();
        let row = find_object(&usage, &|o| o.get("key") == Some(&key.into()) && o.get("plan") == Some(&plan.into()));
        let row = row.unwrap_or_else(|| panic!("no usage of {key} in {plan}: {usage}"));
        row[counter].as_u64().unwrap_or_else(|| panic!("no {counter} in {row}"))
    }

    /// The text of `/metrics`.
    #[track_caller]
    pub fn metrics(&self) -> String {
        self.admin(get("/metrics")).expect(200).text().to_owned()
    }

    /// The sum of a metric over all label sets that hold `labels`.
    #[track_caller]
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        sum_metric(&self.metrics(), name, labels)
    }

    /// Waits until a metric has this value: a request is counted when it is over, which its client may see earlier.
    #[track_caller]
    pub fn expect_metric(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        eventually(&format!("{name} {labels:?} is {value}"), || self.metric(name, labels) == value);
    }

    /// Writes a new configuration and has it loaded; returns when a reload was counted, whatever its result.
    #[track_caller]
    pub fn change(&self, config: &str, back_ends: &[&Origin]) {
        let before = self.reloads();
        self.folder.write("tollgate.toml", &complete(config, back_ends));
        self.hang_up();
        eventually("a reload is counted", || self.reloads() > before);
    }

    /// Loads the configuration again as it is.
    #[track_caller]
    pub fn reload(&self) {
        let before = self.reloads();
        self.hang_up();
        eventually("a reload is counted", || self.reloads() > before);
    }

    fn reloads(&self) -> f64 {
        self.metric("tollgate_config_reloads_total", &[])
    }

    /// Sends SIGHUP.
    pub fn hang_up(&self) {
        self.signal("-HUP");
    }

    /// Asks the gateway to stop (SIGTERM) and waits until it did.
    #[track_caller]
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal("-TERM");
        self.exit_status()
    }

    /// Waits for the end of the process.
    #[track_caller]
    pub fn exit_status(&mut self) -> ExitStatus {
        eventually_some("the gateway stops", || self.child.try_wait().expect("a child of ours"))
    }

    /// Kills without a chance to save anything.
    pub fn kill9(&mut self) {
        self.child.kill().expect("a child of ours");
        self.child.wait().expect("a child of ours");
    }

    /// Starts again in the same folder, on new ports.
    #[track_caller]
    pub fn restart(&mut self) {
        if self.child.try_wait().expect("a child of ours").is_none() {
            self.kill9();
        }
        let env: Vec<_> = self.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        *self = Gateway::start_in(Arc::clone(&self.folder), &env);
    }

    /// Has the program started anew and waits until that serves; what runs after it has another process id.
    #[track_caller]
    pub fn upgrade(&mut self) -> u64 {
        self.try_upgrade().expect("the upgrade succeeds")
    }

    /// The same; `None`: it does not want to.
    pub fn try_upgrade(&mut self) -> Option<u64> {
        let answer = self.admin(post("/v1/upgrade", ""));
        let pid = (answer.status == 200).then(|| answer.json()["pid"].as_u64().expect("a process id"))?;
        self.adopt(pid);
        Some(pid)
    }

    /// This process has taken over, and ends with the test.
    pub fn adopt(&mut self, pid: u64) {
        self.successors.push(pid);
    }

    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.pid().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "kill {signal} failed");
    }

    /// Everything that the gateway said on stderr so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().expect("no reader panicked").join("\n")
    }

    /// The access log so far, one entry a line.
    pub fn access_log(&self) -> Vec<String> {
        self.stdout.lock().expect("no reader panicked").clone()
    }

    /// Waits for the JSON access-log line of the request with this id.
    #[track_caller]
    pub fn log_of(&self, request_id: &str) -> Value {
        eventually_some("the access log has the request", || {
            let lines = self.access_log();
            lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find(|line| {
                line.as_object().is_some_and(|object| object.values().any(|value| value.as_str() == Some(request_id)))
            })
        })
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        for pid in &self.successors {
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).stderr(Stdio::null()).status();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- the gateway said:\n{}", self.stderr());
        }
    }
}

/// Starts a gateway in this folder and kills it after so long, ready or not.
pub fn kill_while_starting(folder: &Folder, after: Duration) {
    let (mut child, ..) = spawn(folder, &[]);
    thread::sleep(after);
    child.kill().expect("a child of ours");
    child.wait().expect("a child of ours");
}

fn spawn(folder: &Folder, env: &[(String, String)]) -> (Child, Lines, Lines, Receiver<String>) {
    let mut command = Command::new(folder.program());
    command.arg("run").arg(folder.config()).current_dir(folder.path()).env("NO_COLOR", "1");
    command.envs(env.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let (stdout, _) = collect(child.stdout.take().expect("piped"));
    let (stderr, lines) = collect(child.stderr.take().expect("piped"));
    (child, stdout, stderr, lines)
}

/// Keeps the lines of a pipe, and hands them on as they come.
fn collect(pipe: impl Read + Send + 'static) -> (Lines, Receiver<String>) {
    let lines = Lines::default();
    let (sender, receiver) = mpsc::channel();
    let kept = Arc::clone(&lines);
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            kept.lock().expect("no reader panicked").push(line.clone());
            let _ = sender.send(line);
        }
    });
    (lines, receiver)
}

#[track_caller]
fn wait_until_ready(child: &mut Child, lines: &Receiver<String>, stderr: &Lines) -> String {
    let deadline = Instant::now() + DEADLINE;
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) if line.contains("tollgate: ready,") => return line,
            Ok(_) => {}
            Err(why) => {
                let _ = child.kill();
                let status = child.wait();
                let said = stderr.lock().expect("no reader panicked").join("\n");
                let why = if why == RecvTimeoutError::Timeout { "in time" } else { "before it stopped" };
                panic!("the gateway was not ready {why} ({status:?}); it said:\n{said}");
            }
        }
    }
}

/// `tollgate: ready, serving on http://A, https://B, admin on http://C`
fn parse_ready(line: &str) -> (Vec<SocketAddr>, SocketAddr) {
    let (_, addresses) = line.split_once("serving on ").expect("the ready line names its listeners");
    let (serving, admin) = addresses.split_once(", admin on ").expect("the ready line names the admin listener");
    let address = |url: &str| {
        let (_, address) = url.trim().split_once("://").unwrap_or_else(|| panic!("no address in {line:?}"));
        address.parse::<SocketAddr>().unwrap_or_else(|e| panic!("{address:?} in {line:?}: {e}"))
    };
    (serving.split(',').map(address).collect(), address(admin))
}

/// The sum of the samples of `name` whose labels hold all of `labels` (Prometheus text format 0.0.4).
fn sum_metric(text: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(parse_sample);
    let matching = samples.filter(|(sample, found, _)| {
        *sample == name && labels.iter().all(|(label, value)| found.get(label).is_some_and(|v| v == value))
    });
    matching.map(|(_, _, value)| value).sum()
}

fn parse_sample(line: &str) -> Option<(&str, BTreeMap<&str, String>, f64)> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let mut found = BTreeMap::new();
    for label in labels.trim_end_matches('}').split("\",").filter(|label| !label.is_empty()) {
        let (label, value) = label.split_once("=\"")?;
        found.insert(label.trim_start_matches(','), value.trim_end_matches('"').to_owned());
    }
    Some((name, found, value.parse().ok()?))
}

/// The first object in a JSON document for which `is_it` holds, however deep.
pub fn find_object<'a>(
    document: &'a Value,
    is_it: &dyn Fn(&serde_json::Map<String, Value>) -> bool,
) -> Option<&'a Value> {
    match document {
        Value::Object(object) if is_it(object) => Some(document),
        Value::Object(object) => object.values().find_map(|value| find_object(value, is_it)),
        Value::Array(values) => values.iter().find_map(|value| find_object(value, is_it)),
        _ => None,
    }
}

/// What a command of the binary said.
pub struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    #[track_caller]
    pub fn expect(self, code: i32) -> Output {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Both streams.
    pub fn said(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("no JSON ({e}):\n{}", self.stdout))
    }
}

/// Runs a command of the binary to its end.
#[track_caller]
pub fn tollgate(arguments: &[&str]) -> Output {
    tollgate_in(Path::new(env!("CARGO_MANIFEST_DIR")), arguments)
}

/// The same in a folder.
#[track_caller]
pub fn tollgate_in(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).current_dir(dir).env("NO_COLOR", "1").env("COLUMNS", "120").stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let stdout = read_all(child.stdout.take().expect("piped"));
    let stderr = read_all(child.stderr.take().expect("piped"));
    let start = Instant::now();
    let status = loop {
        match child.try_wait().expect("a child of ours") {
            Some(status) => break status,
            None if start.elapsed() < DEADLINE => thread::sleep(Duration::from_millis(5)),
            None => {
                let _ = child.kill();
                panic!("tollgate {arguments:?} did not end in {DEADLINE:?}");
            }
        }
    };
    let text = |reader: thread::JoinHandle<String>| reader.join().expect("a reader of text");
    Output { code: status.code().unwrap_or(-1), stdout: text(stdout), stderr: text(stderr) }
}

fn read_all(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        let _ = pipe.read_to_string(&mut text);
        text
    })
}

#[test]
fn the_ready_line_and_the_metrics_are_read() {
    let line = "tollgate: ready, serving on http://127.0.0.1:1, https://[::1]:2, admin on http://127.0.0.1:3";
    let (http, admin) = parse_ready(line);
    assert_eq!(http.iter().map(SocketAddr::port).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(admin.port(), 3);

    let text = "# HELP a Words.\na{x=\"1\",y=\"a, b\"} 2\na{x=\"1\",y=\"c\"} 3\na{x=\"2\",y=\"c\"} 4\nab 5\n";
    assert_eq!(sum_metric(text, "a", &[]), 9.0);
    assert_eq!(sum_metric(text, "a", &[("x", "1")]), 5.0);
    assert_eq!(sum_metric(text, "a", &[("y", "a, b")]), 2.0);
    assert_eq!(sum_metric(text, "ab", &[]), 5.0);
    assert_eq!(sum_metric(text, "ab", &[("x", "1")]), 0.0);
}
