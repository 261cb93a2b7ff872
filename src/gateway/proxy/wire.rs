use std::fmt::Debug;
use std::io;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pingora_core::protocols::tls::SslDigest;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use crate::base::Scheme;

/// What a client speaks HTTP over: a socket, or TLS on one.
pub trait Wire: AsyncRead + AsyncWrite + AsRawFd + Debug + Unpin + Send + Sync + 'static {
    const SCHEME: Scheme;
    type Source<'w>: AsyncRead + Unpin + Send;
    type Sink<'w>: Sink;

    /// Its two directions, to be used side by side.
    fn split(&mut self) -> (Self::Source<'_>, Self::Sink<'_>);

    /// Whether there seems to be something to read, or nothing ever more. `false`: the connection is broken.
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<bool>;

    fn tcp(&mut self) -> &mut TcpStream;

    /// Says that all was sent, where a closed socket alone does not say so.
    fn say_goodbye(&mut self);

    /// What is known of its TLS; `None` in plaintext.
    fn digest(&self) -> Option<Arc<SslDigest>>;
}

/// Where bytes are written to.
pub trait Sink: Unpin + Send + Sync {
    /// Takes of both what can be taken now, in as few calls to the kernel as there may be. 0: nothing can.
    fn try_write(&self, head: &[u8], body: &[u8]) -> io::Result<usize>;

    /// The same, but the task is woken when there is something to do again.
    fn poll_write(&mut self, cx: &mut Context<'_>, head: &[u8], body: &[u8]) -> Poll<io::Result<usize>>;

    /// Whether all that was taken has left.
    fn is_flushed(&self) -> bool;

    /// Sends what was taken and has not left.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Wire for TcpStream {
    const SCHEME: Scheme = Scheme::Http;
    type Source<'w> = ReadHalf<'w>;
    type Sink<'w> = WriteHalf<'w>;

    fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        TcpStream::split(self)
    }

    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<bool> {
        TcpStream::poll_read_ready(self, cx).map(|ready| ready.is_ok())
    }

    fn tcp(&mut self) -> &mut TcpStream {
        self
    }

    fn say_goodbye(&mut self) {}

    fn digest(&self) -> Option<Arc<SslDigest>> {
        None
    }
}

impl Sink for WriteHalf<'_> {
    fn try_write(&self, head: &[u8], body: &[u8]) -> io::Result<usize> {
        let sent = match body {
            [] => WriteHalf::try_write(self, head),
            body => self.try_write_vectored(&[io::IoSlice::new(head), io::IoSlice::new(body)]),
        };
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            sent => sent,
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, head: &[u8], body: &[u8]) -> Poll<io::Result<usize>> {
        let to = Pin::new(self);
        match (head, body) {
            (only, []) | ([], only) => AsyncWrite::poll_write(to, cx, only),
            (head, body) => to.poll_write_vectored(cx, &[io::IoSlice::new(head), io::IoSlice::new(body)]),
        }
    }

    fn is_flushed(&self) -> bool {
        true
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
