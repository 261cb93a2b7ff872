use std::convert::identity;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;

use super::Express;
use super::alarm::Alarm;
use super::broken::{BadBody, Broken};
use super::desk::Bench;
use super::downstream::{Downlink, Heard, Uplink};
use super::head::Framing;
use super::passage::Passage;
use super::pump::Rest;
use super::response::{ResponseHead, read_response};
use super::upload::{Upload, alongside};
use crate::base::{Answer, FieldSpans, Fields, Now, Refusal, push_line, push_number_line};
use crate::gateway::integrate::{Failure, Pick, may_retry};
use crate::gateway::proxy::answers::note_refusal;
use crate::gateway::proxy::asked::Asked;
use crate::gateway::proxy::attempt::{choose, end_attempt, note_response};
use crate::gateway::proxy::change::make_change;
use crate::gateway::proxy::ctx::Ctx;
use crate::gateway::proxy::cut::{stopping, until_cut};
use crate::gateway::proxy::pace::Pace;
use crate::gateway::proxy::passed::{cleaning_of, with_outgoing};
use crate::telemetry::Facts;

/// More informational answers before the real one than any honest back end sends.
const INFORMATIONAL_MAX: u32 = 16;
/// A request on its way to a back end, and what it is carried with.
pub(super) struct Order<'o> {
    pub(super) asked: &'o Asked<'o>,
    pub(super) framing: Framing,
    pub(super) bench: &'o mut Bench,
    pub(super) alarm: &'o mut Alarm,
}

/// How a request that was carried to a back end ended.
#[derive(Debug)]
pub(super) enum Carried {
    /// Answered. So many of the bytes that were at hand were the request's body; `None`: the body was not needed to its
    /// end.
    Answered(Option<usize>),
    /// The client is gone, or its answer has begun and cannot be ended.
    Cut,
    /// Not answered.
    Refused { answer: Answer, is_body_touched: bool },
}

/// What one attempt was answered, as far as it matters for what follows.
struct Done {
    /// `None`: the body was not needed to its end.
    body_len: Option<usize>,
    /// Whether the connection to the back end may be used again.
    is_reusable: bool,
    answered_at: Now,
}

impl Express {
    /// Sends the request to an endpoint, and once more to another where that is safe, and its answer to the client.
    pub(super) async fn carry<U: Uplink, D: Downlink>(
        &self,
        mut order: Order<'_>,
        up: &mut U,
        down: &mut D,
        ctx: &mut Ctx,
    ) -> Carried {
        loop {
            let now = if ctx.attempt.number == 0 { ctx.facts.started } else { self.live.clock().now() };
            let (address, connect_timeout, deadline) = match choose(&self.live, ctx, now).await {
                Ok((pick, deadline)) => (pick.address(), pick.connect_timeout(), deadline),
                Err(answer) => return Carried::Refused { answer, is_body_touched: false },
            };
            let left = deadline.remaining(now).unwrap_or_default();
            let Order { asked, framing, bench, alarm } = &mut order;
            bench.clear();
            write_request(asked, *framing, &mut bench.request, ctx);
            let max = ctx.plan().map_or(u64::MAX, |plan| plan.body_bytes_max);
            up.prepare(max, Pace::new(ctx.snapshot.limits()));
            let to = Endpoint { address, connect_timeout: connect_timeout.min(left), now };
            let is_head = asked.head.method == "HEAD";
            let end = self.instant(now, left);
            let ended = alarm
                .until(end, pin!(until_cut(&self.live, pin!(self.attempt(bench, is_head, up, down, ctx, &to)))))
                .await;
            ctx.facts.bytes_in = up.moved();
            let broken = match ended {
                Some(Some(Ok(done))) => return Carried::Answered(done.body_len),
                Some(Some(Err(broken))) => broken,
                Some(None) => Broken::Stopped,
                // A back end is not to blame for what its client keeps back.
                None if up.awaits_client() && ctx.facts.status == 0 => Broken::Client(BadBody::TooSlow),
                None => Broken::BackEnd(Failure::TimedOut, "the integration's timeout is over".into()),
            };
            if let Some(carried) = self.settle(broken, &order, ctx, up.has_read()) {
                return carried;
            }
        }
    }

