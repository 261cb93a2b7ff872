use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ahash::RandomState;
use tokio::sync::Notify;

use crate::config::Limits;
use crate::telemetry::Shed;

/// Clients that are turned away in words at once; others are hung up on.
const FAREWELLS_MAX: usize = 256;
/// So that workers that accept at once seldom meet.
const SHARDS: usize = 64;

/// Counts the clients' connections: so that a drain knows when the last has gone, and nobody has too many.
#[derive(Clone, Debug, Default)]
pub struct Connections(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    open: AtomicUsize,
    /// Of those, the ones that have a seat.
    seated: AtomicUsize,
    closed: Notify,
    /// Connections by who has them.
    holders: [Mutex<HashMap<Holder, usize, RandomState>>; SHARDS],
    holder_count: AtomicUsize,
    farewells: AtomicUsize,
    hasher: RandomState,
}

/// Who has a connection: an address, or a network of 64 bits of IPv6, of which one customer has all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Holder {
    V4(u32),
    V6(u64),
}

/// One open connection; closed when dropped.
#[derive(Debug)]
pub struct Open(Connections);

/// An open connection's place among those of its address; free again when dropped.
#[derive(Debug)]
pub struct Seat {
    connections: Connections,
    holder: Holder,
}

/// Time to turn somebody away in words; given back when dropped.
#[derive(Debug)]
pub struct Farewell(Connections);

impl Default for Inner {
    fn default() -> Inner {
        Inner {
            open: AtomicUsize::new(0),
            seated: AtomicUsize::new(0),
            closed: Notify::new(),
            holders: std::array::from_fn(|_| Mutex::default()),
            holder_count: AtomicUsize::new(0),
            farewells: AtomicUsize::new(0),
            hasher: RandomState::new(),
        }
    }
}

impl Holder {
    fn of(address: IpAddr) -> Holder {
        match address.to_canonical() {
            IpAddr::V4(v4) => Holder::V4(v4.to_bits()),
            IpAddr::V6(v6) => Holder::V6((v6.to_bits() >> 64) as u64),
        }
    }
}

impl Connections {
    pub fn open(&self) -> Open {
        self.0.open.fetch_add(1, Ordering::Relaxed);
        Open(self.clone())
    }

    pub fn count(&self) -> usize {
        self.0.open.load(Ordering::Relaxed)
    }

    /// Takes a seat for a connection that is open already, or says which limit forbids it.
    ///
    /// When more than three quarters of `connections_max` are open, nobody gets more than an even share of them: who
    /// has few, or comes for the first time, still gets in. `is_shared` is an address with many clients behind it,
    /// which has no limit of its own.
    pub fn seat(&self, address: IpAddr, is_shared: bool, limits: &Limits) -> Result<Seat, Shed> {
        // Not the open ones: one that is about to be refused must not take another's seat.
        let one_more = |seated: usize| (seated < limits.connections_max).then_some(seated + 1);
        let before = self.0.seated.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        let Ok(before) = before else { return Err(Shed::Connections) };
        let taken = self.take_seat(address, is_shared, before + 1, limits);
        if taken.is_err() {
            self.0.seated.fetch_sub(1, Ordering::Relaxed);
        }
        taken
    }

    fn take_seat(&self, address: IpAddr, is_shared: bool, seated: usize, limits: &Limits) -> Result<Seat, Shed> {
        let holder = Holder::of(address);
        let mut shard = self.shard(holder);
        let entry = shard.entry(holder);
        let held = if let Entry::Occupied(held) = &entry { *held.get() } else { 0 };
        let is_scarce = seated > limits.connections_max - limits.connections_max / 4;
        let others = self.0.holder_count.load(Ordering::Relaxed);
        let share = if is_scarce { (limits.connections_max / others.max(1)).max(1) } else { usize::MAX };
        if !is_shared && held >= share.min(limits.connections_per_address_max) {
            return Err(Shed::Address);
        }
        if held == 0 {
            self.0.holder_count.fetch_add(1, Ordering::Relaxed);
        }
        *entry.or_default() += 1;
        drop(shard);
        Ok(Seat { connections: self.clone(), holder })
    }

