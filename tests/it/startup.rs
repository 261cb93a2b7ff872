//! What a start refuses: one sentence with the thing and its value, what to try, and exit code 1.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::house::{Folder, Output, binary, tollgate};

const FRONT: &str = r#"
[apis.front]
routes = [{ method = "GET", path = "/", integration = { type = "MOCK" } }]
[apis.front.stages.prod]
"#;

/// What was said names all of this, gives a hint, and is no panic.
#[track_caller]
fn check_said(output: &Output, named: &[&str]) {
    assert_eq!(output.code, 1, "{}", output.said());
    for word in named {
        assert!(output.stderr.contains(word), "{word:?} is missing:\n{}", output.stderr);
    }
    assert!(!output.stderr.contains("panicked") && !output.stderr.contains("ready"), "{}", output.stderr);
    let lines: Vec<_> = output.stderr.lines().filter(|line| line.starts_with("tollgate: ")).collect();
    assert_eq!(lines.len(), 1, "one line says it:\n{}", output.stderr);
}

#[track_caller]
fn check(folder: &Folder, named: &[&str]) {
    check_said(&tollgate(&["run", folder.config().to_str().expect("a path of text")]), named);
}

/// Runs it as somebody who may read its configuration and write nothing.
#[track_caller]
fn check_as_nobody(folder: &Folder, named: &[&str]) {
    let program = binary();
    let is_root = fs::metadata("/proc/self").is_ok_and(|data| std::os::unix::fs::MetadataExt::uid(&data) == 0);
    if !is_root {
        return check(folder, named);
    }
    // The folders above it may be closed to others, and so may the program's.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a folder of ours");
    let copy = folder.path().join("program");
    fs::hard_link(&program, &copy).or_else(|_| fs::copy(&program, &copy).map(drop)).expect("a copy of the program");
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"]);
    let output = command.arg(copy).arg("run").arg(folder.config()).current_dir(folder.path()).output();
    let output = output.expect("setpriv of util-linux runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let code = output.status.code().unwrap_or(-1);
    check_said(&Output { code, stdout: text(output.stdout), stderr: text(output.stderr) }, named);
}

#[test]
fn a_certificate_or_key_that_cannot_be_used() {
    let tls = "[server]\nlisten = [{ address = \"127.0.0.1:0\", tls = { cert = \"cert.pem\", key = \"key.pem\" } }]\n";
    let folder = Folder::new(&format!("{tls}{FRONT}"), &[]);
    fs::remove_file(folder.path().join("cert.pem")).unwrap();
    check(&folder, &["cert.pem", "help:"]);
    let one = rcgen::generate_simple_self_signed(["front.test".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["front.test".to_owned()]).unwrap();
    folder.write("cert.pem", &one.cert.pem());
    folder.write("key.pem", &other.signing_key.serialize_pem());
    check(&folder, &["key.pem", "help:"]);
    folder.write("key.pem", &one.signing_key.serialize_pem());
    fs::set_permissions(folder.path().join("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    check_as_nobody(&folder, &["key.pem", "help:"]);
}

#[test]
fn a_log_that_cannot_be_written() {
    let telemetry =
        |path: &str| format!("[telemetry]\naccess_log = {{ path = \"{path}\", format = \"json\" }}\n{FRONT}");
    check(&Folder::new(&telemetry("nowhere/access.log"), &[]), &["nowhere/access.log", "help:"]);
    check_as_nobody(&Folder::new(&telemetry("access.log"), &[]), &["access.log", "Permission denied", "help:"]);
}

#[test]
fn a_state_folder_that_may_not_be_written() {
    let folder = Folder::new(FRONT, &[]);
    check_as_nobody(&folder, &["data", "may not be written", "write access"]);
}

#[test]
fn too_few_open_files() {
    let folder = Folder::new(FRONT, &[]);
    let limited = format!("ulimit -n 100; exec {} run {}", binary().display(), folder.config().display());
    let output = Command::new("sh").args(["-c", &limited]).current_dir(folder.path()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let output =
        Output { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) };
    check_said(&output, &["100 open files are too few", "help:", "ulimit"]);
}
