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

/// The statuses beside 200 whose counter is at hand, the most frequent first.
const COMMON: [u16; 19] =
    [429, 304, 404, 401, 201, 204, 202, 206, 301, 302, 400, 403, 405, 409, 413, 500, 502, 503, 504];

/// The series of one route in one variant of a stage: compiled with the route, opened when it is first called.
///
/// A route that nobody calls has no series. A call with a common status looks no label up.
#[derive(Debug)]
pub struct RouteSeries {
    stage: Arc<StageName>,
    /// `None` without a stage.
    variant: Option<Variant>,
    route: Arc<str>,
    opened: OnceLock<Opened>,
}

/// The series of a method, and those of methods that were called later: most routes have one.
#[derive(Debug)]
struct Opened {
    /// Its place in [`METHODS`].
    method: u8,
    series: Arc<MethodSeries>,
    next: OnceLock<Box<Opened>>,
}

/// The labels of a route's series.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Labels {
    pub stage: Arc<StageName>,
    pub variant: Option<Variant>,
    pub route: Arc<str>,
    pub method: &'static str,
}

/// The series of one method of a route, side by side: a request that is answered with 200 touches two cache lines, one
/// that begins with `ok` and one that ends with `cache_hits` or begins with `cache_misses`.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(super) struct MethodSeries {
    ok: AtomicU64,
    pub duration: Histogram,
    cache_hits: AtomicU64,
    cache_misses: AtomicU64,
    pub integration: Histogram,
    others: OnceLock<Box<Others>>,
}

/// What is rarely counted, or only for requests that end here.
#[derive(Debug, Default)]
struct Others {
    /// In the order of [`COMMON`].
    common: [AtomicU64; COMMON.len()],
    /// Requests with other statuses. A back end may answer with any three digits; those that RFC 9110 section 15 has
    /// no class for are all under 0.
    rare: Mutex<BTreeMap<u16, u64>>,
    cache_stale: AtomicU64,
    cache_collapsed: AtomicU64,
    cache_validated: AtomicU64,
}

impl RouteSeries {
    /// `route` is the template (`/orders/{id}`), or empty for requests that reached the stage and no route of it.
    pub fn new(stage: impl Into<Arc<StageName>>, variant: Variant, route: Arc<str>) -> RouteSeries {
        RouteSeries { stage: stage.into(), variant: Some(variant), route, opened: OnceLock::new() }
    }

    /// For requests that reached no stage: every label but the method and the status is empty.
    pub(super) fn unrouted() -> RouteSeries {
        let stage = StageName { api: "".into(), stage: "".into() };
        RouteSeries { stage: stage.into(), variant: None, route: "".into(), opened: OnceLock::new() }
    }

    pub fn api(&self) -> &str {
        &self.stage.api
    }

    pub fn stage(&self) -> &str {
        &self.stage.stage
    }

    /// `stable` or `canary`; empty without a stage.
    pub fn variant(&self) -> &str {
        self.variant.map_or("", Variant::as_str)
    }

    /// The route's template.
    pub fn route(&self) -> &str {
        &self.route
    }

    pub(super) fn record(&self, families: &RouteFamilies, line: &Line<'_>, now: Now) {
        let series = self.series(line.method, families);
        let facts = line.facts;
        series.count(facts.final_status());
        series.duration.observe(now.since(facts.started));
        if facts.integration.attempts > 0 {
            series.integration.observe(facts.integration.latency);
        }
        series.count_cache(facts.cache);
    }

    fn series(&self, method: &str, families: &RouteFamilies) -> &MethodSeries {
        let method = METHODS.iter().position(|known| *known == method).unwrap_or(METHODS.len() - 1);
        let open = || Opened {
            method: method as u8,
            series: families.open(self.labels(METHODS[method])),
            next: OnceLock::new(),
        };
        let mut opened = self.opened.get_or_init(open);
        while usize::from(opened.method) != method {
            opened = opened.next.get_or_init(|| Box::new(open()));
        }
        &opened.series
    }

    fn labels(&self, method: &'static str) -> Labels {
        Labels { stage: Arc::clone(&self.stage), variant: self.variant, route: Arc::clone(&self.route), method }
    }
}

impl Labels {
    /// As the families name them: api, stage, variant, route, method.
    pub fn values(&self) -> [&str; 5] {
        [&self.stage.api, &self.stage.stage, self.variant.map_or("", Variant::as_str), &self.route, self.method]
    }
}

impl MethodSeries {
    fn count(&self, status: u16) {
        if status == 200 {
            return add(&self.ok);
        }
        let others = self.others();
        match COMMON.iter().position(|common| *common == status) {
            Some(at) => add(&others.common[at]),
            None => {
                let status = if (100..=599).contains(&status) { status } else { 0 };
                *others.rare.lock().unwrap_or_else(PoisonError::into_inner).entry(status).or_default() += 1;
            }
        }
    }

    /// API Gateway's `CacheHitCount` and `CacheMissCount`: answers that the cache gave, and that it had to fetch.
    fn count_cache(&self, outcome: CacheOutcome) {
        match outcome {
            CacheOutcome::Hit => add(&self.cache_hits),
            CacheOutcome::Stale => {
                add(&self.cache_hits);
                add(&self.others().cache_stale);
            }
            CacheOutcome::Collapsed => {
                add(&self.cache_hits);
                add(&self.others().cache_collapsed);
            }
            CacheOutcome::Miss | CacheOutcome::Expired | CacheOutcome::Refreshed => add(&self.cache_misses),
            CacheOutcome::Validated => {
                add(&self.cache_misses);
                add(&self.others().cache_validated);
            }
            CacheOutcome::None | CacheOutcome::Bypass => {}
        }
    }

    fn others(&self) -> &Others {
        self.others.get_or_init(Box::default)
    }

    /// What was counted by status, 0 standing for all that is no status.
    pub fn requests(&self) -> Vec<(u16, u64)> {
        let mut all = vec![(200, get(&self.ok))];
        if let Some(others) = self.others.get() {
            all.extend(COMMON.iter().zip(&others.common).map(|(status, count)| (*status, get(count))));
            let rare = others.rare.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(rare.iter().map(|(status, count)| (*status, *count)));
        }
        all.retain(|(_, count)| *count > 0);
        all
    }

    pub fn cache_hits(&self) -> u64 {
        get(&self.cache_hits)
    }

    pub fn cache_misses(&self) -> u64 {
        get(&self.cache_misses)
    }

    /// Of the hits, those that were stale.
    pub fn cache_stale(&self) -> u64 {
        self.others.get().map_or(0, |others| get(&others.cache_stale))
    }

    /// Of the hits, those from another request's fetch.
    pub fn cache_collapsed(&self) -> u64 {
        self.others.get().map_or(0, |others| get(&others.cache_collapsed))
    }

    /// Of the misses, those where the back end confirmed what was stored.
    pub fn cache_validated(&self) -> u64 {
        self.others.get().map_or(0, |others| get(&others.cache_validated))
    }
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

fn get(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn what_is_counted_together_lies_together() {
        let line = |at: usize| at / 64;
        let (ok, sum) = (offset_of!(MethodSeries, ok), offset_of!(MethodSeries, duration));
        // The sum, then six buckets.
        assert_eq!((line(ok), line(sum + 48)), (0, 0));
        let (misses, sum) = (offset_of!(MethodSeries, cache_misses), offset_of!(MethodSeries, integration));
        assert_eq!((line(misses), line(sum + 48)), (2, 2));
    }
}
