//! Decides who calls: credentials → a [`Caller`].
//!
//! In: the route's [`Policy`], the head, the table of API keys. Out: a [`Caller`] whose fields only this room writes.
//! Promises: a key is found by its SHA-256 and its value is kept nowhere, so neither memory nor logs can show it;
//! a caller of a route that wants no key is anonymous, whatever it sends, and its requests count towards no plan
//! (semantics document, sections 1.1 and 2). What a key may do in a stage is found with the key, so later phases look
//! nothing up: its [`Seat`] holds what is its own there, beside it lie the plan's terms, which all its keys share.
//! Cost: one SHA-256 of a key of at most 128 bytes, one slot of the table and the key's seat, three cache lines in all;
//! no allocation, no lock, no reference count. A slot takes 24 bytes with the free ones.

mod api_key;
mod seat;
mod slot;

pub use api_key::{Key, KeyId, Keys, Member, PlaceId};
pub use seat::Seat;

use crate::base::{Answer, Head, Refusal, StageId};

/// The field that carries an API key.
pub const API_KEY_FIELD: &str = "x-api-key";

/// What a route asks of its callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Anyone may call.
    Open,
    /// `api_key_required = true`
    ApiKey,
}

/// Who calls, and what it holds for this stage.
pub struct Caller<'s, T, S> {
    known: Option<(Key<'s, T, S>, Member<'s, T, S>)>,
}

impl<'s, T, S> Caller<'s, T, S> {
    /// The API key, if the route asked for one.
    pub fn key(&self) -> Option<Key<'s, T, S>> {
        self.known.map(|(key, _)| key)
    }

    /// What the key holds for the stage.
    pub fn member(&self) -> Option<Member<'s, T, S>> {
        self.known.map(|(_, member)| member)
    }
}

/// Checks the credentials that `policy` asks for.
pub fn check<'s, T, S>(
    policy: Policy,
    keys: &'s Keys<T, S>,
    stage: StageId,
    head: &Head<'_>,
) -> Result<Caller<'s, T, S>, Answer> {
    match policy {
        Policy::Open => Ok(Caller { known: None }),
        Policy::ApiKey => check_api_key(keys, stage, head),
    }
}

fn check_api_key<'s, T, S>(keys: &'s Keys<T, S>, stage: StageId, head: &Head<'_>) -> Result<Caller<'s, T, S>, Answer> {
    let Some(value) = head.fields.get(API_KEY_FIELD).filter(|value| !value.is_empty()) else {
        return Err(Answer::new(Refusal::MissingApiKey, "send an API key in the field x-api-key"));
    };
    let Some(key) = keys.find(value) else {
        return Err(Answer::new(Refusal::UnknownApiKey, "the API key in x-api-key is not known here"));
    };
    if !key.is_enabled() {
        return Err(Answer::new(Refusal::DisabledApiKey, "this API key is switched off"));
    }
    match key.member(stage) {
        Some(member) => Ok(Caller { known: Some((key, member)) }),
        None => Err(Answer::new(Refusal::NoUsagePlan, "no usage plan of this API key covers this stage")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::{Fields, Scheme};

    const STAGE: StageId = StageId(3);

    fn keys() -> Keys<&'static str, ()> {
        let mut keys = Keys::with_room(3);
        for (name, value, is_enabled, place) in [
            ("alice", "alice-key-0123456789", true, PlaceId(0)),
            ("bob", "bob-key-0123456789ab", false, PlaceId(0)),
            ("carol", "carol-key-0123456789", true, PlaceId(1)),
        ] {
            let (digest, name) = (api_key::digest_of(value.as_bytes()), Arc::from(name));
            let seat = Arc::new(Seat::new(digest, Arc::clone(&name), ()));
            keys.insert(digest, &name, is_enabled, [(place, seat)]).expect("values differ");
        }
        keys.under([(STAGE, "basic"), (StageId(4), "basic")])
    }

    #[track_caller]
    fn check_key(policy: Policy, value: Option<&str>, expected: Result<Option<&str>, Refusal>) {
        let keys = keys();
        let fields: Vec<_> = value.map(|value| ("X-API-Key", value.as_bytes())).into_iter().collect();
        let head = Head {
            method: "GET",
            host: "",
            path: "/",
            query: None,
            fields: Fields::List(&fields),
            client: [127, 0, 0, 1].into(),
            scheme: Scheme::Http,
        };
        let found = check(policy, &keys, STAGE, &head).map(|caller| caller.key().map(|key| key.name().to_string()));
        assert_eq!(found.map_err(|answer| answer.refusal), expected.map(|name| name.map(str::to_string)));
    }

    #[test]
    fn a_key_is_known_enabled_and_in_a_plan_of_the_stage_or_refused() {
        check_key(Policy::ApiKey, Some("alice-key-0123456789"), Ok(Some("alice")));
        check_key(Policy::ApiKey, None, Err(Refusal::MissingApiKey));
        check_key(Policy::ApiKey, Some(""), Err(Refusal::MissingApiKey));
        check_key(Policy::ApiKey, Some("alice-key-0123456780"), Err(Refusal::UnknownApiKey));
        check_key(Policy::ApiKey, Some("bob-key-0123456789ab"), Err(Refusal::DisabledApiKey));
        check_key(Policy::ApiKey, Some("carol-key-0123456789"), Err(Refusal::NoUsagePlan));
    }

    #[test]
    fn a_route_without_a_key_knows_nobody() {
        check_key(Policy::Open, Some("alice-key-0123456789"), Ok(None));
        check_key(Policy::Open, None, Ok(None));
    }
}
