use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use super::AnswerHead;
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
    pub head: Arc<AnswerHead>,
}

/// What an entry takes beside its text and the fields of its head: its own struct and that of its head, a slot, its
/// share of the index, and what the allocator rounds up.
const OVERHEAD_BYTES: usize = 300;

impl Entry {
    /// Copies the body: a chunk may be a small part of a large read buffer.
    pub(super) fn new(key: &[u8], head: Arc<AnswerHead>, chunks: &[Bytes], stored_at: Now, ttl: Duration) -> Entry {
        let body_len = chunks.iter().map(Bytes::len).sum();
        let lines = lines(&head, body_len).unwrap_or_default();
        let mut text = Vec::with_capacity(key.len() + lines.len() + body_len);
        text.extend_from_slice(key);
        text.extend_from_slice(&lines);
        chunks.iter().for_each(|chunk| text.extend_from_slice(chunk));
        let bytes = text.len() + head.weight() + OVERHEAD_BYTES;
        let text = Bytes::from(text);
        let ttl_ns = u64::try_from(ttl.as_nanos()).unwrap_or(u64::MAX);
        Entry {
            body: text.slice(key.len() + lines.len()..),
            text,
            key_len: key.len(),
            status: head.status,
            weight: u32::try_from(bytes).unwrap_or(u32::MAX),
            stored_ns: stored_at.mono_ns,
            fresh_until_ns: stored_at.mono_ns.saturating_add(ttl_ns),
            head,
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
        matches!(name, "date" | "cache-status" | "x-request-id" | "x-amzn-requestid")
    }

    /// Whole seconds since it was stored: the value of `Age`.
    pub fn age_s(&self, now: Now) -> u64 {
        now.mono_ns.saturating_sub(self.stored_ns) / 1_000_000_000
    }

    /// Whole seconds for which it stays fresh: the `ttl` of `Cache-Status`.
    pub fn remaining_s(&self, now: Now) -> u64 {
        self.fresh_until_ns.saturating_sub(now.mono_ns) / 1_000_000_000
    }

    /// From then on it is not served, on the monotonic clock.
    pub(super) fn fresh_until_ns(&self) -> u64 {
        self.fresh_until_ns
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
            "date" => {}
            name if Entry::is_of_the_moment(name) => return None,
            name => push_line(&mut lines, name.as_bytes(), value.as_bytes()),
        }
    }
    if head.status != StatusCode::NO_CONTENT {
        push_number_line(&mut lines, b"content-length", body_len as u64);
    }
    Some(lines)
}
