use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use prometheus::core::{Collector, Desc, Metric};
use prometheus::proto::{LabelPair, MetricFamily, MetricType};
use prometheus::{IntCounter, IntGauge};

use super::count::Count;

/// The series of one metric name, one child for each combination of label values.
///
/// The crate's own vectors find a child by a hash over the values run together, so that ("ab", "c") and
/// ("a", "bc") count as one. Here the values themselves are the key: names are the operator's to choose.
#[derive(Clone)]
pub(super) struct Family<M>(Arc<Inner<M>>);

struct Inner<M> {
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    desc: Desc,
    children: RwLock<Children<M>>,
}

type Children<M> = HashMap<Box<[Box<str>]>, M>;

/// What a family can be made of.
pub(super) trait Child: Metric + 'static {
    const TYPE: MetricType;

    fn new(name: &str, help: &str) -> prometheus::Result<Self>;
}

impl Child for IntCounter {
    const TYPE: MetricType = MetricType::COUNTER;

    fn new(name: &str, help: &str) -> prometheus::Result<IntCounter> {
        IntCounter::new(name, help)
    }
}

impl Child for IntGauge {
    const TYPE: MetricType = MetricType::GAUGE;

    fn new(name: &str, help: &str) -> prometheus::Result<IntGauge> {
        IntGauge::new(name, help)
    }
}

impl Child for Count {
    const TYPE: MetricType = MetricType::COUNTER;

    fn new(_: &str, _: &str) -> prometheus::Result<Count> {
        Ok(Count::default())
    }
}

impl<M: Child> Family<M> {
    /// `name`, `help` and `labels` are constants of [`super::Metrics`], which a test renders.
    pub fn new(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Family<M> {
        let label_names = labels.iter().map(|label| label.to_string()).collect();
        let desc = Desc::new(name.to_owned(), help.to_owned(), label_names, HashMap::new());
        let desc = desc.expect("metric and label names are well-formed constants");
        Family(Arc::new(Inner { name, help, labels, desc, children: RwLock::default() }))
    }

    /// The child with these values, in the order of the label names; made if it is new. Takes a lock and allocates.
    pub fn child(&self, values: &[&str]) -> M {
        let key = owned(values);
        if let Some(child) = self.0.children.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return child.clone();
        }
        let mut children = self.0.children.write().unwrap_or_else(PoisonError::into_inner);
        children.entry(key).or_insert_with(|| self.new_child()).clone()
    }

    fn new_child(&self) -> M {
        M::new(self.0.name, self.0.help).expect("the family's name was accepted when the family was made")
    }

    fn metric(&self, values: &[Box<str>], child: &M) -> prometheus::proto::Metric {
        let mut metric = child.metric();
        metric.set_label(self.0.labels.iter().zip(values).map(|(name, value)| label_pair(name, value)).collect());
        metric
    }
}

impl Family<IntGauge> {
    /// Replaces all children, so that what is gone is no longer reported.
    pub fn replace<'a, const N: usize>(&self, gauges: impl IntoIterator<Item = ([&'a str; N], i64)>) {
        let mut fresh = Children::new();
        for (values, value) in gauges {
            fresh.entry(owned(&values)).or_insert_with(|| self.new_child()).set(value);
        }
        *self.0.children.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    }
}

impl<M: Child> Collector for Family<M> {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.0.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let children = self.0.children.read().unwrap_or_else(PoisonError::into_inner);
        let mut family = MetricFamily::default();
        family.set_name(self.0.name.to_owned());
        family.set_help(self.0.help.to_owned());
        family.set_field_type(M::TYPE);
        family.set_metric(children.iter().map(|(values, child)| self.metric(values, child)).collect());
        vec![family]
    }
}

pub(super) fn owned(values: &[&str]) -> Box<[Box<str>]> {
    values.iter().map(|value| Box::from(*value)).collect()
}

pub(super) fn label_pair(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_read_alike_when_run_together_are_counted_apart() {
        let family: Family<Count> = Family::new("keys_total", "Keys.", &["plan", "key"]);
        family.child(&["basic", "alice"]).inc();
        (0..2).for_each(|_| family.child(&["basica", "lice"]).inc());
        assert_eq!(family.child(&["basic", "alice"]).get(), 1);
        assert_eq!(family.child(&["basica", "lice"]).get(), 2);
    }

    #[test]
    fn replaced_gauges_forget_what_is_gone() {
        let family: Family<IntGauge> = Family::new("bytes", "Bytes.", &["stage"]);
        family.replace([(["old"], 1), (["kept"], 2)]);
        family.replace([(["kept"], 3)]);
        assert_eq!(family.collect()[0].get_metric().len(), 1);
        assert_eq!(family.child(&["kept"]).get(), 3);
    }
}
