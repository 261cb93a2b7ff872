use prometheus::core::Collector;
use prometheus::{IntCounter, IntGauge, Registry, TextEncoder};

use super::count::Count;
use super::defence::{AdminRefusal, Cut, Defence, Shed};
use super::family::{Child, Family};
use super::key_series::{KeyCap, PlanSeries};
use super::orders::Orders;
use super::route_families::RouteFamilies;
use super::{Contract, Line, RouteSeries};
use crate::base::{Now, Refusal};

/// The process's metrics, under the names that `docs/reference.md` promises.
pub struct Metrics {
    registry: Registry,
    routes: RouteFamilies,
    keys: KeyFamilies,
    /// Where requests are counted that reached no stage.
    unrouted: RouteSeries,
    /// Where refusals are counted of requests without a known key.
    keyless: PlanSeries,
    /// In the order of [`Refusal::all`].
    refusals: Vec<IntCounter>,
    invalid_requests: IntCounter,
    invalid_responses: IntCounter,
    dropped_lines: IntCounter,
    dropped_audit_lines: IntCounter,
    connections: IntGauge,
    cache_bytes: Family<IntGauge>,
    cache_entries: Family<IntGauge>,
    cache_evictions: Family<IntCounter>,
    back_end_healthy: Family<IntGauge>,
    store_healthy: IntGauge,
    defence: Defence,
    certificate_expiry: Family<IntGauge>,
    certificates_current: Family<IntGauge>,
    orders: Orders,
    state_unsaved: IntGauge,
    reloads: Reloads,
}

/// What the series of keys and plans are opened from.
pub(super) struct KeyFamilies {
    pub requests: Family<Count>,
    pub throttled: Family<Count>,
    pub cap: KeyCap,
}

struct Reloads {
    success: IntCounter,
    failure: IntCounter,
    last_success: IntGauge,
    last_timestamp_s: IntGauge,
}

/// What a stage's cache holds.
#[derive(Clone, Copy, Debug)]
pub struct CacheFacts<'a> {
    pub api: &'a str,
    pub stage: &'a str,
    pub bytes: u64,
    pub entries: u64,
    pub evictions: u64,
}

impl Metrics {
    /// Metrics of a process that has just loaded its first configuration. That is no reload, and it succeeded.
    pub fn new(key_labels_max: usize, now: Now) -> Metrics {
        let registry = Registry::new();
        register_process(&registry);
        count_build(&registry);
        let help = "Requests and back ends' answers that are not what their operation says, withheld or not.";
        let invalid = family::<IntCounter>(&registry, "tollgate_validation_failures_total", help, &["side"]);
        Metrics {
            routes: register_routes(&registry),
            keys: KeyFamilies::register(&registry, key_labels_max),
            unrouted: RouteSeries::unrouted(),
            keyless: PlanSeries::new("".into()),
            refusals: register_refusals(&registry),
            invalid_requests: invalid.child(&["request"]),
            invalid_responses: invalid.child(&["response"]),
            dropped_lines: single(
                &registry,
                "tollgate_access_log_dropped_total",
                "Access log lines that were lost because the log was too slow or could not be written.",
            ),
            dropped_audit_lines: single(
                &registry,
                "tollgate_audit_log_dropped_total",
                "Audit log lines that were lost because the log was too slow or could not be written.",
            ),
            connections: single(&registry, "tollgate_connections", "Open connections of clients."),
            cache_bytes: family(
                &registry,
                "tollgate_cache_bytes",
                "Bytes that a stage's response cache holds.",
                &["api", "stage"],
            ),
            cache_entries: family(
                &registry,
                "tollgate_cache_entries",
                "Answers that a stage's response cache holds.",
                &["api", "stage"],
            ),
            cache_evictions: family(
                &registry,
                "tollgate_cache_evictions_total",
                "Answers that gave way to others before their time.",
                &["api", "stage"],
            ),
            back_end_healthy: family(
                &registry,
                "tollgate_back_end_healthy",
                "Whether a back end's target is given requests (1) or not (0).",
                &["target"],
            ),
            store_healthy: register_store(&registry),
            defence: Defence::register(&registry),
            certificate_expiry: family(
                &registry,
                "tollgate_certificate_expiry_timestamp_seconds",
                "When a listener's certificate expires.",
                &["listener", "certificate"],
            ),
            certificates_current: family(
                &registry,
                "tollgate_certificate_last_load_success",
                "Whether a listener's certificates are what their files say (1), or older ones (0).",
                &["listener"],
            ),
            orders: Orders::register(&registry),
            state_unsaved: single(
                &registry,
                "tollgate_state_unsaved_requests",
                "Requests with a quota that are counted in memory only, which a crash would hand back.",
            ),
            reloads: Reloads::register(&registry, now),
            registry,
        }
    }

