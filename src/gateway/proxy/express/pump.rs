use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncRead;

use super::alarm::within;
use super::chunks::{BadChunk, Chunks, LAST_CHUNK, write_chunk};
use super::head::Framing;
use super::passage::Passage;
use super::reply::COPIED_BYTES_MAX;
use crate::gateway::integrate::InFlight;
use crate::gateway::proxy::pace::Pace;
use crate::gateway::proxy::wire::Sink;

/// What of a body is still to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    Done,
    Length(u64),
    Chunked(Chunks),
    /// Until the other side closes.
    UntilClose,
}

/// How data is framed where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// As it is.
    Plain,
    Chunked,
}

/// Why a body did not pass whole.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The sender closed before the end.
    Ended,
    Read(io::Error),
    ReadTooSlow,
    Write,
    WriteTooSlow,
    BadChunk,
    TooLarge,
}

/// Moves one body from one connection to another, with the pace of the slower.
#[derive(Debug)]
pub(super) struct Pump {
    pub(super) rest: Rest,
    pub(super) coding: Coding,
    /// In bytes, of data.
    pub(super) max: u64,
    /// Of the sender; `None`: somebody else watches it.
    pub(super) pace: Option<Pace>,
    pub(super) write_patience: Option<Duration>,
    /// Bytes of data that were moved.
    pub(super) moved: u64,
    /// What the other side did not take at once.
    pub(super) unsent: Vec<u8>,
    /// Whether something that it took has not left.
    is_held_up: bool,
    /// Whether anything was read that cannot be read again.
    pub(super) has_read: bool,
    /// What was read after the body's end.
    pub(super) read_after: Vec<u8>,
    /// Dropped before the last of the body is sent.
    pub(super) in_flight: Option<InFlight>,
}

thread_local! {
    /// Data of a worker that is framed anew, held only while a task is polled.
    static FRAMED: RefCell<Vec<u8>> = RefCell::default();
}

impl From<Framing> for Rest {
    fn from(framing: Framing) -> Rest {
        match framing {
            Framing::None | Framing::Length(0) => Rest::Done,
            Framing::Length(length) => Rest::Length(length),
            Framing::Chunked => Rest::Chunked(Chunks::default()),
        }
    }
}

impl Pump {
    /// A pump that has nothing to move yet.
    pub(super) fn new() -> Pump {
        Pump {
            rest: Rest::Done,
            coding: Coding::Plain,
            max: u64::MAX,
            pace: None,
            write_patience: None,
            moved: 0,
            unsent: Vec::new(),
            is_held_up: false,
            has_read: false,
            read_after: Vec::new(),
            in_flight: None,
        }
    }

    /// Sends `head` together with what of the body stands in `first`, as far as it is taken at once: that is
    /// nearly always all, and needs neither a timer nor a waker. Returns how many bytes of `first` were the body's. A
    /// small body is copied behind `head`.
    pub(super) fn begin(&mut self, to: &impl Sink, head: &mut Vec<u8>, first: &[u8]) -> Result<usize, Stopped> {
        FRAMED.with_borrow_mut(|framed| {
            let (taken, body) = self.take(first, framed)?;
            let body = join(head, body);
            let sent = to.try_write(head, body).map_err(|_| Stopped::Write)?;
            self.is_held_up = !to.is_flushed();
            if sent < head.len() + body.len() {
                let (head, body) = after(sent, head, body);
                self.unsent = [head, body].concat();
            }
            Ok(taken)
        })
    }

    /// Whether all was sent.
    pub(super) fn is_done(&self) -> bool {
        self.rest == Rest::Done && !self.is_waiting()
    }

    /// Whether something has to be sent before anything more is read.
    fn is_waiting(&self) -> bool {
        self.is_held_up || !self.unsent.is_empty()
    }

