use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use smallvec::SmallVec;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::ledger::{Event, Ledger};
use crate::telemetry::Cut;

/// What is collected before it has to leave.
const COLLECT_BYTES: usize = 64 << 10;
/// Enough for the answers of one turn, nearly always.
const USUAL_BYTES: usize = 8 << 10;
/// What is read of a client after the last word to it.
const LINGER_BYTES_MAX: usize = 256 << 10;

/// A connection as its framer sees it, with one handle for the framer and one for who drives it.
///
/// The framer flushes after every frame of data; this one keeps what is written until the driver sends it, so that
/// the answers of one turn leave in one write.
#[derive(Debug)]
pub(super) struct Outlet<T>(Arc<Mutex<Inner<T>>>);

#[derive(Debug)]
struct Inner<T> {
    io: T,
    /// What was read before, to be read again.
    read_before: Vec<u8>,
    unsent: Vec<u8>,
    /// Of `unsent`, what has left.
    sent: usize,
    /// What broke the connection when nobody was there to be told.
    broken: Option<io::ErrorKind>,
    ledger: Ledger,
}

impl<T> Clone for Outlet<T> {
    fn clone(&self) -> Outlet<T> {
        Outlet(Arc::clone(&self.0))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Outlet<T> {
    pub(super) fn new(io: T, read_before: Vec<u8>) -> Outlet<T> {
        let ledger = Ledger::new();
        Outlet(Arc::new(Mutex::new(Inner { io, read_before, unsent: Vec::new(), sent: 0, broken: None, ledger })))
    }

    /// The framer has handed out the request of this stream.
    pub(super) fn accepted(&self, stream: u32) {
        self.lock().ledger.accepted(stream);
    }

    /// What the framer did by itself since this was asked last, and what the client has too much of.
    pub(super) fn take_account(&self) -> (SmallVec<[Event; 4]>, Option<Cut>) {
        let mut inner = self.lock();
        (inner.ledger.take_events(), inner.ledger.flood())
    }

    /// Closes after a last word. A socket that is closed with bytes unread resets the connection, and the word may be
    /// lost with it (RFC 9112 section 9.6, and it is the same for any protocol).
    pub(super) async fn close_gently(&self) {
        let mut read = 0;
        poll_fn(|cx| {
            let inner = &mut *self.lock();
            // Whether it was sent or cannot be, there is nothing more to say.
            let _ = ready!(inner.poll_send(cx));
            let _ = ready!(Pin::new(&mut inner.io).poll_shutdown(cx));
            let mut sink = [0; 4096];
            while read < LINGER_BYTES_MAX {
                let mut buffer = ReadBuf::new(&mut sink);
                let done = ready!(Pin::new(&mut inner.io).poll_read(cx, &mut buffer));
                if done.is_err() || buffer.filled().is_empty() {
                    break;
                }
                read += buffer.filled().len();
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Sends what was collected. An error is the framer's, when it writes or flushes next.
    pub(super) fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.lock();
        if inner.unsent.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let done = ready!(inner.poll_send(cx));
        if let Err(error) = &done {
            inner.broken = Some(error.kind());
            inner.forget();
        }
        Poll::Ready(done)
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: AsyncWrite + Unpin> Inner<T> {
    fn check(&self) -> io::Result<()> {
        self.broken.map_or(Ok(()), |kind| Err(kind.into()))
    }

    fn waiting(&self) -> usize {
        self.unsent.len() - self.sent
    }

    /// An idle connection keeps no buffer.
    fn forget(&mut self) {
        (self.unsent, self.sent) = (Vec::new(), 0);
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.waiting() > 0 {
            let count = ready!(Pin::new(&mut self.io).poll_write(cx, &self.unsent[self.sent..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += count;
        }
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        self.forget();
        Poll::Ready(Ok(()))
    }

    /// A buffer that outgrows the usual size is made as large as it may become: growing step by step copies much.
    fn make_room(&mut self, len: usize) {
        let wanted = self.unsent.len() + len;
        if wanted > self.unsent.capacity() {
            let room = if wanted <= USUAL_BYTES { USUAL_BYTES } else { COLLECT_BYTES.max(wanted) };
            self.unsent.reserve_exact(room - self.unsent.len());
        }
    }

    /// Takes all of `pieces`, or as much as leaves at once of what is too much to collect.
    fn poll_take(&mut self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.check()?;
        let len: usize = pieces.iter().map(|piece| piece.len()).sum();
        if self.waiting() + len > COLLECT_BYTES {
            ready!(self.poll_send(cx))?;
        }
        if len > COLLECT_BYTES {
            let count = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, pieces))?;
            let mut left = count;
            for piece in pieces {
                let of_piece = left.min(piece.len());
                self.ledger.written(&piece[..of_piece]);
                left -= of_piece;
            }
            return Poll::Ready(Ok(count));
        }
        self.make_room(len);
        for piece in pieces {
            self.ledger.written(piece);
            self.unsent.extend_from_slice(piece);
        }
        Poll::Ready(Ok(len))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Outlet<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let inner = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.ledger.flood().is_some() {
            // The framer gets to read no more; the driver sees why.
            return Poll::Pending;
        }
        if inner.read_before.is_empty() {
            let filled = buf.filled().len();
            ready!(Pin::new(&mut inner.io).poll_read(cx, buf))?;
            inner.ledger.read(&buf.filled()[filled..]);
            return Poll::Ready(Ok(()));
        }
        let count = buf.remaining().min(inner.read_before.len());
        buf.put_slice(&inner.read_before[..count]);
        inner.ledger.read(&inner.read_before[..count]);
        inner.read_before.drain(..count);
        if inner.read_before.is_empty() {
            inner.read_before = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Outlet<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.lock().poll_take(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.lock().poll_take(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// The driver's to do.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.lock().check())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.lock();
        inner.check()?;
        ready!(inner.poll_send(cx))?;
        Pin::new(&mut inner.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    fn run(work: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(work);
    }

    #[test]
    fn what_is_written_in_one_turn_leaves_when_the_driver_says_so() {
        run(async {
            let (near, mut far) = duplex(1 << 20);
            let mut outlet = Outlet::new(near, b"read before".to_vec());
            let mut read = [0; 11];
            outlet.read_exact(&mut read).await.unwrap();
            assert_eq!(&read, b"read before");
            for piece in [&b"one "[..], b"two"] {
                outlet.write_all(piece).await.unwrap();
                outlet.flush().await.unwrap();
            }
            let mut cx = Context::from_waker(Waker::noop());
            let mut read = [0; 16];
            assert!(Pin::new(&mut far).poll_read(&mut cx, &mut ReadBuf::new(&mut read)).is_pending());
            assert!(outlet.poll_send(&mut cx).is_ready());
            assert_eq!(far.read(&mut read).await.unwrap(), 7);
        });
    }

    #[test]
    fn a_client_that_does_not_read_holds_the_framer_back() {
        run(async {
            let (near, mut far) = duplex(1024);
            let mut outlet = Outlet::new(near, Vec::new());
            let mut cx = Context::from_waker(Waker::noop());
            let (mut taken, piece) = (0, [7; 1000]);
            while let Poll::Ready(count) = Pin::new(&mut outlet).poll_write(&mut cx, &piece) {
                taken += count.unwrap();
                assert!(taken <= COLLECT_BYTES + 1024 + piece.len());
            }
            let mut got = 0;
            while got < taken {
                let _ = outlet.poll_send(&mut cx);
                got += far.read(&mut [0; 4096]).await.unwrap();
            }
            drop(far);
            let _ = Pin::new(&mut outlet).poll_write(&mut cx, &piece);
            assert!(poll_fn(|cx| outlet.poll_send(cx)).await.is_err());
            assert!(outlet.flush().await.is_err());
        });
    }
}
