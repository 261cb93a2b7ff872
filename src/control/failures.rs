use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::Now;

/// How often wrong tokens may be shown: by one address, and by all that have never shown a right one.
///
/// Who has used up its tries is not even looked at until one comes back, so that nobody learns more by guessing on. An
/// address that has shown a right token, and loopback, depend on nobody else's failures.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<Tries>);

#[derive(Debug, Default)]
struct Tries {
    of_address: HashMap<IpAddr, Visitor>,
    of_strangers: Bucket,
}

/// An address that has shown a token.
#[derive(Debug, Default)]
struct Visitor {
    tries: Bucket,
    /// It has shown a right one.
    is_known: bool,
    seen_ns: u64,
}

/// When all tries are there again, on the monotonic clock.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    full_ns: u64,
}

/// So many tries, and the time after which one comes back.
#[derive(Clone, Copy)]
struct Terms {
    tries: u32,
    every: Duration,
}

const OF_ADDRESS: Terms = Terms { tries: 10, every: Duration::from_secs(6) };
const OF_STRANGERS: Terms = Terms { tries: 100, every: Duration::from_millis(600) };

/// Addresses that are remembered: more than can have failed within a minute, and some that are known.
const VISITORS_MAX: usize = 1024;

impl Failures {
    /// `Err`: a token from this address is not looked at for so many seconds.
    pub(super) fn check(&self, address: IpAddr, now: Now) -> Result<(), u64> {
        let tries = self.lock();
        let address = holder(address);
        let visitor = tries.of_address.get(&address);
        visitor.map_or(Ok(()), |visitor| visitor.tries.check(OF_ADDRESS, now))?;
        if is_stranger(address, visitor) { tries.of_strangers.check(OF_STRANGERS, now) } else { Ok(()) }
    }

    pub(super) fn wrong(&self, address: IpAddr, now: Now) {
        let mut tries = self.lock();
        let address = holder(address);
        let is_stranger = is_stranger(address, tries.of_address.get(&address));
        tries.visitor(address, now).tries.take(OF_ADDRESS, now);
        if is_stranger {
            tries.of_strangers.take(OF_STRANGERS, now);
        }
    }

    pub(super) fn right(&self, address: IpAddr, now: Now) {
        self.lock().visitor(holder(address), now).is_known = true;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Tries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tries {
    /// The address's entry, for which that of the one gives way who has not been seen for longest.
    fn visitor(&mut self, address: IpAddr, now: Now) -> &mut Visitor {
        if self.of_address.len() >= VISITORS_MAX && !self.of_address.contains_key(&address) {
            let oldest = self.of_address.iter().min_by_key(|(_, visitor)| visitor.seen_ns).map(|(address, _)| *address);
            oldest.map(|address| self.of_address.remove(&address));
        }
        let visitor = self.of_address.entry(address).or_default();
        visitor.seen_ns = now.mono_ns;
        visitor
    }
}

impl Bucket {
    fn check(self, terms: Terms, now: Now) -> Result<(), u64> {
        let one_left_ns = terms.ns() * u64::from(terms.tries - 1);
        match self.full_ns.saturating_sub(now.mono_ns).checked_sub(one_left_ns) {
            None | Some(0) => Ok(()),
            Some(wait_ns) => Err(wait_ns.div_ceil(1_000_000_000)),
        }
    }

    fn take(&mut self, terms: Terms, now: Now) {
        self.full_ns = self.full_ns.max(now.mono_ns) + terms.ns();
    }
}

impl Terms {
    fn ns(self) -> u64 {
        self.every.as_nanos() as u64
    }
}

fn is_stranger(address: IpAddr, visitor: Option<&Visitor>) -> bool {
    !address.is_loopback() && !visitor.is_some_and(|visitor| visitor.is_known)
}

/// An address, or a network of 64 bits of IPv6, of which one customer has all.
fn holder(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Clock;

    fn address(number: u32) -> IpAddr {
        IpAddr::V4((0xc000_0200 + number).into())
    }

    /// Shows wrong tokens until they are not looked at any more.
    fn exhaust(failures: &Failures, address: IpAddr, now: Now) -> u32 {
        let mut shown = 0;
        while failures.check(address, now).is_ok() {
            failures.wrong(address, now);
            shown += 1;
        }
        shown
    }

    #[test]
    fn an_address_has_ten_tries_and_one_more_every_six_seconds() {
        let (failures, clock) = (Failures::default(), Clock::manual(0));
        assert_eq!(exhaust(&failures, address(1), clock.now()), 10);
        assert_eq!(failures.check(address(1), clock.now()), Err(6));
        assert_eq!(failures.check(address(2), clock.now()), Ok(()));
        clock.advance(Duration::from_secs(6));
        assert_eq!(exhaust(&failures, address(1), clock.now()), 1);
        clock.advance(Duration::from_secs(3600));
        assert_eq!(exhaust(&failures, address(1), clock.now()), 10);
    }

    #[test]
    fn strangers_share_a_hundred_and_who_is_known_and_loopback_do_not() {
        let (failures, clock) = (Failures::default(), Clock::manual(0));
        failures.right(address(500), clock.now());
        let shown: u32 = (0..50).map(|number| exhaust(&failures, address(number), clock.now())).sum();
        assert_eq!(shown, 100);
        assert_eq!(failures.check(address(600), clock.now()), Err(1));
        assert_eq!(exhaust(&failures, address(500), clock.now()), 10);
        assert_eq!(exhaust(&failures, "::1".parse().expect("an address"), clock.now()), 10);
    }

    #[test]
    fn a_network_of_one_customer_is_one_and_memory_is_bounded() {
        let (failures, clock) = (Failures::default(), Clock::manual(0));
        let customer = |host: u128| IpAddr::V6(((0x2001_0db8_u128 << 96) + host).into());
        exhaust(&failures, customer(1), clock.now());
        assert!(failures.check(customer(2), clock.now()).is_err());
        (0..5000).for_each(|number| failures.right(address(number), clock.now()));
        assert_eq!(failures.lock().of_address.len(), VISITORS_MAX);
    }
}
