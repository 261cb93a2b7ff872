use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::core::Metric;
use prometheus::proto;

/// A counter that is nothing but its number: a process may have a million of them, and where requests of many keys and
/// routes follow each other it is the cold memory that costs.
#[derive(Clone, Debug, Default)]
pub(super) struct Count(Arc<AtomicU64>);

impl Count {
    pub fn inc(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Metric for Count {
    fn metric(&self) -> proto::Metric {
        counted(self.get())
    }
}

/// A counter's sample.
pub(super) fn counted(value: u64) -> proto::Metric {
    let mut counter = proto::Counter::default();
    counter.set_value(value as f64);
    let mut metric = proto::Metric::default();
    metric.set_counter(counter);
    metric
}
