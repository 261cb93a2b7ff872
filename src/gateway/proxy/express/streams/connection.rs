use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, Stream};
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::Request;
use pingora_core::server::ShutdownWatch;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::Peer;
use super::bell::Bell;
use super::ledger::{Event, Unseen};
use super::outlet::Outlet;
use crate::base::{Answer, Now, Refusal};
use crate::config::Limits;
use crate::gateway::proxy::answers::{note_refusal, tell};
use crate::gateway::proxy::ctx::Ctx;
use crate::gateway::proxy::express::Express;
use crate::gateway::proxy::express::alarm::{Alarm, within};
use crate::gateway::proxy::express::converse::stopped;
use crate::gateway::snapshot::Standing;
use crate::telemetry::Cut;

/// Requests of one client at once; more wait with the client.
const STREAMS_MAX: u32 = 128;
/// What a client may send ahead of a back end that does not take it, in bytes.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
/// What of one answer waits for the client, in bytes.
const SEND_BUFFER_BYTES: usize = 64 << 10;
/// Streams that are opened only to be reset again, before the connection is taken for an attack.
const RESETS_MAX: usize = 64;
/// Streams that the framer resets for what is wrong with them, before the same.
const ERRORS_MAX: usize = 128;
/// A head a little over the limit is refused by us, who can say why; one that is over this by the framer, which reads
/// no more of it. HPACK counts 32 bytes a field more than we do (RFC 7541 section 4.1).
const HEAD_SLACK_BYTES: usize = 16 << 10;
/// Streams make frames and frames make streams: so often before others of the worker have their turn. The runtime
/// makes a task that does not yield believe that its sockets are not ready.
const TURNS_MAX: u32 = 4;
/// How long a goodbye may take to leave, and a client to go after it.
const FAREWELL: Duration = Duration::from_secs(1);

type Incoming = (Request<RecvStream>, SendResponse<Bytes>);

/// How far a connection's life has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// The client was told to open no more streams.
    Leaving,
    /// Nothing is read or written any more; what is in flight sees that for itself.
    Closed,
}

impl Express {
    /// Serves a client of HTTP/2 until it goes, is idle for too long, or the gateway stops. `read_before` was read of
    /// it already.
    pub async fn converse_streams<T>(&self, io: T, read_before: Vec<u8>, peer: Peer, shutdown: &ShutdownWatch)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send,
    {
        // Boxed, since an opened connection has no use for the room that opening it takes.
        let Some(mut driver) = Box::pin(self.open(io, read_before)).await else { return };
        let mut stop = pin!(stopped(shutdown.clone()));
        let mut streams = FuturesUnordered::new();
        let mut is_cut = false;
        poll_fn(|cx| {
            driver.listen(cx.waker());
            if !is_cut && self.live.is_cut() {
                is_cut = true;
                // Each is polled once more, whatever it waits for: it refuses what has no answer.
                streams = std::mem::take(&mut streams).into_iter().collect();
            }
            for _ in 0..TURNS_MAX {
                while let Some(incoming) = driver.accept() {
                    let standing = Standing { is_first: driver.accepted == 1, beside: streams.len() };
                    streams.push(Box::pin(self.answer_stream(&peer, shutdown, incoming, standing)));
                }
                while let Poll::Ready(Some(ended)) = Pin::new(&mut streams).poll_next(cx) {
                    if streams.is_empty() {
                        driver.fall_quiet(self.idle_until(ended));
                    }
                }
                if !driver.wants_a_turn() {
                    break;
                }
            }
            driver.heed(stop.as_mut());
            let (events, flood) = driver.outlet.take_account();
            events.iter().for_each(|event| self.note_event(&peer, *event));
            if let Some(flood) = flood {
                driver.turn_out(flood);
            }
            driver.send(cx);
            if is_cut && streams.is_empty() {
                return Poll::Ready(());
            }
            driver.poll_end(cx, streams.is_empty())
        })
        .await;
        if let Some(cut) = driver.cut {
            self.live.telemetry().metrics.connection_cut(cut);
        }
        if driver.phase == Phase::Closed || driver.cut.is_some() || is_cut {
            // Whether it went or not, it had its time.
            let _ = within(FAREWELL, pin!(Box::pin(driver.outlet.close_gently()))).await;
        }
    }

