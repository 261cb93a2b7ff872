use std::net::SocketAddr;
use std::pin::pin;

use pingora_core::server::ShutdownWatch;
use tokio::net::TcpStream;

use super::Express;
use super::client::Client;
use super::decide::Way;
use super::desk::{Bench, DateStamp, Desk};
use super::downstream::{Passed, Work};
use super::handover::HandedOver;
use super::head::{HeadFault, RequestHead, read_request};
use super::reply::{self, Unread};
use super::response::Manner;
use crate::base::{Answer, Now, Refusal};
use crate::gateway::proxy::answers::{refusal, tell};
use crate::gateway::proxy::arrival;
use crate::gateway::proxy::asked::{Asked, HeadSize};
use crate::gateway::proxy::ctx::Ctx;
use crate::gateway::respond::{self, Reply};

/// What becomes of a connection after a request.
enum Next {
    /// It is idle.
    Wait,
    HandOver(HandedOver),
    Close,
    /// The client may still be sending.
    CloseGently,
}

/// What becomes of it right after an answer.
enum Answered {
    /// The request's bytes after its head are these; the next request may follow.
    Kept(usize),
    Over(Next),
}

/// What a reply is written with.
struct Desktop<'d> {
    output: &'d mut Vec<u8>,
    date: &'d mut DateStamp,
    bench: &'d mut Bench,
}

impl Express {
    /// Serves a client until it goes, is idle for too long, or the gateway stops.
    pub async fn converse(&self, tcp: TcpStream, peer: SocketAddr, shutdown: &ShutdownWatch) {
        self.converse_with(Client::new(tcp, peer), shutdown).await;
    }

    /// The same for a client of whom something may have been read.
    pub(super) async fn converse_with(&self, mut client: Client, shutdown: &ShutdownWatch) {
        let mut stop = pin!(stopped(shutdown.clone()));
        let mut idle_since = self.live.clock().now();
        loop {
            let deadline = self.instant(idle_since, self.live.snapshot().limits().idle_timeout);
            if client.read_after.is_empty() && !client.wait(deadline, stop.as_mut()).await {
                return;
            }
            let mut desk = self.desks.borrow();
            // Boxed, so that an idle connection does not hold the room that a busy one needs.
            let next = Box::pin(self.serve(&mut client, &mut desk, &mut idle_since)).await;
            self.desks.give_back(desk);
            match next {
                Next::Wait => {}
                Next::Close => return,
                Next::CloseGently => return client.close_gently().await,
                Next::HandOver(handed) => {
                    // The full lane's future is large, and few connections ever need it.
                    match Box::pin(self.hand_over(client, handed, shutdown)).await {
                        Some(back) => client = back,
                        None => return,
                    }
                    idle_since = self.live.clock().now();
                }
            }
        }
    }

    /// Answers what was sent at once, and what follows until there is nothing more to read.
    async fn serve(&self, client: &mut Client, desk: &mut Desk, idle_since: &mut Now) -> Next {
        desk.begin(&mut client.read_after);
        loop {
            let started = self.live.clock().now();
            let head = match self.read_head(client, desk, started).await {
                Ok(Some(head)) => head,
                Ok(None) => return Next::Close,
                Err(answer) => return self.refuse_unread(client, desk, answer, started).await,
            };
            match self.answer(client, desk, &head, started, idle_since).await {
                Answered::Kept(body_len) => desk.discard(head.len + body_len, &mut client.read_after),
                Answered::Over(next) => return next,
            }
            if desk.filled == 0 {
                return Next::Wait;
            }
        }
    }

    /// Reads until a head is whole; `None`: the client went away before.
    async fn read_head(
        &self,
        client: &mut Client,
        desk: &mut Desk,
        started: Now,
    ) -> Result<Option<RequestHead>, Answer> {
        loop {
            if desk.filled > 0 {
                match read_request(&desk.input[..desk.filled], &mut desk.spans) {
                    Ok(Some(head)) => return Ok(Some(head)),
                    Ok(None) => self.check_unread(desk)?,
                    Err(fault) => return Err(answer_to(fault)),
                }
            }
            if desk.filled == desk.input.len() {
                desk.input.resize(2 * desk.filled, 0);
            }
            let deadline = self.instant(started, self.live.snapshot().limits().head_timeout);
            match client.read(&mut desk.input[desk.filled..], deadline).await {
                Some(Ok(count)) if count > 0 => desk.filled += count,
                Some(_) => return Ok(None),
                None => return Err(Answer::new(Refusal::RequestTimeout, "the request's head came too slowly")),
            }
        }
    }

    /// Refuses what is too large before it is whole.
    fn check_unread(&self, desk: &Desk) -> Result<(), Answer> {
        let bytes = &desk.input[..desk.filled];
        let line = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
        let size = HeadSize { line, fields: bytes.len() - line };
        arrival::check_size(size, self.live.snapshot().limits().head_bytes_max)
    }

