//! What the gateway tells a supervisor that speaks `sd_notify`, as systemd does.

use std::os::unix::net::UnixDatagram;
use std::sync::Arc;

use crate::house::{DEADLINE, Folder, Gateway};

const FRONT: &str = r#"
[apis.front]
routes = [{ method = "GET", path = "/", integration = { type = "MOCK" } }]
[apis.front.stages.prod]
"#;

/// The supervisor's end: what it is told, one datagram after the other.
struct Supervisor(UnixDatagram);

impl Supervisor {
    fn gateway() -> (Supervisor, Gateway) {
        let folder = Arc::new(Folder::new(FRONT, &[]));
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a new socket");
        socket.set_read_timeout(Some(DEADLINE)).expect("a time that is not zero");
        let gateway = Gateway::start_in(folder, &[("NOTIFY_SOCKET", path.to_str().expect("a path of text"))]);
        (Supervisor(socket), gateway)
    }

    /// The next thing it is told.
    #[track_caller]
    fn told(&self) -> Vec<(String, String)> {
        let mut bytes = [0; 4096];
        let count = self.0.recv(&mut bytes).expect("the supervisor is told something");
        let text = String::from_utf8(bytes[..count].to_vec()).expect("a text");
        let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        text.lines().map(|line| pair(line).unwrap_or_else(|| panic!("no variable: {line:?}"))).collect()
    }

    #[track_caller]
    fn expect(&self, name: &str) -> String {
        let told = self.told();
        let found = told.iter().find(|(told, _)| told == name);
        found.unwrap_or_else(|| panic!("{name} is missing in {told:?}")).1.clone()
    }
}

#[test]
fn a_supervisor_hears_of_readiness_reloads_and_the_end() {
    let (supervisor, mut gateway) = Supervisor::gateway();
    assert_eq!(supervisor.expect("READY"), "1");
    gateway.hang_up();
    assert!(supervisor.expect("MONOTONIC_USEC").parse::<u64>().unwrap() > 0);
    assert_eq!(supervisor.expect("READY"), "1");
    assert!(gateway.terminate().success());
    assert_eq!(supervisor.expect("STOPPING"), "1");
}

#[test]
fn a_supervisor_hears_which_process_serves_after_an_upgrade() {
    let (supervisor, mut gateway) = Supervisor::gateway();
    supervisor.expect("READY");
    let pid = gateway.upgrade();
    // The new process says that it is ready as well, before or after.
    let told = [supervisor.told(), supervisor.told()].concat();
    assert!(told.contains(&("MAINPID".to_owned(), pid.to_string())), "{told:?}");
}
