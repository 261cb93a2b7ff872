use smallvec::SmallVec;
use tokio::time::Instant;

use super::frames::{Frame, Walk};
use crate::telemetry::Cut;

/// Frames that carry neither a request nor a body: so many at once, so many a second for ever, and so many more for
/// each request and for each frame of an answer, which the client has to acknowledge.
const CONTROL_BURST: u32 = 1024;
const CONTROL_PER_S: u32 = 64;
const CONTROL_PER_REQUEST: u32 = 4;
const CONTROL_PER_DATA: u32 = 3;
/// A frame of an answer with less has not earned anything: a window that is opened byte by byte makes such.
const DATA_BYTES_MIN: u32 = 256;
/// Streams that the client resets.
const RESETS_BURST: u32 = 256;
const RESETS_PER_S: u32 = 32;
/// Streams whose fate is not known yet, beyond which the oldest is forgotten.
const UNDECIDED_MAX: usize = 256;

/// Keeps account of a connection's frames, which the framer does not: it answers pings for ever, and tells nobody of
/// requests that it refuses itself.
#[derive(Debug)]
pub(super) struct Ledger {
    inbound: Walk,
    outbound: Walk,
    accounts: Accounts,
}

#[derive(Debug)]
struct Accounts {
    control: Budget,
    resets: Budget,
    /// The last stream that was opened.
    last_opened: u32,
    /// Streams that were opened and neither accepted nor refused yet.
    undecided: SmallVec<[u32; 8]>,
    events: SmallVec<[Event; 4]>,
    flood: Option<Cut>,
}

/// What the framer did by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// It told the client of an error, for a stream or for the connection.
    Error { code: u32, is_of_stream: bool },
    /// It refused a request that nobody else has seen.
    Refused(Unseen),
}

/// Why a request was refused before it was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unseen {
    /// Answered with 431 and nothing else.
    TooLarge,
    /// Its stream was reset.
    Malformed,
}

/// What may be spent at once, and comes back with time.
#[derive(Debug)]
struct Budget {
    left: u32,
    burst: u32,
    per_s: u32,
    /// When what has come back was counted last; the clock is read only when all is spent.
    counted_at: Instant,
}

impl Ledger {
    pub(super) fn new() -> Ledger {
        let now = Instant::now();
        let budget = |burst, per_s| Budget { left: burst, burst, per_s, counted_at: now };
        let accounts = Accounts {
            control: budget(CONTROL_BURST, CONTROL_PER_S),
            resets: budget(RESETS_BURST, RESETS_PER_S),
            last_opened: 0,
            undecided: SmallVec::new(),
            events: SmallVec::new(),
            flood: None,
        };
        Ledger { inbound: Walk::after_preface(), outbound: Walk::default(), accounts }
    }

    /// The client has sent this.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        let Ledger { inbound, accounts, .. } = self;
        inbound.go_on(bytes, |frame| accounts.read(frame));
    }

    /// The framer has written this.
    pub(super) fn written(&mut self, bytes: &[u8]) {
        let Ledger { outbound, accounts, .. } = self;
        outbound.go_on(bytes, |frame| accounts.written(frame));
    }

    /// The framer has handed out the request of this stream.
    pub(super) fn accepted(&mut self, stream: u32) {
        self.accounts.decide(stream);
    }

    /// What the client has too much of, once it has.
    pub(super) fn flood(&self) -> Option<Cut> {
        self.accounts.flood
    }

    /// What has happened since this was asked last.
    pub(super) fn take_events(&mut self) -> SmallVec<[Event; 4]> {
        std::mem::take(&mut self.accounts.events)
    }
}

impl Accounts {
    fn read(&mut self, frame: Frame<'_>) {
        match frame.kind {
            Frame::HEADERS if frame.stream > self.last_opened => {
                self.last_opened = frame.stream;
                self.control.earn(CONTROL_PER_REQUEST);
                if self.undecided.len() == UNDECIDED_MAX {
                    self.undecided.remove(0);
                }
                self.undecided.push(frame.stream);
            }
            // Trailers, and what the framer bounds itself.
            Frame::HEADERS | Frame::CONTINUATION => {}
            Frame::DATA if frame.len > 0 || frame.is_end() => {}
            Frame::RST_STREAM => {
                self.decide(frame.stream);
                if !self.resets.spend() {
                    self.flood.get_or_insert(Cut::StreamResets);
                }
            }
            _ => {
                if !self.control.spend() {
                    self.flood.get_or_insert(Cut::ControlFrames);
                }
            }
        }
    }

    fn written(&mut self, frame: Frame<'_>) {
        const NO_ERROR: u32 = 0;
        const PROTOCOL_ERROR: u32 = 1;
        const CANCEL: u32 = 8;
        const COMPRESSION_ERROR: u32 = 9;
        match frame.kind {
            Frame::DATA if frame.len >= DATA_BYTES_MIN => self.control.earn(CONTROL_PER_DATA),
            Frame::HEADERS if frame.is_bare_status() && self.decide(frame.stream) => {
                self.events.push(Event::Refused(Unseen::TooLarge));
            }
            Frame::RST_STREAM | Frame::GOAWAY => {
                let (code, is_of_stream) = (frame.error_code(), frame.kind == Frame::RST_STREAM);
                // What ends the connection is the fault of the head that came last.
                let is_unseen = self.decide(if is_of_stream { frame.stream } else { self.last_opened });
                if is_unseen && matches!(code, PROTOCOL_ERROR | COMPRESSION_ERROR) {
                    self.events.push(Event::Refused(Unseen::Malformed));
                }
                if !matches!(code, NO_ERROR | CANCEL) {
                    self.events.push(Event::Error { code, is_of_stream });
                }
            }
            _ => {}
        }
    }