    /// Counts a request that is over.
    pub fn record(&self, line: &Line<'_>, now: Now) {
        line.route.unwrap_or(&self.unrouted).record(&self.routes, line, now);
        if let Some(key) = line.key {
            key.count(&self.keys);
        }
        if let Some(refusal) = line.facts.refusal {
            self.refusals[refusal as usize].inc();
            line.key.map_or(&self.keyless, |key| key.plan).count_refusal(&self.keys, refusal);
            if refusal.is_of_validation() {
                self.invalid_requests.inc();
            }
        }
        if matches!(line.facts.contract, Contract::Broken(_)) {
            self.invalid_responses.inc();
        }
    }

    /// Work was turned away.
    pub fn shed(&self, reason: Shed) {
        self.defence.shed(reason);
    }

    /// A client's connection was closed for what the client did.
    pub fn connection_cut(&self, reason: Cut) {
        self.defence.cut(reason);
    }

    /// A request to the admin listener was refused.
    pub fn admin_refused(&self, reason: AdminRefusal) {
        self.defence.admin_refused(reason);
    }

    /// A client of HTTP/2 was told this error, for a stream or for its connection.
    pub fn http2_error(&self, code: u32, is_of_stream: bool) {
        self.defence.http2_error(code, is_of_stream);
    }

    /// How many clients are connected. Set just before [`Metrics::render`].
    pub fn set_connections(&self, open: usize) {
        self.connections.set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    /// A reload was tried. A failed one leaves the last good configuration serving.
    pub fn config_reloaded(&self, is_success: bool, now: Now) {
        self.reloads.count(is_success, now);
    }

    /// What each stage's cache holds: all of them, when `/metrics` is asked.
    pub fn set_caches(&self, caches: &[CacheFacts<'_>]) {
        let gauge = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.cache_bytes.replace(caches.iter().map(|cache| ([cache.api, cache.stage], gauge(cache.bytes))));
        self.cache_entries.replace(caches.iter().map(|cache| ([cache.api, cache.stage], gauge(cache.entries))));
        for cache in caches {
            let evictions = self.cache_evictions.child(&[cache.api, cache.stage]);
            // A cache that was resized begins anew, and counters may.
            if evictions.get() > cache.evictions {
                evictions.reset();
            }
            evictions.inc_by(cache.evictions - evictions.get());
        }
    }

    /// Whether each target is healthy: all of them, when `/metrics` is asked. Targets are written as configured.
    pub fn set_back_ends_healthy<'a>(&self, targets: impl IntoIterator<Item = (&'a str, bool)>) {
        self.back_end_healthy.replace(targets.into_iter().map(|(target, is_healthy)| ([target], is_healthy.into())));
    }

    /// Whether the quota counters can be written, and how many requests are counted and not reserved on disk. Set just
    /// before [`Metrics::render`].
    pub fn set_store(&self, is_healthy: bool, unsaved: u64) {
        self.store_healthy.set(is_healthy.into());
        self.state_unsaved.set(i64::try_from(unsaved).unwrap_or(i64::MAX));
    }

    /// When each certificate expires, as (listener, file, seconds since 1970): all of them, when one has changed.
    pub fn set_certificate_expiries<'a>(&self, certificates: impl IntoIterator<Item = (&'a str, &'a str, i64)>) {
        self.certificate_expiry.replace(certificates.into_iter().map(|(listener, file, at)| ([listener, file], at)));
    }

    /// Whether each listener serves what its certificates' files say: all of them, when one has changed.
    pub fn set_certificates_current<'a>(&self, listeners: impl IntoIterator<Item = (&'a str, bool)>) {
        self.certificates_current.replace(listeners.into_iter().map(|(listener, is)| ([listener], is.into())));
    }

    /// A certificate is to be obtained by orders, the next of them at this moment.
    pub fn certificate_ordered_at(&self, certificate: &str, unix_s: i64) {
        self.orders.expect(certificate);
        self.orders.set_next(certificate, unix_s);
    }

    /// An order for a certificate has ended.
    pub fn certificate_order_ended(&self, certificate: &str, is_success: bool) {
        self.orders.ended(certificate, is_success);
    }

    /// How many API keys get a label of their own from now on. Keys that have one keep it.
    pub fn set_key_labels_max(&self, max: usize) {
        self.keys.cap.set_max(max);
    }

    /// Everything, in Prometheus' text format 0.0.4 (`text/plain; version=0.0.4`).
    pub fn render(&self) -> String {
        let mut text = String::new();
        if let Err(error) = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "the metrics are incomplete");
        }
        text
    }

    pub(super) fn dropped_audit_lines(&self) -> &IntCounter {
        &self.dropped_audit_lines
    }

    pub(super) fn dropped_lines(&self) -> &IntCounter {
        &self.dropped_lines
    }
}

