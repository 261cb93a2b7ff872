//! Every example in `conf/` is loaded, booted and asked what it says one should try.
//!
//! `# try: METHOD URL [-H 'Name: value']… [-d 'body'] -> STATUS` in a file is a request to send and the status to expect, in the
//! order of the file, on one gateway. Addresses are exchanged for free ones: 8080 and 9090 are the gateway's, 9001 and
//! 9002 the demo back ends'. A container's state directory becomes one beside the file.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(20);
/// What examples take from the environment.
const VARIABLES: [(&str, &str); 1] = [("TOLLGATE_ADMIN_TOKEN", "a-token-for-the-examples")];

/// A line of an example.
struct Try {
    method: String,
    path: String,
    host: String,
    fields: Vec<String>,
    body: String,
    status: u16,
}

/// `METHOD URL [-H 'Name: value']… [-d 'body'] -> STATUS`
fn parse_try(line: &str) -> Option<Try> {
    let (request, status) = line.rsplit_once(" -> ")?;
    let (request, body) = request.split_once(" -d ").unwrap_or((request, ""));
    let body = body.trim().trim_matches('\'').to_owned();
    let mut parts = request.split(" -H ");
    let (method, url) = parts.next()?.trim().split_once(' ')?;
    let (host, path) = url.strip_prefix("http://")?.split_once('/')?;
    let mut host = host.to_owned();
    let mut fields = Vec::new();
    for field in parts.map(|field| field.trim().trim_matches('\'').to_owned()) {
        match field.strip_prefix("Host: ") {
            Some(name) => name.clone_into(&mut host),
            None => fields.push(field),
        }
    }
    let (method, path) = (method.to_owned(), format!("/{path}"));
    Some(Try { method, path, host, fields, body, status: status.trim().parse().ok()? })
}

/// The examples: files in `conf/` and `tollgate.toml` of the folders there.
fn examples() -> Vec<PathBuf> {
    let conf = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf");
    let mut found = Vec::new();
    for entry in fs::read_dir(&conf).expect("conf/") {
        let path = entry.expect("an entry of conf/").path();
        if path.extension() == Some(OsStr::new("toml")) {
            found.push(path);
        } else if path.join("tollgate.toml").is_file() {
            found.push(path.join("tollgate.toml"));
        }
    }
    found.sort();
    assert!(found.len() >= 5, "{found:?}");
    found
}

/// Copies `from` to `to` with other addresses in its TOML files.
fn copy_with_addresses(from: &Path, to: &Path, addresses: &[(&str, String)]) {
    fs::create_dir_all(to).expect("a folder for the copy");
    for entry in fs::read_dir(from).expect("a folder of examples") {
        let path = entry.expect("an entry").path();
        let copy = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_with_addresses(&path, &copy, addresses);
        } else if path.extension().is_some_and(|extension| extension == "toml" || extension == "yaml") {
            let mut text = fs::read_to_string(&path).expect("a text");
            for (old, new) in addresses {
                text = text.replace(old, new);
            }
            fs::write(&copy, text).expect("room for the copy");
        }
    }
}

fn start_demo(name: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound address").to_string();
    thread::spawn(move || tollgate::cli::demo::serve(&listener, name));
    address
}

/// A gateway that ends with its test.
struct Gateway(Child);

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(file: &Path) -> (Gateway, SocketAddr) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.arg("run").arg(file).envs(VARIABLES).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    // An example that names no state directory has it in the working directory; each run begins with none.
    command.current_dir(file.parent().expect("a file is in a folder"));
    let mut gateway = Gateway(command.spawn().expect("the binary starts"));
    let (sender, lines) = mpsc::channel();
    let stderr = gateway.0.stderr.take().expect("piped");
    thread::spawn(move || BufReader::new(stderr).lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let mut said = String::new();
    loop {
        let line = lines.recv_timeout(DEADLINE).unwrap_or_else(|e| panic!("{}: {e}\n{said}", file.display()));
        if let Some((_, rest)) = line.split_once("tollgate: ready, serving on http://") {
            let address = rest.split(',').next().and_then(|address| address.parse().ok());
            return (gateway, address.unwrap_or_else(|| panic!("no address in {line:?}")));
        }
        said += &(line + "\n");
    }
}

fn ask(address: SocketAddr, wish: &Try) -> u16 {
    let mut stream = TcpStream::connect(address).expect("the gateway listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a socket option");
    let fields: String = wish.fields.iter().map(|field| format!("{field}\r\n")).collect();
    let Try { method, path, host, body, .. } = wish;
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{fields}{length}Connection: close\r\n\r\n");
    let request = head + body;
    stream.write_all(request.as_bytes()).expect("the gateway reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let head = String::from_utf8_lossy(&answer[..answer.len().min(64)]).into_owned();
    head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status in {head:?}"))
}

#[test]
fn every_example_boots_and_answers_what_it_promises() {
    let addresses = [
        ("127.0.0.1:8080", "127.0.0.1:0".to_owned()),
        ("127.0.0.1:9090", "127.0.0.1:0".to_owned()),
        ("0.0.0.0:8080", "127.0.0.1:0".to_owned()),
        ("0.0.0.0:9090", "127.0.0.1:0".to_owned()),
        ("\"/data\"", "\"data\"".to_owned()),
        ("127.0.0.1:9001", start_demo("blue")),
        ("127.0.0.1:9002", start_demo("green")),
    ];
    let conf = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf");
    for example in examples() {
        let original = fs::read_to_string(&example).expect("a text");
        let tries: Vec<_> = original.lines().filter_map(|line| line.strip_prefix("# try: ")).collect();
        assert!(!tries.is_empty(), "{} has no `# try:` line", example.display());

        let folder = tempfile::tempdir().expect("a temporary folder");
        let copy = folder.path().join("conf");
        copy_with_addresses(&conf, &copy, &addresses);
        let file = copy.join(example.strip_prefix(&conf).expect("below conf/"));
        if !original.contains("[admin]") {
            let text = fs::read_to_string(&file).expect("a text");
            fs::write(&file, text + "\n[admin]\nlisten = \"127.0.0.1:0\"\n").expect("room for the copy");
        }
        let (_gateway, address) = start(&file);
        for line in tries {
            let wish = parse_try(line).unwrap_or_else(|| panic!("{}: cannot read {line:?}", example.display()));
            assert_eq!(ask(address, &wish), wish.status, "{}: {line}", example.display());
        }
    }
}

#[test]
fn every_example_is_checked_without_a_fault() {
    for example in examples() {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        let output = command.arg("check").arg(&example).envs(VARIABLES).output();
        let output = output.expect("the binary starts");
        assert!(output.status.success(), "{}:\n{}", example.display(), String::from_utf8_lossy(&output.stderr));
    }
}
