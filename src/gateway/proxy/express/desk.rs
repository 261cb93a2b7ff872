use std::sync::{Mutex, PoisonError};

use crate::base::{FieldSpan, Now};

/// Of a buffer that a head is read into, with a body of 16 KiB behind it.
const HEAD_BUFFER_BYTES: usize = 32 << 10;
/// More free desks than this are given up, so that a burst does not hold its memory for ever.
const FREE_MAX: usize = 16;

/// The buffers that one request needs: borrowed when its first byte arrives, given back when it is over.
#[derive(Debug)]
pub(super) struct Desk {
    /// What the client sent and nobody has taken yet: `input[..filled]`.
    pub(super) input: Vec<u8>,
    pub(super) filled: usize,
    pub(super) spans: Vec<FieldSpan>,
    /// The head of an answer.
    pub(super) output: Vec<u8>,
    pub(super) date: DateStamp,
    pub(super) bench: Bench,
}

/// What an exchange with a back end needs beside it.
#[derive(Debug, Default)]
pub(super) struct Bench {
    /// The head of the back end's request.
    pub(super) request: Vec<u8>,
    /// What the back end sent so far: `answer[..filled]`.
    pub(super) answer: Vec<u8>,
    pub(super) filled: usize,
    pub(super) spans: Vec<FieldSpan>,
    pub(super) up: Buffers,
    pub(super) down: Buffers,
}

/// The buffers of one direction.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// What is read into.
    pub(super) raw: Vec<u8>,
    /// Data that is framed anew.
    pub(super) framed: Vec<u8>,
}

/// The value of `Date`, written once a second.
#[derive(Debug)]
pub(super) struct DateStamp {
    second: u64,
    text: String,
}

impl Desk {
    fn new() -> Desk {
        Desk {
            input: vec![0; HEAD_BUFFER_BYTES],
            filled: 0,
            spans: Vec::with_capacity(32),
            output: Vec::with_capacity(1024),
            date: DateStamp { second: u64::MAX, text: String::new() },
            bench: Bench::default(),
        }
    }

    /// Begins with what was read before.
    pub(super) fn begin(&mut self, read_before: &mut Vec<u8>) {
        self.filled = 0;
        self.append(read_before);
    }

    /// Takes the bytes of a request that is over, and goes on with those after it.
    pub(super) fn discard(&mut self, len: usize, read_after: &mut Vec<u8>) {
        self.input.copy_within(len..self.filled, 0);
        self.filled -= len;
        self.append(read_after);
    }

    fn append(&mut self, bytes: &mut Vec<u8>) {
        let end = self.filled + bytes.len();
        if end > self.input.len() {
            self.input.resize(end, 0);
        }
        self.input[self.filled..end].copy_from_slice(bytes);
        self.filled = end;
        *bytes = Vec::new();
    }
}

impl Bench {
    /// Gets ready for an attempt.
    pub(super) fn clear(&mut self) {
        self.request.clear();
        self.filled = 0;
        if self.answer.is_empty() {
            self.answer = vec![0; HEAD_BUFFER_BYTES];
        }
    }
}

impl DateStamp {
    /// RFC 9110 section 5.6.7.
    pub(super) fn at(&mut self, now: Now) -> &str {
        let second = now.unix_ms / 1000;
        if second != self.second {
            let timestamp = jiff::Timestamp::from_second(i64::try_from(second).unwrap_or(0)).unwrap_or_default();
            self.text = timestamp.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            self.second = second;
        }
        &self.text
    }
}

/// Free desks; the one used last is used next, since it is warm.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "a desk is lent for as long as a request, and a pointer moves more cheaply")]
pub(super) struct Desks(Mutex<Vec<Box<Desk>>>);

impl Desks {
    pub(super) fn borrow(&self) -> Box<Desk> {
        let free = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        free.unwrap_or_else(|| Box::new(Desk::new()))
    }

    pub(super) fn give_back(&self, mut desk: Box<Desk>) {
        if desk.input.len() > HEAD_BUFFER_BYTES {
            desk.input = vec![0; HEAD_BUFFER_BYTES];
        }
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < FREE_MAX {
            free.push(desk);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_as_http_wants_it() {
        let mut date = DateStamp { second: u64::MAX, text: String::new() };
        assert_eq!(date.at(Now { mono_ns: 1, unix_ms: 784_111_777_999 }), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn what_was_read_after_a_request_is_the_beginning_of_the_next() {
        let mut desk = Desk::new();
        desk.begin(&mut b"first second".to_vec());
        desk.discard(6, &mut b" third".to_vec());
        assert_eq!(&desk.input[..desk.filled], b"second third");
    }
}