    /// Whether there is time to tell a client why it is turned away.
    pub fn farewell(&self) -> Option<Farewell> {
        let before = self.0.farewells.fetch_add(1, Ordering::Relaxed);
        let farewell = Farewell(self.clone());
        (before < FAREWELLS_MAX).then_some(farewell)
    }

    fn shard(&self, holder: Holder) -> MutexGuard<'_, HashMap<Holder, usize, RandomState>> {
        let at = self.0.hasher.hash_one(holder) as usize % SHARDS;
        self.0.holders[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no connection is open.
    pub async fn closed_all(&self) {
        loop {
            // Registered before the count is read, so that a close in between is not missed.
            let closed = self.0.closed.notified();
            tokio::pin!(closed);
            closed.as_mut().enable();
            if self.count() == 0 {
                return;
            }
            closed.await;
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let inner = &self.0.0;
        if inner.open.fetch_sub(1, Ordering::Release) == 1 {
            inner.closed.notify_waiters();
        }
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.0.farewells.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.connections.0.seated.fetch_sub(1, Ordering::Relaxed);
        let mut shard = self.connections.shard(self.holder);
        if let Entry::Occupied(mut held) = shard.entry(self.holder) {
            *held.get_mut() -= 1;
            if *held.get() == 0 {
                held.remove();
                self.connections.0.holder_count.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(connections: &Connections, address: &str, limits: &Limits) -> Result<(Open, Seat), Shed> {
        let open = connections.open();
        connections.seat(address.parse().unwrap(), false, limits).map(|seat| (open, seat))
    }

    #[test]
    fn an_address_has_no_more_connections_than_it_may() {
        let limits = Limits { connections_per_address_max: 2, ..Limits::default() };
        let connections = Connections::default();
        let held: Vec<_> = (0..2).map(|_| take(&connections, "192.0.2.1", &limits).unwrap()).collect();
        assert_eq!(take(&connections, "::ffff:192.0.2.1", &limits).unwrap_err(), Shed::Address);
        let other = take(&connections, "192.0.2.2", &limits).unwrap();
        drop(held);
        assert!(take(&connections, "192.0.2.1", &limits).is_ok());
        drop(other);
        assert_eq!((connections.count(), connections.0.holder_count.load(Ordering::Relaxed)), (0, 0));
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let limits = Limits { connections_per_address_max: 1, ..Limits::default() };
        let connections = Connections::default();
        let _held = take(&connections, "2001:db8::1", &limits).unwrap();
        assert_eq!(take(&connections, "2001:db8::ffff:1", &limits).unwrap_err(), Shed::Address);
        assert!(take(&connections, "2001:db8:0:1::1", &limits).is_ok());
    }

    #[test]
    fn when_connections_grow_scarce_who_has_few_still_gets_in() {
        let limits = Limits { connections_max: 16, ..Limits::default() };
        let connections = Connections::default();
        let _greedy: Vec<_> = (0..12).map(|_| take(&connections, "192.0.2.1", &limits).unwrap()).collect();
        let _modest = take(&connections, "192.0.2.2", &limits).unwrap();
        assert_eq!(take(&connections, "192.0.2.1", &limits).unwrap_err(), Shed::Address);
        let _others: Vec<_> = (3..6).map(|n| take(&connections, &format!("192.0.2.{n}"), &limits).unwrap()).collect();
        assert_eq!(connections.count(), 16);
        assert_eq!(take(&connections, "192.0.2.9", &limits).unwrap_err(), Shed::Connections);
    }

    #[test]
    fn an_address_that_many_share_has_no_limit_of_its_own() {
        let limits = Limits { connections_per_address_max: 1, ..Limits::default() };
        let connections = Connections::default();
        let shared = |_| connections.seat("192.0.2.1".parse().unwrap(), true, &limits);
        let seats: Result<Vec<_>, _> = (0..3).map(shared).collect();
        assert_eq!(seats.map(|seats| seats.len()), Ok(3));
    }
}
