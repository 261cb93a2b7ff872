use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::RecvStream;
use tokio::net::tcp::WriteHalf;

use crate::gateway::proxy::express::alarm::within;
use crate::gateway::proxy::express::chunks::{LAST_CHUNK, write_chunk};
use crate::gateway::proxy::express::downstream::Uplink;
use crate::gateway::proxy::express::head::Framing;
use crate::gateway::proxy::express::pump::{Stopped, after, join, write_both};
use crate::gateway::proxy::pace::Pace;
use crate::gateway::proxy::wire::Sink;

/// A stream's body on its way to a back end.
#[derive(Debug)]
pub(super) struct StreamUplink<'s> {
    body: &'s mut RecvStream,
    framing: Framing,
    max: u64,
    pace: Pace,
    moved: u64,
    /// The first piece, kept for another attempt as long as nothing was read after it.
    first: Option<Bytes>,
    has_begun: bool,
    has_read: bool,
    /// Whether the end of the body was framed.
    is_over: bool,
    /// What the socket did not take at once.
    unsent: Vec<u8>,
}

impl<'s> StreamUplink<'s> {
    pub(super) fn new(body: &'s mut RecvStream, framing: Framing) -> StreamUplink<'s> {
        StreamUplink {
            body,
            framing,
            max: 0,
            pace: Pace::default(),
            moved: 0,
            first: None,
            has_begun: false,
            has_read: false,
            is_over: false,
            unsent: Vec::new(),
        }
    }

    /// The first piece again, or one that has come; an empty one if that is to be waited for. `None`: the body is over.
    fn at_hand(&mut self) -> Result<Option<Bytes>, Stopped> {
        if let Some(first) = &self.first {
            return Ok(Some(first.clone()));
        }
        // Nobody is woken: what has not come is polled again where it is waited for.
        match self.body.poll_data(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(piece) => self.take(piece),
            Poll::Pending => Ok(Some(Bytes::new())),
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Stopped> {
        let patience = self.pace.begin_wait(self.moved);
        let next = poll_fn(|cx| self.body.poll_data(cx));
        let piece = within(patience, pin!(next)).await.ok_or(Stopped::ReadTooSlow)?;
        self.pace.end_wait();
        self.take(piece)
    }

    /// Keeps a first piece; after a second the first alone would be no body to try again with. The client may send as
    /// much again: what is in our hands goes on before anything more is read.
    fn take(&mut self, piece: Option<Result<Bytes, h2::Error>>) -> Result<Option<Bytes>, Stopped> {
        let Some(piece) = piece.transpose().map_err(of_stream)? else { return Ok(None) };
        self.body.flow_control().release_capacity(piece.len()).map_err(of_stream)?;
        self.has_read |= self.has_begun;
        self.first = (!self.has_begun).then(|| piece.clone());
        self.has_begun = true;
        Ok(Some(piece))
    }

    /// What is to be sent for a piece, and for the body's end where it is known to follow.
    fn frame<'p>(&mut self, piece: Option<&'p Bytes>, framed: &'p mut Vec<u8>) -> Result<&'p [u8], Stopped> {
        let data = piece.map_or(&[][..], |piece| piece);
        self.moved += data.len() as u64;
        if self.moved > self.max {
            return Err(Stopped::TooLarge);
        }
        // Trailers that follow are not forwarded.
        self.is_over = piece.is_none() || self.body.is_end_stream();
        match self.framing {
            Framing::Chunked => {
                framed.clear();
                write_chunk(data, framed);
                if self.is_over {
                    framed.extend_from_slice(LAST_CHUNK);
                }
                Ok(framed)
            }
            // The framer holds a body to its length; this is for the back end's sake.
            Framing::Length(length) if self.is_over && length != self.moved => Err(Stopped::Ended),
            Framing::None | Framing::Length(_) => Ok(data),
        }
    }
}

impl Uplink for StreamUplink<'_> {
    fn prepare(&mut self, max: u64, pace: Pace) {
        (self.max, self.pace, self.moved) = (max, pace, 0);
        self.is_over = matches!(self.framing, Framing::None | Framing::Length(0));
        self.unsent.clear();
    }

    fn begin(&mut self, to: &WriteHalf<'_>, head: &mut Vec<u8>) -> Result<usize, Stopped> {
        let piece = if self.is_over { None } else { Some(self.at_hand()?) };
        let mut framed = Vec::new();
        let body = match &piece {
            Some(piece) => self.frame(piece.as_ref(), &mut framed)?,
            None => &[],
        };
        let body = join(head, body);
        let sent = Sink::try_write(to, head, body).map_err(|_| Stopped::Write)?;
        if sent < head.len() + body.len() {
            let (head, body) = after(sent, head, body);
            self.unsent = [head, body].concat();
        }
        Ok(0)
    }

    fn is_done(&self) -> bool {
        self.is_over && self.unsent.is_empty()
    }

    async fn finish(&mut self, to: &mut WriteHalf<'_>) -> Result<(), Stopped> {
        let (unsent, mut framed) = (std::mem::take(&mut self.unsent), Vec::new());
        write_both(to, &unsent, &[]).await.map_err(|_| Stopped::Write)?;
        drop(unsent);
        while !self.is_over {
            let piece = self.next().await?;
            let body = self.frame(piece.as_ref(), &mut framed)?;
            write_both(to, body, &[]).await.map_err(|_| Stopped::Write)?;
        }
        Ok(())
    }

    fn moved(&self) -> u64 {
        self.moved
    }

    fn has_read(&self) -> bool {
        self.has_read
    }

    fn awaits_client(&self) -> bool {
        self.pace.is_waiting()
    }
}

fn of_stream(error: h2::Error) -> Stopped {
    Stopped::Read(io::Error::other(error))
}