impl KeyFamilies {
    fn register(registry: &Registry, labels_max: usize) -> KeyFamilies {
        KeyFamilies {
            requests: family(
                registry,
                "tollgate_api_key_requests_total",
                "Requests with a known API key, refused ones too. Keys beyond the cap are other.",
                &["plan", "key"],
            ),
            throttled: family(
                registry,
                "tollgate_throttled_total",
                "Requests refused with 429, by the limit they met.",
                &["plan", "reason"],
            ),
            cap: KeyCap::new(labels_max),
        }
    }
}

impl Reloads {
    fn register(registry: &Registry, now: Now) -> Reloads {
        let name = "tollgate_config_reloads_total";
        let results = family(registry, name, "Reloads of the configuration that were tried.", &["result"]);
        let reloads = Reloads {
            success: results.child(&["success"]),
            failure: results.child(&["failure"]),
            last_success: single(
                registry,
                "tollgate_config_last_reload_success",
                "Whether the last configuration that was read is the one that serves (1) or was refused (0).",
            ),
            last_timestamp_s: single(
                registry,
                "tollgate_config_last_reload_timestamp_seconds",
                "When a configuration was last taken over, in seconds since 1970.",
            ),
        };
        reloads.note(true, now);
        reloads
    }

    fn count(&self, is_success: bool, now: Now) {
        if is_success { &self.success } else { &self.failure }.inc();
        self.note(is_success, now);
    }

    fn note(&self, is_success: bool, now: Now) {
        self.last_success.set(is_success.into());
        if is_success {
            self.last_timestamp_s.set((now.unix_ms / 1000) as i64);
        }
    }
}

fn register_routes(registry: &Registry) -> RouteFamilies {
    let routes = RouteFamilies::new();
    register(registry, routes.clone());
    routes
}

/// Every refusal from the start, at zero: an alert on a rate sees the first one.
fn register_refusals(registry: &Registry) -> Vec<IntCounter> {
    let name = "tollgate_refusals_total";
    let refusals = family(registry, name, "Answers that the gateway gave by itself, by their code.", &["code"]);
    Refusal::all().map(|refusal| refusals.child(&[refusal.code()])).collect()
}

fn register_store(registry: &Registry) -> IntGauge {
    let help = "Whether the quota counters can be written (1) or not (0).";
    let healthy: IntGauge = single(registry, "tollgate_store_healthy", help);
    healthy.set(1);
    healthy
}

fn count_build(registry: &Registry) {
    let help = "Always 1; the label says which Tollgate this is.";
    let build: Family<IntGauge> = family(registry, "tollgate_build_info", help, &["version"]);
    build.child(&[env!("CARGO_PKG_VERSION")]).set(1);
}

#[cfg(target_os = "linux")]
fn register_process(registry: &Registry) {
    register(registry, prometheus::process_collector::ProcessCollector::for_self());
}

#[cfg(not(target_os = "linux"))]
fn register_process(_: &Registry) {}

pub(super) fn family<M: Child>(
    registry: &Registry,
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
) -> Family<M> {
    let family = Family::new(name, help, labels);
    register(registry, family.clone());
    family
}

/// A metric without labels.
fn single<M: Child + Collector>(registry: &Registry, name: &'static str, help: &'static str) -> M {
    let metric = M::new(name, help).expect("metric names are well-formed constants");
    register(registry, metric.clone());
    metric
}

