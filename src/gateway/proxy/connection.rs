use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::SslDigest;
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
    UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::express::Fence;
use super::wire::Wire;
use crate::gateway::snapshot::Live;

/// What is written before a flush is collected up to here, so that a small answer leaves in one packet.
const WRITE_BUFFER_BYTES: usize = 8 << 10;

/// Of what a client sends behind its request, what is kept for its turn: the rest waits in the socket.
const HELD_BYTES_MAX: usize = 16 << 10;

/// A client's connection as the full lane holds it: for one request, whose end it does not read beyond.
///
/// Pingora's own stream can be given its write buffer only by Pingora's own listeners, which cannot report the port
/// they bound or fail cleanly; so this is ours. Large writes go out together with what was collected, in one `writev`.
#[derive(Debug)]
pub(super) struct Connection<W> {
    wire: W,
    /// Bytes read ahead that are to be read again.
    read_again: Vec<u8>,
    unsent: Vec<u8>,
    /// For how long it was read from in vain, and since when it is.
    waited: Duration,
    waiting_since: Option<Instant>,
    live: Arc<Live>,
    fence: Fence,
    /// What the client has sent behind its request.
    held: Vec<u8>,
    socket: Arc<SocketDigest>,
    tls: Option<Arc<SslDigest>>,
    established: SystemTime,
}

impl<W: Wire> Connection<W> {
    pub(super) fn new(mut wire: W, peer: SocketAddr, fence: Fence, live: Arc<Live>) -> Connection<W> {
        let tcp = wire.tcp();
        // Without it the last packet of an answer would wait for an acknowledgement. Fails only on a dead socket.
        let _ = tcp.set_nodelay(true);
        let socket = SocketDigest::from_raw_fd(tcp.as_raw_fd());
        let _ = socket.peer_addr.set(Some(peer.into()));
        let tls = wire.digest();
        Connection {
            wire,
            read_again: Vec::new(),
            unsent: Vec::new(),
            waited: Duration::ZERO,
            waiting_since: None,
            live,
            fence,
            held: Vec::new(),
            socket: Arc::new(socket),
            tls,
            established: SystemTime::now(),
        }
    }

    /// What the client speaks over, and what it sent behind its request. `None`: it is in the midst of something, and not
    /// to be used again.
    pub(super) fn into_wire(self) -> Option<(W, Vec<u8>)> {
        let is_between = self.fence.is_between_requests() && self.read_again.is_empty() && self.unsent.is_empty();
        is_between.then_some((self.wire, self.held))
    }

    /// Keeps what comes after the request for its turn, and notices a client that goes away.
    fn poll_hold(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut room = [0; 1024];
        while self.held.len() < HELD_BYTES_MAX {
            let mut piece = ReadBuf::new(&mut room);
            ready!(Pin::new(&mut self.wire).poll_read(cx, &mut piece))?;
            match piece.filled() {
                [] => return Poll::Ready(Ok(())),
                bytes => self.held.extend_from_slice(bytes),
            }
        }
        Poll::Pending
    }

    fn note_wait(&mut self, is_waiting: bool) {
        match self.waiting_since {
            None if is_waiting => self.waiting_since = Some(Instant::now()),
            Some(since) if !is_waiting => {
                self.waited += since.elapsed();
                self.waiting_since = None;
            }
            _ => {}
        }
    }

    fn poll_send_unsent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let sent = ready!(Pin::new(&mut self.wire).poll_write(cx, &self.unsent))?;
            self.forget_sent(sent)?;
        }
        Poll::Ready(Ok(()))
    }

    fn forget_sent(&mut self, sent: usize) -> io::Result<()> {
        if sent == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.unsent.drain(..sent);
        Ok(())
    }
}

impl<W: Wire> AsyncRead for Connection<W> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read_again.is_empty() {
            if self.fence.is_reached() {
                return self.poll_hold(cx);
            }
            let before = buf.filled().len();
            let read = Pin::new(&mut self.wire).poll_read(cx, buf);
            self.note_wait(read.is_pending());
            if read.is_pending() && self.live.is_cut() {
                return Poll::Ready(Err(io::Error::other("the gateway is shutting down")));
            }
            ready!(read)?;
            let read = &buf.filled()[before..];
            let taken = self.fence.take(read).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
            let after = read[taken..].to_vec();
            self.held.extend(after);
            buf.set_filled(before + taken);
            return Poll::Ready(Ok(()));
        }
        let count = buf.remaining().min(self.read_again.len());
        buf.put_slice(&self.read_again[..count]);
        self.read_again.drain(..count);
        Poll::Ready(Ok(()))
    }
}

impl<W: Wire> AsyncWrite for Connection<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.unsent.len() + buf.len() <= WRITE_BUFFER_BYTES {
            self.unsent.extend_from_slice(buf);
            return Poll::Ready(Ok(buf.len()));
        }
        if self.unsent.is_empty() {
            return Pin::new(&mut self.wire).poll_write(cx, buf);
        }
        let this = &mut *self;
        let both = [io::IoSlice::new(&this.unsent), io::IoSlice::new(buf)];
        let sent = ready!(Pin::new(&mut this.wire).poll_write_vectored(cx, &both))?;
        let collected = this.unsent.len();
        this.forget_sent(sent.min(collected))?;
        match sent.checked_sub(collected) {
            Some(of_buf) if of_buf > 0 => Poll::Ready(Ok(of_buf)),
            // Not a byte of `buf` has left: it is tried again when the rest before it has.
            _ => {
                ready!(this.poll_send_unsent(cx))?;
                Pin::new(&mut this.wire).poll_write(cx, buf)
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send_unsent(cx))?;
        // An idle connection keeps no buffer.
        self.unsent = Vec::new();
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send_unsent(cx))?;
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}

#[async_trait]
impl<W: Wire> Shutdown for Connection<W> {
    async fn shutdown(&mut self) {
        // The client may be gone already; there is nobody left to tell.
        let _ = tokio::io::AsyncWriteExt::shutdown(self).await;
    }
}

impl<W: Wire> UniqueID for Connection<W> {
    fn id(&self) -> UniqueIDType {
        self.wire.as_raw_fd()
    }
}

impl<W: Wire> Ssl for Connection<W> {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.tls.clone()
    }
}

#[async_trait]
impl<W: Wire> Peek for Connection<W> {
    async fn try_peek(&mut self, buf: &mut [u8]) -> io::Result<bool> {
        self.read_exact(buf).await?;
        self.read_again.splice(0..0, buf.iter().copied());
        Ok(true)
    }
}

impl<W: Wire> GetTimingDigest for Connection<W> {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        vec![Some(TimingDigest {
            established_ts: self.established,
            establishment_duration: None,
            offload_wait_duration: None,
        })]
    }

    fn get_read_pending_time(&self) -> Duration {
        self.waited
    }

    fn get_write_pending_time(&self) -> Duration {
        Duration::ZERO
    }
}

impl<W: Wire> GetProxyDigest for Connection<W> {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl<W: Wire> GetSocketDigest for Connection<W> {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(Arc::clone(&self.socket))
    }
}
