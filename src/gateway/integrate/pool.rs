use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::back_end::BackEnd;
use super::endpoint::{Endpoint, EndpointState};
use super::schedule;
use super::transport::Transport;
use crate::base::{Answer, Now, Refusal};
use crate::config::{Balance, Ejection, HealthCheck, ProtocolVersion, UpstreamTls};

/// What two target lists must have in common to be one pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PoolKey {
    /// Host, port and weight of each.
    pub(super) endpoints: Vec<(Box<str>, u16, u32)>,
    pub(super) balance: Balance,
    pub(super) health: Option<HealthCheck>,
    pub(super) ejection: Ejection,
    /// The name to verify and whom to trust; `None`: no TLS.
    pub(super) tls: Option<(Box<str>, UpstreamTls)>,
    pub(super) protocol_version: ProtocolVersion,
    /// What health checks over HTTP say in `Host`; empty without them.
    pub(super) health_host: Box<str>,
}

/// The endpoints of one target list, and whose turn it is.
#[derive(Debug)]
pub struct Pool {
    pub(super) key: PoolKey,
    pub(super) endpoints: Box<[Endpoint]>,
    pub(super) transport: Transport,
    /// When the background looks after it next, in monotonic nanoseconds.
    pub(super) health_due_ns: AtomicU64,
    pub(super) refresh_due_ns: AtomicU64,
    turns: Box<[u32]>,
    cursor: AtomicUsize,
}

impl Pool {
    fn new(key: PoolKey) -> Result<Pool, String> {
        let transport = match &key.tls {
            Some((server_name, tls)) => Transport::tls(server_name, tls, key.protocol_version)?,
            None => Transport::plain(key.protocol_version),
        };
        let weights: Vec<u32> = key.endpoints.iter().map(|(_, _, weight)| *weight).collect();
        Ok(Pool {
            endpoints: key.endpoints.iter().map(|(host, port, weight)| Endpoint::new(host, *port, *weight)).collect(),
            transport,
            health_due_ns: AtomicU64::new(0),
            refresh_due_ns: AtomicU64::new(0),
            turns: schedule::turns(&weights),
            cursor: AtomicUsize::new(0),
            key,
        })
    }

    /// What is known of each endpoint, in the order of the configuration.
    pub fn states(&self, now: Now) -> impl Iterator<Item = EndpointState> {
        self.endpoints.iter().map(move |endpoint| endpoint.state(now))
    }

    /// The endpoint that should take a request now; the one `tried` before only if there is no other.
    pub(super) fn choose(&self, now: Now, tried: Option<usize>) -> Result<usize, Answer> {
        let is_open = |index: &usize| self.endpoints[*index].is_open(now);
        let is_other = |index: &usize| Some(*index) != tried && is_open(index);
        let chosen = match self.key.balance {
            _ if self.endpoints.len() == 1 => None,
            Balance::RoundRobin => self.next_in_turn(is_other),
            Balance::LeastBusy => self.least_busy(is_other),
        };
        let last_resort = || tried.or(Some(0)).filter(|index| *index < self.endpoints.len() && is_open(index));
        chosen.or_else(last_resort).ok_or_else(|| self.nobody(now))
    }