    /// Sends what [`Pump::begin`] left, then reads and sends until the body's end.
    pub(super) async fn finish<R, S>(&mut self, from: &mut R, to: &mut S) -> Result<(), Stopped>
    where
        R: AsyncRead + Unpin,
        S: Sink,
    {
        loop {
            if self.is_waiting() {
                let unsent = std::mem::take(&mut self.unsent);
                self.write(to, &unsent).await?;
                self.is_held_up = false;
            }
            if self.rest == Rest::Done {
                return Ok(());
            }
            self.has_read = true;
            let moved = self.moved;
            let patience = self.pace.as_mut().map(|pace| pace.begin_wait(moved));
            let moving = poll_fn(|cx| self.poll_move(from, to, cx));
            match patience {
                Some(patience) => within(patience, pin!(moving)).await.ok_or(Stopped::ReadTooSlow)??,
                None => moving.await?,
            }
            if let Some(pace) = &mut self.pace {
                pace.end_wait();
            }
        }
    }

    /// Reads once, and sends of it what the socket takes.
    ///
    /// Reads more than what is left, if there is more: a read that does not fill its buffer tells the runtime that the
    /// socket is empty, which spares the call that would find out.
    fn poll_move(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
        to: &impl Sink,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Stopped>> {
        let mut passage = Passage::take();
        ready!(passage.poll_read(from, cx)).map_err(Stopped::Read)?;
        let read = &passage[..];
        FRAMED.with_borrow_mut(|framed| {
            if read.is_empty() {
                return Poll::Ready(self.end());
            }
            let (used, data) = self.take(read, framed)?;
            let sent = to.try_write(data, &[]).map_err(|_| Stopped::Write)?;
            self.is_held_up = !to.is_flushed();
            self.unsent.extend_from_slice(&data[sent..]);
            self.read_after.extend_from_slice(&read[used..]);
            Poll::Ready(Ok(()))
        })
    }

    /// The sender has closed.
    fn end(&mut self) -> Result<(), Stopped> {
        if self.rest != Rest::UntilClose {
            return Err(Stopped::Ended);
        }
        self.rest = Rest::Done;
        self.in_flight = None;
        if self.coding == Coding::Chunked {
            self.unsent.extend_from_slice(LAST_CHUNK);
        }
        Ok(())
    }

    /// Takes what of `bytes` is the body's. Returns its length, and what is to be sent: itself, or what is framed anew.
    fn take<'d>(&mut self, bytes: &'d [u8], framed: &'d mut Vec<u8>) -> Result<(usize, &'d [u8]), Stopped> {
        let len = match &mut self.rest {
            Rest::Done => 0,
            Rest::Length(left) => {
                let len = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= len as u64;
                len
            }
            Rest::UntilClose if self.coding == Coding::Plain => bytes.len(),
            Rest::UntilClose | Rest::Chunked(_) => {
                framed.clear();
                let len = self.frame(bytes, framed)?;
                return Ok((len, framed));
            }
        };
        if self.rest == Rest::Length(0) {
            self.rest = Rest::Done;
        }
        self.count(len as u64)?;
        Ok((len, &bytes[..len]))
    }

    /// Writes the data in `bytes` as the other side wants it. Returns how many bytes were the body's.
    fn frame(&mut self, bytes: &[u8], framed: &mut Vec<u8>) -> Result<usize, Stopped> {
        let (coding, mut moved) = (self.coding, 0);
        let mut put = |data: &[u8]| {
            moved += data.len() as u64;
            match coding {
                Coding::Plain => framed.extend_from_slice(data),
                Coding::Chunked => write_chunk(data, framed),
            }
        };
        let len = match &mut self.rest {
            Rest::Chunked(chunks) => chunks.read(bytes, put).map_err(|BadChunk| Stopped::BadChunk)?,
            _ => {
                put(bytes);
                bytes.len()
            }
        };
        if matches!(&self.rest, Rest::Chunked(chunks) if chunks.is_done()) {
            self.rest = Rest::Done;
            if coding == Coding::Chunked {
                framed.extend_from_slice(LAST_CHUNK);
            }
        }
        self.count(moved)?;
        Ok(len)
    }

    fn count(&mut self, moved: u64) -> Result<(), Stopped> {
        self.moved += moved;
        if self.rest == Rest::Done {
            self.in_flight = None;
        }
        if self.moved > self.max { Err(Stopped::TooLarge) } else { Ok(()) }
    }

