use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::count::Count;
use super::metrics::KeyFamilies;
use crate::base::Refusal;

/// The label of every key beyond the cap.
const OTHER_KEY: &str = "other";

/// The series of one usage plan: made empty with the configuration, opened at the first refusal.
#[derive(Debug)]
pub struct PlanSeries {
    plan: Arc<str>,
    throttled: [OnceLock<Count>; REASONS.len()],
}

/// The series of one API key in one usage plan: made empty with the key, opened at its first request.
#[derive(Debug, Default)]
pub struct KeySeries {
    requests: OnceLock<Count>,
}

/// A known caller: its key under its usage plan.
#[derive(Clone, Copy, Debug)]
pub struct KeyFacts<'a> {
    pub plan: &'a PlanSeries,
    /// The key's name: its value is never a label.
    pub name: &'a Arc<str>,
    pub series: &'a KeySeries,
}

/// The values of `reason` in `tollgate_throttled_total`.
const REASONS: [(&str, Refusal); 4] = [
    ("rate", Refusal::RateExceeded),
    ("quota", Refusal::QuotaExceeded),
    ("route", Refusal::RouteThrottled),
    ("stage", Refusal::StageThrottled),
];

impl PlanSeries {
    /// By the plan's name, which is empty for requests without one.
    pub fn new(plan: Arc<str>) -> PlanSeries {
        PlanSeries { plan, throttled: Default::default() }
    }

    /// The usage plan's name.
    pub fn plan(&self) -> &str {
        &self.plan
    }

    pub(super) fn count_refusal(&self, families: &KeyFamilies, refusal: Refusal) {
        let Some(at) = REASONS.iter().position(|(_, reason)| *reason == refusal) else { return };
        self.throttled[at].get_or_init(|| families.throttled.child(&[&self.plan, REASONS[at].0])).inc();
    }
}

impl KeyFacts<'_> {
    pub(super) fn count(&self, families: &KeyFamilies) {
        let open = || families.requests.child(&[&self.plan.plan, families.cap.label(self.name)]);
        self.series.requests.get_or_init(open).inc();
    }
}

/// Which keys have a label of their own: the first that are used, up to a number.
///
/// A key that has its label keeps it until the process ends, whatever the cap becomes.
pub(super) struct KeyCap {
    max: AtomicUsize,
    labelled: Mutex<HashSet<Arc<str>>>,
}

impl KeyCap {
    pub fn new(max: usize) -> KeyCap {
        KeyCap { max: AtomicUsize::new(max), labelled: Mutex::default() }
    }

    pub fn set_max(&self, max: usize) {
        self.max.store(max, Ordering::Relaxed);
    }

    fn label<'a>(&self, key: &'a Arc<str>) -> &'a str {
        let mut labelled = self.labelled.lock().unwrap_or_else(PoisonError::into_inner);
        if labelled.contains(key) {
            return key;
        }
        if labelled.len() >= self.max.load(Ordering::Relaxed) {
            return OTHER_KEY;
        }
        labelled.insert(key.clone());
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_beyond_the_cap_are_counted_as_other_and_labels_are_kept() {
        let cap = KeyCap::new(2);
        let labels = |keys: &[&str]| keys.iter().map(|key| cap.label(&Arc::from(*key)).to_owned()).collect::<Vec<_>>();
        assert_eq!(labels(&["a", "b", "c", "a"]), ["a", "b", "other", "a"]);
        cap.set_max(1);
        assert_eq!(labels(&["b", "d"]), ["b", "other"]);
        cap.set_max(3);
        assert_eq!(labels(&["d", "e"]), ["d", "other"]);
    }

    #[test]
    fn the_cap_holds_when_keys_arrive_at_once() {
        let cap = KeyCap::new(10);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let cap = &cap;
                scope.spawn(move || {
                    for key in 0..50 {
                        cap.label(&Arc::from(format!("key-{}", (key * 7 + thread) % 50)));
                    }
                });
            }
        });
        let own = (0..50).filter(|key| cap.label(&Arc::from(format!("key-{key}"))) != OTHER_KEY).count();
        assert_eq!(own, 10);
    }
}
