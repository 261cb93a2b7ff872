use std::mem::MaybeUninit;
use std::ops::Range;

use super::chunks::Chunks;
use super::desk::DateStamp;
use super::downstream::Heard;
use super::head::read_length;
use super::pump::{Coding, Rest};
use crate::base::{FieldSpan, FieldSpans, Fields, Now, is_token, push_line, push_number_line, push_status_line};
use crate::gateway::respond::Seal;
use crate::gateway::transform::Cleaning;

/// More fields than any honest answer has.
const FIELDS_MAX: usize = 256;

/// The head of a back end's answer as it stands in the bytes that were read.
#[derive(Clone, Debug)]
pub(super) struct ResponseHead {
    pub(super) status: u16,
    reason: Range<usize>,
    length: Option<u64>,
    /// How its body ends.
    pub(super) rest: Rest,
    /// In bytes: where the body begins.
    pub(super) len: usize,
    /// Whether the connection can be used again after the body.
    pub(super) keeps_alive: bool,
}

/// What the client wants to be written to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) is_http_11: bool,
    pub(super) keeps_alive: bool,
}

/// Reads a head from the start of `bytes`; `None`: it is not whole yet. The error says what is wrong with it.
pub(super) fn read_response(
    bytes: &[u8],
    spans: &mut FieldSpans,
    is_answer_to_head: bool,
) -> Result<Option<ResponseHead>, &'static str> {
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut response, bytes, &mut fields)
        .map_err(|_| "the answer's head is not HTTP")?;
    let httparse::Status::Complete(len) = parsed else { return Ok(None) };
    let (Some(status), Some(version)) = (response.code, response.version) else {
        return Err("the status line is not whole");
    };
    if status < 100 {
        return Err("its status is none");
    }
    spans.clear();
    let mut seen = Seen::default();
    for field in response.headers.iter() {
        spans.push(FieldSpan::of(bytes, field.name.as_bytes(), field.value));
        seen.note(field)?;
    }
    let reason = response.reason.unwrap_or_default();
    let start = (reason.as_ptr() as usize).wrapping_sub(bytes.as_ptr() as usize);
    let is_bodiless = is_answer_to_head || status < 200 || matches!(status, 204 | 304);
    let rest = if is_bodiless { Rest::Done } else { seen.rest() };
    let is_http_11 = version == 1;
    Ok(Some(ResponseHead {
        status,
        reason: if start > bytes.len() { 0..0 } else { start..start + reason.len() },
        length: seen.length,
        keeps_alive: !seen.says_close && (is_http_11 || seen.says_keep_alive) && !seen.is_doubtful(),
        rest,
        len,
    }))
}

#[derive(Default)]
struct Seen {
    length: Option<u64>,
    is_chunked: bool,
    says_close: bool,
    says_keep_alive: bool,
}