    /// What follows from a broken attempt; `None`: another one.
    fn settle(&self, broken: Broken, order: &Order<'_>, ctx: &mut Ctx, has_read: bool) -> Option<Carried> {
        let answer = match broken {
            Broken::Gone => {
                if ctx.facts.status == 0 {
                    ctx.facts.status = Facts::CLIENT_CLOSED_REQUEST;
                }
                return Some(Carried::Cut);
            }
            Broken::Client(bad) => Some(bad.answer()),
            Broken::Stopped => Some(stopping()),
            Broken::BackEnd(failure, cause) => {
                let has_started = order.bench.has_heard;
                let method = order.asked.head.method;
                let again = may_retry(failure, method, ctx.attempt.number, !has_read, has_started);
                end_attempt(&self.live, ctx, failure, cause);
                if again {
                    return None;
                }
                ctx.attempt.failed.take()
            }
        };
        let mut answer = answer.unwrap_or_else(|| Answer::new(Refusal::InternalError, "the exchange failed"));
        if ctx.facts.status == 0 {
            return Some(Carried::Refused { answer, is_body_touched: has_read });
        }
        // The head has gone: all that is left is to cut the body, and to say why in the log.
        note_refusal(&mut answer, ctx);
        Some(Carried::Cut)
    }

    async fn attempt<U: Uplink, D: Downlink>(
        &self,
        bench: &mut Bench,
        is_head: bool,
        up: &mut U,
        down: &mut D,
        ctx: &mut Ctx,
        to: &Endpoint,
    ) -> Result<Done, Broken> {
        let mut upstream = match self.upstreams.take(to.address, to.now) {
            Some(upstream) => upstream,
            // Boxed, since it needs much room and is rare.
            None => Box::pin(connect(to)).await?,
        };
        let done = self.exchange(&mut upstream, bench, is_head, up, down, ctx).await?;
        if done.is_reusable {
            self.upstreams.put(to.address, upstream, done.answered_at);
        }
        Ok(done)
    }

