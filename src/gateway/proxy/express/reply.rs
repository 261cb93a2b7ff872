use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::DATE;

use super::alarm::within;
use super::chunks::Chunks;
use super::client::Client;
use super::decide::Held;
use super::desk::DateStamp;
use super::head::{Framing, RequestHead};
use super::pump::{after, write_both};
use super::response::Manner;
use crate::base::{Answer, Now, push_line, push_number_line, push_status_line};
use crate::gateway::proxy::answers::{hit, note_refusal, stored, stored_fields, with_refused};
use crate::gateway::proxy::asked::Asked;
use crate::gateway::proxy::cached::note;
use crate::gateway::proxy::ctx::Ctx;
use crate::gateway::proxy::wire::{Sink, Wire};
use crate::gateway::respond::{self, Reply};

/// A body up to this size is copied behind its head: one buffer costs the kernel less than two.
pub(super) const COPIED_BYTES_MAX: usize = 4 << 10;

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
    pub(super) fn of(head: &RequestHead<'_>, body: &[u8]) -> Unread {
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

/// How an answer goes out that is held as a whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form<'a> {
    /// `None` if the request's head could not be read.
    pub(super) asked: Option<&'a Asked<'a>>,
    pub(super) manner: Manner,
    /// Whether the request was a `HEAD`.
    pub(super) is_head_only: bool,
    pub(super) now: Now,
}

/// What an answer is written on.
pub(super) struct Sheet<'s> {
    pub(super) out: &'s mut Vec<u8>,
    pub(super) date: &'s mut DateStamp,
    /// For a body whose length must be known before it is written.
    pub(super) scratch: &'s mut Vec<u8>,
}

impl Sheet<'_> {
    /// Writes an answer and notes it in `ctx`. Returns what of its body is to be sent behind it.
    pub(super) fn write(&mut self, held: &mut Held, form: Form<'_>, ctx: &mut Ctx) -> Bytes {
        self.out.clear();
        match held {
            Held::Refused(answer) => {
                self.refused(answer, form, ctx);
                Bytes::new()
            }
            Held::Fixed(reply) => self.fixed(reply, form, ctx),
            Held::Stored(entry) => {
                note(ctx, hit(entry, form.now));
                let Some(lines) = entry.lines() else {
                    let reply = stored(entry, form.now, ctx);
                    return self.fixed(&reply, form, ctx);
                };
                self.out.extend_from_slice(lines);
                stored_fields(entry, form.now, ctx, self.out);
                self.end(entry.status.as_u16(), entry.is_dated(), form, ctx);
                self.body(&entry.body, form, ctx)
            }
        }
    }

    fn refused(&mut self, answer: &mut Answer, form: Form<'_>, ctx: &mut Ctx) {
        note_refusal(answer, ctx);
        let status = with_refused(answer, form.asked, ctx, |refused| {
            self.scratch.clear();
            refused.body(self.scratch);
            push_status_line(self.out, refused.status(), None);
            refused.fields(self.out);
            push_number_line(self.out, b"content-length", self.scratch.len() as u64);
            refused.status()
        });
        self.end(status, false, form, ctx);
        if !form.is_head_only {
            self.out.extend_from_slice(self.scratch);
            ctx.facts.bytes_out = self.scratch.len() as u64;
        }
    }

    fn fixed(&mut self, reply: &Reply, form: Form<'_>, ctx: &mut Ctx) -> Bytes {
        let seal = ctx.seal();
        push_status_line(self.out, reply.status, None);
        for (name, value) in &reply.fields {
            if !seal.replaces(name.as_str()) && (reply.is_dated || *name != DATE) {
                push_line(self.out, name.as_str().as_bytes(), value.as_bytes());
            }
        }
        if !matches!(reply.status, 204 | 304) {
            push_number_line(self.out, b"content-length", reply.body.len() as u64);
        }
        self.end(reply.status, reply.is_dated, form, ctx);
        self.body(&reply.body, form, ctx)
    }

    /// What ends every head.
    fn end(&mut self, status: u16, is_dated: bool, form: Form<'_>, ctx: &mut Ctx) {
        ctx.facts.status = status;
        if !is_dated {
            self.out.extend_from_slice(self.date.line(form.now));
        }
        ctx.seal().fields(self.out);
        form.manner.write(self.out);
        self.out.extend_from_slice(b"\r\n");
    }

    fn body(&mut self, body: &Bytes, form: Form<'_>, ctx: &mut Ctx) -> Bytes {
        if form.is_head_only || matches!(ctx.facts.status, 204 | 304) {
            return Bytes::new();
        }
        ctx.facts.bytes_out = body.len() as u64;
        if body.len() > COPIED_BYTES_MAX {
            return body.clone();
        }
        self.out.extend_from_slice(body);
        Bytes::new()
    }
}

/// Sends a head and its body. `false`: the client is gone.
pub(super) async fn send<W: Wire>(client: &mut Client<W>, head: &[u8], body: &[u8], patience: Duration) -> bool {
    let (_, mut to) = client.wire.split();
    // What the client takes at once, as nearly always, needs neither a timer nor a waker.
    let Ok(sent) = to.try_write(head, body) else { return false };
    if sent == head.len() + body.len() && to.is_flushed() {
        return true;
    }
    let (head, body) = after(sent, head, body);
    within(patience, pin!(write_both(&mut to, head, body))).await.is_some_and(|sent| sent.is_ok())
}
