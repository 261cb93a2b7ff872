use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::base::Now;
use crate::config::Limits;
use crate::telemetry::Shed;

/// Work that was turned away this long ago is still told to who asks how things are.
const REMEMBERED: Duration = Duration::from_secs(10);

/// How much the gateway carries, and whether that is more than it may.
///
/// Nothing is touched that workers share unless a limit is configured.
#[derive(Debug, Default)]
pub struct Overload {
    in_flight: Arc<AtomicUsize>,
    /// A [`Pressure`].
    memory: AtomicU8,
    /// Of the last sample, in bytes.
    resident_bytes: AtomicU64,
    /// When work was last turned away, in nanoseconds of the monotonic clock, and why; 0 is never.
    shed_at_ns: AtomicU64,
    shed_by: AtomicU8,
}

/// How much of its memory the gateway uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    None,
    /// Over the limit: nothing new is taken on.
    High,
    /// Well over it: nothing is.
    Severe,
}

/// Where a request stands among others of its client.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing {
    /// Whether it is the first of its connection.
    pub is_first: bool,
    /// Other requests of the same connection that are being answered.
    pub beside: usize,
}

/// A request's place among those in flight; free again when dropped.
#[derive(Debug)]
pub struct InFlightPlace(Arc<AtomicUsize>);

impl Drop for InFlightPlace {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Overload {
    /// Takes a place for a request. `connections` are all that are open.
    ///
    /// The last eighth of the places is for those who are at work already: a connection's first request gets none of
    /// them, nor does one of a connection that has its share of all places.
    pub fn enter(
        &self,
        limits: &Limits,
        standing: Standing,
        connections: usize,
    ) -> Result<Option<InFlightPlace>, Shed> {
        match self.pressure() {
            Pressure::None => {}
            Pressure::High if !standing.is_first => {}
            Pressure::High | Pressure::Severe => return Err(Shed::Memory),
        }
        let max = limits.in_flight_max;
        if max == usize::MAX {
            return Ok(None);
        }
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let place = InFlightPlace(Arc::clone(&self.in_flight));
        let share = (max / connections.max(1)).max(1);
        let is_crowded = before >= max - max / 8;
        match before >= max || is_crowded && (standing.is_first || standing.beside >= share) {
            true => Err(Shed::InFlight),
            false => Ok(Some(place)),
        }
    }

    pub fn pressure(&self) -> Pressure {
        match self.memory.load(Ordering::Relaxed) {
            0 => Pressure::None,
            1 => Pressure::High,
            _ => Pressure::Severe,
        }
    }

    /// Takes a sample of the process's memory. Returns the pressure before and after.
    ///
    /// A limit that was exceeded is met again a twentieth below it, so that the gateway does not waver.
    pub fn note_memory(&self, resident_bytes: u64, max: u64) -> (Pressure, Pressure) {
        let before = self.pressure();
        let eased = max - max / 20;
        let severe = max.saturating_add(max / 10);
        let after = match before {
            _ if resident_bytes > severe => Pressure::Severe,
            Pressure::Severe if resident_bytes > max => Pressure::Severe,
            _ if resident_bytes > max => Pressure::High,
            Pressure::High | Pressure::Severe if resident_bytes > eased => Pressure::High,
            _ => Pressure::None,
        };
        self.resident_bytes.store(resident_bytes, Ordering::Relaxed);
        self.memory.store(after as u8, Ordering::Relaxed);
        (before, after)
    }

    /// Remembers that work was turned away.
    pub fn note_shed(&self, reason: Shed, now: Now) {
        self.shed_by.store(reason as u8, Ordering::Relaxed);
        self.shed_at_ns.store(now.mono_ns, Ordering::Relaxed);
    }

    /// What was too much within the last seconds, if anything was.
    pub fn fault(&self, now: Now) -> Option<String> {
        let at = self.shed_at_ns.load(Ordering::Relaxed);
        let is_recent = at > 0 && now.mono_ns.saturating_sub(at) < REMEMBERED.as_nanos() as u64;
        let limit = match self.shed_by.load(Ordering::Relaxed) {
            by if by == Shed::Connections as u8 => "connections_max",
            by if by == Shed::Address as u8 => "connections_per_address_max, or a share of connections_max",
            by if by == Shed::InFlight as u8 => "in_flight_max",
            _ => "memory_max",
        };
        is_recent.then(|| format!("turning work away: server.limits.{limit} is reached"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Standing = Standing { is_first: true, beside: 0 };
    const KEPT: Standing = Standing { is_first: false, beside: 0 };

    fn limits(in_flight_max: usize) -> Limits {
        Limits { in_flight_max, ..Limits::default() }
    }

    #[test]
    fn the_last_places_are_for_those_who_are_at_work_already() {
        let (overload, limits) = (Overload::default(), limits(16));
        let mut places: Vec<_> = (0..14).map(|_| overload.enter(&limits, FIRST, 4).unwrap()).collect();
        assert_eq!(overload.enter(&limits, FIRST, 4).unwrap_err(), Shed::InFlight);
        let greedy = Standing { is_first: false, beside: 4 };
        assert_eq!(overload.enter(&limits, greedy, 4).unwrap_err(), Shed::InFlight);
        places.extend((0..2).map(|_| overload.enter(&limits, KEPT, 4).unwrap()));
        assert_eq!(overload.enter(&limits, KEPT, 4).unwrap_err(), Shed::InFlight);
        drop(places);
        assert!(overload.enter(&limits, FIRST, 4).is_ok(), "a refused request holds no place");
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let overload = Overload::default();
        assert!(overload.enter(&limits(usize::MAX), FIRST, 1).unwrap().is_none());
    }

    #[test]
    fn memory_over_its_limit_refuses_what_is_new_first_and_is_forgiven_a_little_below() {
        let overload = Overload::default();
        let sampled = |bytes| overload.note_memory(bytes, 1000).1;
        assert_eq!(sampled(1000), Pressure::None);
        assert_eq!(sampled(1001), Pressure::High);
        let limits = limits(usize::MAX);
        assert_eq!(overload.enter(&limits, FIRST, 1).unwrap_err(), Shed::Memory);
        assert!(overload.enter(&limits, KEPT, 1).is_ok());
        assert_eq!(sampled(1101), Pressure::Severe);
        assert_eq!(overload.enter(&limits, KEPT, 1).unwrap_err(), Shed::Memory);
        assert_eq!([sampled(1050), sampled(990), sampled(951)], [Pressure::Severe, Pressure::High, Pressure::High]);
        assert_eq!(sampled(950), Pressure::None);
    }

    #[test]
    fn what_was_shed_is_told_for_a_while() {
        let overload = Overload::default();
        let at = |s: u64| Now { mono_ns: 1 + s * 1_000_000_000, unix_ms: 0 };
        assert_eq!(overload.fault(at(0)), None);
        overload.note_shed(Shed::Memory, at(0));
        assert!(overload.fault(at(9)).is_some_and(|fault| fault.contains("memory_max")));
        assert_eq!(overload.fault(at(11)), None);
    }
}
