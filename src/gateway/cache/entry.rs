use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use super::AnswerHead;
use super::origin::{Grace, Terms, Vary};
use super::purge::Labels;
use crate::base::{Now, push_line, push_number_line, push_status_line};

/// A stored answer.
///
/// Its key, its lines and its body lie behind one another in one allocation: a hit on what nobody has asked for lately
/// reads one run of memory, which the processor fetches ahead, not three.
#[derive(Debug)]
pub struct Entry {
    text: Bytes,
    /// The whole body, a part of the text; its length is what `Content-Length` says.
    pub body: Bytes,
    key_len: usize,
    pub status: StatusCode,
    weight: u32,
    stored_ns: u64,
    fresh_until_ns: u64,
    kept_until_ns: u64,
    /// How old it was when it was stored.
    age_ns: u64,
    pub head: Arc<AnswerHead>,
    /// Where it is stored as its origin says.
    pub(super) origin: Option<Box<Origin>>,
}

/// What an entry needs that is stored as its origin says.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) grace: Grace,
    pub(super) labels: Labels,
    /// This is no answer: the answers of its key depend on these fields and are kept by variant.
    pub(super) signpost: Option<Vary>,
}

/// What an entry takes beside its text and the fields of its head: its own struct and that of its head, a slot, its
/// share of the index, and what the allocator rounds up.
const OVERHEAD_BYTES: usize = 300;

impl Entry {
    /// Copies the body: a chunk may be a small part of a large read buffer.
    pub(super) fn new(key: &[u8], head: Arc<AnswerHead>, chunks: &[Bytes], stored_at: Now, ttl: Duration) -> Entry {
        Entry::kept(key, head, chunks, stored_at, (ttl, ttl))
    }

    /// The same as its origin says.
    pub(super) fn of_origin(
        key: &[u8],
        head: Arc<AnswerHead>,
        chunks: &[Bytes],
        stored_at: Now,
        terms: &Terms,
        origin: Origin,
    ) -> Entry {
        let mut entry = Entry::kept(key, head, chunks, stored_at, (terms.fresh_for, terms.kept_for));
        entry.age_ns = nanoseconds(terms.age);
        let vary = origin.signpost.as_ref().map_or(0, Vary::weight);
        let bytes = size_of::<Origin>() + origin.labels.weight() + vary;
        entry.weight = entry.weight.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        entry.origin = Some(Box::new(origin));
        entry
    }

    fn kept(
        key: &[u8],
        head: Arc<AnswerHead>,
        chunks: &[Bytes],
        stored_at: Now,
        (fresh_for, kept_for): (Duration, Duration),
    ) -> Entry {
        let body_len = chunks.iter().map(Bytes::len).sum();
        let lines = lines(&head, body_len).unwrap_or_default();
        let mut text = Vec::with_capacity(key.len() + lines.len() + body_len);
        text.extend_from_slice(key);
        text.extend_from_slice(&lines);
        chunks.iter().for_each(|chunk| text.extend_from_slice(chunk));
        let bytes = text.len() + head.weight() + OVERHEAD_BYTES;
        let text = Bytes::from(text);
        Entry {
            body: text.slice(key.len() + lines.len()..),
            text,
            key_len: key.len(),
            status: head.status,
            weight: u32::try_from(bytes).unwrap_or(u32::MAX),
            stored_ns: stored_at.mono_ns,
            fresh_until_ns: stored_at.mono_ns.saturating_add(nanoseconds(fresh_for)),
            kept_until_ns: stored_at.mono_ns.saturating_add(nanoseconds(kept_for)),
            age_ns: 0,
            head,
            origin: None,
        }
    }

    /// The head as HTTP/1.1 has it: the status line, the fields and `Content-Length`, but for its end and for what is
    /// [of the moment](Entry::is_of_the_moment). `None` where the back end said something under a name that the gateway
    /// may use too: then it depends on the stage.
    pub fn lines(&self) -> Option<&[u8]> {
        let lines = self.text.get(self.key_len..self.text.len() - self.body.len())?;
        (!lines.is_empty()).then_some(lines)
    }

    /// Whether a field's value is of the moment or of the request, so that whoever answers writes it.
    pub fn is_of_the_moment(name: &str) -> bool {
        matches!(name, "date" | "cache-status" | "x-request-id" | "x-amzn-requestid" | "x-amz-apigw-id")
    }

    /// Whether its fields, and its lines, have the `Date` that it goes out with: that of its origin.
    pub fn is_dated(&self) -> bool {
        self.origin.is_some()
    }

    /// Whole seconds since it was generated, or stored where nobody knows better: the value of `Age`.
    pub fn age_s(&self, now: Now) -> u64 {
        self.age(now).as_secs()
    }

    pub(super) fn age(&self, now: Now) -> Duration {
        Duration::from_nanos(now.mono_ns.saturating_sub(self.stored_ns).saturating_add(self.age_ns))
    }

    /// For how long it stays fresh; zero if it is stale.
    pub(super) fn fresh_for(&self, now: Now) -> Duration {
        Duration::from_nanos(self.fresh_until_ns.saturating_sub(now.mono_ns))
    }

    /// For how long it has been stale.
    pub(super) fn stale_for(&self, now: Now) -> Duration {
        Duration::from_nanos(now.mono_ns.saturating_sub(self.fresh_until_ns))
    }

    /// Whole seconds for which it has been stale.
    pub fn stale_s(&self, now: Now) -> u64 {
        self.stale_for(now).as_secs()
    }

    /// On what the answers of its key depend, if that is all that it says.
    pub(super) fn signpost(&self) -> Option<&Vary> {
        self.origin.as_ref()?.signpost.as_ref()
    }

    /// Whether it is stale, by its age or by a purge.
    pub fn is_outlived(&self, now: Now) -> bool {
        self.fresh_until_ns <= now.mono_ns || self.origin.as_ref().is_some_and(|origin| origin.labels.is_stale())
    }

    /// Whether it had to be validated from the first.
    pub(super) fn is_born_stale(&self) -> bool {
        self.fresh_until_ns <= self.stored_ns
    }

    /// Whole seconds for which it stays fresh: the `ttl` of `Cache-Status`.
    pub fn remaining_s(&self, now: Now) -> u64 {
        self.fresh_until_ns.saturating_sub(now.mono_ns) / 1_000_000_000
    }

    /// From then on it is of no use, on the monotonic clock.
    pub(super) fn kept_until_ns(&self) -> u64 {
        self.kept_until_ns
    }

    pub(super) fn key(&self) -> &[u8] {
        self.text.get(..self.key_len).unwrap_or_default()
    }

    /// The bytes that it takes in a store, its key included.
    pub(super) fn weight(&self) -> u32 {
        self.weight
    }
}

fn lines(head: &AnswerHead, body_len: usize) -> Option<Vec<u8>> {
    let mut lines = Vec::with_capacity(256);
    push_status_line(&mut lines, head.status.as_u16(), None);
    for (name, value) in &head.fields {
        match name.as_str() {
            "date" if !head.is_dated() => {}
            "date" => push_line(&mut lines, b"date", value.as_bytes()),
            name if Entry::is_of_the_moment(name) => return None,
            name => push_line(&mut lines, name.as_bytes(), value.as_bytes()),
        }
    }
    if head.status != StatusCode::NO_CONTENT {
        push_number_line(&mut lines, b"content-length", body_len as u64);
    }
    Some(lines)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
