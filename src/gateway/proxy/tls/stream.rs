use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use pingora_core::protocols::tls::SslDigest;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::session::Session;
use crate::base::Scheme;
use crate::gateway::proxy::wire::{Sink, Wire};

/// A read takes a record at least, and no more than this.
const READ_BYTES_MIN: usize = 20 << 10;
const READ_BYTES_MAX: usize = 64 << 10;

thread_local! {
    /// Where records are read into and written from; held only while a task is polled, so that all connections of a
    /// worker share it.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A client's connection in TLS.
pub struct TlsStream {
    tcp: TcpStream,
    /// Both directions use it; they belong to one task, so nobody ever waits for it.
    session: Mutex<Box<Session>>,
}

/// What comes from the client.
pub struct TlsSource<'t> {
    tcp: ReadHalf<'t>,
    session: &'t Mutex<Box<Session>>,
}

/// What goes to the client.
pub struct TlsSink<'t> {
    tcp: WriteHalf<'t>,
    session: &'t Mutex<Box<Session>>,
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").field("tcp", &self.tcp).finish_non_exhaustive()
    }
}

impl TlsStream {
    /// Shakes hands with a client. Fails when it goes away or does not speak as `config` wants, which it is told.
    pub async fn accept(tcp: TcpStream, config: Arc<ServerConfig>) -> io::Result<TlsStream> {
        // Without it the last packet of a handshake would wait for an acknowledgement. Fails only on a dead socket.
        let _ = tcp.set_nodelay(true);
        let mut stream = TlsStream { tcp, session: Mutex::new(Box::new(Session::new(config)?)) };
        poll_fn(|cx| stream.poll_handshake(cx)).await?;
        Ok(stream)
    }

    /// Whether the client chose HTTP/2 (RFC 7301).
    pub fn speaks_http_2(&self) -> bool {
        lock(&self.session).is_http_2_chosen()
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (mut from, mut to) = self.split();
        loop {
            ready!(Sink::poll_flush(&mut to, cx))?;
            if !lock(to.session).is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            // Data that comes with the end of the handshake waits in the session.
            ready!(from.poll_receive(cx, &mut ReadBuf::new(&mut [])))?;
            if lock(to.session).is_read_closed() {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
}

impl AsRawFd for TlsStream {
    fn as_raw_fd(&self) -> RawFd {
        self.tcp.as_raw_fd()
    }
}

impl Wire for TlsStream {
    const SCHEME: Scheme = Scheme::Https;
    type Source<'w> = TlsSource<'w>;
    type Sink<'w> = TlsSink<'w>;

    fn split(&mut self) -> (TlsSource<'_>, TlsSink<'_>) {
        let (from, to) = self.tcp.split();
        (TlsSource { tcp: from, session: &self.session }, TlsSink { tcp: to, session: &self.session })
    }

    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let session = lock(&self.session);
        if session.has_data() || session.is_read_closed() {
            return Poll::Ready(true);
        }
        self.tcp.poll_read_ready(cx).map(|ready| ready.is_ok())
    }

    fn tcp(&mut self) -> &mut TcpStream {
        &mut self.tcp
    }

    fn say_goodbye(&mut self) {
        let mut session = lock(&self.session);
        session.close_write();
        // Nobody waits for a client that does not read.
        let _ = session.flush(&mut |bytes| self.tcp.try_write(bytes));
    }

    fn digest(&self) -> Option<Arc<SslDigest>> {
        Some(Arc::new(lock(&self.session).digest()))
    }
}

impl TlsSource<'_> {
    /// Reads records once. What tells the client why it is broken off leaves at once, if it can.
    fn poll_receive(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut session = lock(self.session);
        SCRATCH.with_borrow_mut(|scratch| {
            let room = buffer.remaining().clamp(READ_BYTES_MIN, READ_BYTES_MAX);
            let start = session.prepare_read(scratch, room)?;
            let mut raw = ReadBuf::new(&mut scratch[start..start + room]);
            ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut raw))?;
            let count = raw.filled().len();
            if count == 0 {
                session.close_read();
                return Poll::Ready(Ok(()));
            }
            let read = session.read(&mut scratch[..start + count], buffer);
            if read.is_err() {
                let _ = session.flush(&mut |bytes| self.tcp.as_ref().try_write(bytes));
            }
            Poll::Ready(read)
        })
    }
}

impl AsyncRead for TlsSource<'_> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        loop {
            let mut session = lock(self.session);
            session.give(buffer);
            if buffer.filled().len() > before || session.is_read_closed() {
                return Poll::Ready(Ok(()));
            }
            drop(session);
            ready!(self.poll_receive(cx, buffer))?;
        }
    }
}

impl TlsSink<'_> {
    fn poll_write_pieces<'p>(
        &mut self,
        cx: &mut Context<'_>,
        pieces: impl Iterator<Item = &'p [u8]>,
    ) -> Poll<io::Result<usize>> {
        let (mut session, tcp) = (lock(self.session), &mut self.tcp);
        let taken =
            SCRATCH.with_borrow_mut(|scratch| session.write(pieces, scratch, &mut |bytes| send(tcp, cx, bytes)));
        match taken {
            Ok(0) => Poll::Pending,
            taken => Poll::Ready(taken),
        }
    }
}

impl Sink for TlsSink<'_> {
    fn try_write(&self, head: &[u8], body: &[u8]) -> io::Result<usize> {
        let mut session = lock(self.session);
        SCRATCH.with_borrow_mut(|scratch| {
            session.write([head, body].into_iter(), scratch, &mut |bytes| self.tcp.try_write(bytes))
        })
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, head: &[u8], body: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_pieces(cx, [head, body].into_iter())
    }

    fn is_flushed(&self) -> bool {
        lock(self.session).is_flushed()
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (mut session, tcp) = (lock(self.session), &mut self.tcp);
        match session.flush(&mut |bytes| send(tcp, cx, bytes)) {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.split().0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if pieces.iter().all(|piece| piece.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        self.split().1.poll_write_pieces(cx, pieces.iter().map(|piece| &**piece))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Sink::poll_flush(&mut self.split().1, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.session).close_write();
        ready!(self.as_mut().poll_flush(cx))?;
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

fn lock(session: &Mutex<Box<Session>>) -> MutexGuard<'_, Box<Session>> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends what the socket takes, and has the task woken if that is nothing.
fn send(tcp: &mut WriteHalf<'_>, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<usize> {
    match Pin::new(tcp).poll_write(cx, bytes) {
        Poll::Ready(sent) => sent,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
