use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use tokio::net::tcp::WriteHalf;

use crate::gateway::proxy::express::alarm::within;
use crate::gateway::proxy::express::chunks::{LAST_CHUNK, write_chunk};
use crate::gateway::proxy::express::downstream::Upload;
use crate::gateway::proxy::express::head::Framing;
use crate::gateway::proxy::express::pump::{Stopped, write_both};

/// A stream's body on its way to a back end. The client may send as much again as was passed on.
#[derive(Debug)]
pub(super) struct StreamUpload<'s> {
    body: &'s mut RecvStream,
    framing: Framing,
    max: u64,
    patience: Duration,
    moved: u64,
    /// The first piece, kept for another attempt as long as nothing was read after it.
    first: Option<Bytes>,
    has_begun: bool,
    has_read: bool,
    framed: Vec<u8>,
}

impl<'s> StreamUpload<'s> {
    pub(super) fn new(body: &'s mut RecvStream, framing: Framing) -> StreamUpload<'s> {
        StreamUpload {
            body,
            framing,
            max: 0,
            patience: Duration::ZERO,
            moved: 0,
            first: None,
            has_begun: false,
            has_read: false,
            framed: Vec::new(),
        }
    }

    /// What is at hand, or nothing if that is to be waited for. `Err(None)`: the body is over.
    async fn at_hand(&mut self) -> Result<Bytes, Option<Stopped>> {
        let at_once = poll_fn(|cx| match self.body.poll_data(cx) {
            Poll::Ready(piece) => Poll::Ready(Some(piece)),
            Poll::Pending => Poll::Ready(None),
        });
        match at_once.await {
            Some(piece) => self.take(piece),
            None => Ok(Bytes::new()),
        }
    }

    async fn next(&mut self) -> Result<Bytes, Option<Stopped>> {
        let next = poll_fn(|cx| self.body.poll_data(cx));
        let piece = within(self.patience, pin!(next)).await.ok_or(Stopped::ReadTooSlow)?;
        self.take(piece)
    }

    /// Keeps a first piece; after a second the first alone would be no body to try again with.
    fn take(&mut self, piece: Option<Result<Bytes, h2::Error>>) -> Result<Bytes, Option<Stopped>> {
        let piece = piece.ok_or(None)?.map_err(of_stream)?;
        self.has_read |= self.has_begun;
        self.first = (!self.has_begun).then(|| piece.clone());
        self.has_begun = true;
        Ok(piece)
    }

    /// Sends a piece after `head`. The client may send as much again then.
    async fn pass(&mut self, to: &mut WriteHalf<'_>, head: &[u8], piece: &Bytes) -> Result<(), Stopped> {
        self.send(to, head, piece).await?;
        self.body.flow_control().release_capacity(piece.len()).map_err(of_stream)
    }

    async fn send(&mut self, to: &mut WriteHalf<'_>, head: &[u8], piece: &Bytes) -> Result<(), Stopped> {
        self.moved += piece.len() as u64;
        if self.moved > self.max {
            return Err(Stopped::TooLarge);
        }
        let framed = match self.framing {
            Framing::Chunked => {
                self.framed.clear();
                write_chunk(piece, &mut self.framed);
                &self.framed[..]
            }
            Framing::None | Framing::Length(_) => piece,
        };
        write_both(to, head, framed).await.map_err(|_| Stopped::Write)
    }

    async fn end(&self, to: &mut WriteHalf<'_>) -> Result<usize, Stopped> {
        match self.framing {
            Framing::Chunked => write_both(to, LAST_CHUNK, &[]).await.map_err(|_| Stopped::Write)?,
            // The framer has held the body to its length; this is for the back end's sake.
            Framing::Length(length) if length != self.moved => return Err(Stopped::Ended),
            Framing::None | Framing::Length(_) => {}
        }
        Ok(0)
    }
}

impl Upload for StreamUpload<'_> {
    fn begin(&mut self, max: u64, patience: Duration) {
        (self.max, self.patience, self.moved) = (max, patience, 0);
    }

    async fn run(&mut self, to: &mut WriteHalf<'_>, head: &[u8]) -> Result<usize, Stopped> {
        if matches!(self.framing, Framing::None | Framing::Length(0)) {
            write_both(to, head, &[]).await.map_err(|_| Stopped::Write)?;
            return Ok(0);
        }
        match self.first.clone() {
            Some(again) => self.send(to, head, &again).await?,
            None => match self.at_hand().await {
                Ok(piece) => self.pass(to, head, &piece).await?,
                Err(None) => self.send(to, head, &Bytes::new()).await?,
                Err(Some(stopped)) => return Err(stopped),
            },
        }
        while !self.body.is_end_stream() {
            match self.next().await {
                Ok(piece) => self.pass(to, &[], &piece).await?,
                Err(None) => break,
                Err(Some(stopped)) => return Err(stopped),
            }
        }
        self.end(to).await
    }

    fn moved(&self) -> u64 {
        self.moved
    }

    fn has_read(&self) -> bool {
        self.has_read
    }
}

fn of_stream(error: h2::Error) -> Stopped {
    Stopped::Read(io::Error::other(error))
}
