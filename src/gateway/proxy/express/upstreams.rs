use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ahash::RandomState;
use tokio::net::TcpStream;

use crate::base::Now;

/// Shorter than most servers wait (60 to 75 s), so that few connections are found closed.
const IDLE_MAX: Duration = Duration::from_secs(50);
/// Idle connections to one address that a worker keeps.
const IDLE_COUNT_MAX: usize = 1024;

/// A worker's idle connections to back ends; the one used last is used next.
#[derive(Debug, Default)]
pub(super) struct Upstreams {
    idle: Mutex<HashMap<SocketAddr, VecDeque<Idle>, RandomState>>,
}

#[derive(Debug)]
struct Idle {
    tcp: TcpStream,
    since: Now,
}

impl Upstreams {
    /// An idle connection that seems to be open.
    pub(super) fn take(&self, address: SocketAddr, now: Now) -> Option<TcpStream> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let of_address = idle.get_mut(&address)?;
        loop {
            let Idle { tcp, since } = of_address.pop_back()?;
            if now.since(since) < IDLE_MAX && is_silent(&tcp) {
                return Some(tcp);
            }
        }
    }

    /// Keeps a connection whose last answer was read to its end.
    pub(super) fn put(&self, address: SocketAddr, tcp: TcpStream, now: Now) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let of_address = idle.entry(address).or_default();
        if of_address.len() < IDLE_COUNT_MAX {
            of_address.push_back(Idle { tcp, since: now });
        }
    }

    pub(super) fn forget_old(&self, now: Now) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|_, of_address| {
            of_address.retain(|idle| now.since(idle.since) < IDLE_MAX && is_silent(&idle.tcp));
            !of_address.is_empty()
        });
    }
}

/// A close, or an answer that nobody asked for, makes it readable. Costs no call while the runtime has seen neither.
fn is_silent(tcp: &TcpStream) -> bool {
    matches!(tcp.try_read(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}
