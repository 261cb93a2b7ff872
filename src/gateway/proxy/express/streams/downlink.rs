use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use tokio::net::tcp::ReadHalf;

use super::kit::Date;
use crate::base::{Fields, Now};
use crate::gateway::integrate::InFlight;
use crate::gateway::proxy::express::alarm::within;
use crate::gateway::proxy::express::chunks::BadChunk;
use crate::gateway::proxy::express::downstream::{Downlink, Heard};
use crate::gateway::proxy::express::pump::{Rest, Stopped};
use crate::gateway::proxy::express::response::ResponseHead;
use crate::gateway::respond::{Reply, Seal};

/// An answer up to this is left to the framer whatever the client's window: the stream is over for us.
const LEFT_BYTES_MAX: usize = 16 << 10;
/// What one read of a large body takes at most.
const READ_BYTES: usize = 64 << 10;

/// An answer on its way to a stream.
#[derive(Debug)]
pub(super) struct StreamDownlink<'s> {
    respond: &'s mut SendResponse<Bytes>,
    date: &'s mut Date,
    /// The head, until it is sent.
    head: Option<Response<()>>,
    /// Where the body goes, once the head was sent.
    body: Option<SendStream<Bytes>>,
    is_ended: bool,
    rest: Rest,
    patience: Duration,
    moved: u64,
    has_read_after: bool,
    /// Dropped before the last of the body is sent.
    in_flight: Option<InFlight>,
}

