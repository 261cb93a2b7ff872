use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::time::Instant;

use super::alarm::{Alarm, within};
use crate::gateway::proxy::tls::client_subject;
use crate::gateway::proxy::wire::Wire;

/// What is read from a client that was told to go away, so that it gets to read why.
const LINGER_BYTES_MAX: usize = 256 << 10;
const LINGER: Duration = Duration::from_secs(2);

/// A client's connection.
#[derive(Debug)]
pub(super) struct Client<W> {
    pub(super) wire: W,
    pub(super) peer: SocketAddr,
    pub(super) ip: IpAddr,
    /// Whom its certificate names, if it showed one.
    pub(super) subject: Option<Arc<str>>,
    pub(super) alarm: Alarm,
    /// Requests that it has sent so far.
    pub(super) requests: usize,
    /// Whether a stop of the gateway wakes the task.
    is_stop_awaited: bool,
    /// Bytes that were read after a request's own.
    pub(super) read_after: Vec<u8>,
}

impl<W: Wire> Client<W> {
    pub(super) fn new(mut wire: W, peer: SocketAddr) -> Client<W> {
        // Without it the last packet of an answer would wait for an acknowledgement. Fails only on a dead socket.
        let _ = wire.tcp().set_nodelay(true);
        Client {
            subject: client_subject(wire.digest().as_deref()),
            wire,
            peer,
            ip: peer.ip().to_canonical(),
            alarm: Alarm::default(),
            requests: 0,
            is_stop_awaited: false,
            read_after: Vec::new(),
        }
    }

    /// Waits for the next request without holding a buffer. `false`: there will be none. `is_stopping` tells at once
    /// what `stop` tells by a wake-up.
    pub(super) async fn wait(
        &mut self,
        deadline: Instant,
        mut stop: Pin<&mut impl Future<Output = ()>>,
        is_stopping: impl Fn() -> bool,
    ) -> bool {
        let mut is_first_look = true;
        poll_fn(|cx| {
            if let Poll::Ready(is_sound) = self.wire.poll_read_ready(cx) {
                return Poll::Ready(is_sound);
            }
            // Between two requests nothing is asked that would have woken us: only a wake-up makes us ask.
            let is_watched = self.is_stop_awaited && self.alarm.is_set(deadline) && !is_stopping();
            if std::mem::take(&mut is_first_look) && is_watched {
                return Poll::Pending;
            }
            self.is_stop_awaited = true;
            if stop.as_mut().poll(cx).is_ready() || self.alarm.poll_past(cx, deadline).is_ready() {
                return Poll::Ready(false);
            }
            Poll::Pending
        })
        .await
    }

    /// Reads into `buffer`; 0: the client has closed its side.
    pub(super) async fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> Option<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        poll_fn(|cx| match Pin::new(&mut self.wire).poll_read(cx, &mut buffer) {
            Poll::Ready(done) => Poll::Ready(Some(done.map(|()| buffer.filled().len()))),
            Poll::Pending => self.alarm.poll_past(cx, deadline).map(|()| None),
        })
        .await
    }

    /// Reads and drops `len` bytes. `false`: they did not come in time.
    pub(super) async fn drain(&mut self, len: u64, patience: Duration) -> bool {
        let mut sink = vec![0; 4096];
        let drained = async {
            let mut left = len;
            while left > 0 {
                let most = usize::try_from(left).map_or(sink.len(), |left| left.min(sink.len()));
                match self.wire.read(&mut sink[..most]).await {
                    Ok(0) | Err(_) => return false,
                    Ok(count) => left -= count as u64,
                }
            }
            true
        };
        within(patience, pin!(drained)).await.unwrap_or(false)
    }

    /// Closes after an answer to something that is still being sent. A socket that is closed with bytes unread resets
    /// the connection, and the answer may be lost with it (RFC 9112 section 9.6).
    pub(super) async fn close_gently(mut self) {
        self.wire.say_goodbye();
        // Nobody reads what still comes, so it is not decrypted either.
        let tcp = self.wire.tcp();
        if tcp.shutdown().await.is_err() {
            return;
        }
        let mut sink = vec![0; 16 << 10];
        let rest = async {
            let mut read = 0;
            while read < LINGER_BYTES_MAX {
                match tcp.read(&mut sink).await {
                    Ok(0) | Err(_) => return,
                    Ok(count) => read += count,
                }
            }
        };
        // Whether it went on sending or not, it had its time.
        let _ = tokio::time::timeout(LINGER, rest).await;
    }
}
