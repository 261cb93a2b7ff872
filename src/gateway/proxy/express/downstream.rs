use std::future::Future;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::Express;
use super::client::Client;
use super::desk::{Bench, DateStamp};
use super::exchange::{Carried, Order};
use super::head::{Framing, RequestHead};
use super::passage::Passage;
use super::pump::{Coding, Pump, Rest, Stopped};
use super::response::{Manner, ResponseHead};
use crate::base::{Answer, Fields, Now};
use crate::gateway::integrate::InFlight;
use crate::gateway::proxy::asked::Asked;
use crate::gateway::proxy::ctx::Ctx;
use crate::gateway::proxy::pace::Pace;
use crate::gateway::proxy::wire::{Sink, Wire};
use crate::gateway::respond::Seal;
use crate::gateway::transform::Cleaning;

/// What of a request a client still sends, whatever it speaks.
pub(super) trait Uplink: Send {
    /// Gets ready for an attempt. `max` is in bytes of data.
    fn prepare(&mut self, max: u64, pace: Pace);

    /// Sends `head`, and what of the body is at hand, as far as the socket takes it at once. Returns how many bytes of
    /// what was at hand were the body's.
    fn begin(&mut self, to: &WriteHalf<'_>, head: &mut Vec<u8>) -> Result<usize, Stopped>;

    /// Whether all was sent.
    fn is_done(&self) -> bool;

    /// Sends what [`Uplink::begin`] left, and the rest with the pace of the slower side.
    fn finish(&mut self, to: &mut WriteHalf<'_>) -> impl Future<Output = Result<(), Stopped>> + Send;

    /// Bytes of data that were moved.
    fn moved(&self) -> u64;

    /// Whether anything was read that cannot be read again.
    fn has_read(&self) -> bool;

    /// Whether it is the client that is waited for.
    fn awaits_client(&self) -> bool;
}

/// What a client is answered, whatever it speaks.
pub(super) trait Downlink: Send {
    /// What is read with the head at most: as much of a body is in memory until the client takes it.
    const FIRST_READ_BYTES: usize;

    /// Takes the answer's head. `may_keep`: nothing that the client sends or the gateway does forbids another request.
    fn prepare(&mut self, heard: &Heard<'_>, may_keep: bool);

    /// Takes what has to be dropped before the last of the answer is sent.
    fn hold(&mut self, in_flight: Option<InFlight>);

    /// Sends the head, and what of the body stands in `first`, as far as the client takes it at once. Returns how many
    /// bytes of `first` were the body's.
    fn begin(&mut self, first: &[u8]) -> Result<usize, Stopped>;

    /// Whether all was sent.
    fn is_done(&self) -> bool;

    /// Sends what [`Downlink::begin`] left, and the rest as it comes.
    fn finish(&mut self, from: &mut ReadHalf<'_>) -> impl Future<Output = Result<(), Stopped>> + Send;

    /// Tells when the client is gone, before there is an answer.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Bytes of data that were moved.
    fn moved(&self) -> u64;

    /// Whether the back end sent more than its answer.
    fn has_read_after(&self) -> bool;
}

/// A back end's answer, as far as it was read.
#[derive(Debug)]
pub(super) struct Heard<'h> {
    pub(super) head: &'h ResponseHead,
    /// The head, and what was read after it.
    pub(super) bytes: &'h [u8],
    pub(super) fields: &'h Fields<'h>,
    /// What becomes of the fields.
    pub(super) cleaning: Cleaning,
    pub(super) seal: &'h Seal,
    pub(super) now: Now,
    /// With a client that does not read.
    pub(super) patience: Duration,
}

/// A request of HTTP/1.1, and what it is carried with.
pub(super) struct Work<'w> {
    pub(super) asked: &'w Asked<'w>,
    pub(super) head: &'w RequestHead<'w>,
    /// What was read after the head.
    pub(super) body: &'w [u8],
    pub(super) output: &'w mut Vec<u8>,
    pub(super) date: &'w mut DateStamp,
    pub(super) bench: &'w mut Bench,
}

/// How a request of HTTP/1.1 that was passed on ended.
#[derive(Debug)]
pub(super) enum Passed {
    /// Answered. So many of the bytes that were read after the head were its body; the next request may follow.
    Kept(usize),
    /// Answered, and the connection is over.
    Closed,
    /// Not answered to the end.
    Cut,
    /// Answered while the client was still sending.
    ClosedEarly,
    /// Not answered.
    Refused { answer: Answer, is_body_touched: bool },
}

impl Express {
    /// Has a back end answer a client of HTTP/1.1.
    pub(super) async fn pass_on<W: Wire>(&self, client: &mut Client<W>, work: Work<'_>, ctx: &mut Ctx) -> Passed {
        let Work { asked, head, body, output, date, bench } = work;
        let Client { wire, alarm, read_after, .. } = client;
        let (from, to) = wire.split();
        let mut up = WireUplink { from, body, framing: head.framing, pump: Pump::new() };
        let manner = Manner { is_http_11: head.is_http_11, keeps_alive: head.keeps_alive };
        let mut down = WireDownlink { to, output, date, manner, pump: Pump::new() };
        let order = Order { asked, framing: head.framing, bench, alarm };
        let carried = self.carry(order, &mut up, &mut down, ctx).await;
        let (keeps_alive, after) = (down.manner.keeps_alive, std::mem::take(&mut up.pump.read_after));
        match carried {
            Carried::Answered(body_len) => {
                *read_after = after;
                match body_len {
                    Some(len) if keeps_alive => Passed::Kept(len),
                    Some(_) => Passed::Closed,
                    None => Passed::ClosedEarly,
                }
            }
            Carried::Cut => Passed::Cut,
            Carried::Refused { answer, is_body_touched } => Passed::Refused { answer, is_body_touched },
        }
    }
}

/// A body as HTTP/1.1 sends it.
struct WireUplink<'c, R> {
    from: R,
    /// What was read after the head.
    body: &'c [u8],
    framing: Framing,
    pump: Pump,
}

impl<R: AsyncRead + Unpin + Send> Uplink for WireUplink<'_, R> {
    fn prepare(&mut self, max: u64, pace: Pace) {
        let coding = if self.framing == Framing::Chunked { Coding::Chunked } else { Coding::Plain };
        let pump = &mut self.pump;
        (pump.rest, pump.coding, pump.moved) = (Rest::from(self.framing), coding, 0);
        (pump.max, pump.pace) = (max, Some(pace));
        pump.unsent.clear();
    }