fn register(registry: &Registry, collector: impl Collector + 'static) {
    registry.register(Box::new(collector)).expect("metric names are distinct constants");
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    use super::*;
    use crate::base::{StageName, Variant};
    use crate::telemetry::line::tests::{Alice, STARTED, facts, line};
    use crate::telemetry::{CacheOutcome, Facts, IntegrationFacts, KeyFacts};

    fn route() -> RouteSeries {
        let stage = StageName { api: "orders".into(), stage: "prod".into() };
        RouteSeries::new(stage, Variant::Stable, "/orders/{id}".into())
    }

    fn record(metrics: &Metrics, facts: &Facts, route: Option<&RouteSeries>, key: Option<KeyFacts<'_>>) {
        metrics.record(&Line { route, key, ..line(facts) }, STARTED);
    }

    #[track_caller]
    fn check(metrics: &Metrics, sample: &str) {
        let text = metrics.render();
        assert!(text.lines().any(|line| line == sample), "no {sample} in\n{text}");
    }

    /// A process in which everything has happened once.
    fn eventful() -> Metrics {
        let metrics = Metrics::new(10, STARTED);
        let (route, alice) = (route(), Alice::default());
        let mut facts = facts();
        for cache in [CacheOutcome::Hit, CacheOutcome::Miss] {
            facts.cache = cache;
            facts.integration =
                IntegrationFacts { attempts: 1, latency: Duration::from_millis(3), ..Default::default() };
            record(&metrics, &facts, Some(&route), Some(alice.facts()));
        }
        facts.refusal = Some(Refusal::RateExceeded);
        facts.status = 429;
        record(&metrics, &facts, Some(&route), Some(alice.facts()));
        metrics.set_connections(1);
        let (api, stage) = ("orders", "prod");
        metrics.set_caches(&[CacheFacts { api, stage, bytes: 4096, entries: 2, evictions: 1 }]);
        metrics.set_back_ends_healthy([("127.0.0.1:9001", true)]);
        metrics.set_store(false, 7);
        metrics.config_reloaded(false, STARTED);
        metrics
    }

    #[test]
    fn names_and_labels_are_the_contract() {
        let mut families: BTreeMap<String, String> = BTreeMap::new();
        for family in eventful().registry.gather() {
            let labels: BTreeSet<_> =
                family.get_metric().iter().flat_map(|m| m.get_label()).map(|label| label.name()).collect();
            families.insert(family.name().to_owned(), labels.into_iter().collect::<Vec<_>>().join(","));
        }
        families.retain(|name, _| name.starts_with("tollgate_"));
        let contract = [
            ("tollgate_access_log_dropped_total", ""),
            ("tollgate_admin_refused_total", "reason"),
            ("tollgate_api_key_requests_total", "key,plan"),
            ("tollgate_audit_log_dropped_total", ""),
            ("tollgate_back_end_healthy", "target"),
            ("tollgate_build_info", "version"),
            ("tollgate_cache_bytes", "api,stage"),
            ("tollgate_cache_entries", "api,stage"),
            ("tollgate_cache_evictions_total", "api,stage"),
            ("tollgate_cache_hits_total", "api,method,route,stage,variant"),
            ("tollgate_cache_misses_total", "api,method,route,stage,variant"),
            ("tollgate_config_last_reload_success", ""),
            ("tollgate_config_last_reload_timestamp_seconds", ""),
            ("tollgate_config_reloads_total", "result"),
            ("tollgate_connections", ""),
            ("tollgate_connections_cut_total", "reason"),
            ("tollgate_http2_errors_total", "code,scope"),
            ("tollgate_integration_duration_seconds", "api,method,route,stage,variant"),
            ("tollgate_refusals_total", "code"),
            ("tollgate_request_duration_seconds", "api,method,route,stage,variant"),
            ("tollgate_requests_total", "api,method,route,stage,status,variant"),
            ("tollgate_shed_total", "reason"),
            ("tollgate_state_unsaved_requests", ""),
            ("tollgate_store_healthy", ""),
            ("tollgate_throttled_total", "plan,reason"),
            ("tollgate_validation_failures_total", "side"),
        ];
        let found: Vec<_> = families.iter().map(|(name, labels)| (name.as_str(), labels.as_str())).collect();
        assert_eq!(found, contract);
    }

    #[test]
    fn what_happened_is_counted_under_its_labels() {
        let metrics = eventful();
        let route = r#"api="orders",stage="prod",variant="stable",route="/orders/{id}",method="GET""#;
        check(&metrics, &format!(r#"tollgate_requests_total{{{route},status="200"}} 2"#));
        check(&metrics, &format!(r#"tollgate_requests_total{{{route},status="429"}} 1"#));
        check(&metrics, &format!("tollgate_request_duration_seconds_count{{{route}}} 3"));
        check(&metrics, &format!(r#"tollgate_integration_duration_seconds_bucket{{{route},le="0.005"}} 3"#));
        check(&metrics, &format!("tollgate_cache_hits_total{{{route}}} 1"));
        check(&metrics, &format!("tollgate_cache_misses_total{{{route}}} 2"));
        check(&metrics, r#"tollgate_api_key_requests_total{plan="basic",key="alice"} 3"#);
        check(&metrics, r#"tollgate_throttled_total{plan="basic",reason="rate"} 1"#);
        check(&metrics, r#"tollgate_refusals_total{code="rate_exceeded"} 1"#);
        check(&metrics, r#"tollgate_refusals_total{code="unknown_route"} 0"#);
        check(&metrics, r#"tollgate_cache_bytes{api="orders",stage="prod"} 4096"#);
        check(&metrics, r#"tollgate_back_end_healthy{target="127.0.0.1:9001"} 1"#);
        check(&metrics, "tollgate_store_healthy 0");
        check(&metrics, "tollgate_state_unsaved_requests 7");
        check(&metrics, "tollgate_connections 1");
    }

    #[test]
    fn a_route_that_nobody_called_has_no_series() {
        let metrics = Metrics::new(10, STARTED);
        let _route = route();
        assert!(!metrics.render().contains("tollgate_requests_total"));
    }

    #[test]
    fn an_unrouted_request_is_counted_without_what_is_not_known() {
        let metrics = Metrics::new(10, STARTED);
        let mut facts = facts();
        facts.refusal = Some(Refusal::StageThrottled);
        facts.status = 418;
        metrics.record(&Line { method: "BREW", ..line(&facts) }, STARTED);
        facts.status = 999;
        record(&metrics, &facts, None, None);
        let known_by = r#"api="",stage="",variant="",route="""#;
        check(&metrics, &format!(r#"tollgate_requests_total{{{known_by},method="other",status="418"}} 1"#));
        check(&metrics, &format!(r#"tollgate_requests_total{{{known_by},method="GET",status="other"}} 1"#));
        check(&metrics, r#"tollgate_throttled_total{plan="",reason="stage"} 2"#);
    }

    #[test]
    fn a_failed_reload_is_told_and_keeps_the_last_good_time() {
        let metrics = Metrics::new(10, STARTED);
        let later = Now { unix_ms: STARTED.unix_ms + 60_000, ..STARTED };
        check(&metrics, "tollgate_config_last_reload_success 1");
        metrics.config_reloaded(false, later);
        check(&metrics, "tollgate_config_last_reload_success 0");
        check(&metrics, "tollgate_config_last_reload_timestamp_seconds 1706695872");
        check(&metrics, r#"tollgate_config_reloads_total{result="success"} 0"#);
        metrics.config_reloaded(true, later);
        check(&metrics, "tollgate_config_last_reload_timestamp_seconds 1706695932");
        check(&metrics, r#"tollgate_config_reloads_total{result="failure"} 1"#);
    }

    #[test]
    fn each_method_of_a_route_has_series_of_its_own() {
        let (metrics, facts, route) = (Metrics::new(10, STARTED), facts(), route());
        for method in ["PUT", "GET", "BREW", "GET", "PUT", "GET"] {
            metrics.record(&Line { method, route: Some(&route), ..line(&facts) }, STARTED);
        }
        let known_by = r#"api="orders",stage="prod",variant="stable",route="/orders/{id}""#;
        for (method, count) in [("GET", 3), ("PUT", 2), ("other", 1)] {
            let series = format!(r#"{{{known_by},method="{method}",status="200"}} {count}"#);
            check(&metrics, &format!("tollgate_requests_total{series}"));
        }
    }

    #[test]
    fn series_outlive_the_configuration_that_opened_them() {
        let metrics = Metrics::new(10, STARTED);
        for _ in 0..2 {
            record(&metrics, &facts(), Some(&route()), None);
        }
        let route = r#"api="orders",stage="prod",variant="stable",route="/orders/{id}",method="GET""#;
        check(&metrics, &format!(r#"tollgate_requests_total{{{route},status="200"}} 2"#));
    }
}
