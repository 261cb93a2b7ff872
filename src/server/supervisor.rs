use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::time::{ClockId, clock_gettime};

/// Who started us and wants to know how we are: systemd's `sd_notify`, or nobody.
pub(super) struct Supervisor(Option<(UnixDatagram, SocketAddr)>);

impl Supervisor {
    pub fn of_this_process() -> Supervisor {
        let path = std::env::var("NOTIFY_SOCKET").ok().filter(|path| !path.is_empty());
        let address = path.and_then(|path| match path.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name).ok(),
            None => SocketAddr::from_pathname(path).ok(),
        });
        Supervisor(address.and_then(|address| Some((UnixDatagram::unbound().ok()?, address))))
    }

    pub fn ready(&self) {
        self.tell("READY=1\nSTATUS=serving");
    }

    /// The configuration is being read anew; `ready` ends it.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let now_us = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={now_us}\nSTATUS=reloading"));
    }

    pub fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=draining");
    }

    /// Another process serves from here on.
    pub fn replaced_by(&self, pid: u32) {
        self.tell(&format!("MAINPID={pid}\nREADY=1\nSTATUS=serving, upgraded"));
    }

    fn tell(&self, state: &str) {
        if let Some((socket, address)) = &self.0 {
            // A supervisor that does not listen is no reason not to serve.
            let _ = socket.send_to_addr(state.as_bytes(), address);
        }
    }
}
