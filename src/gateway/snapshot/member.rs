use std::sync::Arc;

use crate::gateway::{authorize, throttle};
use crate::telemetry::{KeyFacts, KeySeries, PlanSeries};

/// Every API key, with what it holds at each stage.
pub type Keys = authorize::Keys<Offer, Membership>;

/// An API key at a stage.
pub type Member<'s> = authorize::Member<'s, Offer, Membership>;

/// What a usage plan is at a stage, the same for all its keys.
#[derive(Debug)]
pub struct Offer {
    pub(super) terms: throttle::Terms,
    series: PlanSeries,
}

/// What an API key has of its own at a stage.
#[derive(Debug)]
#[repr(C)]
pub struct Membership {
    holding: throttle::Holding,
    series: KeySeries,
}

impl Offer {
    pub(super) fn new(terms: throttle::Terms) -> Offer {
        Offer { series: PlanSeries::new(Arc::clone(&terms.plan().name)), terms }
    }
}

impl Membership {
    pub(super) fn new(holding: throttle::Holding) -> Membership {
        Membership { holding, series: KeySeries::default() }
    }
}

/// What limits know of a caller.
pub fn grant_of(member: Member<'_>) -> throttle::Grant<'_> {
    let seat = member.seat;
    throttle::Grant::new(&member.terms.terms, &seat.eldest().holding, &seat.state().holding)
}

/// What telemetry knows of a caller.
pub fn facts_of(member: Member<'_>) -> KeyFacts<'_> {
    KeyFacts { plan: &member.terms.series, name: member.seat.name(), series: &member.seat.state().series }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_key_holds_is_no_larger_than_two_cache_lines() {
        assert!(size_of::<authorize::Seat<Membership>>() <= 96, "{}", size_of::<authorize::Seat<Membership>>());
    }
}