    async fn open<T>(&self, io: T, read_before: Vec<u8>) -> Option<Driver<T>>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let outlet = Outlet::new(io, read_before);
        let limits = *self.live.snapshot().limits();
        let framer = shake_hands(&outlet, &limits).await?;
        Some(Driver::new(framer, outlet, &limits, self.idle_until(self.live.clock().now())))
    }

    /// Counts what the framer did by itself, and logs requests that it refused.
    fn note_event(&self, peer: &Peer, event: Event) {
        let (refusal, detail) = match event {
            Event::Error { code, is_of_stream } => {
                return self.live.telemetry().metrics.http2_error(code, is_of_stream);
            }
            Event::Refused(Unseen::TooLarge) => (Refusal::HeadersTooLarge, "refused by the framer, without a body"),
            Event::Refused(Unseen::Malformed) => (Refusal::MalformedRequest, "refused by the framer, with a reset"),
        };
        let now = self.live.clock().now();
        let mut ctx = Ctx::new(&self.live, now);
        ctx.facts.status = refusal.status();
        note_refusal(&mut Answer::new(refusal, detail).with_log(detail), &mut ctx);
        tell(&self.live, None, peer.ip, &ctx, now);
    }

    fn idle_until(&self, since: Now) -> Instant {
        self.instant(since, self.live.snapshot().limits().idle_timeout)
    }
}

async fn shake_hands<T>(outlet: &Outlet<T>, limits: &Limits) -> Option<Connection<Outlet<T>, Bytes>>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let head_bytes = limits.head_bytes_max.saturating_mul(2).saturating_add(HEAD_SLACK_BYTES);
    let mut handshake = pin!(
        Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(u32::try_from(head_bytes).unwrap_or(u32::MAX))
            .max_send_buffer_size(SEND_BUFFER_BYTES)
            .max_pending_accept_reset_streams(RESETS_MAX)
            .max_local_error_reset_streams(Some(ERRORS_MAX))
            .handshake(outlet.clone())
    );
    let shaken = poll_fn(|cx| {
        let shaken = handshake.as_mut().poll(cx);
        // What fails to leave fails the handshake when it is polled next.
        let _ = outlet.poll_send(cx);
        shaken
    });
    within(limits.head_timeout, pin!(shaken)).await?.ok()
}

