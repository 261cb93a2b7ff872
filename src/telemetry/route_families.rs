use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Metric, MetricFamily, MetricType};

use super::count::counted;
use super::family::label_pair;
use super::route_series::{Labels, MethodSeries};

/// The labels of a route's series.
const ROUTE: [&str; 5] = ["api", "stage", "variant", "route", "method"];
const STATUS: &str = "status";

/// The families of all that is told of routes: one look-up opens a method's series in each of them.
#[derive(Clone)]
pub(super) struct RouteFamilies(Arc<Inner>);

struct Inner {
    descs: Vec<Desc>,
    open: RwLock<Open>,
}

type Open = HashMap<Labels, Arc<MethodSeries>>;

/// One family: what of a method's series is its, each sample with a status if it has one.
struct Kind {
    name: &'static str,
    help: &'static str,
    of_type: MetricType,
    samples: fn(&MethodSeries) -> Vec<Sample>,
}

/// With its status, where the family has that label.
type Sample = (Option<u16>, Metric);

const KINDS: [Kind; 8] = [
    Kind {
        name: "tollgate_requests_total",
        help: "Requests that are over, by the status that was answered; 499 if the client went away before.",
        of_type: MetricType::COUNTER,
        samples: |series| series.requests().into_iter().map(|(status, n)| (Some(status), counted(n))).collect(),
    },
    Kind {
        name: "tollgate_request_duration_seconds",
        help: "Time from a request's head to the end of its answer.",
        of_type: MetricType::HISTOGRAM,
        samples: |series| series.duration.metric().map(|metric| (None, metric)).into_iter().collect(),
    },
    Kind {
        name: "tollgate_integration_duration_seconds",
        help: "Time from the first attempt at a back end to the head of its answer.",
        of_type: MetricType::HISTOGRAM,
        samples: |series| series.integration.metric().map(|metric| (None, metric)).into_iter().collect(),
    },
    Kind {
        name: "tollgate_cache_hits_total",
        help: "Answers that the cache gave.",
        of_type: MetricType::COUNTER,
        samples: |series| counted_once(series.cache_hits()),
    },
    Kind {
        name: "tollgate_cache_misses_total",
        help: "Answers that the cache had to fetch.",
        of_type: MetricType::COUNTER,
        samples: |series| counted_once(series.cache_misses()),
    },
    Kind {
        name: "tollgate_cache_stale_total",
        help: "Answers that the cache gave although they were stale, as their origin or the client allowed.",
        of_type: MetricType::COUNTER,
        samples: |series| counted_once(series.cache_stale()),
    },
    Kind {
        name: "tollgate_cache_collapsed_total",
        help: "Answers that the cache gave from a fetch that another request had begun.",
        of_type: MetricType::COUNTER,
        samples: |series| counted_once(series.cache_collapsed()),
    },
    Kind {
        name: "tollgate_cache_validated_total",
        help: "Answers that the cache gave after the back end had confirmed them.",
        of_type: MetricType::COUNTER,
        samples: |series| counted_once(series.cache_validated()),
    },
];

fn counted_once(n: u64) -> Vec<Sample> {
    if n > 0 { vec![(None, counted(n))] } else { Vec::new() }
}

impl RouteFamilies {
    pub fn new() -> RouteFamilies {
        let descs = KINDS.iter().map(Kind::desc).collect();
        RouteFamilies(Arc::new(Inner { descs, open: RwLock::default() }))
    }

    /// The series with these labels, whichever configuration opened them first. Takes a lock and allocates.
    pub fn open(&self, labels: Labels) -> Arc<MethodSeries> {
        let mut open = self.0.open.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(open.entry(labels).or_default())
    }
}

impl Kind {
    fn desc(&self) -> Desc {
        let status = (self.name == KINDS[0].name).then_some(STATUS);
        let labels = ROUTE.iter().copied().chain(status).map(str::to_owned).collect();
        let desc = Desc::new(self.name.to_owned(), self.help.to_owned(), labels, HashMap::new());
        desc.expect("metric and label names are well-formed constants")
    }

    fn family(&self, open: &Open) -> MetricFamily {
        let mut metrics = Vec::with_capacity(open.len());
        for (labels, series) in open {
            for (status, mut metric) in (self.samples)(series) {
                let named = ROUTE.iter().zip(labels.values());
                let mut pairs: Vec<_> = named.map(|(name, value)| label_pair(name, value)).collect();
                pairs.extend(status.map(|status| label_pair(STATUS, &status_label(status))));
                metric.set_label(pairs);
                metrics.push(metric);
            }
        }
        let mut family = MetricFamily::default();
        family.set_name(self.name.to_owned());
        family.set_help(self.help.to_owned());
        family.set_field_type(self.of_type);
        family.set_metric(metrics);
        family
    }
}

fn status_label(status: u16) -> String {
    if status == 0 { "other".to_owned() } else { status.to_string() }
}

impl Collector for RouteFamilies {
    fn desc(&self) -> Vec<&Desc> {
        self.0.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let open = self.0.open.read().unwrap_or_else(PoisonError::into_inner);
        KINDS.iter().map(|kind| kind.family(&open)).filter(|family| !family.get_metric().is_empty()).collect()
    }
}