    /// Sends the request and passes the answer on, over connections that stand.
    async fn exchange<U: Uplink, D: Downlink>(
        &self,
        upstream: &mut TcpStream,
        bench: &mut Bench,
        is_head: bool,
        up: &mut U,
        down: &mut D,
        ctx: &mut Ctx,
    ) -> Result<Done, Broken> {
        let Bench { request, has_heard, spans } = bench;
        let (mut from_back_end, mut to_back_end) = upstream.split();
        let (sent, is_sent) = (up.begin(&to_back_end, request), up.is_done());
        let mut upload = Upload { rest: None, taken: 0, ended: None };
        match sent {
            Ok(taken) if is_sent => upload.ended = Some(Ok(taken)),
            Ok(taken) => {
                upload.taken = taken;
                // Boxed, since it needs room and most requests are here whole.
                upload.rest = Some(Box::pin(up.finish(&mut to_back_end)));
            }
            Err(stopped) => upload.stop(stopped)?,
        }

        let (response, bytes) = {
            let reading = pin!(read_head::<D>(&mut from_back_end, has_heard, spans, is_head));
            alongside(&mut upload, reading, identity, |cx| down.poll_gone(cx)).await?
        };
        let now = self.live.clock().now();
        note_response(response.status, ctx, now);

        let (fields, seal) = (Fields::Wire { bytes: &bytes, spans }, ctx.seal());
        make_change(response.status, &fields, ctx, now);
        let patience = ctx.snapshot.limits().body_timeout;
        let cleaning = cleaning_of(ctx);
        let heard = Heard { head: &response, bytes: &bytes, fields: &fields, cleaning, seal: &seal, now, patience };
        // A client that is still sending what nobody reads is not kept.
        down.prepare(&heard, matches!(upload.ended, Some(Ok(_))) && !self.live.is_draining());
        ctx.facts.status = response.status;

        let first = &bytes[response.len..];
        // The endpoint has one request less in flight, before the client can notice that it has its answer.
        match response.rest == Rest::Done || response.rest == Rest::Length(first.len() as u64) {
            true => ctx.attempt.pick = None,
            false => down.hold(ctx.attempt.pick.as_mut().and_then(Pick::take_in_flight)),
        }
        let first_len = first.len();
        let mut passed = down.begin(first).map_err(Broken::by_back_end);
        drop(bytes);
        if passed.is_ok() && !down.is_done() {
            let mut rest = Box::pin(down.finish(&mut from_back_end));
            // It notices itself when there is nobody to send to.
            let finished = alongside(&mut upload, rest.as_mut(), Broken::by_back_end, |_| Poll::Pending).await;
            passed = finished.and(passed);
        }
        ctx.facts.bytes_out = down.moved();
        let taken = passed?;
        let is_clean = taken == first_len && !down.has_read_after() && response.rest != Rest::UntilClose;
        let body_len = upload.ended.and_then(Result::ok);
        let is_reusable = response.keeps_alive && is_clean && body_len.is_some();
        Ok(Done { body_len, is_reusable, answered_at: now })
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

/// Reads until the head of a final answer is whole; informational ones are passed over. A head that does not go into a
/// [`Passage`] is too large.
async fn read_head<D: Downlink>(
    from: &mut ReadHalf<'_>,
    has_heard: &mut bool,
    spans: &mut FieldSpans,
    is_answer_to_head: bool,
) -> Result<(ResponseHead, Passage), Broken> {
    let malformed = |why: &'static str| Broken::BackEnd(Failure::Malformed, why.into());
    let mut informational = 0;
    let mut bytes = read_first(from, D::FIRST_READ_BYTES).await?;
    loop {
        *has_heard = true;
        let parsed = match bytes.is_empty() {
            true => None,
            false => read_response(&bytes, spans, is_answer_to_head).map_err(malformed)?,
        };
        match parsed {
            Some(head) if head.status >= 200 => return Ok((head, bytes)),
            // Nothing was asked to switch.
            Some(head) if head.status < 100 || head.status == 101 => return Err(malformed("it is no final answer")),
            Some(head) => {
                informational += 1;
                if informational > INFORMATIONAL_MAX {
                    return Err(malformed("no final answer comes"));
                }
                bytes.discard(head.len);
                continue;
            }
            None if bytes.is_full() => return Err(malformed("its head is too large")),
            None => {}
        }
        some(poll_fn(|cx| bytes.poll_read(from, cx)).await)?;
    }
}

/// Reads what comes first. No memory is held until it comes.
async fn read_first(from: &mut ReadHalf<'_>, bytes_max: usize) -> Result<Passage, Broken> {
    poll_fn(|cx| {
        let mut bytes = Passage::take();
        let read = ready!(bytes.poll_read_to(bytes_max, from, cx));
        Poll::Ready(some(read).map(|()| bytes))
    })
    .await
}

/// That something was read.
fn some(read: io::Result<usize>) -> Result<(), Broken> {
    match read {
        Ok(0) => Err(Broken::BackEnd(Failure::Reset, "it closed without an answer".into())),
        Ok(_) => Ok(()),
        Err(error) => Err(Broken::BackEnd(Failure::Reset, error.to_string().into())),
    }
}

/// Writes the head of the back end's request. Its body is framed anew, as the client framed it.
fn write_request(asked: &Asked<'_>, framing: Framing, out: &mut Vec<u8>, ctx: &Ctx) {
    let announces_nothing = with_outgoing(asked, ctx, |outgoing| {
        outgoing.write(out);
        outgoing.announces_nothing()
    });
    match framing {
        Framing::None if announces_nothing == Some(true) => push_number_line(out, b"content-length", 0),
        Framing::None => {}
        Framing::Length(length) => push_number_line(out, b"content-length", length),
        Framing::Chunked => push_line(out, b"transfer-encoding", b"chunked"),
    }
    out.extend_from_slice(b"\r\n");
}
