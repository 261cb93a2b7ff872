use std::sync::Arc;
use std::time::Duration;

use super::flight::{Flight, Position, Step};
use super::store::{Lookup, Store};
use crate::base::Now;

/// A reader of a fetch that another request leads, or the leader's own. See [`Step`] for what it reads.
#[derive(Debug)]
pub struct Follower {
    pub(super) store: Arc<Store>,
    pub(super) key: Arc<[u8]>,
    pub(super) flight: Arc<Flight>,
    pub(super) ttl: Duration,
    pub(super) position: Position,
    /// It reads for the leader's own client.
    pub(super) is_own: bool,
    /// How often its request has followed a leader that failed.
    pub(super) retries: u8,
}

/// After so many failed leaders a request fetches for itself.
const RETRIES_MAX: u8 = 2;

impl Follower {
    /// For a request that has not followed anybody before.
    pub(super) fn new(store: &Arc<Store>, key: Arc<[u8]>, flight: Arc<Flight>) -> Follower {
        let (store, position) = (Arc::clone(store), Position::default());
        Follower { store, key, flight, ttl: Duration::ZERO, position, is_own: false, retries: 0 }
    }

    /// The next step, as soon as there is one. May be dropped and called again.
    pub async fn next(&mut self) -> Step {
        self.flight.next(&mut self.position, self.is_own).await
    }

    /// After [`Step::Retry`]: looks again, at most twice. One of a failed leader's followers becomes the next leader.
    pub fn retry(self, now: Now) -> Lookup {
        if self.retries == RETRIES_MAX {
            return Lookup::Alone;
        }
        self.store.look_again(&self.key, self.ttl, self.retries + 1, now)
    }
}
