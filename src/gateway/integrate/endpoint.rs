use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

use super::failure::Failure;
use crate::base::{Clock, Now};
use crate::config::{Ejection, HealthCheck};

/// After a name could not be resolved, requests are not held up by asking again for this long.
const LOOKUP_PAUSE: Duration = Duration::from_secs(1);

/// One `host:port` of a pool, and what is known of it.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// `host:port`, as it was written.
    name: Box<str>,
    host: Box<str>,
    port: u16,
    weight: u32,
    /// `None`: `host` is a name.
    literal: Option<SocketAddr>,
    /// What the name was resolved to; empty before.
    addresses: ArcSwap<Vec<SocketAddr>>,
    next_address: AtomicUsize,
    lookup: Mutex<LookupPause>,
    in_flight: AtomicU32,
    is_healthy: AtomicBool,
    /// Health checks in a row that spoke against `is_healthy`.
    contradictions: AtomicU32,
    /// Failures of requests in a row.
    failures: AtomicU32,
    /// 0: not resting.
    rests_until_ns: AtomicU64,
}

/// When a lookup that failed may be repeated.
#[derive(Debug, Default)]
struct LookupPause {
    until_ns: u64,
}

/// What the admin API and the metrics show of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointState {
    /// `host:port`, as it was written.
    pub name: Box<str>,
    pub is_healthy: bool,
    /// Whether it rests after failures of requests.
    pub is_ejected: bool,
    pub in_flight: u32,
}

impl Endpoint {
    pub(super) fn new(host: &str, port: u16, weight: u32) -> Endpoint {
        let literal = host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port));
        let name = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        Endpoint {
            name: name.into(),
            host: host.into(),
            port,
            weight: weight.max(1),
            literal,
            addresses: ArcSwap::default(),
            next_address: AtomicUsize::new(0),
            lookup: Mutex::default(),
            in_flight: AtomicU32::new(0),
            is_healthy: AtomicBool::new(true),
            contradictions: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            rests_until_ns: AtomicU64::new(0),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn state(&self, now: Now) -> EndpointState {
        EndpointState {
            name: self.name.clone(),
            is_healthy: self.is_healthy(),
            is_ejected: self.rest(now).is_some(),
            in_flight: self.in_flight.load(Ordering::Relaxed),
        }
    }
}

/// Where it is.
impl Endpoint {
    /// The next of its addresses in turn; `None` before its name was resolved.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        if self.literal.is_some() {
            return self.literal;
        }
        let addresses = self.addresses.load();
        match addresses.as_slice() {
            [] => None,
            [only] => Some(*only),
            several => several.get(self.next_address.fetch_add(1, Ordering::Relaxed) % several.len()).copied(),
        }
    }

    /// The next address, resolved first if need be: one lookup at a time, and none for a second after one failed.
    pub(super) async fn resolve(&self, clock: &Clock) -> Option<SocketAddr> {
        let mut pause = self.lookup.lock().await;
        if self.address().is_none() && clock.now().mono_ns >= pause.until_ns {
            let pause_ns = LOOKUP_PAUSE.as_nanos() as u64;
            // Set before the lookup too: its future may be dropped at a deadline.
            pause.until_ns = clock.now().mono_ns + pause_ns;
            self.look_up().await;
            pause.until_ns = clock.now().mono_ns + pause_ns;
        }
        self.address()
    }

    /// Asks for its addresses anew; the old ones stay if the name cannot be resolved.
    pub(super) async fn look_up(&self) {
        match tokio::net::lookup_host((&*self.host, self.port)).await {
            Ok(found) => self.set_addresses(found.collect()),
            Err(error) => tracing::warn!(back_end = %self.name, %error, "cannot resolve a back end's name"),
        }
    }

    /// Whether it is a name that was resolved once, so that it should be followed.
    pub(super) fn is_followed_name(&self) -> bool {
        self.literal.is_none() && !self.addresses.load().is_empty()
    }

    fn set_addresses(&self, mut found: Vec<SocketAddr>) {
        found.sort_unstable();
        found.dedup();
        if !found.is_empty() && **self.addresses.load() != found {
            self.addresses.store(Arc::new(found));
        }
    }
}

