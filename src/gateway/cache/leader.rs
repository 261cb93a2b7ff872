use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::answer::is_shareable;
use super::flight::{Flight, Phase, Position};
use super::store::Store;
use super::{AnswerHead, Entry, Follower};
use crate::base::Now;

/// The one request that fetches for all who ask for its key.
///
/// It hands on the answer as it arrives: `head`, `chunk`s, `complete`. Dropped before `complete`, the fetch has
/// failed for all who read it.
#[derive(Debug)]
pub struct Leader {
    store: Arc<Store>,
    key: Arc<[u8]>,
    flight: Arc<Flight>,
    ttl: Duration,
    is_refresh: bool,
    has_ended: bool,
    retries: u8,
}

/// What the answer's head says about sharing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Followers read along, and the answer is stored when it is complete.
    Shared,
    /// The length is not known: followers wait, and get it when it has ended within the limit.
    Held,
    /// The followers have gone to fetch for themselves. The leader writes to its own client.
    NotShared,
}

/// The body has passed the limit: nothing of it is stored, and who waited for it has gone. The leader's own reader
/// ends with [`super::Step::Alone`] after what was handed on before; this chunk and the rest are the leader's to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

impl Leader {
    pub(super) fn new(
        store: &Arc<Store>,
        (key, flight): (Arc<[u8]>, Arc<Flight>),
        ttl: Duration,
        is_refresh: bool,
        retries: u8,
    ) -> Leader {
        Leader { store: Arc::clone(store), key, flight, ttl, is_refresh, has_ended: false, retries }
    }

    /// A reader for the leader's own client, which reads from the first byte and along in any case.
    pub fn reader(&self) -> Follower {
        Follower {
            store: Arc::clone(&self.store),
            key: Arc::clone(&self.key),
            flight: Arc::clone(&self.flight),
            ttl: self.ttl,
            position: Position::default(),
            is_own: true,
            retries: self.retries,
        }
    }

    /// Hands on the back end's head, before any field of this one exchange (a request id) is added to it.
    pub fn head(&mut self, status: StatusCode, fields: &HeaderMap, now: Now) -> Sharing {
        if !is_shareable(status, fields) {
            self.give_up(!status.is_server_error(), now);
            return Sharing::NotShared;
        }
        let head = Arc::new(AnswerHead::keep(status, fields));
        let sharing = if head.content_length.is_some() { Sharing::Shared } else { Sharing::Held };
        self.flight.begin(head);
        sharing
    }

    /// Hands on a piece of the body.
    pub fn chunk(&mut self, chunk: Bytes, now: Now) -> Result<(), Overflow> {
        if chunk.is_empty() {
            return Ok(());
        }
        if self.has_ended || !self.flight.push(chunk) {
            self.give_up(true, now);
            return Err(Overflow);
        }
        Ok(())
    }

    /// Ends the body and stores the answer. A body shorter than its head announced counts as a failed fetch.
    pub fn complete(mut self, now: Now) {
        if self.has_ended {
            return;
        }
        let Some((head, chunks)) = self.flight.whole() else { return };
        let entry = Arc::new(Entry::new(&self.key, head, &chunks, now, self.ttl));
        self.store.flights.leave_with(&self.key, &self.flight, || self.store.insert(&entry, now));
        self.end(Phase::Complete);
    }

    /// Ends the fetch with an entry that another has stored in the meantime.
    pub(super) fn serve(mut self, entry: &Entry) {
        self.flight.begin(Arc::clone(&entry.head));
        if entry.body.is_empty() || self.flight.push(entry.body.clone()) {
            self.store.flights.leave(&self.key, &self.flight);
            self.end(Phase::Complete);
        }
    }

    /// Releases all who wait. `outdates`: this answer shows that what a refresh was to replace has passed.
    fn give_up(&mut self, outdates: bool, now: Now) {
        if self.has_ended {
            return;
        }
        self.store.flights.leave_marked(&self.key, &self.flight, now);
        self.end(Phase::Unshared);
        if self.is_refresh && outdates {
            self.store.remove(&self.key);
        }
    }

    fn end(&mut self, phase: Phase) {
        self.has_ended = true;
        self.flight.end(phase);
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if !self.has_ended {
            // First out of the table, so that a follower that looks again does not find this fetch.
            self.store.flights.leave(&self.key, &self.flight);
            self.flight.end(Phase::Failed);
        }
    }
}
