//! The express lane: a client of HTTP/1.1 or HTTP/2, an answer that we hold or a back end that is plainly proxied.
//! Nearly all traffic is that, and it is carried here without sessions and boxed futures.
//!
//! In: a client's connection, in plaintext or in TLS. Out: answers, metrics and log lines, the same as the full lane's:
//! both ask the very same phases. What is not of this lane's shape (upgrades, `Expect` of HTTP/1.1, back ends over TLS
//! or HTTP/2, fetches that are shared) is handed to the full lane with what was read, and a connection comes back here
//! after its answer.
//!
//! **Promises**: a head or a body that two readers could understand differently is refused and its connection closed;
//! what is forwarded is framed anew. Bodies stream both ways with the pace of the slower side. An idle connection
//! holds no buffer. Deadlines are those of the full lane. A request is admitted once, whichever lane ends it.
//! **Cost**: for an answer that we hold one read and one write; for a proxied one two of each. No timer is moved for a
//! deadline that is met, the clock is read at the start, at the back end's head and at the end. One a worker; its
//! buffers and its connections to back ends are shared with nobody.

mod alarm;
mod authority;
mod broken;
mod chunks;
mod client;
mod converse;
mod decide;
mod desk;
mod downstream;
mod exchange;
mod fence;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod handover;
mod head;
mod passage;
mod pump;
mod reply;
mod response;
mod shelf;
mod streams;
mod turn_away;
mod upload;
mod upstreams;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Fetches, Lane};
use crate::base::Now;
use crate::gateway::snapshot::Live;
use desk::Desks;
pub(super) use fence::Fence;
pub(super) use head::is_served_upgrade;
pub(super) use streams::Handed;
use streams::Kits;
pub use streams::Peer;
use upstreams::Upstreams;

/// What a worker's connections are handed to.
pub struct Express {
    live: Arc<Live>,
    /// For what is not of our shape.
    full: Arc<Lane>,
    fetches: Arc<Fetches>,
    desks: Desks,
    kits: Kits,
    upstreams: Upstreams,
    /// One moment on both clocks, so that a deadline costs no reading of the second one.
    epoch: (Now, Instant),
}

impl std::fmt::Debug for Express {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Express")
    }
}

impl Express {
    /// A worker's lane beside its full one. To be called inside the worker's runtime.
    pub fn new(live: Arc<Live>, full: Arc<Lane>, fetches: Arc<Fetches>) -> Express {
        let epoch = (live.clock().now(), Instant::now());
        let (desks, kits, upstreams) = (Desks::default(), Kits::default(), Upstreams::default());
        Express { live, full, fetches, desks, kits, upstreams, epoch }
    }

    /// Closes connections to back ends that nobody used for long, and lets go of snapshots that are no longer served. To
    /// be called now and then.
    pub fn tend(&self) {
        self.desks.tend(&self.live);
        self.kits.tend(&self.live);
        self.upstreams.forget_old(self.live.clock().now());
    }

    fn instant(&self, now: Now, after: Duration) -> Instant {
        self.epoch.1 + now.since(self.epoch.0) + after
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use pingora_core::server::ShutdownWatch;
    use tokio::net::TcpStream;

    use super::*;
    use crate::gateway::proxy::TlsStream;

    fn bytes_of<'a, F>(_: impl Fn(&'a Express, TcpStream, SocketAddr, &'a ShutdownWatch) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_connection_takes_few_kilobytes() {
        let bytes = bytes_of(|express, tcp, peer, shutdown| express.converse(tcp, peer, shutdown));
        assert!(bytes <= 2560, "{bytes}");
        let bytes = bytes_of(|express, tcp, peer, shutdown| express.converse_either(tcp, peer, shutdown));
        assert!(bytes <= 3072, "{bytes}");
    }

    #[test]
    fn an_idle_connection_in_tls_takes_as_few() {
        fn bytes_of<'a, F>(_: impl Fn(&'a Express, TlsStream, SocketAddr, &'a ShutdownWatch) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = bytes_of(|express, tls, peer, shutdown| express.converse(tls, peer, shutdown));
        assert!(bytes <= 2560, "{bytes}");
    }

    #[test]
    fn a_connection_of_streams_holds_its_framer_and_little_more() {
        let bytes = bytes_of(|express, tcp, peer, shutdown| {
            express.converse_streams(tcp, Vec::new(), Peer::new(peer, None), shutdown)
        });
        assert!(bytes <= 4096, "{bytes}");
    }
}
