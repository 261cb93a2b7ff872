use std::pin::pin;
use std::time::Duration;

use http::StatusCode;

use super::alarm::within;
use super::chunks::Chunks;
use super::client::Client;
use super::desk::DateStamp;
use super::head::{Framing, RequestHead};
use super::pump::write_both;
use super::response::Manner;
use crate::base::{Now, push_number};
use crate::gateway::respond::{self, Reply, Seal};

/// What becomes of a request's body that nobody asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It was read together with the head, and has this many bytes.
    Whole(usize),
    /// So many bytes are still to come, and are read and dropped.
    Drained(u64),
    /// The connection has to be closed.
    Left,
}

impl Unread {
    /// `body` is what was read after the head.
    pub(super) fn of(head: &RequestHead, body: &[u8]) -> Unread {
        match head.framing {
            Framing::None => Unread::Whole(0),
            Framing::Length(length) => match usize::try_from(length) {
                Ok(length) if length <= body.len() => Unread::Whole(length),
                _ if respond::may_drain(length) => Unread::Drained(length - body.len() as u64),
                _ => Unread::Left,
            },
            Framing::Chunked => {
                let mut chunks = Chunks::default();
                match chunks.read(body, |_| {}) {
                    Ok(len) if chunks.is_done() => Unread::Whole(len),
                    _ => Unread::Left,
                }
            }
        }
    }
}

/// Writes a whole answer's head. `body_len` is left out where the status has no body.
pub(super) fn write_head(
    reply: &Reply,
    seal: &Seal,
    manner: Manner,
    (date, now): (&mut DateStamp, Now),
    out: &mut Vec<u8>,
) {
    out.clear();
    write_status(reply.status, None, out);
    for (name, value) in &reply.fields {
        if !seal.replaces(name.as_str()) && *name != http::header::DATE {
            write_line(name.as_str().as_bytes(), value.as_bytes(), out);
        }
    }
    if !matches!(reply.status, 204 | 304) {
        write_number_line(b"content-length", reply.body.len() as u64, out);
    }
    write_line(b"date", date.at(now).as_bytes(), out);
    seal.write(out);
    manner.write(out);
    out.extend_from_slice(b"\r\n");
}

/// Sends a head and its body. `false`: the client is gone.
pub(super) async fn send(client: &mut Client, head: &[u8], body: &[u8], patience: Duration) -> bool {
    let (_, mut to) = client.tcp.split();
    within(patience, pin!(write_both(&mut to, head, body))).await.is_some_and(|sent| sent.is_ok())
}

/// Writes a status line; the reason is the status's own unless there is another.
pub(super) fn write_status(status: u16, reason: Option<&[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    let digit = |at: u16| b'0' + (status / at % 10) as u8;
    out.extend_from_slice(&[digit(100), digit(10), digit(1), b' ']);
    let own = || StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default();
    out.extend_from_slice(reason.unwrap_or_else(|| own().as_bytes()));
    out.extend_from_slice(b"\r\n");
}

pub(super) fn write_line(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

pub(super) fn write_number_line(name: &[u8], number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    push_number(out, number);
    out.extend_from_slice(b"\r\n");
}
