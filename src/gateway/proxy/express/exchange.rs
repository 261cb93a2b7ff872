use std::convert::identity;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;

use super::Express;
use super::broken::Broken;
use super::client::Client;
use super::desk::{Bench, DateStamp};
use super::head::{Framing, RequestHead};
use super::pump::{Coding, Pump, Rest};
use super::response::{Manner, ResponseHead, read_response};
use super::upload::{Upload, alongside};
use crate::base::{Answer, FieldSpan, Fields, Now, Refusal, push_line, push_number_line};
use crate::gateway::integrate::{Failure, may_retry};
use crate::gateway::proxy::asked::Asked;
use crate::gateway::proxy::attempt::{choose, end_attempt, note_response};
use crate::gateway::proxy::ctx::Ctx;
use crate::gateway::proxy::passed::with_outgoing;
use crate::telemetry::Facts;

/// A head of an answer is no longer than this.
const ANSWER_HEAD_BYTES_MAX: usize = 64 << 10;
/// More informational answers before the real one than any honest back end sends.
const INFORMATIONAL_MAX: u32 = 16;
/// What one read of a large body takes at most: few and big ones cost least.
const UP_READ_BYTES: usize = 64 << 10;
const DOWN_READ_BYTES: usize = 128 << 10;

/// A request on its way to a back end, and what it is carried with.
pub(super) struct Work<'w> {
    pub(super) asked: &'w Asked<'w>,
    pub(super) head: &'w RequestHead<'w>,
    /// What was read after the head.
    pub(super) body: &'w [u8],
    pub(super) output: &'w mut Vec<u8>,
    pub(super) date: &'w mut DateStamp,
    pub(super) bench: &'w mut Bench,
}

/// How a request that was passed on ended.
#[derive(Debug)]
pub(super) enum Passed {
    /// Answered. So many of the bytes that were read after the head were its body; the next request may follow.
    Kept(usize),
    /// Answered or cut, and the connection is over.
    Closed,
    /// Answered while the client was still sending.
    ClosedEarly,
    /// Not answered.
    Refused { answer: Answer, is_body_touched: bool },
}

/// What one attempt was answered, as far as it matters for what follows.
struct Done {
    /// `None`: the body was not needed to its end.
    body_len: Option<usize>,
    keeps_alive: bool,
    /// Whether the connection to the back end may be used again.
    is_reusable: bool,
    answered_at: Now,
}

impl Express {
    /// Sends the request to an endpoint, and once more to another where that is safe, and its answer to the client.
    pub(super) async fn pass_on(&self, client: &mut Client, mut work: Work<'_>, ctx: &mut Ctx) -> Passed {
        loop {
            let now = if ctx.attempt.number == 0 { ctx.facts.started } else { self.live.clock().now() };
            let (address, connect_timeout, deadline) = match choose(&self.live, ctx, now).await {
                Ok((pick, deadline)) => (pick.address(), pick.connect_timeout(), deadline),
                Err(answer) => return Passed::Refused { answer, is_body_touched: false },
            };
            let left = deadline.remaining(now).unwrap_or_default();
            work.bench.clear();
            write_request(&mut work, ctx);
            let mut up_buffers = std::mem::take(&mut work.bench.up);
            let mut up = Pump {
                rest: Rest::from(work.head.framing),
                coding: if work.head.framing == Framing::Chunked { Coding::Chunked } else { Coding::Plain },
                max: ctx.plan().map_or(u64::MAX, |plan| plan.body_bytes_max),
                read_patience: Some(ctx.snapshot.limits().body_timeout),
                write_patience: None,
                read_bytes_max: UP_READ_BYTES,
                buffers: &mut up_buffers,
                moved: 0,
                has_read: false,
                unsent: Vec::new(),
                read_after: Vec::new(),
            };
            let Client { tcp, alarm, .. } = &mut *client;
            let to = Endpoint { address, connect_timeout: connect_timeout.min(left), now };
            let end = self.instant(now, left);
            let ended = alarm.until(end, pin!(self.attempt(tcp, &mut work, &mut up, ctx, &to))).await;
            let (moved, has_read, read_after) = (up.moved, up.has_read, std::mem::take(&mut up.read_after));
            work.bench.up = up_buffers;
            ctx.facts.bytes_in = moved;
            let broken = match ended {
                Some(Ok(done)) => {
                    client.read_after = read_after;
                    return match done {
                        Done { body_len: Some(len), keeps_alive: true, .. } => Passed::Kept(len),
                        Done { body_len: Some(_), .. } => Passed::Closed,
                        Done { body_len: None, .. } => Passed::ClosedEarly,
                    };
                }
                Some(Err(broken)) => broken,
                None => Broken::BackEnd(Failure::TimedOut, "the integration's timeout is over".into()),
            };
            if let Some(passed) = self.settle(broken, &work, ctx, has_read) {
                return passed;
            }
        }
    }

