use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, Cache};

use super::compile::{Compiled, Snapshot};
use super::connections::Connections;
use super::summary::Summary;
use crate::base::Clock;
use crate::gateway::integrate::Pools;
use crate::store::{Health, Store, Usage};
use crate::telemetry::Telemetry;

/// How long a stop waits for the access log's writer.
const LOG_PATIENCE: Duration = Duration::from_secs(5);

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
    is_draining: AtomicBool,
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
            is_draining: AtomicBool::new(false),
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
        self.retired.lock().unwrap_or_else(PoisonError::into_inner).push(old);
        rebase.apply(self.clock.now());
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

    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }

    pub fn start_draining(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
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

    /// Lets expired entries go and keeps the caches within their bounds. Called each second, and before they are measured.
    pub fn maintain_caches(&self) {
        let now = self.clock.now();
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
        metrics.set_cache_bytes(with_cache.map(|(name, cache)| (&*name.api, &*name.stage, cache.bytes())));
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
        for (_, holder) in snapshot.keys().iter().filter(|(_, holder)| key.is_none_or(|name| **holder.name() == *name))
        {
            let mut of_key: Vec<Usage> =
                holder.grants().iter().filter_map(|(_, member)| member.grant.usage(now)).collect();
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
        let (_, holder) = snapshot
            .keys()
            .iter()
            .find(|(_, holder)| **holder.name() == *key)
            .ok_or_else(|| format!("no API key is called {key:?}"))?;
        let member = holder.grants().iter().map(|(_, member)| member).find(|member| *member.grant.plan().name == *plan);
        let member = member.ok_or_else(|| format!("the API key {key:?} is in no usage plan called {plan:?}"))?;
        match member.grant.extend(requests, self.clock.now()).await {
            Some(extended) => extended.map_err(|error| error.to_string()),
            None => Err(format!("the usage plan {plan:?} has no quota")),
        }
    }

    /// Writes what must last: exact quota counters, log lines.
    pub fn flush(&self) {
        if let Err(error) = self.store.flush() {
            tracing::error!(%error, "quota counters were not written; some quota is lost");
        }
        if !self.telemetry.flush(LOG_PATIENCE) {
            tracing::warn!("the access log was not written to its end");
        }
    }
}