    /// Answers a request whose head could not be read; nothing is known of where it ends.
    async fn refuse_unread(&self, client: &mut Client, desk: &mut Desk, answer: Answer, started: Now) -> Next {
        let mut ctx = Ctx::new(&self.live, started);
        let reply = refusal(answer, &mut ctx);
        ctx.facts.status = reply.status;
        ctx.facts.bytes_out = reply.body.len() as u64;
        let manner = Manner { is_http_11: true, keeps_alive: false };
        let now = self.live.clock().now();
        reply::write_head(&reply, &ctx.seal(), manner, (&mut desk.date, now), &mut desk.output);
        let patience = ctx.snapshot.limits().body_timeout;
        let is_sent = reply::send(client, &desk.output, &reply.body, patience).await;
        tell(&self.live, None, client.ip, &ctx, now);
        if is_sent { Next::CloseGently } else { Next::Close }
    }

    /// Runs the phases over a request and answers it.
    async fn answer(
        &self,
        client: &mut Client,
        desk: &mut Desk,
        head: &RequestHead,
        started: Now,
        ended: &mut Now,
    ) -> Answered {
        let Desk { input, filled, spans, output, date, bench } = desk;
        let (bytes, desktop) = (&input[..*filled], Desktop { output, date, bench });
        if head.is_upgrade || head.expects_continue {
            return Answered::Over(Next::HandOver(HandedOver::new(head, bytes, None, &mut client.read_after)));
        }
        let sent = head.asked(bytes, spans, client.ip);
        let identity = arrival::identify(&sent.head, started);
        let mut ctx = Ctx::identified(&self.live, started, identity);
        let way = self.judge(&sent.head, head.size(bytes, spans), &mut ctx).await;
        let canonical = ctx.canonical.clone();
        let asked = sent.at(canonical.as_deref());
        let body = &bytes[head.len..];
        let answered = match way {
            Way::Reply(reply) => self.reply(client, desktop, (&asked, head, body), &mut ctx, reply).await,
            Way::PassOn => self.pass_on_or_refuse(client, desktop, (&asked, head, body), &mut ctx).await,
            Way::HandOver => {
                let handed = HandedOver::new(head, bytes, Some(Box::new(ctx)), &mut client.read_after);
                return Answered::Over(Next::HandOver(handed));
            }
        };
        *ended = self.live.clock().now();
        tell(&self.live, Some(&asked), client.ip, &ctx, *ended);
        answered
    }

    async fn pass_on_or_refuse(
        &self,
        client: &mut Client,
        desktop: Desktop<'_>,
        (asked, head, body): (&Asked<'_>, &RequestHead, &[u8]),
        ctx: &mut Ctx,
    ) -> Answered {
        let Desktop { output, date, bench } = desktop;
        let work = Work { asked, head, body, output, date, bench };
        match self.pass_on(client, work, ctx).await {
            Passed::Kept(body_len) => Answered::Kept(body_len),
            Passed::Closed => Answered::Over(Next::Close),
            Passed::ClosedEarly => Answered::Over(Next::CloseGently),
            Passed::Refused { answer, is_body_touched } => {
                let reply = refusal(answer, ctx);
                let desktop = Desktop { output, date, bench };
                let answered = self.reply_with(client, desktop, (asked, head, body), ctx, reply, is_body_touched);
                answered.await
            }
        }
    }

    async fn reply(
        &self,
        client: &mut Client,
        desktop: Desktop<'_>,
        of: (&Asked<'_>, &RequestHead, &[u8]),
        ctx: &mut Ctx,
        reply: Reply,
    ) -> Answered {
        self.reply_with(client, desktop, of, ctx, reply, false).await
    }

    /// Answers with what is at hand. `is_body_touched`: some of the request's body was read and is gone.
    async fn reply_with(
        &self,
        client: &mut Client,
        desktop: Desktop<'_>,
        (asked, head, body): (&Asked<'_>, &RequestHead, &[u8]),
        ctx: &mut Ctx,
        reply: Reply,
        is_body_touched: bool,
    ) -> Answered {
        let unread = if is_body_touched { Unread::Left } else { Unread::of(head, body) };
        let keeps_alive = head.keeps_alive && unread != Unread::Left && !self.live.is_draining();
        let manner = Manner { is_http_11: head.is_http_11, keeps_alive };
        ctx.facts.status = reply.status;
        reply::write_head(&reply, &ctx.seal(), manner, (desktop.date, ctx.facts.started), desktop.output);
        let has_body = asked.head.method != "HEAD" && !matches!(reply.status, 204 | 304);
        let sent: &[u8] = if has_body { &reply.body } else { &[] };
        ctx.facts.bytes_out = sent.len() as u64;
        if !reply::send(client, desktop.output, sent, ctx.snapshot.limits().body_timeout).await {
            return Answered::Over(Next::Close);
        }
        match unread {
            Unread::Whole(len) if keeps_alive => Answered::Kept(len),
            Unread::Whole(_) => Answered::Over(Next::Close),
            Unread::Drained(left) if keeps_alive && client.drain(left, respond::DRAIN_TIMEOUT).await => {
                Answered::Kept(body.len())
            }
            Unread::Drained(_) | Unread::Left => Answered::Over(Next::CloseGently),
        }
    }
}

pub(super) async fn stopped(mut shutdown: ShutdownWatch) {
    // A server that is gone has stopped.
    let _ = shutdown.wait_for(|is_stopping| *is_stopping).await;
}

fn answer_to(fault: HeadFault) -> Answer {
    match fault {
        HeadFault::Malformed(why) => Answer::new(Refusal::MalformedRequest, why),
        HeadFault::TooManyFields => Answer::new(Refusal::HeadersTooLarge, "the head has more fields than are read"),
    }
}