impl<'s> StreamDownlink<'s> {
    /// `patience` is with a client that does not read.
    pub(super) fn new(
        respond: &'s mut SendResponse<Bytes>,
        date: &'s mut Date,
        patience: Duration,
    ) -> StreamDownlink<'s> {
        StreamDownlink {
            respond,
            date,
            head: None,
            body: None,
            is_ended: false,
            rest: Rest::Done,
            patience,
            moved: 0,
            has_read_after: false,
            in_flight: None,
        }
    }

    /// Answers with what is at hand. The body is left out for `HEAD`, its length is not. `false`: the client is gone.
    pub(super) async fn reply(&mut self, reply: Reply, seal: &Seal, is_head: bool, now: Now) -> bool {
        let mut fields = HeaderMap::with_capacity(reply.fields.len() + 4);
        for (name, value) in reply.fields.into_iter().filter(|(name, _)| reply.is_dated || *name != header::DATE) {
            fields.append(name, value);
        }
        let length = (!matches!(reply.status, 204 | 304)).then_some(reply.body.len() as u64);
        self.head = Some(self.finished(reply.status, fields, length, seal, now));
        let has_body = !is_head && length.is_some_and(|length| length > 0);
        let sent = match self.send_head(!has_body) {
            Ok(()) if !has_body => Ok(()),
            Ok(()) if reply.body.len() <= LEFT_BYTES_MAX => self.leave(reply.body, true),
            Ok(()) => self.send(reply.body, true).await,
            Err(stopped) => Err(stopped),
        };
        sent.is_ok()
    }

    /// Breaks off what cannot be ended.
    pub(super) fn cut(&mut self) {
        match &mut self.body {
            Some(_) if self.is_ended => {}
            Some(body) => body.send_reset(Reason::INTERNAL_ERROR),
            None => self.respond.send_reset(Reason::INTERNAL_ERROR),
        }
    }

    fn finished(
        &mut self,
        status: u16,
        mut fields: HeaderMap,
        length: Option<u64>,
        seal: &Seal,
        now: Now,
    ) -> Response<()> {
        if let Some(length) = length {
            fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        // That of a stored answer is its origin's.
        if !fields.contains_key(header::DATE)
            && let Some(date) = self.date.at(now)
        {
            fields.insert(header::DATE, date);
        }
        seal.lay_over(&mut fields);
        let mut response = Response::new(());
        // What was read or configured is always in range.
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
        *response.headers_mut() = fields;
        response
    }

    fn send_head(&mut self, is_end: bool) -> Result<(), Stopped> {
        let Some(head) = self.head.take() else { return Err(Stopped::Write) };
        self.body = Some(self.respond.send_response(head, is_end).map_err(|_| Stopped::Write)?);
        self.is_ended = is_end;
        Ok(())
    }

    /// Sends data with the pace of the client's window, which is asked for what there is and no more: what one stream
    /// reserves is not there for others.
    ///
    /// The patience is with all of it: a client that opens its window byte by byte is one that does not read.
    async fn send(&mut self, data: Bytes, is_end: bool) -> Result<(), Stopped> {
        let Some(body) = &mut self.body else { return Err(Stopped::Write) };
        self.moved += data.len() as u64;
        let is_ended = &mut self.is_ended;
        let mut rest = data;
        let sending = async {
            while !rest.is_empty() {
                body.reserve_capacity(rest.len());
                let granted = granted(body).await.map_err(|_| Stopped::Write)?;
                let piece = rest.split_to(granted.min(rest.len()));
                let is_last = is_end && rest.is_empty();
                body.send_data(piece, is_last).map_err(|_| Stopped::Write)?;
                *is_ended = is_last;
            }
            Ok(rest)
        };
        let data = within(self.patience, pin!(sending)).await.ok_or(Stopped::WriteTooSlow)??;
        if is_end && !self.is_ended { self.leave(data, true) } else { Ok(()) }
    }

    /// Leaves data to the framer, which sends it with the pace of the client's window; for what is in our hands already.
    fn leave(&mut self, data: Bytes, is_end: bool) -> Result<(), Stopped> {
        let Some(body) = &mut self.body else { return Err(Stopped::Write) };
        self.moved += data.len() as u64;
        self.is_ended = is_end;
        body.send_data(data, is_end).map_err(|_| Stopped::Write)
    }

    /// Reads what comes next of the body. No memory is held while nothing comes; empty: the back end has closed.
    async fn read(&mut self, from: &ReadHalf<'_>) -> Result<BytesMut, Stopped> {
        let Some(body) = &mut self.body else { return Err(Stopped::Write) };
        let most = match &self.rest {
            // One more, so that a read that does not fill it tells the runtime that the socket is empty.
            Rest::Length(left) => {
                usize::try_from(*left).map_or(READ_BYTES, |left| left.saturating_add(1).min(READ_BYTES))
            }
            _ => READ_BYTES,
        };
        loop {
            readable(from, body).await?;
            let mut buffer = BytesMut::with_capacity(most);
            match from.try_read_buf(&mut buffer) {
                Ok(_) => return Ok(buffer),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(Stopped::Read(error)),
            }
        }
    }

    /// What of `bytes` is the body's data, and how many of them are the body's.
    fn data_of(&mut self, bytes: &[u8]) -> Result<(Bytes, usize), Stopped> {
        let mut data = BytesMut::new();
        let len = match &mut self.rest {
            Rest::Chunked(chunks) => {
                data.reserve(bytes.len());
                chunks.read(bytes, |part| data.extend_from_slice(part)).map_err(|BadChunk| Stopped::BadChunk)?
            }
            _ => {
                let len = self.plain_len(bytes.len());
                return Ok((Bytes::copy_from_slice(&bytes[..len]), len));
            }
        };
        self.note_end();
        Ok((data.freeze(), len))
    }

    /// The same of what was read into a buffer, without a copy where the data is as it was read.
    fn data_of_buffer(&mut self, buffer: BytesMut) -> Result<(Bytes, usize), Stopped> {
        if matches!(self.rest, Rest::Chunked(_)) {
            return self.data_of(&buffer);
        }
        let len = self.plain_len(buffer.len());
        Ok((buffer.freeze().slice(..len), len))
    }

    /// Of `available` bytes, those that are the body's; they are taken off what is still to come.
    fn plain_len(&mut self, available: usize) -> usize {
        let len = match &mut self.rest {
            Rest::Done => 0,
            Rest::Length(left) => {
                let len = usize::try_from(*left).map_or(available, |left| left.min(available));
                *left -= len as u64;
                len
            }
            Rest::UntilClose | Rest::Chunked(_) => available,
        };
        self.note_end();
        len
    }

    fn note_end(&mut self) {
        let is_over = match &self.rest {
            Rest::Length(left) => *left == 0,
            Rest::Chunked(chunks) => chunks.is_done(),
            Rest::Done | Rest::UntilClose => false,
        };
        if is_over {
            self.rest = Rest::Done;
        }
    }
}

