use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, Cache};

use super::compile::{Compiled, Snapshot};
use super::connections::Connections;
use super::issuance::Issuance;
use super::member::grant_of;
use super::overload::{Overload, Pressure};
use super::summary::Summary;
use crate::base::{Answer, Clock, Refusal};
use crate::gateway::integrate::Pools;
use crate::store::{Health, Store, Usage};
use crate::telemetry::{CacheFacts, Shed, Telemetry};

/// How long a stop waits for the access log's writer.
const LOG_PATIENCE: Duration = Duration::from_secs(5);

/// When who was turned away may come again, in seconds.
const SHED_RETRY_S: u32 = 1;

/// The least time between two looks at the caches, which take locks that requests want.
const MAINTENANCE_PAUSE: Duration = Duration::from_millis(100);

/// What [`Live::follow`] gives.
pub type Current = Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>;

/// The current snapshot, and what outlives it.
pub struct Live {
    current: Arc<ArcSwap<Snapshot>>,
    /// Snapshots that were replaced and may still have requests.
    retired: Mutex<Vec<Arc<Snapshot>>>,
    clock: Clock,
    telemetry: Telemetry,
    store: Store,
    pools: Arc<Pools>,
    connections: Connections,
    overload: Overload,
    issuance: Issuance,
    /// When the caches were maintained last; 0: never.
    maintained_ns: AtomicU64,
    is_draining: AtomicBool,
    is_cut: AtomicBool,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("serves", &self.snapshot().summary()).finish_non_exhaustive()
    }
}

impl Live {
    /// `compiled` is the first snapshot; it was compiled with this `store` and these `pools`.
    pub fn new(clock: Clock, telemetry: Telemetry, store: Store, pools: Arc<Pools>, compiled: Compiled) -> Live {
        let current = Arc::new(ArcSwap::from_pointee(compiled.snapshot));
        Live {
            current,
            retired: Mutex::default(),
            clock,
            telemetry,
            store,
            pools,
            connections: Connections::default(),
            overload: Overload::default(),
            issuance: Issuance::default(),
            maintained_ns: AtomicU64::new(0),
            is_draining: AtomicBool::new(false),
            is_cut: AtomicBool::new(false),
        }
    }

    /// The current snapshot; a request asks once and keeps what it got.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Follows the current snapshot, for who asks for every request: costs one load while it stays the same, and touches
    /// no counter that workers share. Keeps the snapshot alive that it was asked for last.
    pub fn follow(&self) -> Current {
        Cache::new(Arc::clone(&self.current))
    }

    /// Makes a snapshot the current one. Requests in flight end with the one that they began with.
    pub fn publish(&self, Compiled { snapshot, rebase }: Compiled) -> Summary {
        let summary = snapshot.summary();
        self.telemetry.metrics.set_key_labels_max(snapshot.key_labels_max);
        let old = self.current.swap(Arc::new(snapshot));
        let held = old.keys().iter().flat_map(|key| key.members()).map(|member| (member.place, grant_of(member)));
        rebase.apply(held, self.clock.now());
        self.retired.lock().unwrap_or_else(PoisonError::into_inner).push(old);
        summary
    }

    /// Retired snapshots that no request holds any more, for the caller to drop: that takes tens of milliseconds with a
    /// hundred thousand keys, which the last request to end must not have to pay.
    pub fn take_retired(&self) -> Vec<Arc<Snapshot>> {
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        retired.extract_if(.., |snapshot| Arc::strong_count(snapshot) == 1).collect()
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    pub fn pools(&self) -> &Arc<Pools> {
        &self.pools
    }

    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    pub fn overload(&self) -> &Overload {
        &self.overload
    }

    pub fn issuance(&self) -> &Issuance {
        &self.issuance
    }

    /// Counts work that is turned away, and words it.
    pub fn shed(&self, reason: Shed) -> Answer {
        self.telemetry.metrics.shed(reason);
        self.overload.note_shed(reason, self.clock.now());
        let detail = match reason {
            Shed::Connections => "the gateway has as many connections as it may",
            Shed::Address => "this address has as many connections as it may",
            Shed::InFlight => "the gateway answers as many requests at once as it may",
            Shed::Memory => "the gateway uses as much memory as it may",
        };
        Answer::new(Refusal::Unavailable, detail).with_retry_after(SHED_RETRY_S).with_log(reason.as_str())
    }

    /// Compares the process's memory with its limit. What can be had again, cached answers, goes before requests do.
    pub fn watch_memory(&self, resident_bytes: Option<u64>) {
        let snapshot = self.snapshot();
        let max = snapshot.limits().memory_bytes_max;
        let (before, after) = self.overload.note_memory(resident_bytes.unwrap_or(0), max);
        if after > before {
            tracing::warn!(resident_bytes, memory_max = max, "memory is over its limit, work is turned away");
            snapshot.stages().iter().filter_map(|stage| stage.cache()).for_each(|cache| cache.flush_all());
        } else if after == Pressure::None && before > after {
            tracing::info!(resident_bytes, memory_max = max, "memory is within its limit again");
        }
    }

    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }

