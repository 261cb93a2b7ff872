use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus::proto;

/// Upper bounds: a cached answer takes less than the first, an integration's `timeout` ends before the last.
const BOUNDS_NS: [u64; 12] = [
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    1_000_000_000,
    5_000_000_000,
    30_000_000_000,
];

/// How long things took. An observation is two additions, side by side unless it is longer than 25 ms.
///
/// What is read while others observe may lack the sum or the count of the last observation, never both for long.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Histogram {
    sum_ns: AtomicU64,
    /// One for each bound, and one for what is longer than all of them.
    buckets: [AtomicU64; BOUNDS_NS.len() + 1],
}

impl Histogram {
    pub fn observe(&self, took: Duration) {
        // 584 years.
        let took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_NS.iter().filter(|bound_ns| took_ns > **bound_ns).count();
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_ns.fetch_add(took_ns, Ordering::Relaxed);
    }

    /// A sample, or `None` if nothing was observed.
    pub fn metric(&self) -> Option<proto::Metric> {
        let mut histogram = proto::Histogram::default();
        let mut count = 0;
        let mut buckets = Vec::with_capacity(BOUNDS_NS.len());
        for (bound_ns, bucket) in BOUNDS_NS.iter().zip(&self.buckets) {
            count += bucket.load(Ordering::Relaxed);
            let mut told = proto::Bucket::default();
            told.set_upper_bound(*bound_ns as f64 / 1e9);
            told.set_cumulative_count(count);
            buckets.push(told);
        }
        count += self.buckets[BOUNDS_NS.len()].load(Ordering::Relaxed);
        histogram.set_bucket(buckets);
        histogram.set_sample_count(count);
        histogram.set_sample_sum(self.sum_ns.load(Ordering::Relaxed) as f64 / 1e9);
        let mut metric = proto::Metric::default();
        metric.set_histogram(histogram);
        (count > 0).then_some(metric)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket_and_what_is_longer_than_all_is_counted() {
        let histogram = Histogram::default();
        assert!(histogram.metric().is_none());
        for took_ns in [0, 500_000, 500_001, 30_000_000_000, 30_000_000_001] {
            histogram.observe(Duration::from_nanos(took_ns));
        }
        let metric = histogram.metric().unwrap_or_default();
        let told = metric.get_histogram();
        let counts: Vec<_> = told.get_bucket().iter().map(|bucket| bucket.cumulative_count()).collect();
        assert_eq!(counts, [2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4]);
        assert_eq!((told.get_sample_count(), told.get_sample_sum()), (5, 60.001_000_002));
    }
}