    /// What follows from a broken attempt; `None`: another one.
    fn settle(&self, broken: Broken, work: &Work<'_>, ctx: &mut Ctx, has_read: bool) -> Option<Passed> {
        let answer = match broken {
            Broken::Gone => {
                if ctx.facts.status == 0 {
                    ctx.facts.status = Facts::CLIENT_CLOSED_REQUEST;
                }
                return Some(Passed::Closed);
            }
            Broken::Client(bad) => Some(bad.answer()),
            Broken::BackEnd(failure, cause) => {
                let has_started = work.bench.filled > 0;
                let method = work.asked.head.method;
                let again = may_retry(failure, method, ctx.attempt.number, !has_read, has_started);
                end_attempt(&self.live, ctx, failure, cause);
                if again {
                    return None;
                }
                ctx.attempt.failed.take()
            }
        };
        let answer = answer.unwrap_or_else(|| Answer::new(Refusal::InternalError, "the exchange failed"));
        if ctx.facts.status == 0 {
            return Some(Passed::Refused { answer, is_body_touched: has_read });
        }
        // The head has gone: all that is left is to cut the body, and to say why in the log.
        ctx.facts.refusal = Some(answer.refusal);
        ctx.facts.detail = answer.log;
        Some(Passed::Closed)
    }

    async fn attempt(
        &self,
        client: &mut TcpStream,
        work: &mut Work<'_>,
        up: &mut Pump<'_>,
        ctx: &mut Ctx,
        to: &Endpoint,
    ) -> Result<Done, Broken> {
        let mut upstream = match self.upstreams.take(to.address, to.now) {
            Some(upstream) => upstream,
            // Boxed, since it needs much room and is rare.
            None => Box::pin(connect(to)).await?,
        };
        let done = self.exchange(&mut upstream, client, work, up, ctx).await?;
        if done.is_reusable {
            self.upstreams.put(to.address, upstream, done.answered_at);
        }
        Ok(done)
    }

    /// Sends the request and passes the answer on, over connections that stand.
    async fn exchange(
        &self,
        upstream: &mut TcpStream,
        client: &mut TcpStream,
        work: &mut Work<'_>,
        up: &mut Pump<'_>,
        ctx: &mut Ctx,
    ) -> Result<Done, Broken> {
        let Work { asked, head, body, output, date, bench } = work;
        let Bench { request, answer, filled, spans, down, .. } = &mut **bench;
        let (mut from_back_end, mut to_back_end) = upstream.split();
        let (mut from_client, mut to_client) = client.split();
        let (sent, is_sent) = (up.begin(&to_back_end, request, body), up.is_done());
        let mut upload = Upload { rest: None, taken: 0, ended: None };
        match sent {
            Ok(taken) if is_sent => upload.ended = Some(Ok(taken)),
            Ok(taken) => {
                upload.taken = taken;
                // Boxed, since it needs room and most requests are here whole.
                upload.rest = Some(Box::pin(up.finish(&mut from_client, &mut to_back_end)));
            }
            Err(stopped) => upload.stop(stopped)?,
        }

        let is_head = asked.head.method == "HEAD";
        let response = {
            let reading = pin!(read_head(&mut from_back_end, answer, filled, spans, is_head));
            alongside(&mut upload, reading, identity).await?
        };
        let now = self.live.clock().now();
        note_response(response.status, ctx, now);

        let mut manner = Manner { is_http_11: head.is_http_11, keeps_alive: head.keeps_alive };
        // A client that is still sending what nobody reads is not kept.
        manner.keeps_alive &=
            matches!(upload.ended, Some(Ok(_))) && !response.ends_with_connection(manner) && !self.live.is_draining();
        let bytes = &answer[..*filled];
        let fields = Fields::Wire { bytes, spans };
        response.write(&fields, bytes, &ctx.seal(), manner, (date, now), output);
        ctx.facts.status = response.status;

        let mut down = Pump {
            rest: response.rest.clone(),
            coding: response.coding(manner),
            max: u64::MAX,
            read_patience: None,
            write_patience: Some(ctx.snapshot.limits().body_timeout),
            read_bytes_max: DOWN_READ_BYTES,
            buffers: down,
            moved: 0,
            has_read: false,
            unsent: Vec::new(),
            read_after: Vec::new(),
        };
        let first = &bytes[response.len..];
        if down.rest == Rest::Done || down.rest == Rest::Length(first.len() as u64) {
            // The endpoint has one request less in flight, before the client can notice that it has its answer.
            ctx.attempt.pick = None;
        }
        let mut passed = down.begin(&to_client, output, first).map_err(Broken::by_back_end);
        if passed.is_ok() && !down.is_done() {
            let mut rest = Box::pin(down.finish(&mut from_back_end, &mut to_client));
            let finished = alongside(&mut upload, rest.as_mut(), Broken::by_back_end).await;
            passed = finished.and(passed);
        }
        ctx.facts.bytes_out = down.moved;
        let taken = passed?;
        let is_clean = taken == first.len() && down.read_after.is_empty() && response.rest != Rest::UntilClose;
        let body_len = upload.ended.and_then(Result::ok);
        let is_reusable = response.keeps_alive && is_clean && body_len.is_some();
        Ok(Done { body_len, keeps_alive: manner.keeps_alive, is_reusable, answered_at: now })
    }
}

