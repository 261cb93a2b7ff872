use std::net::SocketAddr;
use std::pin::pin;

use pingora_core::server::ShutdownWatch;

use super::Express;
use super::client::Client;
use super::decide::{Held, Way};
use super::desk::{Desk, Input, Paper};
use super::downstream::{Passed, Work};
use super::handover::HandedOver;
use super::head::{HeadFault, RequestHead, read_request};
use super::reply::{self, Form, Unread};
use super::response::Manner;
use crate::base::{Answer, FieldSpans, Now, Refusal};
use crate::gateway::proxy::answers::tell;
use crate::gateway::proxy::arrival;
use crate::gateway::proxy::asked::{Asked, HeadSize};
use crate::gateway::proxy::ctx::Ctx;
use crate::gateway::proxy::source::attribute;
use crate::gateway::proxy::wire::Wire;
use crate::gateway::respond;

/// What becomes of a connection after a request.
pub(super) enum Next {
    /// It is idle.
    Wait,
    HandOver(HandedOver),
    Close,
    /// The client may still be sending.
    CloseGently,
    /// The client is gone, or must not take what it got for the whole.
    Cut,
}

/// What becomes of it right after an answer.
enum Answered {
    /// So many bytes were the request's; the next request may follow.
    Kept(usize),
    Over(Next),
}

/// A request as it came.
#[derive(Clone, Copy)]
struct Sent<'s> {
    asked: &'s Asked<'s>,
    head: &'s RequestHead<'s>,
    /// What was read after the head.
    body: &'s [u8],
}

impl Express {
    /// Serves a client of HTTP/1.1 until it goes, is idle for too long, or the gateway stops.
    pub fn converse<W: Wire>(
        &self,
        wire: W,
        peer: SocketAddr,
        shutdown: &ShutdownWatch,
    ) -> impl Future<Output = ()> + Send {
        self.converse_with(Client::new(wire, peer), shutdown)
    }

