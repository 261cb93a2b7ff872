//! Decides who calls: credentials → a [`Caller`].
//!
//! In: the route's [`Policy`], the head, the table of API keys. Out: a [`Caller`] whose fields only this room writes.
//! Promises: a key is found by its SHA-256 and its value is kept nowhere, so neither memory nor logs can show it;
//! a caller of a route that wants no key is anonymous, whatever it sends, and its requests count towards no plan
//! (semantics document, sections 1.1 and 2). What a key may do in a stage, its grant `G`, is embedded in what the
//! look-up finds, so later phases look nothing up.
//! Cost: one SHA-256 of a key of at most 128 bytes and one hash look-up; no allocation, no lock.

mod api_key;

pub use api_key::{Key, Keys};

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
#[derive(Debug)]
pub struct Caller<'s, G> {
    member: Option<(&'s Key<G>, &'s G)>,
}

// Two references, whatever `G` is.
impl<G> Clone for Caller<'_, G> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<G> Copy for Caller<'_, G> {}

impl<'s, G> Caller<'s, G> {
    /// The name of the API key, if the route asked for one.
    pub fn key(&self) -> Option<&'s Key<G>> {
        self.member.map(|(key, _)| key)
    }

    /// What the key holds for the stage.
    pub fn grant(&self) -> Option<&'s G> {
        self.member.map(|(_, grant)| grant)
    }
}

/// Checks the credentials that `policy` asks for.
pub fn check<'s, G>(
    policy: Policy,
    keys: &'s Keys<G>,
    stage: StageId,
    head: &Head<'_>,
) -> Result<Caller<'s, G>, Answer> {
    match policy {
        Policy::Open => Ok(Caller { member: None }),
        Policy::ApiKey => check_api_key(keys, stage, head),
    }
}

fn check_api_key<'s, G>(keys: &'s Keys<G>, stage: StageId, head: &Head<'_>) -> Result<Caller<'s, G>, Answer> {
    let Some(value) = head.fields.get(API_KEY_FIELD).filter(|value| !value.is_empty()) else {
        return Err(Answer::new(Refusal::MissingApiKey, "send an API key in the field x-api-key"));
    };
    let Some(key) = keys.find(value) else {
        return Err(Answer::new(Refusal::UnknownApiKey, "the API key in x-api-key is not known here"));
    };
    if !key.is_enabled() {
        return Err(Answer::new(Refusal::DisabledApiKey, "this API key is switched off"));
    }
    match key.grant(stage) {
        Some(grant) => Ok(Caller { member: Some((key, grant)) }),
        None => Err(Answer::new(Refusal::NoUsagePlan, "no usage plan of this API key covers this stage")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Fields, Scheme};

    const STAGE: StageId = StageId(3);

    fn keys() -> Keys<&'static str> {
        let mut keys = Keys::default();
        let digest = |value: &str| api_key::digest_of(value.as_bytes());
        keys.insert(digest("alice-key-0123456789"), Key::new("alice", true, vec![(STAGE, "basic")]));
        keys.insert(digest("bob-key-0123456789ab"), Key::new("bob", false, vec![(STAGE, "basic")]));
        keys.insert(digest("carol-key-0123456789"), Key::new("carol", true, vec![(StageId(4), "basic")]));
        keys
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
