use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::ready;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::alarm::within;
use super::chunks::{BadChunk, Chunks, LAST_CHUNK, write_chunk};
use super::desk::Buffers;
use super::head::Framing;

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
pub(super) struct Pump<'b> {
    pub(super) rest: Rest,
    pub(super) coding: Coding,
    /// In bytes, of data.
    pub(super) max: u64,
    pub(super) read_patience: Option<Duration>,
    pub(super) write_patience: Option<Duration>,
    /// What one read takes at most.
    pub(super) read_bytes_max: usize,
    pub(super) buffers: &'b mut Buffers,
    /// Bytes of data that were moved.
    pub(super) moved: u64,
    /// Whether anything was read that cannot be read again.
    pub(super) has_read: bool,
    /// What was read after the body's end.
    pub(super) read_after: Vec<u8>,
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

impl Pump<'_> {
    /// Sends `head` together with what of the body stands in `first`, then the rest as it is read. Returns how many
    /// bytes of `first` were the body's.
    pub(super) async fn run(
        &mut self,
        from: &mut ReadHalf<'_>,
        to: &mut WriteHalf<'_>,
        head: &[u8],
        first: &[u8],
    ) -> Result<usize, Stopped> {
        let taken = self.send(to, head, first).await?;
        while self.rest != Rest::Done {
            let mut raw = std::mem::take(&mut self.buffers.raw);
            if raw.is_empty() {
                raw.resize(self.read_bytes_max, 0);
            }
            let count = self.read(from, &mut raw).await?;
            if count == 0 {
                self.end(to).await?;
            } else {
                let used = self.send(to, &[], &raw[..count]).await?;
                self.read_after.extend_from_slice(&raw[used..count]);
            }
            self.buffers.raw = raw;
        }
        Ok(taken)
    }

    async fn read(&mut self, from: &mut ReadHalf<'_>, raw: &mut [u8]) -> Result<usize, Stopped> {
        self.has_read = true;
        let most = match &self.rest {
            // What comes after it is not ours to read.
            Rest::Length(left) => usize::try_from(*left).map_or(raw.len(), |left| left.min(raw.len())),
            _ => raw.len(),
        };
        let read = from.read(&mut raw[..most]);
        let done = match self.read_patience {
            Some(patience) => within(patience, pin!(read)).await.ok_or(Stopped::ReadTooSlow)?,
            None => read.await,
        };
        done.map_err(Stopped::Read)
    }

    /// The sender has closed.
    async fn end(&mut self, to: &mut WriteHalf<'_>) -> Result<(), Stopped> {
        if self.rest != Rest::UntilClose {
            return Err(Stopped::Ended);
        }
        self.rest = Rest::Done;
        match self.coding {
            Coding::Plain => Ok(()),
            Coding::Chunked => self.write(to, &[], LAST_CHUNK).await,
        }
    }

    /// Sends what of `bytes` is the body's, after `head`, and returns its length.
    async fn send(&mut self, to: &mut WriteHalf<'_>, head: &[u8], bytes: &[u8]) -> Result<usize, Stopped> {
        let len = match &mut self.rest {
            Rest::Done => 0,
            Rest::Length(left) => {
                let len = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= len as u64;
                len
            }
            Rest::UntilClose if self.coding == Coding::Plain => bytes.len(),
            Rest::UntilClose | Rest::Chunked(_) => return self.send_framed(to, head, bytes).await,
        };
        if self.rest == Rest::Length(0) {
            self.rest = Rest::Done;
        }
        self.count(len)?;
        self.write(to, head, &bytes[..len]).await?;
        Ok(len)
    }

    async fn send_framed(&mut self, to: &mut WriteHalf<'_>, head: &[u8], bytes: &[u8]) -> Result<usize, Stopped> {
        let mut framed = std::mem::take(&mut self.buffers.framed);
        framed.clear();
        let before = self.moved;
        let len = self.frame(bytes, &mut framed)?;
        let added = self.moved - before;
        self.moved = before;
        self.count(usize::try_from(added).unwrap_or(usize::MAX))?;
        self.write(to, head, &framed).await?;
        self.buffers.framed = framed;
        Ok(len)
    }

    /// Writes the data in `bytes` as the other side wants it, and adds its length to what was moved.
    fn frame(&mut self, bytes: &[u8], framed: &mut Vec<u8>) -> Result<usize, Stopped> {
        let (coding, moved) = (self.coding, &mut self.moved);
        let mut put = |data: &[u8]| {
            *moved += data.len() as u64;
            match coding {
                Coding::Plain => framed.extend_from_slice(data),
                Coding::Chunked => write_chunk(data, framed),
            }
        };
        let Rest::Chunked(chunks) = &mut self.rest else {
            put(bytes);
            return Ok(bytes.len());
        };
        let len = chunks.read(bytes, put).map_err(|BadChunk| Stopped::BadChunk)?;
        if chunks.is_done() {
            self.rest = Rest::Done;
            if coding == Coding::Chunked {
                framed.extend_from_slice(LAST_CHUNK);
            }
        }
        Ok(len)
    }

    fn count(&mut self, len: usize) -> Result<(), Stopped> {
        self.moved += len as u64;
        if self.moved > self.max { Err(Stopped::TooLarge) } else { Ok(()) }
    }

    async fn write(&self, to: &mut WriteHalf<'_>, head: &[u8], body: &[u8]) -> Result<(), Stopped> {
        let write = write_both(to, head, body);
        let done = match self.write_patience {
            Some(patience) => within(patience, pin!(write)).await.ok_or(Stopped::WriteTooSlow)?,
            None => write.await,
        };
        done.map_err(|_| Stopped::Write)
    }
}

/// Writes both in one call, where the socket takes them.
pub(super) async fn write_both(to: &mut WriteHalf<'_>, head: &[u8], body: &[u8]) -> io::Result<()> {
    let mut sent = 0;
    while sent < head.len() + body.len() {
        let (head_left, body_left) = match sent.checked_sub(head.len()) {
            None => (&head[sent..], body),
            Some(of_body) => (&[][..], &body[of_body..]),
        };
        let count = poll_fn(|cx| {
            let mut to = Pin::new(&mut *to);
            let count = match (head_left, body_left) {
                (only, []) | ([], only) => ready!(to.as_mut().poll_write(cx, only))?,
                (head, body) => {
                    ready!(to.as_mut().poll_write_vectored(cx, &[io::IoSlice::new(head), io::IoSlice::new(body)]))?
                }
            };
            std::task::Poll::Ready(io::Result::Ok(count))
        })
        .await?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        sent += count;
    }
    Ok(())
}
