use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus::{Histogram, IntCounter};

use super::metrics::RouteFamilies;
use super::{CacheOutcome, Line};
use crate::base::{Now, StageName, Variant};

/// The methods that have a label of their own (RFC 9110 section 9, RFC 5789); others are `other`.
const METHODS: [&str; 10] =
    ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "TRACE", "CONNECT", OTHER_METHOD];
const OTHER_METHOD: &str = "other";

/// The statuses whose counter is kept at hand.
const COMMON: [u16; 20] =
    [200, 201, 202, 204, 206, 301, 302, 304, 400, 401, 403, 404, 405, 409, 413, 429, 500, 502, 503, 504];

/// The series of one route in one variant of a stage: compiled with the route, opened when it is first called.
///
/// A route that nobody calls has no series. A call with a common status looks no label up.
#[derive(Debug)]
pub struct RouteSeries {
    api: Arc<str>,
    stage: Arc<str>,
    variant: &'static str,
    route: Arc<str>,
    methods: [OnceLock<Box<MethodSeries>>; METHODS.len()],
}

/// The series of one method of a route.
#[derive(Debug)]
struct MethodSeries {
    requests: [OnceLock<IntCounter>; COMMON.len()],
    duration: Histogram,
    integration: OnceLock<Histogram>,
    cache_stale: OnceLock<IntCounter>,
    cache_collapsed: OnceLock<IntCounter>,
    cache_validated: OnceLock<IntCounter>,
    cache_hits: OnceLock<IntCounter>,
    cache_misses: OnceLock<IntCounter>,
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
        let labels = [self.api(), self.stage(), self.variant, self.route(), METHODS[at]];
        let series = self.methods[at].get_or_init(|| Box::new(MethodSeries::open(families, &labels)));
        let facts = line.facts;
        series.count(families, &labels, facts.final_status());
        series.duration.observe(now.since(facts.started).as_secs_f64());
        if facts.integration.attempts > 0 {
            series.observe_integration(families, &labels, facts.integration.latency);
        }
        series.count_cache(families, &labels, facts.cache);
    }
}

impl MethodSeries {
    fn open(families: &RouteFamilies, labels: &[&str; 5]) -> MethodSeries {
        MethodSeries {
            requests: Default::default(),
            duration: families.duration.child(labels),
            integration: OnceLock::new(),
            cache_stale: OnceLock::new(),
            cache_collapsed: OnceLock::new(),
            cache_validated: OnceLock::new(),
            cache_hits: OnceLock::new(),
            cache_misses: OnceLock::new(),
        }
    }

    fn count(&self, families: &RouteFamilies, labels: &[&str; 5], status: u16) {
        match COMMON.iter().position(|common| *common == status) {
            Some(at) => self.requests[at].get_or_init(|| requests_child(families, labels, status)).inc(),
            None => requests_child(families, labels, status).inc(),
        }
    }

    fn observe_integration(&self, families: &RouteFamilies, labels: &[&str; 5], latency: Duration) {
        self.integration.get_or_init(|| families.integration.child(labels)).observe(latency.as_secs_f64());
    }

    /// API Gateway's `CacheHitCount` and `CacheMissCount`: answers that the cache gave, and that it had to fetch.
    fn count_cache(&self, families: &RouteFamilies, labels: &[&str; 5], outcome: CacheOutcome) {
        match outcome {
            CacheOutcome::Hit | CacheOutcome::Stale | CacheOutcome::Collapsed => {
                self.cache_hits.get_or_init(|| families.cache_hits.child(labels)).inc();
            }
            CacheOutcome::Miss | CacheOutcome::Expired | CacheOutcome::Refreshed | CacheOutcome::Validated => {
                self.cache_misses.get_or_init(|| families.cache_misses.child(labels)).inc();
            }
            CacheOutcome::None | CacheOutcome::Bypass => {}
        }
        let (counter, family) = match outcome {
            CacheOutcome::Stale => (&self.cache_stale, &families.cache_stale),
            CacheOutcome::Collapsed => (&self.cache_collapsed, &families.cache_collapsed),
            CacheOutcome::Validated => (&self.cache_validated, &families.cache_validated),
            _ => return,
        };
        counter.get_or_init(|| family.child(labels)).inc();
    }
}

/// A back end may answer with any three digits; only those that RFC 9110 section 15 has a class for become labels.
fn requests_child(families: &RouteFamilies, labels: &[&str; 5], status: u16) -> IntCounter {
    let [api, stage, variant, route, method] = *labels;
    let code = if (100..=599).contains(&status) { status.to_string() } else { String::from("other") };
    families.requests.child(&[api, stage, variant, route, method, &code])
}