    /// Whether the fate of this stream was open; it is not any more.
    fn decide(&mut self, stream: u32) -> bool {
        let at = self.undecided.iter().position(|undecided| *undecided == stream);
        at.map(|at| self.undecided.remove(at)).is_some()
    }
}

impl Budget {
    fn spend(&mut self) -> bool {
        if self.left == 0 {
            self.count_up(Instant::now());
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }

    fn earn(&mut self, count: u32) {
        self.left = (self.left + count).min(self.burst);
    }

    fn count_up(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.counted_at);
        let came_back = since.as_millis().saturating_mul(u128::from(self.per_s)) / 1000;
        let came_back = u32::try_from(came_back).map_or(self.burst, |count| count.min(self.burst));
        if came_back > 0 {
            self.earn(came_back);
            self.counted_at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let len = (payload.len() as u32).to_be_bytes();
        [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    /// A ledger that has seen the preface.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::new();
        ledger.read(&[0; 24]);
        ledger
    }

    #[test]
    fn pings_are_borne_for_a_while_and_more_of_them_beside_requests() {
        let ping = frame(6, 0, 0, b"pingping");
        let mut ledger = ledger();
        (0..CONTROL_BURST).for_each(|_| ledger.read(&ping));
        assert_eq!(ledger.flood(), None);
        (0..200).for_each(|_| ledger.read(&ping));
        assert_eq!(ledger.flood(), Some(Cut::ControlFrames));

        let mut ledger = self::ledger();
        for request in 0..5000 {
            ledger.read(&frame(1, 5, 2 * request + 1, b"x"));
            ledger.accepted(2 * request + 1);
            ledger.read(&ping.repeat(4));
        }
        assert_eq!(ledger.flood(), None);
    }

    #[test]
    fn a_window_that_is_opened_byte_by_byte_earns_nothing() {
        let (update, crumb) = (frame(8, 0, 1, &[0, 0, 0, 1]), frame(0, 0, 1, b"x"));
        let mut ledger = ledger();
        for _ in 0..CONTROL_BURST + 200 {
            ledger.read(&update);
            ledger.written(&crumb);
        }
        assert_eq!(ledger.flood(), Some(Cut::ControlFrames));
        let mut ledger = self::ledger();
        for _ in 0..20_000 {
            ledger.read(&update.repeat(2));
            ledger.written(&frame(0, 0, 1, &[7; 1000]));
        }
        assert_eq!(ledger.flood(), None, "an honest client acknowledges what it gets");
    }

    #[test]
    fn streams_that_are_reset_one_after_the_other_are_a_flood() {
        let mut ledger = ledger();
        for request in 0..RESETS_BURST + 100 {
            ledger.read(&frame(1, 5, 2 * request + 1, b"x"));
            ledger.accepted(2 * request + 1);
            ledger.read(&frame(3, 0, 2 * request + 1, &[0, 0, 0, 8]));
        }
        assert_eq!(ledger.flood(), Some(Cut::StreamResets));
    }

    #[test]
    fn what_comes_back_with_time_is_counted() {
        let start = Instant::now();
        let mut budget = Budget { left: 0, burst: 100, per_s: 10, counted_at: start };
        budget.count_up(start + Duration::from_millis(99));
        assert_eq!(budget.left, 0);
        budget.count_up(start + Duration::from_millis(250));
        assert_eq!(budget.left, 2);
        budget.count_up(start + Duration::from_secs(3600));
        assert_eq!(budget.left, 100);
    }

    #[test]
    fn a_request_that_the_framer_refuses_by_itself_is_noticed() {
        let mut ledger = ledger();
        for stream in [1, 3, 5] {
            ledger.read(&frame(1, 5, stream, b"x"));
        }
        ledger.accepted(3);
        ledger.written(&frame(1, 5, 1, &[0x48, 0x82, 0x68, 0x01]));
        ledger.written(&frame(3, 0, 1, &[0, 0, 0, 7]));
        ledger.written(&frame(3, 0, 3, &[0, 0, 0, 2]));
        ledger.written(&frame(3, 0, 5, &[0, 0, 0, 1]));
        ledger.written(&frame(7, 0, 0, &[0, 0, 0, 5, 0, 0, 0, 11]));
        let events = [
            Event::Refused(Unseen::TooLarge),
            Event::Error { code: 7, is_of_stream: true },
            Event::Error { code: 2, is_of_stream: true },
            Event::Refused(Unseen::Malformed),
            Event::Error { code: 1, is_of_stream: true },
            Event::Error { code: 11, is_of_stream: false },
        ];
        assert_eq!(ledger.take_events()[..], events);
        assert!(ledger.take_events().is_empty());
    }
}
