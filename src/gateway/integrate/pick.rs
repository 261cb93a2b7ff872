use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pingora_core::upstreams::peer::HttpPeer;

use super::deadline::Deadline;
use super::endpoint::Endpoint;
use super::failure::Failure;
use super::pool::Pool;
use super::transport::Patience;
use crate::base::{Answer, Now};

/// One endpoint, chosen for one attempt. It counts as in flight until this is dropped.
#[derive(Debug)]
pub struct Pick {
    pool: Arc<Pool>,
    index: usize,
    address: SocketAddr,
    connect_timeout: Duration,
    /// `false`: another knows better when the request is over.
    ends_with_it: bool,
}

/// A request in flight at an endpoint, until it is dropped.
#[derive(Debug)]
pub struct InFlight {
    pool: Arc<Pool>,
    index: usize,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.pool.endpoints[self.index].leave();
    }
}

impl Pick {
    pub(super) fn new(pool: Arc<Pool>, index: usize, address: SocketAddr, connect_timeout: Duration) -> Pick {
        pool.endpoints[index].enter();
        Pick { pool, index, address, connect_timeout, ends_with_it: true }
    }

    /// The request as the endpoint counts it, for whoever sends the last of its answer: it is to be over before the
    /// client can notice, and the pick is still needed if that fails.
    pub fn take_in_flight(&mut self) -> Option<InFlight> {
        let is_held = std::mem::take(&mut self.ends_with_it);
        is_held.then(|| InFlight { pool: Arc::clone(&self.pool), index: self.index })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Which of the pool's endpoints it is: what a second attempt avoids.
    pub fn index(&self) -> usize {
        self.index
    }

    /// `host:port` as the configuration names it, for logs.
    pub fn name(&self) -> &str {
        self.endpoint().name()
    }

    /// For TCP and TLS together.
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// The endpoint as Pingora wants it; its timeouts are what `deadline` leaves.
    ///
    /// # Errors
    /// Nothing is left.
    pub fn peer(&self, deadline: Deadline, now: Now) -> Result<HttpPeer, Answer> {
        let total = deadline.remaining(now).ok_or_else(|| self.too_late())?;
        Ok(self.pool.transport.peer(self.address, Patience { connect: self.connect_timeout, total }))
    }

    /// Says what became of the attempt: enough failures in a row let the endpoint rest.
    pub fn report(&self, outcome: Result<(), Failure>, now: Now) {
        self.endpoint().count(outcome, self.pool.key.ejection, self.pool.is_alone(), now);
    }

    pub(super) fn too_late(&self) -> Answer {
        super::back_end::too_late(self.name())
    }

    fn endpoint(&self) -> &Endpoint {
        &self.pool.endpoints[self.index]
    }
}

impl Drop for Pick {
    fn drop(&mut self) {
        if self.ends_with_it {
            self.endpoint().leave();
        }
    }
}