impl Downlink for StreamDownlink<'_> {
    /// Less than where a connection has one answer at a time: it is left to the framer whatever the client's window.
    const FIRST_READ_BYTES: usize = 32 << 10;

    fn prepare(&mut self, heard: &Heard<'_>, _: bool) {
        // One copy, of which every value is a slice.
        let bytes = Bytes::copy_from_slice(&heard.bytes[..heard.head.len]);
        let mut fields = HeaderMap::with_capacity(16);
        if let Fields::Wire { spans, .. } = *heard.fields {
            let of_copy = Fields::Wire { bytes: &bytes, spans };
            ResponseHead::for_each_kept_field(&of_copy, heard.cleaning, heard.seal, |name, value| {
                let name = HeaderName::from_bytes(name);
                let value = HeaderValue::from_maybe_shared(bytes.slice_ref(value));
                if let (Ok(name), Ok(value)) = (name, value) {
                    fields.append(name, value);
                }
            });
        }
        let length = heard.head.announced_length();
        self.head = Some(self.finished(heard.head.status, fields, length, heard.seal, heard.now));
        (self.rest, self.patience) = (heard.head.rest.clone(), heard.patience);
    }

    fn hold(&mut self, in_flight: Option<InFlight>) {
        self.in_flight = in_flight;
    }

    fn begin(&mut self, first: &[u8]) -> Result<usize, Stopped> {
        if self.rest == Rest::Done {
            return self.send_head(true).map(|()| 0);
        }
        self.send_head(false)?;
        let (data, taken) = self.data_of(first)?;
        let is_end = self.rest == Rest::Done;
        self.in_flight.take_if(|_| is_end);
        if is_end || !data.is_empty() {
            self.leave(data, is_end)?;
        }
        Ok(taken)
    }

    fn is_done(&self) -> bool {
        self.is_ended
    }

    async fn finish(&mut self, from: &mut ReadHalf<'_>) -> Result<(), Stopped> {
        while self.rest != Rest::Done {
            let buffer = self.read(from).await?;
            let read = buffer.len();
            match (read, &self.rest) {
                (0, Rest::UntilClose) => self.rest = Rest::Done,
                (0, _) => return Err(Stopped::Ended),
                _ => {}
            }
            let (data, len) = self.data_of_buffer(buffer)?;
            self.has_read_after |= len < read;
            self.in_flight.take_if(|_| self.rest == Rest::Done);
            self.send(data, self.rest == Rest::Done).await?;
        }
        Ok(())
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.respond.poll_reset(cx).map(drop)
    }

    fn moved(&self) -> u64 {
        self.moved
    }

    fn has_read_after(&self) -> bool {
        self.has_read_after
    }
}

/// Waits until the client takes some of what was reserved.
pub(super) async fn granted(body: &mut SendStream<Bytes>) -> io::Result<usize> {
    poll_fn(|cx| {
        loop {
            match body.capacity() {
                0 => match ready!(body.poll_capacity(cx)) {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                    None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                },
                granted => return Poll::Ready(Ok(granted)),
            }
        }
    })
    .await
}

/// Waits until there is something to read, or nobody to send it to.
async fn readable(from: &ReadHalf<'_>, body: &mut SendStream<Bytes>) -> Result<(), Stopped> {
    let mut readable = pin!(from.readable());
    poll_fn(|cx| {
        if let Poll::Ready(ready) = readable.as_mut().poll(cx) {
            return Poll::Ready(ready.map_err(Stopped::Read));
        }
        body.poll_reset(cx).map(|_| Err(Stopped::Write))
    })
    .await
}