/// How busy it is.
impl Endpoint {
    pub(super) fn enter(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// The load that one more request would make, comparable between endpoints of different weights.
    pub(super) fn load(&self) -> u64 {
        let next = u64::from(self.in_flight.load(Ordering::Relaxed)) + 1;
        (next << 20) / u64::from(self.weight)
    }
}

/// How it fares.
impl Endpoint {
    pub(super) fn is_open(&self, now: Now) -> bool {
        self.is_healthy() && self.rest(now).is_none()
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.is_healthy.load(Ordering::Relaxed)
    }

    /// How long it still rests; `None` when it does not.
    pub(super) fn rest(&self, now: Now) -> Option<Duration> {
        let left_ns = self.rests_until_ns.load(Ordering::Relaxed).saturating_sub(now.mono_ns);
        (left_ns > 0).then(|| Duration::from_nanos(left_ns))
    }

    /// Counts what became of a request. After `ejection.failures` in a row it rests, unless it is alone in its pool.
    pub(super) fn count(&self, outcome: Result<(), Failure>, ejection: Ejection, is_alone: bool, now: Now) {
        match outcome {
            // Looking first spares the cache line: nearly every outcome is a success after a success.
            Ok(()) if self.failures.load(Ordering::Relaxed) > 0 => self.failures.store(0, Ordering::Relaxed),
            Err(failure) if failure.counts_against_endpoint() && !is_alone => self.count_failure(ejection, now),
            _ => {}
        }
    }

    fn count_failure(&self, ejection: Ejection, now: Now) {
        let in_a_row = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if ejection.failures > 0 && in_a_row >= ejection.failures {
            self.eject(ejection.rest, now);
        }
    }

    fn eject(&self, rest: Duration, now: Now) {
        self.failures.store(0, Ordering::Relaxed);
        self.rests_until_ns.store(now.mono_ns.saturating_add(rest.as_nanos() as u64), Ordering::Relaxed);
        tracing::warn!(back_end = %self.name, rest_ms = rest.as_millis() as u64, "a back end that keeps failing rests");
    }

    /// Counts a health check; enough of them in a row that contradict what was believed change it.
    pub(super) fn count_check(&self, passed: bool, check: &HealthCheck) {
        let believed = self.is_healthy();
        if passed == believed {
            self.contradictions.store(0, Ordering::Relaxed);
            return;
        }
        let needed = if passed { check.healthy } else { check.unhealthy };
        if self.contradictions.fetch_add(1, Ordering::Relaxed) + 1 >= needed {
            self.contradictions.store(0, Ordering::Relaxed);
            self.is_healthy.store(passed, Ordering::Relaxed);
            tracing::warn!(back_end = %self.name, is_healthy = passed, "a back end's health changed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_addresses_take_turns_and_survive_an_empty_lookup() {
        let endpoint = Endpoint::new("back.example", 80, 1);
        assert_eq!((endpoint.address(), endpoint.is_followed_name()), (None, false));
        let [one, two]: [SocketAddr; 2] = ["10.0.0.1:80".parse().unwrap(), "10.0.0.2:80".parse().unwrap()];
        endpoint.set_addresses(vec![two, one, two]);
        endpoint.set_addresses(Vec::new());
        assert_eq!([endpoint.address(), endpoint.address(), endpoint.address()], [Some(one), Some(two), Some(one)]);
        assert!(endpoint.is_followed_name());
        assert_eq!(Endpoint::new("::1", 9000, 1).address(), Some("[::1]:9000".parse().unwrap()));
    }

    #[test]
    fn health_changes_after_enough_checks_in_a_row() {
        let check = HealthCheck {
            path: None,
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            healthy: 2,
            unhealthy: 3,
        };
        let endpoint = Endpoint::new("10.0.0.1", 80, 1);
        let believed = |passed: &[bool]| {
            passed.iter().for_each(|passed| endpoint.count_check(*passed, &check));
            endpoint.is_healthy()
        };
        assert!(believed(&[false, false]));
        assert!(believed(&[true, false, false]), "a success between them starts the count anew");
        assert!(!believed(&[false]));
        assert!(!believed(&[true, false, true]));
        assert!(believed(&[true]));
    }
}
