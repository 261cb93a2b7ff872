use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::histogram::Histogram;
use super::route_families::RouteFamilies;
use super::{CacheOutcome, Line};
use crate::base::{Now, StageName, Variant};

/// The methods that have a label of their own (RFC 9110 section 9, RFC 5789); others are `other`.
const METHODS: [&str; 10] =
    ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "TRACE", "CONNECT", OTHER_METHOD];
const OTHER_METHOD: &str = "other";

/// The statuses whose counter is at hand, the most frequent first: six share a line with those of the cache.
const COMMON: [u16; 20] =
    [200, 429, 304, 404, 401, 201, 204, 202, 206, 301, 302, 400, 403, 405, 409, 413, 500, 502, 503, 504];

/// The series of one route in one variant of a stage: compiled with the route, opened when it is first called.
///
/// A route that nobody calls has no series. A call with a common status looks no label up.
#[derive(Debug)]
pub struct RouteSeries {
    api: Arc<str>,
    stage: Arc<str>,
    variant: &'static str,
    route: Arc<str>,
    methods: [OnceLock<Arc<MethodSeries>>; METHODS.len()],
}

/// The series of one method of a route, side by side: a request touches three cache lines of them.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(super) struct MethodSeries {
    cache_hits: AtomicU64,
    cache_misses: AtomicU64,
    /// In the order of [`COMMON`].
    requests: [AtomicU64; COMMON.len()],
    pub duration: Histogram,
    pub integration: Histogram,
    /// Requests with other statuses. A back end may answer with any three digits; those that RFC 9110 section 15 has
    /// no class for are all under 0.
    rare: Mutex<BTreeMap<u16, u64>>,
    cache_stale: AtomicU64,
    cache_collapsed: AtomicU64,
    cache_validated: AtomicU64,
}

impl RouteSeries {
    /// `route` is the template (`/orders/{id}`), or empty for requests that reached the stage and no route of it.
    pub fn new(stage: StageName, variant: Variant, route: Arc<str>) -> RouteSeries {
        RouteSeries::with_labels(stage.api, stage.stage, variant.as_str(), route)
    }

    /// For requests that reached no stage: every label but the method and the status is empty.
    pub(super) fn unrouted() -> RouteSeries {
        RouteSeries::with_labels("".into(), "".into(), "", "".into())
    }

    fn with_labels(api: Arc<str>, stage: Arc<str>, variant: &'static str, route: Arc<str>) -> RouteSeries {
        RouteSeries { api, stage, variant, route, methods: Default::default() }
    }

    pub fn api(&self) -> &str {
        &self.api
    }

    pub fn stage(&self) -> &str {
        &self.stage
    }

    /// `stable` or `canary`; empty without a stage.
    pub fn variant(&self) -> &str {
        self.variant
    }

    /// The route's template.
    pub fn route(&self) -> &str {
        &self.route
    }

    pub(super) fn record(&self, families: &RouteFamilies, line: &Line<'_>, now: Now) {
        let at = METHODS.iter().position(|method| *method == line.method).unwrap_or(METHODS.len() - 1);
        let labels = || [self.api(), self.stage(), self.variant, self.route(), METHODS[at]];
        let series = self.methods[at].get_or_init(|| families.open(labels()));
        let facts = line.facts;
        series.count(facts.final_status());
        series.duration.observe(now.since(facts.started));
        if facts.integration.attempts > 0 {
            series.integration.observe(facts.integration.latency);
        }
        series.count_cache(facts.cache);
    }
}

impl MethodSeries {
    fn count(&self, status: u16) {
        match COMMON.iter().position(|common| *common == status) {
            Some(at) => add(&self.requests[at]),
            None => {
                let status = if (100..=599).contains(&status) { status } else { 0 };
                *self.rare.lock().unwrap_or_else(PoisonError::into_inner).entry(status).or_default() += 1;
            }
        }
    }

    /// API Gateway's `CacheHitCount` and `CacheMissCount`: answers that the cache gave, and that it had to fetch.
    fn count_cache(&self, outcome: CacheOutcome) {
        match outcome {
            CacheOutcome::Hit => add(&self.cache_hits),
            CacheOutcome::Stale => {
                add(&self.cache_hits);
                add(&self.cache_stale);
            }
            CacheOutcome::Collapsed => {
                add(&self.cache_hits);
                add(&self.cache_collapsed);
            }
            CacheOutcome::Miss | CacheOutcome::Expired | CacheOutcome::Refreshed => add(&self.cache_misses),
            CacheOutcome::Validated => {
                add(&self.cache_misses);
                add(&self.cache_validated);
            }
            CacheOutcome::None | CacheOutcome::Bypass => {}
        }
    }

    /// What was counted by status, 0 standing for all that is no status.
    pub fn requests(&self) -> Vec<(u16, u64)> {
        let common = COMMON.iter().zip(&self.requests).map(|(status, count)| (*status, get(count)));
        let rare = self.rare.lock().unwrap_or_else(PoisonError::into_inner);
        let all = common.chain(rare.iter().map(|(status, count)| (*status, *count)));
        all.filter(|(_, count)| *count > 0).collect()
    }

    pub fn cache_hits(&self) -> u64 {
        get(&self.cache_hits)
    }

    pub fn cache_misses(&self) -> u64 {
        get(&self.cache_misses)
    }

    /// Of the hits, those that were stale.
    pub fn cache_stale(&self) -> u64 {
        get(&self.cache_stale)
    }

    /// Of the hits, those from another request's fetch.
    pub fn cache_collapsed(&self) -> u64 {
        get(&self.cache_collapsed)
    }

    /// Of the misses, those where the back end confirmed what was stored.
    pub fn cache_validated(&self) -> u64 {
        get(&self.cache_validated)
    }
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

fn get(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}