    /// The same for a client of whom something may have been read.
    pub(super) async fn converse_with<W: Wire>(&self, mut client: Client<W>, shutdown: &ShutdownWatch) {
        let mut stop = pin!(stopped(shutdown.clone()));
        let mut idle_since = self.live.clock().now();
        let mut idle_timeout = self.live.snapshot().limits().idle_timeout;
        loop {
            let deadline = self.instant(idle_since, idle_timeout);
            if client.read_after.is_empty() && !client.wait(deadline, stop.as_mut(), || self.live.is_draining()).await {
                return client.wire.say_goodbye();
            }
            let mut desk = self.desks.borrow(&self.live);
            let next = self.serve(&mut client, &mut desk, &mut idle_since).await;
            idle_timeout = desk.paper.current.load().limits().idle_timeout;
            self.desks.give_back(desk);
            match next {
                Next::Wait => {}
                Next::Close => return client.wire.say_goodbye(),
                Next::Cut => return,
                Next::CloseGently => return Box::pin(client.close_gently()).await,
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
    async fn serve<W: Wire>(&self, client: &mut Client<W>, desk: &mut Desk, idle_since: &mut Now) -> Next {
        let Desk { input, spans, last_host, paper } = desk;
        input.begin(&mut client.read_after);
        let mut started = self.live.clock().now();
        loop {
            let read = if input.is_empty() { Ok(None) } else { read_request(input.bytes(), spans, last_host) };
            let answered = match read {
                Ok(Some(mut head)) => {
                    client.requests += 1;
                    head.be_number(client.requests, paper.current.load().limits());
                    self.answer(client, paper, (&head, input.bytes(), spans), started, idle_since).await
                }
                Ok(None) => match self.read_more(client, input, paper, started).await {
                    Ok(true) => continue,
                    Ok(false) => return Next::Close,
                    Err(answer) => return Box::pin(self.refuse_unread(client, paper, answer, started)).await,
                },
                Err(fault) => return Box::pin(self.refuse_unread(client, paper, answer_to(fault), started)).await,
            };
            match answered {
                Answered::Kept(len) => input.discard(len, &mut client.read_after),
                Answered::Over(next) => return next,
            }
            if input.is_empty() {
                return Next::Wait;
            }
            started = *idle_since;
        }
    }

    /// Reads more of a head that is not whole; `false`: the client went away.
    async fn read_more<W: Wire>(
        &self,
        client: &mut Client<W>,
        input: &mut Input,
        paper: &mut Paper,
        started: Now,
    ) -> Result<bool, Answer> {
        let limits = paper.current.load().limits();
        check_unread(input.bytes(), limits.head_bytes_max)?;
        let deadline = self.instant(started, limits.head_timeout);
        match client.read(input.room(), deadline).await {
            Some(Ok(count)) => {
                input.fill(count);
                Ok(count > 0)
            }
            Some(Err(_)) => Ok(false),
            None => Err(Answer::new(Refusal::RequestTimeout, "the request's head came too slowly")),
        }
    }

    /// Answers a request whose head could not be read; nothing is known of where it ends.
    ///
    /// Like all that is rare it is boxed where it is called, so that an idle connection does not hold its room.
    pub(super) async fn refuse_unread<W: Wire>(
        &self,
        client: &mut Client<W>,
        paper: &mut Paper,
        answer: Answer,
        started: Now,
    ) -> Next {
        let mut ctx = Ctx::new(&self.live, started);
        ctx.facts.client_subject.clone_from(&client.subject);
        let now = self.live.clock().now();
        let manner = Manner { is_http_11: true, keeps_alive: false };
        let form = Form { asked: None, manner, is_head_only: false, now };
        let rest = paper.sheet().write(&mut Held::Refused(answer), form, &mut ctx);
        let patience = ctx.snapshot.limits().body_timeout;
        let is_sent = reply::send(client, &paper.output, &rest, patience).await;
        tell(&self.live, None, client.ip, &ctx, now);
        if is_sent { Next::CloseGently } else { Next::Cut }
    }

    /// Runs the phases over a request and answers it.
    async fn answer<W: Wire>(
        &self,
        client: &mut Client<W>,
        paper: &mut Paper,
        (head, bytes, spans): (&RequestHead<'_>, &[u8], &FieldSpans),
        started: Now,
        ended: &mut Now,
    ) -> Answered {
        if head.is_upgrade || head.expects_continue {
            return Answered::Over(Next::HandOver(HandedOver::new(head, bytes, None, &mut client.read_after)));
        }
        let mut sent = head.asked(bytes, spans, client.ip, W::SCHEME);
        attribute(&mut sent.head, client.ip, paper.current.load().trusted_proxies());
        let identity = arrival::identify(&sent.head, started);
        let mut ctx = paper.context(&self.live, started, identity);
        ctx.standing.is_first = client.requests == 1;
        ctx.facts.client_subject.clone_from(&client.subject);
        let checked = arrival::check(&sent.head, head.size(), &mut ctx);
        let canonical = ctx.canonical.clone();
        sent.respell(canonical.as_deref());
        let asked = &sent;
        let way = match checked {
            Ok(()) => self.judge(asked, &mut ctx).await,
            Err(answer) => Way::Held(Held::Refused(answer)),
        };
        let sent = Sent { asked, head, body: &bytes[head.len..] };
        let answered = match way {
            Way::Held(mut held) => self.reply(client, paper, sent, &mut ctx, &mut held, false).await,
            // Boxed, so that an idle connection does not hold the room that an exchange needs.
            Way::PassOn => Box::pin(self.pass_on_or_refuse(client, paper, sent, &mut ctx)).await,
            Way::HandOver => {
                let handed = HandedOver::new(head, bytes, Some(ctx), &mut client.read_after);
                return Answered::Over(Next::HandOver(handed));
            }
        };
        *ended = self.live.clock().now();
        tell(&self.live, Some(asked), asked.head.client, &ctx, *ended);
        paper.keep(ctx);
        answered
    }

    async fn pass_on_or_refuse<W: Wire>(
        &self,
        client: &mut Client<W>,
        paper: &mut Paper,
        sent: Sent<'_>,
        ctx: &mut Ctx,
    ) -> Answered {
        let Sent { asked, head, body } = sent;
        let work =
            Work { asked, head, body, output: &mut paper.output, date: &mut paper.date, bench: &mut paper.bench };
        match self.pass_on(client, work, ctx).await {
            Passed::Kept(body_len) => Answered::Kept(head.len + body_len),
            Passed::Closed => Answered::Over(Next::Close),
            Passed::Cut => Answered::Over(Next::Cut),
            Passed::ClosedEarly => Answered::Over(Next::CloseGently),
            Passed::Refused { answer, is_body_touched } => {
                self.reply(client, paper, sent, ctx, &mut Held::Refused(answer), is_body_touched).await
            }
        }
    }

    /// Answers with what is at hand. `is_body_touched`: some of the request's body was read and is gone.
    async fn reply<W: Wire>(
        &self,
        client: &mut Client<W>,
        paper: &mut Paper,
        Sent { asked, head, body }: Sent<'_>,
        ctx: &mut Ctx,
        held: &mut Held,
        is_body_touched: bool,
    ) -> Answered {
        let unread = if is_body_touched { Unread::Left } else { Unread::of(head, body) };
        let keeps_alive = head.keeps_alive && unread != Unread::Left && !self.live.is_draining();
        let manner = Manner { is_http_11: head.is_http_11, keeps_alive };
        let is_head_only = asked.head.method == "HEAD";
        let form = Form { asked: Some(asked), manner, is_head_only, now: ctx.facts.started };
        let rest = paper.sheet().write(held, form, ctx);
        if !reply::send(client, &paper.output, &rest, ctx.snapshot.limits().body_timeout).await {
            return Answered::Over(Next::Cut);
        }
        match unread {
            Unread::Whole(len) if keeps_alive => Answered::Kept(head.len + len),
            Unread::Whole(_) => Answered::Over(Next::Close),
            Unread::Drained(left) if keeps_alive && client.drain(left, respond::DRAIN_TIMEOUT).await => {
                Answered::Kept(head.len + body.len())
            }
            Unread::Drained(_) | Unread::Left => Answered::Over(Next::CloseGently),
        }
    }
}

/// Refuses what is too large before it is whole.
fn check_unread(bytes: &[u8], max: usize) -> Result<(), Answer> {
    let line = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
    arrival::check_size(HeadSize { line, fields: bytes.len() - line }, max)
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
