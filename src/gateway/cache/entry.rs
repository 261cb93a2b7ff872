use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::AnswerHead;
use crate::base::Now;

/// A stored answer.
#[derive(Debug)]
pub struct Entry {
    pub head: Arc<AnswerHead>,
    /// The whole body; its length is what `Content-Length` says.
    pub body: Bytes,
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
        Entry { head, body: body.freeze(), stored_at, ttl }
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
        let bytes = key_bytes + self.head.weight() + self.body.len() + OVERHEAD_BYTES;
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }
}