    fn begin(&mut self, to: &WriteHalf<'_>, head: &mut Vec<u8>) -> Result<usize, Stopped> {
        self.pump.begin(to, head, self.body)
    }

    fn is_done(&self) -> bool {
        self.pump.is_done()
    }

    async fn finish(&mut self, to: &mut WriteHalf<'_>) -> Result<(), Stopped> {
        self.pump.finish(&mut self.from, to).await
    }

    fn moved(&self) -> u64 {
        self.pump.moved
    }

    fn has_read(&self) -> bool {
        self.pump.has_read
    }

    fn awaits_client(&self) -> bool {
        self.pump.pace.is_some_and(|pace| pace.is_waiting())
    }
}

/// An answer as HTTP/1.1 is sent it.
struct WireDownlink<'c, S> {
    to: S,
    /// The head as it is sent.
    output: &'c mut Vec<u8>,
    date: &'c mut DateStamp,
    manner: Manner,
    pump: Pump,
}

impl<S: Sink> Downlink for WireDownlink<'_, S> {
    const FIRST_READ_BYTES: usize = Passage::ROOM;

    fn prepare(&mut self, heard: &Heard<'_>, may_keep: bool) {
        self.manner.keeps_alive &= may_keep && !heard.head.ends_with_connection(self.manner);
        let moment = (&mut *self.date, heard.now);
        heard.head.write(heard, self.manner, moment, self.output);
        let pump = &mut self.pump;
        (pump.rest, pump.coding) = (heard.head.rest.clone(), heard.head.coding(self.manner));
        pump.write_patience = Some(heard.patience);
    }

    fn hold(&mut self, in_flight: Option<InFlight>) {
        self.pump.in_flight = in_flight;
    }

    fn begin(&mut self, first: &[u8]) -> Result<usize, Stopped> {
        self.pump.begin(&self.to, self.output, first)
    }

    fn is_done(&self) -> bool {
        self.pump.is_done()
    }

    async fn finish(&mut self, from: &mut ReadHalf<'_>) -> Result<(), Stopped> {
        self.pump.finish(from, &mut self.to).await
    }

    /// Noticed when it is written to.
    fn poll_gone(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn moved(&self) -> u64 {
        self.pump.moved
    }

    fn has_read_after(&self) -> bool {
        !self.pump.read_after.is_empty()
    }
}