impl Seen {
    fn note(&mut self, field: &httparse::Header<'_>) -> Result<(), &'static str> {
        let name = field.name.as_bytes();
        match name.len() {
            10 if is_token(name, b"connection") => {
                self.note_connection(field.value);
            }
            14 if is_token(name, b"content-length") => {
                let length = read_length(field.value).ok_or("its Content-Length is not a number")?;
                if self.length.replace(length).is_some_and(|other| other != length) {
                    return Err("it has two lengths");
                }
            }
            17 if is_token(name, b"transfer-encoding") => {
                if self.is_chunked || !field.value.eq_ignore_ascii_case(b"chunked") {
                    return Err("its Transfer-Encoding is not chunked");
                }
                self.is_chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn note_connection(&mut self, value: &[u8]) {
        for token in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            self.says_close |= is_token(token, b"close");
            self.says_keep_alive |= is_token(token, b"keep-alive");
        }
    }

    /// RFC 9112 section 6.3: chunks override a length, and the connection is not used again.
    fn is_doubtful(&self) -> bool {
        self.is_chunked && self.length.is_some()
    }

    fn rest(&self) -> Rest {
        match (self.is_chunked, self.length) {
            (true, _) => Rest::Chunked(Chunks::default()),
            (false, Some(0)) => Rest::Done,
            (false, Some(length)) => Rest::Length(length),
            (false, None) => Rest::UntilClose,
        }
    }
}

impl ResponseHead {
    /// How the body goes on to a client of this `manner`.
    pub(super) fn coding(&self, manner: Manner) -> Coding {
        match self.rest {
            Rest::Chunked(_) | Rest::UntilClose if manner.is_http_11 => Coding::Chunked,
            _ => Coding::Plain,
        }
    }

    /// What the client is told of the body's length.
    pub(super) fn announced_length(&self) -> Option<u64> {
        self.length.filter(|_| !matches!(self.rest, Rest::Chunked(_)) && self.status != 204)
    }

    /// Calls `each` with every field that is the client's and that `seal` does not replace; `content-length` and `date`
    /// are the writer's.
    pub(super) fn for_each_kept_field<'a>(
        fields: &Fields<'a>,
        cleaning: Cleaning,
        seal: &Seal,
        mut each: impl FnMut(&'a [u8], &'a [u8]),
    ) {
        cleaning.for_each_field(fields, |name, value| {
            if !is_ours(name) && !seal.replaces(name) {
                each(name, value);
            }
        });
    }

    /// Whether the client can tell the body's end only by the connection's.
    pub(super) fn ends_with_connection(&self, manner: Manner) -> bool {
        matches!(self.rest, Rest::Chunked(_) | Rest::UntilClose) && !manner.is_http_11
    }

    /// Writes the client's head: the back end's without what was for one connection, sealed and framed anew.
    pub(super) fn write(
        &self,
        heard: &Heard<'_>,
        manner: Manner,
        (date, now): (&mut DateStamp, Now),
        out: &mut Vec<u8>,
    ) {
        let Heard { fields, bytes, cleaning, seal, .. } = *heard;
        out.clear();
        push_status_line(out, self.status, bytes.get(self.reason.clone()));
        ResponseHead::for_each_kept_field(fields, cleaning, seal, |name, value| push_line(out, name, value));
        match (self.coding(manner), self.announced_length()) {
            (Coding::Chunked, _) => push_line(out, b"transfer-encoding", b"chunked"),
            (Coding::Plain, Some(length)) => push_number_line(out, b"content-length", length),
            (Coding::Plain, None) => {}
        }
        out.extend_from_slice(date.line(now));
        seal.fields(out);
        manner.write(out);
        out.extend_from_slice(b"\r\n");
    }
}

/// What is written anew.
fn is_ours(name: &[u8]) -> bool {
    match name.len() {
        4 => is_token(name, b"date"),
        14 => is_token(name, b"content-length"),
        _ => false,
    }
}

impl Manner {
    /// Writes `Connection` where it says something: HTTP/1.1 keeps, HTTP/1.0 closes.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        match (self.is_http_11, self.keeps_alive) {
            (true, true) | (false, false) => {}
            (true, false) => push_line(out, b"connection", b"close"),
            (false, true) => push_line(out, b"connection", b"keep-alive"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: &str, expected: Result<(u16, Rest, bool), &str>) {
        let found = read_response(head.as_bytes(), &mut FieldSpans::default(), false);
        let found = found.map(|head| head.map(|head| (head.status, head.rest, head.keeps_alive)));
        match expected {
            Ok(expected) => assert_eq!(found, Ok(Some(expected)), "{head:?}"),
            Err(why) => assert!(found.as_ref().is_err_and(|found| found.contains(why)), "{head:?}: {found:?}"),
        }
    }

    #[test]
    fn the_end_of_a_body_is_known_or_the_answer_is_nonsense() {
        let chunked = || Rest::Chunked(Chunks::default());
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", Ok((200, Rest::Length(3), true)));
        check("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", Ok((200, Rest::Done, true)));
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Ok((200, chunked(), true)));
        let both = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n";
        check(both, Ok((200, chunked(), false)));
        check("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", Ok((200, Rest::UntilClose, false)));
        check("HTTP/1.0 200 OK\r\n\r\n", Ok((200, Rest::UntilClose, false)));
        check("HTTP/1.1 204 No Content\r\n\r\n", Ok((204, Rest::Done, true)));
        check("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", Ok((304, Rest::Done, true)));
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", Err("two lengths"));
        check("HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n", Err("not a number"));
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", Err("not chunked"));
        check("HTTP/1.1 004 Not Found\r\n\r\n", Err("status"));
        check("SSH-2.0-OpenSSH\r\n\r\n", Err("not HTTP"));
    }
}
