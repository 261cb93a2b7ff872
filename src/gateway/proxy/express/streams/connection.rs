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
use super::outlet::Outlet;
use crate::base::Now;
use crate::config::Limits;
use crate::gateway::proxy::express::Express;
use crate::gateway::proxy::express::alarm::{Alarm, within};
use crate::gateway::proxy::express::converse::stopped;

/// Requests of one client at once; more wait with the client.
const STREAMS_MAX: u32 = 128;
/// What a client may send ahead of a back end that does not take it, in bytes.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
/// What of one answer waits for the client, in bytes.
const SEND_BUFFER_BYTES: usize = 64 << 10;
/// Streams that are opened only to be reset again, before the connection is taken for an attack.
const RESETS_MAX: usize = 64;
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
        let outlet = Outlet::new(io, read_before);
        let limits = *self.live.snapshot().limits();
        let Some(framer) = shake_hands(&outlet, &limits).await else { return };
        let mut driver = Driver::new(framer, outlet, self.idle_until(self.live.clock().now()));
        let mut stop = pin!(stopped(shutdown.clone()));
        let mut streams = FuturesUnordered::new();
        poll_fn(|cx| {
            driver.listen(cx.waker());
            for _ in 0..TURNS_MAX {
                while let Some(incoming) = driver.accept() {
                    streams.push(Box::pin(self.answer_stream(&peer, shutdown, incoming)));
                }
                while let Poll::Ready(Some(ended)) = Pin::new(&mut streams).poll_next(cx) {
                    if streams.is_empty() {
                        driver.quiet_until = self.idle_until(ended);
                    }
                }
                if !driver.wants_a_turn() {
                    break;
                }
            }
            driver.heed(stop.as_mut());
            driver.send(cx);
            if self.live.is_cut() {
                return Poll::Ready(());
            }
            driver.poll_end(cx, streams.is_empty())
        })
        .await;
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
}

impl<T: AsyncRead + AsyncWrite + Unpin> Driver<T> {
    fn new(framer: Connection<Outlet<T>, Bytes>, outlet: Outlet<T>, quiet_until: Instant) -> Driver<T> {
        let ringing = || {
            let bell = Arc::new(Bell::default());
            bell.ring();
            (Arc::clone(&bell), Waker::from(bell))
        };
        let (for_framer, for_stop) = (ringing(), ringing());
        Driver { framer, outlet, for_framer, for_stop, phase: Phase::Open, alarm: Alarm::default(), quiet_until }
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

    /// Sends what the turns have come to.
    fn send(&mut self, cx: &mut Context<'_>) {
        if matches!(self.outlet.poll_send(cx), Poll::Ready(Err(_))) {
            // It learns that its connection is broken when it flushes.
            self.for_framer.0.ring();
        }
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
            match self.phase {
                Phase::Open => {
                    // Streams that the client opens now are not processed, and it is told so.
                    self.framer.abrupt_shutdown(Reason::NO_ERROR);
                    self.leave();
                }
                // The end of an answer is still to be taken; the gateway's own drain bounds this.
                Phase::Leaving if self.framer.has_streams() => self.quiet_until = Instant::now() + FAREWELL,
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