    /// `host:port` of each endpoint, as the configuration names it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.endpoints.iter().map(Endpoint::name)
    }

    pub(super) fn is_alone(&self) -> bool {
        self.endpoints.len() == 1
    }

    /// Passing over an endpoint uses up its turn, so the others share what it would have had by their weights.
    fn next_in_turn(&self, is_usable: impl Fn(&usize) -> bool) -> Option<usize> {
        let usable = (0..self.endpoints.len()).find(&is_usable)?;
        let turns = self.turns.len();
        let mut cycle = (0..turns).map(|_| self.turns[self.cursor.fetch_add(1, Ordering::Relaxed) % turns] as usize);
        // Others may take every usable turn of this cycle from under our hands.
        cycle.find(is_usable).or(Some(usable))
    }

    /// The least load for its weight; the search starts at another place each time, so that equals take turns.
    fn least_busy(&self, is_usable: impl Fn(&usize) -> bool) -> Option<usize> {
        let count = self.endpoints.len();
        let start = self.cursor.fetch_add(1, Ordering::Relaxed);
        let rotated = (0..count).map(|step| (start % count + step) % count);
        rotated.filter(is_usable).min_by_key(|index| self.endpoints[*index].load())
    }

    fn nobody(&self, now: Now) -> Answer {
        let check_s = self.key.health.as_ref().map_or(1, |check| check.interval.as_secs());
        let open_in_s = |endpoint: &Endpoint| match endpoint.rest(now) {
            Some(rest) if endpoint.is_healthy() => rest.as_secs() + 1,
            _ => check_s,
        };
        let soonest_s = self.endpoints.iter().map(open_in_s).min().unwrap_or(1).clamp(1, 60);
        let names: Vec<&str> = self.endpoints.iter().map(Endpoint::name).collect();
        Answer::new(Refusal::NoHealthyBackEnd, "no back end is healthy")
            .with_retry_after(soonest_s as u32)
            .with_log(format!("unhealthy or resting: {}", names.join(", ")))
    }
}

/// All pools in use, by content, and what is to be shared beside them. It outlives configurations; a pool lives as long
/// as one that uses it.
#[derive(Debug, Default)]
pub struct Pools {
    by_key: Mutex<HashMap<PoolKey, Weak<Pool>>>,
    back_ends: Mutex<HashSet<Arc<BackEnd>>>,
}

