use std::sync::Arc;

use super::authority::LastHost;
use super::reply::{COPIED_BYTES_MAX, Sheet};
use super::shelf::Shelf;
use crate::base::{FieldSpans, Now, RequestId};
use crate::gateway::proxy::ctx::Ctx;
use crate::gateway::snapshot::{Current, Live, Snapshot};
use crate::telemetry::Trace;

/// Of a buffer that a head is read into, with a body of 16 KiB behind it.
const HEAD_BUFFER_BYTES: usize = 32 << 10;
/// What one request needs: borrowed when its first byte arrives, given back when it is over.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) input: Input,
    pub(super) spans: FieldSpans,
    pub(super) last_host: LastHost,
    pub(super) paper: Paper,
}

/// What the client sent and nobody has taken yet.
#[derive(Debug)]
pub(super) struct Input {
    buffer: Vec<u8>,
    filled: usize,
}

/// What is written on.
#[derive(Debug)]
pub(super) struct Paper {
    /// The head of an answer, and a small body behind it.
    pub(super) output: Vec<u8>,
    pub(super) date: DateStamp,
    pub(super) bench: Bench,
    pub(super) current: Current,
    /// Of the request before, and used again; `None` when it went to the full lane.
    pub(super) ctx: Option<Box<Ctx>>,
}

/// What an exchange with a back end needs beside it.
#[derive(Debug, Default)]
pub(super) struct Bench {
    /// The head of the back end's request.
    pub(super) request: Vec<u8>,
    /// Whether the back end has sent anything.
    pub(super) has_heard: bool,
    /// Of its answer's fields.
    pub(super) spans: FieldSpans,
}

/// The line of `Date`, written once a second.
#[derive(Debug)]
pub(super) struct DateStamp {
    second: u64,
    text: String,
}

impl Default for DateStamp {
    fn default() -> DateStamp {
        DateStamp { second: u64::MAX, text: String::new() }
    }
}

impl Desk {
    fn new(live: &Live) -> Desk {
        let paper = Paper::new(live, Vec::with_capacity(COPIED_BYTES_MAX + 1024));
        Desk { input: Input::new(), spans: FieldSpans::with_capacity(32), last_host: LastHost::default(), paper }
    }
}

impl Paper {
    pub(super) fn new(live: &Live, output: Vec<u8>) -> Paper {
        Paper { output, date: DateStamp::default(), bench: Bench::default(), current: live.follow(), ctx: None }
    }

    /// Lets go of a snapshot that is no longer served.
    pub(super) fn tend(&mut self, current: &Arc<Snapshot>) {
        self.current.load();
        self.ctx.take_if(|ctx| !Arc::ptr_eq(&ctx.snapshot, current));
    }

    pub(super) fn sheet(&mut self) -> Sheet<'_> {
        Sheet { out: &mut self.output, date: &mut self.date, scratch: &mut self.bench.request }
    }

    /// A context for a request that began at `started`.
    pub(super) fn context(&mut self, live: &Live, started: Now, identity: (RequestId, Trace)) -> Box<Ctx> {
        match self.ctx.take() {
            Some(mut ctx) => {
                ctx.begin(self.current.load(), started, identity);
                ctx
            }
            None => Box::new(Ctx::identified(live, started, identity)),
        }
    }

    /// Takes back a context whose request is over.
    pub(super) fn keep(&mut self, mut ctx: Box<Ctx>) {
        ctx.end();
        self.ctx = Some(ctx);
    }
}

impl Input {
    fn new() -> Input {
        Input { buffer: vec![0; HEAD_BUFFER_BYTES], filled: 0 }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Where to read into; it is never empty.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.filled == self.buffer.len() {
            self.buffer.resize(2 * self.filled, 0);
        }
        &mut self.buffer[self.filled..]
    }

    /// So much was read into the room.
    pub(super) fn fill(&mut self, count: usize) {
        self.filled += count;
    }

    /// Begins with what was read before.
    pub(super) fn begin(&mut self, read_before: &mut Vec<u8>) {
        self.filled = 0;
        self.append(read_before);
    }

    /// Takes the bytes of a request that is over, and goes on with those after it.
    pub(super) fn discard(&mut self, len: usize, read_after: &mut Vec<u8>) {
        if len < self.filled {
            self.buffer.copy_within(len..self.filled, 0);
        }
        self.filled -= len;
        self.append(read_after);
    }

    fn append(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let end = self.filled + bytes.len();
        if end > self.buffer.len() {
            self.buffer.resize(end, 0);
        }
        self.buffer[self.filled..end].copy_from_slice(bytes);
        self.filled = end;
        *bytes = Vec::new();
    }
}

impl Bench {
    /// Gets ready for an attempt.
    pub(super) fn clear(&mut self) {
        self.request.clear();
        self.has_heard = false;
    }
}

impl DateStamp {
    /// The same without its name.
    pub(super) fn value(&mut self, now: Now) -> &[u8] {
        self.line(now).trim_ascii_end().strip_prefix(b"date: ").unwrap_or_default()
    }

    /// RFC 9110 section 5.6.7.
    pub(super) fn line(&mut self, now: Now) -> &[u8] {
        let second = now.unix_ms / 1000;
        if second != self.second {
            let timestamp = jiff::Timestamp::from_second(i64::try_from(second).unwrap_or(0)).unwrap_or_default();
            self.text = timestamp.strftime("date: %a, %d %b %Y %H:%M:%S GMT\r\n").to_string();
            self.second = second;
        }
        self.text.as_bytes()
    }
}

/// A worker's free desks.
#[derive(Debug, Default)]
pub(super) struct Desks(Shelf<Desk>);

impl Desks {
    pub(super) fn borrow(&self, live: &Live) -> Box<Desk> {
        self.0.borrow(|| Desk::new(live))
    }

    /// Lets go of snapshots that are no longer served, which a desk that nobody borrows would keep.
    pub(super) fn tend(&self, live: &Live) {
        let current = live.snapshot();
        self.0.tend(|desk| desk.paper.tend(&current));
    }

    pub(super) fn give_back(&self, mut desk: Box<Desk>) {
        if desk.input.buffer.len() > HEAD_BUFFER_BYTES {
            desk.input = Input::new();
        }
        self.0.give_back(desk);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_as_http_wants_it() {
        let mut date = DateStamp::default();
        let line = date.line(Now { mono_ns: 1, unix_ms: 784_111_777_999 });
        assert_eq!(line, b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
    }

    #[test]
    fn what_was_read_after_a_request_is_the_beginning_of_the_next() {
        let mut input = Input::new();
        input.begin(&mut b"first second".to_vec());
        input.discard(6, &mut b" third".to_vec());
        assert_eq!(input.bytes(), b"second third");
    }
}
