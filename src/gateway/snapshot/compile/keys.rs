use std::collections::HashMap;
use std::sync::Arc;

use ahash::RandomState;
use serde_json::{Map, Value};
use smallvec::SmallVec;

use super::Compiler;
use crate::config::{self, ApiKey, Fault, KeyDigest};
use crate::gateway::authorize::{PlaceId, Seat};
use crate::gateway::snapshot::member::{Keys, Member, Membership, Offer, grant_of};
use crate::gateway::throttle::{Claim, Places, Plans, Rebase, Terms};

/// The usage plans of keys, as written, by the key's name.
pub(super) type IdlePlans = HashMap<Arc<str>, Box<[String]>, RandomState>;

impl Compiler<'_> {
    pub(super) fn keys(&mut self) -> (Keys, IdlePlans) {
        let plans = self.plans();
        let before = Before::new(self.previous.map(|snapshot| &snapshot.keys), &plans, &mut self.rebase);
        let (mut keys, mut idle_plans) = (Keys::with_room(self.api_keys.len()), IdlePlans::default());
        for (name, written) in self.api_keys {
            let name = before.name(name, &written.digest);
            let claims = plans.claims(&name, written, &mut self.faults);
            if !written.usage_plans.iter().map(|plan| plan.as_str()).eq(plans.names(&claims)) {
                let all = written.usage_plans.iter().map(|plan| plan.value.clone()).collect();
                idle_plans.insert(Arc::clone(&name), all);
            }
            let seat = |claim: Claim| (claim.place, before.seat(&name, written, claim, &plans, &mut self.rebase));
            let seats: SmallVec<[_; 1]> = claims.into_iter().map(seat).collect();
            if let Err(other) = keys.insert(*written.digest, &name, written.enabled, seats) {
                self.faults.push(same_value(&name, written, other));
            }
        }
        let offer = |(stage, terms)| (stage, Offer::new(terms));
        (keys.under(plans.into_terms().into_iter().map(offer)), idle_plans)
    }

    fn plans(&mut self) -> Plans {
        let (stage_ids, route_ids) = (&self.stage_ids, &self.route_ids);
        let places = Places {
            stage: &|name| stage_ids.get(name).copied(),
            route: &|name| route_ids.get(name).copied(),
            stage_names: &|| stage_ids.keys().map(|name| name.to_string()).collect(),
            route_names: &|| route_ids.keys().cloned().collect(),
        };
        Plans::compile(&self.config.usage_plans, &places, self.store, &mut self.faults)
    }
}

/// What keys hold in the snapshot that is serving now.
struct Before<'p> {
    keys: Option<&'p Keys>,
    /// Where the places of the new snapshot were in that one.
    places: Vec<Option<PlaceId>>,
}

impl<'p> Before<'p> {
    /// Notes too whose rate changes.
    fn new(keys: Option<&'p Keys>, plans: &Plans, rebase: &mut Rebase) -> Before<'p> {
        let old = keys.map(Keys::places).unwrap_or_default();
        let at: HashMap<_, _, RandomState> =
            old.iter().enumerate().map(|(at, (_, offer))| (offer.terms.place(), at)).collect();
        let place_of = |(_, terms): &(_, Terms)| {
            let at = *at.get(&terms.place())?;
            let place = PlaceId(at as u32);
            rebase.change(place, &old[at].1.terms, terms);
            Some(place)
        };
        Before { keys, places: plans.terms().iter().map(place_of).collect() }
    }

    /// The name, which a key that goes on has already.
    fn name(&self, name: &str, digest: &KeyDigest) -> Arc<str> {
        let known = self.keys.and_then(|keys| keys.get(digest)).map(|key| key.name());
        known.filter(|known| ***known == *name).map_or_else(|| Arc::from(name), Arc::clone)
    }

    fn member(&self, digest: &KeyDigest, place: PlaceId) -> Option<Member<'p>> {
        let place = self.places[place.0 as usize]?;
        self.keys?.get(digest)?.members().find(|member| member.place == place)
    }

    /// The seat of a key: the one that it had, if it can go on as it is.
    fn seat(
        &self,
        name: &Arc<str>,
        key: &ApiKey,
        claim: Claim,
        plans: &Plans,
        rebase: &mut Rebase,
    ) -> Arc<Seat<Membership>> {
        let (_, terms) = &plans.terms()[claim.place.0 as usize];
        let old = self.member(&key.digest, claim.place);
        let grant = old.map(grant_of);
        if let (Some(old), Some(grant)) = (old, grant)
            && old.seat.name() == name
            && claim.is_held(terms, grant)
        {
            return Arc::clone(old.seat);
        }
        let state = Membership::new(claim.hold(terms, grant, rebase));
        Arc::new(match old {
            Some(old) => Seat::after(old.seat, Arc::clone(name), state),
            None => Seat::new(*key.digest, Arc::clone(name), state),
        })
    }
}

/// As [`config::Config::describe`] tells of them, sorted by name.
pub(super) fn describe_keys(keys: &Keys, idle_plans: &IdlePlans) -> Value {
    let mut all: Vec<_> = keys.iter().collect();
    all.sort_unstable_by_key(|key| key.name());
    let described = all.into_iter().map(|key| {
        let mut plans: Vec<&str> = match idle_plans.get(key.name()) {
            Some(all) => all.iter().map(String::as_str).collect(),
            None => key.members().map(|member| &*grant_of(member).plan().name).collect(),
        };
        // A plan has several stages, and is named once.
        plans.dedup();
        (key.name().to_string(), config::describe_api_key(key.digest(), plans, key.is_enabled()))
    });
    described.collect::<Map<_, _>>().into()
}

fn same_value(name: &str, written: &ApiKey, other: &str) -> Fault {
    let message = format!("api key {name:?} has the same value as {other:?}");
    Fault::at(written.digest.span, message).with_help("give each key a value of its own")
}

#[cfg(test)]
mod tests {
    use crate::config;
    use crate::gateway::snapshot::Snapshot;

    const CONFIGURATION: &str = r#"
        [apis.shop.stages.prod]
        [apis.shop.stages.test]
        [usage_plans.both]
        stages = ["shop/prod", "shop/test"]
        [usage_plans.idle]
        [api_keys.zoe]
        value = "zoe-key-of-20-characters"
        usage_plans = ["both"]
        [api_keys.bob]
        value = "bob-key-of-20-characters"
        usage_plans = ["idle", "both"]
        [api_keys.none]
        value = "none-key-of-20-characters"
        enabled = false
    "#;

    #[test]
    fn keys_are_told_as_they_were_written_although_the_configuration_is_gone() {
        let config = config::parse(CONFIGURATION).expect("sound");
        let written = config.describe();
        let snapshot = Snapshot::compile_alone(config).expect("sound");
        assert_eq!(snapshot.description(), written);
        assert_eq!(snapshot.keys().iter().map(|key| key.members().count()).sum::<usize>(), 4);
    }
}