    pub fn start_draining(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    /// Whether the drain's time is over: what is not answered yet is refused.
    pub fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }

    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
    }

    /// What is wrong with the store, if anything is.
    pub fn store_fault(&self) -> Option<String> {
        match self.store.health() {
            Health::Durable => None,
            Health::Failing { reason, since_unix_ms } => {
                let (unsaved, for_s) =
                    (self.store.unsaved(), self.clock.now().unix_ms.saturating_sub(since_unix_ms) / 1_000);
                Some(format!("counting in memory only for {for_s} s, {unsaved} requests are not on disk: {reason}"))
            }
        }
    }

    /// Lets expired entries go and keeps the caches within their bounds. Called each second, and before they are
    /// measured, but not as often as somebody may want to measure them.
    pub fn maintain_caches(&self) {
        let now = self.clock.now();
        let before_ns = self.maintained_ns.load(Ordering::Relaxed);
        if before_ns > 0 && now.mono_ns.saturating_sub(before_ns) < MAINTENANCE_PAUSE.as_nanos() as u64 {
            return;
        }
        self.maintained_ns.store(now.mono_ns, Ordering::Relaxed);
        for stage in self.snapshot().stages() {
            if let Some(cache) = stage.cache() {
                cache.maintain(now);
            }
        }
    }

    /// The metrics as text, with the gauges as they are now.
    pub fn render_metrics(&self) -> String {
        self.maintain_caches();
        let snapshot = self.snapshot();
        let metrics = &self.telemetry.metrics;
        metrics.set_connections(self.connections.count());
        let with_cache = snapshot.stages().iter().filter_map(|stage| Some((stage.name(), stage.cache()?)));
        let caches: Vec<_> = with_cache
            .map(|(name, cache)| CacheFacts {
                api: &name.api,
                stage: &name.stage,
                bytes: cache.bytes(),
                entries: cache.entries() as u64,
                evictions: cache.evictions(),
            })
            .collect();
        metrics.set_caches(&caches);
        metrics.set_store(self.store_fault().is_none(), self.store.unsaved());
        let now = self.clock.now();
        let states: Vec<_> = self.pools.alive().iter().flat_map(|pool| pool.states(now).collect::<Vec<_>>()).collect();
        metrics.set_back_ends_healthy(states.iter().map(|state| (&*state.name, state.is_healthy && !state.is_ejected)));
        metrics.render()
    }

    /// What API keys have used of their quotas, sorted by key and plan; a filter that is `None` lets all pass.
    pub fn usage(&self, key: Option<&str>, plan: Option<&str>) -> Vec<Usage> {
        let (snapshot, now) = (self.snapshot(), self.clock.now());
        let mut usage: Vec<Usage> = Vec::new();
        for holder in snapshot.keys().iter().filter(|holder| key.is_none_or(|name| **holder.name() == *name)) {
            let mut of_key: Vec<Usage> = holder.members().filter_map(|member| grant_of(member).usage(now)).collect();
            // All stages of a plan share one counter.
            of_key.dedup_by(|a, b| a.plan == b.plan);
            usage.extend(of_key.into_iter().filter(|row| plan.is_none_or(|name| *row.plan == *name)));
        }
        usage.sort_by(|a, b| (&a.key, &a.plan).cmp(&(&b.key, &b.plan)));
        usage.dedup_by(|a, b| (&a.key, &a.plan) == (&b.key, &b.plan));
        usage
    }

    /// Grants an API key more requests in the current period; durable when it returns. The error says what is unknown.
    pub async fn extend_quota(&self, key: &str, plan: &str, requests: u64) -> Result<Usage, String> {
        let snapshot = self.snapshot();
        let holder = snapshot
            .keys()
            .iter()
            .find(|holder| **holder.name() == *key)
            .ok_or_else(|| format!("no API key is called {key:?}"))?;
        let grant = holder.members().map(grant_of).find(|grant| *grant.plan().name == *plan);
        let grant = grant.ok_or_else(|| format!("the API key {key:?} is in no usage plan called {plan:?}"))?;
        match grant.extend(requests, self.clock.now()).await {
            Some(extended) => extended.map_err(|error| error.to_string()),
            None => Err(format!("the usage plan {plan:?} has no quota")),
        }
    }

    /// Writes what must last: exact quota counters, log lines. Says whether that is done.
    pub fn flush(&self) -> bool {
        let flushed = self.store.flush();
        if let Err(error) = &flushed {
            tracing::error!(%error, "quota counters were not written; some quota is lost");
        }
        let is_logged = self.telemetry.flush(LOG_PATIENCE);
        if !is_logged {
            tracing::warn!("the access log was not written to its end");
        }
        flushed.is_ok() && is_logged
    }
}