    async fn write(&self, to: &mut impl Sink, bytes: &[u8]) -> Result<(), Stopped> {
        let write = write_both(to, bytes, &[]);
        let done = match self.write_patience {
            Some(patience) => within(patience, pin!(write)).await.ok_or(Stopped::WriteTooSlow)?,
            None => write.await,
        };
        done.map_err(|_| Stopped::Write)
    }
}

/// Copies `body` behind `head` if it is small: one buffer costs the kernel less than two. Returns what is left of it.
pub(super) fn join<'b>(head: &mut Vec<u8>, body: &'b [u8]) -> &'b [u8] {
    if body.len() > COPIED_BYTES_MAX {
        return body;
    }
    head.extend_from_slice(body);
    &[]
}

/// What is left of both after `sent` bytes.
pub(super) fn after<'b>(sent: usize, head: &'b [u8], body: &'b [u8]) -> (&'b [u8], &'b [u8]) {
    match sent.checked_sub(head.len()) {
        None => (&head[sent..], body),
        Some(of_body) => (&[], &body[of_body..]),
    }
}

/// Writes both, in one call where they are taken at once, and sees to it that they leave.
pub(super) async fn write_both(to: &mut impl Sink, head: &[u8], body: &[u8]) -> io::Result<()> {
    let mut sent = 0;
    while sent < head.len() + body.len() {
        let (head, body) = after(sent, head, body);
        let count = poll_fn(|cx| to.poll_write(cx, head, body)).await?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        sent += count;
    }
    poll_fn(|cx| to.poll_flush(cx)).await
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[test]
    fn only_a_small_body_is_copied_behind_its_head() {
        let check = |len: usize, left: usize| {
            let (mut head, body) = (b"head".to_vec(), vec![b'x'; len]);
            assert_eq!(join(&mut head, &body).len(), left);
            assert_eq!(head.len() + left, 4 + len);
        };
        check(0, 0);
        check(COPIED_BYTES_MAX, 0);
        check(COPIED_BYTES_MAX + 1, COPIED_BYTES_MAX + 1);
    }

    #[test]
    fn what_was_sent_is_not_sent_again() {
        assert_eq!(after(0, b"head", b"body"), (&b"head"[..], &b"body"[..]));
        assert_eq!(after(3, b"head", b"body"), (&b"d"[..], &b"body"[..]));
        assert_eq!(after(4, b"head", b"body"), (&b""[..], &b"body"[..]));
        assert_eq!(after(7, b"head", b"body"), (&b""[..], &b"y"[..]));
    }

    #[test]
    fn what_the_socket_does_not_take_at_once_is_sent_in_order_with_what_comes_after() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut near = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (mut far, _) = listener.accept().await.unwrap();
            let (head, first, later) = (vec![b'h'; 32 << 20], vec![b'f'; 20_000], vec![b'l'; 300_000]);
            let expected = [&head[..], &first, &later].concat();
            let mut pump = Pump::new();
            pump.rest = Rest::Length((first.len() + later.len()) as u64);
            pump.write_patience = Some(Duration::from_secs(60));
            let (mut from, mut to) = near.split();
            let taken = pump.begin(&to, &mut head.clone(), &first).unwrap();
            assert_eq!((taken, pump.is_done(), pump.unsent.is_empty()), (first.len(), false, false));
            let (mut far_reads, mut far_writes) = far.split();
            let sent =
                async { tokio::io::AsyncWriteExt::write_all(&mut far_writes, &[&later[..], b"after"].concat()).await };
            let mut received = vec![0; expected.len()];
            let (finished, sent, read) =
                tokio::join!(pump.finish(&mut from, &mut to), sent, far_reads.read_exact(&mut received));
            finished.unwrap();
            sent.unwrap();
            read.unwrap();
            assert!(received == expected, "the bytes are others, or in another order");
            assert_eq!(pump.moved, (first.len() + later.len()) as u64);
            assert!(b"after".starts_with(&pump.read_after[..]), "only what was read behind the body is left over");
        });
    }
}
