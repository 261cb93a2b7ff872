use std::sync::Arc;

use crate::base::Variant;
use crate::config::{self, Api, ErrorStyle, Fault, Route};
use crate::gateway::cache::{self, CarryOver, Inputs, Store};

/// A stage's cache, while the stage's routes are compiled.
pub(super) struct Caches<'c> {
    written: Option<&'c config::StageCache>,
    style: ErrorStyle,
    store: Option<Arc<Store>>,
}

impl<'c> Caches<'c> {
    /// The store of `previous`, the same stage before the reload, goes on if its size is the same.
    pub(super) fn new(stage: &str, api: &Api, written: &'c config::Stage, previous: Option<&Arc<Store>>) -> Caches<'c> {
        let written = written.cache.as_ref().filter(|cache| cache.enabled);
        let store = written.map(|cache| {
            let (store, carry_over) = Store::carry_over(previous, cache.size);
            if carry_over == CarryOver::Resized {
                tracing::warn!(stage, "the cache has a new size and starts empty");
            }
            store
        });
        Caches { written, style: api.errors(), store }
    }

    pub(super) fn store(&self) -> Option<&Arc<Store>> {
        self.store.as_ref()
    }

    /// What of `route` is cached; a fault of its cache block is reported whether or not the stage caches.
    pub(super) fn plan(
        &self,
        route: &Route,
        parameter_names: &[Box<str>],
        deployment: u64,
        variant: Variant,
        faults: &mut Vec<Fault>,
    ) -> Option<cache::Plan> {
        let mut found = Vec::new();
        cache::check(route, parameter_names, &mut found);
        // The same fault in every stage and variant is one fault.
        found.retain(|fault| !faults.contains(fault));
        faults.append(&mut found);
        cache::Plan::compile(Inputs {
            route,
            parameter_names,
            style: self.style,
            stage: self.written,
            store: self.store.as_ref()?,
            deployment,
            variant,
        })
    }
}