impl Pools {
    /// Every pool that some configuration still uses.
    pub fn alive(&self) -> Vec<Arc<Pool>> {
        // These hold pools.
        self.back_ends().retain(|back_end| Arc::strong_count(back_end) > 1);
        let mut pools = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|_, pool| pool.strong_count() > 0);
        pools.values().filter_map(Weak::upgrade).collect()
    }

    /// The pool of this content, made if there is none.
    ///
    /// # Errors
    /// What is wrong with its TLS.
    pub(super) fn get(&self, key: PoolKey) -> Result<Arc<Pool>, String> {
        let mut pools = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(&key).and_then(Weak::upgrade) {
            return Ok(pool);
        }
        let pool = Arc::new(Pool::new(key.clone())?);
        pools.insert(key, Arc::downgrade(&pool));
        Ok(pool)
    }

    /// The back end of this content that some route has already, or this one.
    pub(super) fn share(&self, back_end: BackEnd) -> Arc<BackEnd> {
        let mut back_ends = self.back_ends();
        if let Some(shared) = back_ends.get(&back_end) {
            return Arc::clone(shared);
        }
        let back_end = Arc::new(back_end);
        back_ends.insert(Arc::clone(&back_end));
        back_end
    }

    fn back_ends(&self) -> MutexGuard<'_, HashSet<Arc<BackEnd>>> {
        self.back_ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::Clock;
    use crate::gateway::integrate::Failure;

    fn key(weights: &[u32], balance: Balance) -> PoolKey {
        let endpoint = |(index, weight): (usize, &u32)| (format!("10.0.0.{index}").into(), 80, *weight);
        PoolKey {
            endpoints: weights.iter().enumerate().map(endpoint).collect(),
            balance,
            health: None,
            ejection: Ejection { failures: 2, rest: Duration::from_secs(10) },
            tls: None,
            protocol_version: ProtocolVersion::Http1,
            health_host: "".into(),
        }
    }

    fn pool(weights: &[u32], balance: Balance) -> Pool {
        Pool::new(key(weights, balance)).unwrap()
    }

    fn fail(pool: &Pool, index: usize, now: Now) {
        pool.endpoints[index].count(Err(Failure::Connect), pool.key.ejection, pool.is_alone(), now);
    }

    fn counts<const N: usize>(pool: &Pool, now: Now, requests: usize) -> [usize; N] {
        let mut counts = [0; N];
        (0..requests).for_each(|_| counts[pool.choose(now, None).unwrap()] += 1);
        counts
    }

    #[test]
    fn weights_are_exact_over_a_cycle() {
        let now = Clock::manual(0).now();
        assert_eq!(counts(&pool(&[5, 3, 2], Balance::RoundRobin), now, 20), [10, 6, 4]);
        assert_eq!(counts(&pool(&[1], Balance::RoundRobin), now, 5), [5]);
    }

    #[test]
    fn the_turns_of_a_resting_endpoint_are_shared_by_weight() {
        let now = Clock::manual(0).now();
        let pool = pool(&[1, 1, 1], Balance::RoundRobin);
        (0..2).for_each(|_| fail(&pool, 0, now));
        assert_eq!(counts(&pool, now, 100), [0, 50, 50]);
    }

    #[test]
    fn the_least_busy_for_its_weight_is_chosen() {
        let now = Clock::manual(0).now();
        let pool = pool(&[1, 3], Balance::LeastBusy);
        let mut counts = [0, 0];
        for _ in 0..40 {
            let index = pool.choose(now, None).unwrap();
            pool.endpoints[index].enter();
            counts[index] += 1;
        }
        assert_eq!(counts, [10, 30]);
    }

    #[test]
    fn a_failing_endpoint_rests_and_returns() {
        let clock = Clock::manual(0);
        let pool = pool(&[1, 1], Balance::RoundRobin);
        fail(&pool, 0, clock.now());
        pool.endpoints[0].count(Ok(()), pool.key.ejection, false, clock.now());
        fail(&pool, 0, clock.now());
        assert_eq!(counts(&pool, clock.now(), 10), [5, 5], "a success between failures starts the count anew");
        fail(&pool, 0, clock.now());
        assert_eq!(counts(&pool, clock.now(), 10), [0, 10]);
        clock.advance(Duration::from_secs(10));
        assert_eq!(counts(&pool, clock.now(), 10), [5, 5]);
    }

    #[test]
    fn a_lone_endpoint_never_rests() {
        let now = Clock::manual(0).now();
        let pool = pool(&[1], Balance::LeastBusy);
        (0..9).for_each(|_| fail(&pool, 0, now));
        assert!(pool.choose(now, None).is_ok());
    }

    #[test]
    fn a_retry_goes_elsewhere_if_there_is_an_elsewhere() {
        let now = Clock::manual(0).now();
        for balance in [Balance::RoundRobin, Balance::LeastBusy] {
            let pool = pool(&[1, 1], balance);
            assert!((0..9).all(|_| pool.choose(now, Some(0)).unwrap() == 1));
            (0..2).for_each(|_| fail(&pool, 1, now));
            assert_eq!(pool.choose(now, Some(0)).unwrap(), 0);
        }
    }

    #[test]
    fn with_all_back_ends_down_the_client_is_told_when_to_come_back() {
        let now = Clock::manual(0).now();
        let pool = pool(&[1, 1], Balance::RoundRobin);
        (0..2).for_each(|_| (0..2).for_each(|index| fail(&pool, index, now)));
        let answer = pool.choose(now, None).unwrap_err();
        assert_eq!((answer.refusal, answer.retry_after_s), (Refusal::NoHealthyBackEnd, Some(11)));
        assert!(pool.states(now).all(|state| state.is_ejected && state.is_healthy));
    }

    #[test]
    fn equal_lists_are_one_pool_for_as_long_as_anyone_uses_it() {
        let pools = Pools::default();
        let first = pools.get(key(&[1, 2], Balance::RoundRobin)).unwrap();
        let again = pools.get(key(&[1, 2], Balance::RoundRobin)).unwrap();
        let other = pools.get(key(&[1, 2], Balance::LeastBusy)).unwrap();
        assert!(Arc::ptr_eq(&first, &again) && !Arc::ptr_eq(&first, &other));
        assert_eq!(pools.alive().len(), 2);
        drop((first, again));
        assert_eq!(pools.alive().len(), 1);
    }
}