/// Where an attempt goes.
struct Endpoint {
    address: SocketAddr,
    connect_timeout: Duration,
    now: Now,
}

async fn connect(to: &Endpoint) -> Result<TcpStream, Broken> {
    match tokio::time::timeout(to.connect_timeout, TcpStream::connect(to.address)).await {
        Ok(Ok(tcp)) => {
            // As for clients: the last packet of a request must not wait.
            let _ = tcp.set_nodelay(true);
            Ok(tcp)
        }
        Ok(Err(error)) => Err(Broken::BackEnd(Failure::Connect, error.to_string().into())),
        Err(_) => Err(Broken::BackEnd(Failure::ConnectTimedOut, "it did not accept".into())),
    }
}

/// Reads until the head of a final answer is whole; informational ones are passed over.
async fn read_head(
    from: &mut ReadHalf<'_>,
    answer: &mut Vec<u8>,
    filled: &mut usize,
    spans: &mut Vec<FieldSpan>,
    is_answer_to_head: bool,
) -> Result<ResponseHead, Broken> {
    let malformed = |why: &'static str| Broken::BackEnd(Failure::Malformed, why.into());
    let mut informational = 0;
    loop {
        let parsed = match *filled {
            0 => None,
            _ => read_response(&answer[..*filled], spans, is_answer_to_head).map_err(malformed)?,
        };
        match parsed {
            Some(head) if head.status >= 200 => return Ok(head),
            // Nothing was asked to switch.
            Some(head) if head.status < 100 || head.status == 101 => return Err(malformed("it is no final answer")),
            Some(head) => {
                informational += 1;
                if informational > INFORMATIONAL_MAX {
                    return Err(malformed("no final answer comes"));
                }
                answer.copy_within(head.len..*filled, 0);
                *filled -= head.len;
                continue;
            }
            None if *filled == answer.len() && *filled >= ANSWER_HEAD_BYTES_MAX => {
                return Err(malformed("its head is too large"));
            }
            None if *filled == answer.len() => answer.resize(2 * *filled, 0),
            None => {}
        }
        match from.read(&mut answer[*filled..]).await {
            Ok(0) => return Err(Broken::BackEnd(Failure::Reset, "it closed without an answer".into())),
            Ok(count) => *filled += count,
            Err(error) => return Err(Broken::BackEnd(Failure::Reset, error.to_string().into())),
        }
    }
}

/// Writes the head of the back end's request. Its body is framed anew, as the client framed it.
fn write_request(work: &mut Work<'_>, ctx: &Ctx) {
    let out = &mut work.bench.request;
    with_outgoing(work.asked, ctx, |outgoing| outgoing.write(out));
    match work.head.framing {
        Framing::None => {}
        Framing::Length(length) => push_number_line(out, b"content-length", length),
        Framing::Chunked => push_line(out, b"transfer-encoding", b"chunked"),
    }
    out.extend_from_slice(b"\r\n");
}
