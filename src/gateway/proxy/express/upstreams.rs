use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;

use crate::base::Now;

/// Shorter than most servers wait (60 to 75 s), so that few connections are found closed.
const IDLE_MAX: Duration = Duration::from_secs(50);
/// Idle connections to one address that a worker keeps.
const IDLE_COUNT_MAX: usize = 1024;

/// A worker's idle connections to back ends; the one used last is used next.
#[derive(Debug, Default)]
pub(super) struct Upstreams {
    /// Sorted by address. Back ends are few: a search costs less than the hash of an address.
    shelves: Mutex<Vec<Shelf>>,
}

/// The idle connections to one address, the longest idle first.
#[derive(Debug)]
struct Shelf {
    address: SocketAddr,
    idle: Vec<Idle>,
}

#[derive(Debug)]
struct Idle {
    tcp: TcpStream,
    since: Now,
}

impl Upstreams {
    /// An idle connection that seems to be open.
    pub(super) fn take(&self, address: SocketAddr, now: Now) -> Option<TcpStream> {
        let mut shelves = self.shelves();
        let at = find(&shelves, address).ok()?;
        loop {
            let idle = shelves[at].idle.pop()?;
            if idle.is_usable(now) {
                return Some(idle.tcp);
            }
        }
    }

    /// Keeps a connection whose last answer was read to its end.
    pub(super) fn put(&self, address: SocketAddr, tcp: TcpStream, now: Now) {
        let mut shelves = self.shelves();
        let at = find(&shelves, address).unwrap_or_else(|at| {
            shelves.insert(at, Shelf { address, idle: Vec::new() });
            at
        });
        let idle = &mut shelves[at].idle;
        if idle.len() < IDLE_COUNT_MAX {
            idle.push(Idle { tcp, since: now });
        }
    }

    pub(super) fn forget_old(&self, now: Now) {
        self.shelves().retain_mut(|shelf| {
            shelf.idle.retain(|idle| idle.is_usable(now));
            !shelf.idle.is_empty()
        });
    }

    fn shelves(&self) -> MutexGuard<'_, Vec<Shelf>> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    fn is_usable(&self, now: Now) -> bool {
        now.since(self.since) < IDLE_MAX && is_silent(&self.tcp)
    }
}

/// Where the shelf of `address` stands, or where it would.
fn find(shelves: &[Shelf], address: SocketAddr) -> Result<usize, usize> {
    shelves.binary_search_by(|shelf| shelf.address.cmp(&address))
}

/// A close, or an answer that nobody asked for, makes it readable. Costs no call while the runtime has seen neither.
fn is_silent(tcp: &TcpStream) -> bool {
    matches!(tcp.try_read(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}
