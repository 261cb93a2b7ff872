use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::AnswerHead;
use crate::base::{Now, push_line, push_number_line, push_status_line};

/// A stored answer.
#[derive(Debug)]
pub struct Entry {
    pub head: Arc<AnswerHead>,
    /// The whole body; its length is what `Content-Length` says.
    pub body: Bytes,
    /// The status line, the fields and `Content-Length` as HTTP/1.1 has them, ready to be sent.
    lines: Option<Box<[u8]>>,
    pub stored_at: Now,
    pub ttl: Duration,
}

/// What an entry takes beside its key, head and body: its own struct, the store's nodes and its frequency sketch.
const OVERHEAD_BYTES: usize = 300;

impl Entry {
    /// Copies the body into a buffer of exactly its size: a chunk may be a small part of a large read buffer.
    pub(super) fn new(head: Arc<AnswerHead>, chunks: &[Bytes], stored_at: Now, ttl: Duration) -> Entry {
        let mut body = BytesMut::with_capacity(chunks.iter().map(Bytes::len).sum());
        chunks.iter().for_each(|chunk| body.extend_from_slice(chunk));
        Entry { lines: lines(&head, body.len()), head, body: body.freeze(), stored_at, ttl }
    }

    /// The head as HTTP/1.1 has it, but for its end and for what is [of the moment](Entry::is_of_the_moment). `None`
    /// where the back end said something under a name that the gateway may use too: then it depends on the stage.
    pub fn lines(&self) -> Option<&[u8]> {
        self.lines.as_deref()
    }

    /// Whether a field's value is of the moment or of the request, so that whoever answers writes it.
    pub fn is_of_the_moment(name: &str) -> bool {
        matches!(name, "date" | "cache-status" | "x-request-id" | "x-amzn-requestid")
    }

    /// Whether it may still be served.
    pub fn is_fresh(&self, now: Now) -> bool {
        now.since(self.stored_at) < self.ttl
    }

    /// Whole seconds since it was stored: the value of `Age`.
    pub fn age_s(&self, now: Now) -> u64 {
        now.since(self.stored_at).as_secs()
    }

    /// Whole seconds for which it stays fresh: the `ttl` of `Cache-Status`.
    pub fn remaining_s(&self, now: Now) -> u64 {
        self.ttl.saturating_sub(now.since(self.stored_at)).as_secs()
    }

    /// The bytes that it takes in a store under a key of `key_bytes`.
    pub(super) fn weight(&self, key_bytes: usize) -> u32 {
        let lines = self.lines.as_ref().map_or(0, |lines| lines.len());
        let bytes = key_bytes + self.head.weight() + lines + self.body.len() + OVERHEAD_BYTES;
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }
}

fn lines(head: &AnswerHead, body_len: usize) -> Option<Box<[u8]>> {
    let mut lines = Vec::with_capacity(256);
    push_status_line(&mut lines, head.status.as_u16(), None);
    for (name, value) in &head.fields {
        match name.as_str() {
            "date" => {}
            name if Entry::is_of_the_moment(name) => return None,
            name => push_line(&mut lines, name.as_bytes(), value.as_bytes()),
        }
    }
    if head.status != http::StatusCode::NO_CONTENT {
        push_number_line(&mut lines, b"content-length", body_len as u64);
    }
    Some(lines.into_boxed_slice())
}