/// Polls a connection's framer when it asks to be, and knows when the connection is over.
struct Driver<T> {
    framer: Connection<Outlet<T>, Bytes>,
    outlet: Outlet<T>,
    for_framer: (Arc<Bell>, Waker),
    for_stop: (Arc<Bell>, Waker),
    phase: Phase,
    alarm: Alarm,
    /// How long the connection may be without streams.
    quiet_until: Instant,
    /// Streams that were accepted, and how many may be.
    accepted: usize,
    accepted_max: usize,
    /// With a client that does not take the end of its answers, and until when that is.
    patience: Duration,
    gone_by: Option<Instant>,
    /// Why the connection is closed, if that is for what its client did.
    cut: Option<Cut>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Driver<T> {
    fn new(
        framer: Connection<Outlet<T>, Bytes>,
        outlet: Outlet<T>,
        limits: &Limits,
        quiet_until: Instant,
    ) -> Driver<T> {
        let ringing = || {
            let bell = Arc::new(Bell::default());
            bell.ring();
            (Arc::clone(&bell), Waker::from(bell))
        };
        let (for_framer, for_stop) = (ringing(), ringing());
        Driver {
            framer,
            outlet,
            for_framer,
            for_stop,
            phase: Phase::Open,
            alarm: Alarm::default(),
            quiet_until,
            accepted: 0,
            accepted_max: limits.requests_per_connection_max,
            patience: limits.body_timeout,
            gone_by: None,
            cut: None,
        }
    }

    fn listen(&self, task: &Waker) {
        self.for_framer.0.listen(task);
        self.for_stop.0.listen(task);
    }

    /// The next request that has come. Frames are read and written on the way.
    fn accept(&mut self) -> Option<Incoming> {
        let (bell, waker) = &self.for_framer;
        if self.phase == Phase::Closed || !bell.take() {
            return None;
        }
        match self.framer.poll_accept(&mut Context::from_waker(waker)) {
            Poll::Ready(Some(Ok(incoming))) => {
                bell.ring();
                self.outlet.accepted(incoming.1.stream_id().as_u32());
                self.accepted += 1;
                if self.accepted >= self.accepted_max && self.phase == Phase::Open {
                    self.framer.graceful_shutdown();
                    self.leave();
                }
                Some(incoming)
            }
            // A client that breaks its connection off, or the rules, was told by the framer.
            Poll::Ready(Some(Err(_)) | None) => {
                self.phase = Phase::Closed;
                None
            }
            Poll::Pending => None,
        }
    }

    /// No stream is being answered any more.
    fn fall_quiet(&mut self, idle_until: Instant) {
        self.quiet_until = if self.phase == Phase::Open { idle_until } else { Instant::now() + FAREWELL };
    }

    /// Whether the framer has something to do: streams have queued frames, or there is something to read.
    fn wants_a_turn(&self) -> bool {
        self.phase != Phase::Closed && self.for_framer.0.has_rung()
    }

    /// Says goodbye when the gateway stops.
    fn heed(&mut self, stop: Pin<&mut impl Future<Output = ()>>) {
        let (bell, waker) = &self.for_stop;
        if self.phase == Phase::Open && bell.take() && stop.poll(&mut Context::from_waker(waker)).is_ready() {
            self.framer.graceful_shutdown();
            self.leave();
        }
    }

    /// Has a client go that sends too much of what is no request.
    fn turn_out(&mut self, flood: Cut) {
        if self.cut.is_none() && self.phase != Phase::Closed {
            self.cut = Some(flood);
            self.framer.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
            self.leave();
            // It gets its last word now, and nothing that it still waits for.
            self.gone_by = Some(self.quiet_until);
        }
    }

    /// Sends what the turns have come to.
    fn send(&mut self, cx: &mut Context<'_>) {
        if matches!(self.outlet.poll_send(cx), Poll::Ready(Err(_))) {
            // It learns that its connection is broken when it flushes.
            self.for_framer.0.ring();
        }
    }

    /// Whether a client that is told to leave has had its time to take its answers.
    fn is_patience_over(&mut self) -> bool {
        let now = Instant::now();
        let is_over = now >= *self.gone_by.get_or_insert(now + self.patience);
        if is_over {
            self.cut.get_or_insert(Cut::UnreadAnswers);
        }
        is_over
    }

    fn leave(&mut self) {
        self.phase = Phase::Leaving;
        self.quiet_until = Instant::now() + FAREWELL;
        self.for_framer.0.ring();
    }

    /// `Ready`: the connection is over. `is_quiet`: no stream is being answered.
    fn poll_end(&mut self, cx: &mut Context<'_>, is_quiet: bool) -> Poll<()> {
        if is_quiet && self.phase == Phase::Closed {
            return Poll::Ready(());
        }
        while is_quiet && self.alarm.poll_past(cx, self.quiet_until).is_ready() {
            let may_stay = self.phase == Phase::Leaving && self.framer.has_streams() && !self.is_patience_over();
            match self.phase {
                Phase::Open => {
                    // Streams that the client opens now are not processed, and it is told so.
                    self.framer.abrupt_shutdown(Reason::NO_ERROR);
                    self.leave();
                }
                // The end of an answer is still to be taken.
                Phase::Leaving if may_stay => self.quiet_until = Instant::now() + FAREWELL,
                Phase::Leaving | Phase::Closed => return Poll::Ready(()),
            }
        }
        let has_rung = (self.for_framer.0.leave(), self.for_stop.0.leave());
        if has_rung.0 && self.phase != Phase::Closed || has_rung.1 && self.phase == Phase::Open {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}
