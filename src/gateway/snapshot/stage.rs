use std::sync::Arc;

use crate::base::{Head, RouteId, StageName, Variant};
use crate::config::ErrorStyle;
use crate::gateway::respond::{Cors, GatewayResponses};
use crate::gateway::route::{Canary, Tree};
use crate::gateway::transform::BinaryTypes;
use crate::gateway::{authorize, cache, integrate, throttle, validate};
use crate::telemetry::{Format, RouteSeries};

/// A stage of an API, with the plans of its routes in both variants.
#[derive(Debug)]
pub struct Stage {
    pub(super) name: Arc<StageName>,
    pub(super) style: ErrorStyle,
    pub(super) tree: Arc<Tree>,
    /// The id of the API's first route; its routes follow.
    pub(super) first_route: u32,
    pub(super) canary: Option<Canary>,
    /// What the canary serves by a definition of its own.
    pub(super) fork: Option<Fork>,
    pub(super) stable_plans: Box<[Plan]>,
    /// Empty without a canary.
    pub(super) canary_plans: Box<[Plan]>,
    /// For requests that reach the stage and no route of it.
    pub(super) series: RouteSeries,
    pub(super) format: Arc<Format>,
    pub(super) cache: Option<Arc<cache::Store>>,
    /// Whether any route does.
    pub(super) honors_origin: bool,
    pub(super) manners: Manners,
    /// Those of the canary, where it has one.
    pub(super) canary_manners: Manners,
    /// Whether a `POST` may name another method for itself.
    pub(super) takes_method_override: bool,
}

/// The routes of a canary that has a definition of its own. A route that its stage has too has the same id.
#[derive(Clone, Debug)]
pub struct Fork {
    pub(super) tree: Arc<Tree>,
    /// By id, from the API's first route on: the place among the canary's plans, `MAX` for a route that it has not.
    pub(super) places: Box<[u32]>,
}

impl Fork {
    pub(super) fn has(&self, at: usize) -> bool {
        self.places.get(at).is_some_and(|place| *place != u32::MAX)
    }
}

/// How a variant of a stage speaks to clients, whatever the route.
#[derive(Debug, Default)]
pub struct Manners {
    /// What is said instead of the gateway's own answers.
    pub responses: Option<GatewayResponses>,
    pub cors: Option<Cors>,
    /// Whose bytes are not text.
    pub binary_types: BinaryTypes,
    /// Answers of so many bytes and more are compressed; `None`: no answer is.
    pub compression_bytes_min: Option<u64>,
}

/// What one route does in one variant of a stage: a field a phase.
///
/// Where many routes take turns it is cold memory, so all that a request reads of its route is in these three cache
/// lines, or shared with other routes.
#[derive(Debug)]
#[repr(align(64))]
pub struct Plan {
    /// The method as it was written, behind a thin pointer: it is only told.
    pub method: Arc<Box<str>>,
    pub access: authorize::Policy,
    pub limits: throttle::Limits,
    /// In bytes.
    pub body_bytes_max: u64,
    pub checks: validate::Plan,
    pub cache: Option<Box<cache::Plan>>,
    pub target: integrate::Target,
    pub series: RouteSeries,
}

/// What a `POST` may stand for. An answer to `HEAD` has no body, which whoever sent a `POST` waits for.
const OVERRIDES: [&str; 5] = ["DELETE", "GET", "OPTIONS", "PATCH", "PUT"];

impl Plan {
    /// The path as it was written.
    pub fn path(&self) -> &str {
        self.series.route()
    }

    /// Whether answers are kept as the back end says.
    pub fn honors_origin(&self) -> bool {
        self.cache.as_ref().is_some_and(|cache| cache.honors_origin())
    }
}

impl Stage {
    pub fn name(&self) -> &StageName {
        &self.name
    }

    pub fn style(&self) -> ErrorStyle {
        self.style
    }

    /// The routes of a variant: a canary may have its own.
    pub fn tree(&self, variant: Variant) -> &Tree {
        match (variant, &self.fork) {
            (Variant::Canary, Some(fork)) => &fork.tree,
            _ => &self.tree,
        }
    }

    pub fn canary(&self) -> Option<&Canary> {
        self.canary.as_ref()
    }

    pub fn series(&self) -> &RouteSeries {
        &self.series
    }

    pub fn format(&self) -> &Format {
        &self.format
    }

    /// The stage's cache, if any of it is kept as its origin says.
    pub fn honoring_cache(&self) -> Option<&Arc<cache::Store>> {
        self.cache.as_ref().filter(|_| self.honors_origin)
    }

    pub fn cache(&self) -> Option<&Arc<cache::Store>> {
        self.cache.as_ref()
    }

    pub fn manners(&self, variant: Variant) -> &Manners {
        match variant {
            Variant::Canary => &self.canary_manners,
            Variant::Stable => &self.manners,
        }
    }

    /// The method that a request is to be taken for.
    pub fn method_of<'h>(&self, head: &Head<'h>) -> &'h str {
        match self.takes_method_override && head.method == "POST" {
            true => head.fields.text("x-http-method-override").filter(|name| OVERRIDES.contains(name)),
            false => None,
        }
        .unwrap_or(head.method)
    }

    /// The plan of a route that [`Stage::tree`] found.
    pub fn plan(&self, variant: Variant, route: RouteId) -> &Plan {
        let id = (route.0 - self.first_route) as usize;
        // A variant's tree holds the ids of this API's routes only, and the variant has a plan for each of them.
        match (variant, &self.fork) {
            (Variant::Stable, _) => &self.stable_plans[id],
            (Variant::Canary, None) => &self.canary_plans[id],
            (Variant::Canary, Some(fork)) => &self.canary_plans[fork.places[id] as usize],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_three_cache_lines() {
        assert_eq!(size_of::<Plan>(), 192);
    }
}
