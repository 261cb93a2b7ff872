//! HTTP/2 in the express lane: the `h2` crate frames, and each stream is answered as a request of HTTP/1.1 is.
//!
//! In: a client's connection, in plaintext by prior knowledge or after a TLS handshake. Out: answers, metrics and log
//! lines, from the phases and the exchange that all of the lane shares. A fetch that is shared and a TLS back end are
//! the full lane's: such a stream is handed over as a session of its own, with what was decided already.
//!
//! **Promises**: a head that two readers could understand differently is refused with 400, as on HTTP/1.1, and the
//! other streams go on. Bodies keep to the flow control of both sides: a client that does not read stops its own
//! stream's back end and no other. A client that resets a stream frees its back end. An answer that breaks off is a
//! reset, never an end. A gateway that stops says so and ends what is in flight. What the framer refuses by itself is
//! counted and logged too; a client that floods, or takes none of its answers, is sent away.
//! **Cost**: all streams of a connection live in its task. What they answer in one turn leaves in one write, and a
//! socket's read brings as many requests as it holds. What a stream holds while it waits is in one box; its
//! buffers are lent by the worker.

mod bell;
mod connection;
mod downlink;
mod frames;
mod handover;
mod kit;
mod ledger;
mod outlet;
mod preface;
mod request;
mod session;
mod stream;
mod uplink;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use pingora_core::protocols::tls::SslDigest;

use crate::base::Scheme;
use crate::gateway::proxy::tls::client_subject;
pub(in crate::gateway::proxy) use handover::Handed;
pub(super) use kit::Kits;
pub(super) use preface::is_preface;

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    address: SocketAddr,
    ip: IpAddr,
    /// What is known of its TLS; `None` in plaintext.
    tls: Option<Arc<SslDigest>>,
    /// Whom its certificate names, if it showed one.
    subject: Option<Arc<str>>,
}

impl Peer {
    pub fn new(address: SocketAddr, tls: Option<Arc<SslDigest>>) -> Peer {
        Peer { address, ip: address.ip().to_canonical(), subject: client_subject(tls.as_deref()), tls }
    }

    fn scheme(&self) -> Scheme {
        if self.tls.is_some() { Scheme::Https } else { Scheme::Http }
    }
}
