use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::answer::is_shareable;
use super::flight::{Flight, Phase, Position};
use super::honored::{Honored, Verdict};
use super::purge::KEPT;
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
    /// Where the answer is stored as its origin says.
    honored: Option<Box<Honored>>,
    verdict: Option<Box<Verdict>>,
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
        let (store, has_ended, honored, verdict) = (Arc::clone(store), false, None, None);
        Leader { store, key, flight, ttl, is_refresh, has_ended, retries, honored, verdict }
    }

    /// The leader of a fetch whose answer is stored as its origin says.
    pub(super) fn of_origin(store: &Arc<Store>, flight: (Arc<[u8]>, Arc<Flight>), honored: Honored) -> Leader {
        let is_refresh = honored.stored.is_some();
        let mut leader = Leader::new(store, flight, Duration::ZERO, is_refresh, 0);
        leader.honored = Some(Box::new(honored));
        leader
    }

    /// Whether something is stored that the back end may confirm.
    pub fn is_validating(&self) -> bool {
        self.honored.as_ref().is_some_and(|honored| honored.stored.is_some())
    }

    /// What the back end is asked with: whether what is stored is still good.
    pub fn conditions(&self) -> Vec<(HeaderName, HeaderValue)> {
        self.honored.as_ref().map(|honored| honored.conditions()).unwrap_or_default()
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
        if self.honored.is_some() {
            return self.head_of_origin(status, fields, now);
        }
        if !is_shareable(status, fields) {
            self.give_up(!status.is_server_error(), now);
            return Sharing::NotShared;
        }
        let head = Arc::new(AnswerHead::keep(status, fields));
        let sharing = if head.content_length.is_some() { Sharing::Shared } else { Sharing::Held };
        self.flight.begin(head, false);
        sharing
    }

    fn head_of_origin(&mut self, status: StatusCode, fields: &HeaderMap, now: Now) -> Sharing {
        let judged = self.honored.as_ref().and_then(|honored| honored.judge(status, fields, &self.store.purges, now));
        let Some(verdict) = judged else {
            self.give_up(!status.is_server_error(), now);
            return Sharing::NotShared;
        };
        let head = Arc::clone(&verdict.head);
        if verdict.is_personal() {
            self.store.flights.leave(&self.key, &self.flight);
        }
        let sharing = if head.content_length.is_some() { Sharing::Shared } else { Sharing::Held };
        self.flight.begin(head, verdict.is_personal());
        self.verdict = Some(Box::new(verdict));
        sharing
    }

    /// The back end says that what is stored is still good: it answers all who wait. False: it may not be stored any
    /// more, or nothing was; then it is for the leader's own client alone, if it is there at all.
    pub fn confirmed(mut self, news: &HeaderMap, now: Now) {
        let confirmed = self.honored.as_ref().and_then(|honored| honored.confirm(news, &self.store.purges, now));
        let Some((verdict, body)) = confirmed else {
            // The origin has taken its permission back with the very answer that confirms the content.
            self.store.flights.leave_marked(&self.key, &self.flight, now);
            self.forget_stored();
            if let Some(entry) = self.honored.as_ref().and_then(|honored| honored.stored.clone()) {
                self.has_ended = true;
                self.flight.end_with(entry, true);
            }
            return;
        };
        let (head, is_personal) = (Arc::clone(&verdict.head), verdict.is_personal());
        if let Some(entry) = self.store_verdict(verdict, head, &[body], now) {
            self.has_ended = true;
            self.flight.end_with(entry, is_personal);
        }
    }

    /// What is stored answers all who wait, if it may where the back end fails. Else the leader is given back.
    pub fn stand_in(mut self, now: Now) -> Result<(), Leader> {
        let Some(entry) = self.honored.as_ref().and_then(|honored| honored.stand_in(now)) else { return Err(self) };
        self.store.flights.leave(&self.key, &self.flight);
        self.has_ended = true;
        self.flight.end_with(entry, false);
        Ok(())
    }

    fn store_verdict(&self, verdict: Verdict, head: Arc<AnswerHead>, chunks: &[Bytes], now: Now) -> Option<Arc<Entry>> {
        let honored = self.honored.as_ref()?;
        let is_in_table = !honored.is_solo && !verdict.is_personal();
        let (entry, signpost) = verdict.entries(honored, head, chunks, &self.store.purges, now);
        if now.since(honored.began) >= KEPT {
            self.store.flights.leave(&self.key, &self.flight);
            return Some(entry);
        }
        let insert = || signpost.iter().chain([&entry]).for_each(|entry| self.store.insert(entry, now));
        match is_in_table {
            true => self.store.flights.leave_with(&self.key, &self.flight, insert),
            // Nobody could have flushed it from the table; what was purged meanwhile its labels tell.
            false => insert(),
        }
        Some(entry)
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
        if let Some(verdict) = self.verdict.take() {
            self.store_verdict(*verdict, head, &chunks, now);
            return self.end(Phase::Complete);
        }
        let entry = Arc::new(Entry::new(&self.key, head, &chunks, now, self.ttl));
        self.store.flights.leave_with(&self.key, &self.flight, || self.store.insert(&entry, now));
        self.end(Phase::Complete);
    }

    /// Ends the fetch with an entry that another has stored in the meantime.
    pub(super) fn serve(mut self, entry: &Entry) {
        self.flight.begin(Arc::clone(&entry.head), false);
        if entry.body.is_empty() || self.flight.push(entry.body.clone()) {
            self.store.flights.leave(&self.key, &self.flight);
            self.end(Phase::Complete);
        }
    }

    /// The same where its origin is honoured: each of them may want another part of it.
    pub(super) fn answer_with(mut self, entry: &Arc<Entry>) {
        self.store.flights.leave(&self.key, &self.flight);
        self.has_ended = true;
        self.flight.end_with(Arc::clone(entry), false);
    }

    /// Releases all who wait. `outdates`: this answer shows that what a refresh was to replace has passed.
    fn give_up(&mut self, outdates: bool, now: Now) {
        if self.has_ended {
            return;
        }
        self.store.flights.leave_marked(&self.key, &self.flight, now);
        self.end(Phase::Unshared);
        if self.is_refresh && outdates {
            self.forget_stored();
        }
    }

    fn forget_stored(&self) {
        match &self.honored {
            None => self.store.remove(&self.key),
            // What somebody with credentials gets says nothing of what everybody gets.
            Some(honored) if honored.asker.has_credentials() => {}
            Some(honored) => honored.stored.iter().for_each(|stored| self.store.remove(stored.key())),
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
