use std::sync::Arc;

use super::flights::Joined;
use super::honored::{Asked, Honored};
use super::origin::{Asker, Use, Wishes, judge, target_of};
use super::outcome::Why;
use super::plan::{Ask, Plan};
use super::purge::Left;
use super::refresh::{Refresh, refresh};
use super::{Entry, Follower, Key, Leader, Lookup};
use crate::base::{Answer, Fields, Head, Now, is_token};

/// What a request's fields say that matters to a cache whose origin is honoured, learned in one pass.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    asker: Asker,
    has_wishes: bool,
    /// It can be answered with less than the whole of a stored answer.
    is_conditional: bool,
    has_range: bool,
    /// It is for the origin alone.
    is_not_for_caches: bool,
}

/// What a request asks, and under which keys.
struct Question<'h> {
    head: &'h Head<'h>,
    said: Said,
    wishes: Wishes,
    /// A client's wish sends it to the origin.
    is_demanded: bool,
    base: Key,
    now: Now,
}

/// What is stored for a request.
#[derive(Default)]
struct Found {
    entry: Option<Arc<Entry>>,
    /// What says on what the answers of the key depend.
    signpost: Option<Arc<Entry>>,
    /// The key of the variant.
    variant: Option<Key>,
}

impl Plan {
    /// Asks the cache about a request whose origin is honoured, as [`Plan::ask`] and [`Plan::lookup`] do for a stage's
    /// own ttl.
    pub fn consult<'p>(
        &self,
        head: &Head<'_>,
        parameter: impl Fn(usize) -> Option<&'p str>,
        may_invalidate: bool,
        now: Now,
    ) -> Result<Option<(Ask, Lookup)>, Answer> {
        let is_head = head.method == "HEAD";
        let said = Said::of(&head.fields);
        if !(is_head || head.method == "GET") || said.is_not_for_caches {
            return Ok(None);
        }
        let wishes = if said.has_wishes { Wishes::of_request(&head.fields) } else { Wishes::default() };
        let refresh = refresh(self.invalidation(), wishes.is_demanding(), may_invalidate)?;
        let wishes = if refresh == Refresh::Granted { wishes } else { wishes.without_demands() };
        let mut base = self.key(head, parameter);
        base.push_origin(head.fields.get("host").unwrap_or(head.host.as_bytes()), head.scheme.as_str());
        let is_demanded = wishes.is_demanding();
        let question = Question { head, said, wishes, is_demanded, base, now };
        let (why, lookup) = self.answer(question, is_head);
        let ask = Ask { refresh, is_head, is_conditional: said.is_conditional || said.has_range, why };
        Ok(Some((ask, lookup)))
    }

    fn answer(&self, question: Question<'_>, is_head: bool) -> (Why, Lookup) {
        let found = self.find(&question);
        let verdict = found.entry.as_ref().map(|entry| use_of(entry, &question));
        let why = found.why(&question);
        // A client that puts up with an old answer is not made to wait for a new one.
        let lookup = match (verdict, &found.entry) {
            (Some(Use::Serve), Some(entry)) => Lookup::Hit(Arc::clone(entry)),
            (Some(Use::ServeAndRefresh), Some(entry)) if is_head => Lookup::Hit(Arc::clone(entry)),
            _ if question.wishes.is_only_if_cached => Lookup::Unavailable,
            // What is not whole, and what is not to be stored, is between this client and the origin.
            _ if is_head || question.said.has_range || question.wishes.is_no_store => Lookup::Alone,
            (Some(Use::ServeAndRefresh), Some(entry)) => {
                let entry = Arc::clone(entry);
                match self.join_origin(found, &question) {
                    Lookup::Lead(leader) => Lookup::HitAndRefresh(entry, leader),
                    // Somebody is at it.
                    _ => Lookup::Hit(entry),
                }
            }
            _ => self.join_origin(found, &question),
        };
        (why, lookup)
    }

    fn find(&self, question: &Question<'_>) -> Found {
        let first = self.entry(&question.base, question.now);
        let is_signpost = |entry: &Arc<Entry>| entry.signpost().is_some();
        let Some(signpost) = first.clone().filter(is_signpost) else {
            return Found { entry: first, ..Found::default() };
        };
        let mut key = question.base.clone();
        signpost.signpost().into_iter().for_each(|vary| key.push_variant(vary, &question.head.fields));
        Found { entry: self.entry(&key, question.now), signpost: Some(signpost), variant: Some(key) }
    }

    /// The entry of a key, if no purge has ended it.
    fn entry(&self, key: &Key, now: Now) -> Option<Arc<Entry>> {
        let store = self.store();
        let entry = store.find(key.as_bytes(), now)?;
        let is_gone = entry.origin.as_ref().is_some_and(|origin| store.purges.judge(&origin.labels) == Left::Nothing);
        if is_gone {
            store.remove(key.as_bytes());
        }
        (!is_gone).then_some(entry)
    }

    /// Joins the fetch of the key or leads one, which asks whether what is stored is still good.
    fn join_origin(&self, found: Found, question: &Question<'_>) -> Lookup {
        let store = self.store();
        let target = target_of(question.head.path, question.head.query);
        // Read before the fetch begins: what is purged from now on outdates it.
        let since = store.purges.last();
        // What has to be validated each time is nobody else's answer, so there is nothing to wait for.
        let is_solo = found.entry.as_ref().is_some_and(|entry| entry.is_born_stale());
        let (key, flight) = match is_solo {
            true => (Arc::from(question.base.as_bytes()), Arc::default()),
            false => match self.join_flight(&found, question, &target) {
                Joined::Leading(key, flight) => (key, flight),
                Joined::Following(key, flight) => return Lookup::Follow(Follower::new(store, key, flight)),
                Joined::Alone => return Lookup::Alone,
            },
        };
        flight.set_since(since);
        let honored = Honored {
            keep: self.keep(),
            asker: question.said.asker,
            asked: Asked::of(&question.head.fields),
            target,
            base: question.base.as_bytes().into(),
            vary: found.signpost.as_ref().and_then(|entry| entry.signpost().cloned()),
            stored: found.entry,
            began: question.now,
            since,
            is_solo,
        };
        let leader = Leader::of_origin(store, (key, flight), honored);
        if is_solo || question.is_demanded {
            return Lookup::Lead(leader);
        }
        // Between our look and our lead another fetch may have ended: then there may be nothing left to fetch.
        match self.find(question).entry {
            Some(entry) if use_of(&entry, question) == Use::Serve => {
                leader.answer_with(&entry);
                Lookup::Hit(entry)
            }
            _ => Lookup::Lead(leader),
        }
    }

    fn join_flight(&self, found: &Found, question: &Question<'_>, target: &str) -> Joined {
        let store = self.store();
        let mut key = found.variant.as_ref().unwrap_or(&question.base).clone();
        // An answer to credentials is often nobody else's: those without them need not wait to learn that.
        if question.said.asker.has_credentials() {
            key.push_end();
        }
        match store.flights.join(key.as_bytes(), question.is_demanded, question.now) {
            // What began before a purge may bring what was purged.
            Joined::Following(_, flight) if store.purges.outdates(flight.since(), target) => {
                store.flights.join(key.as_bytes(), true, question.now)
            }
            joined => joined,
        }
    }
}

impl Found {
    /// Why the request goes on to the origin, if it does.
    fn why(&self, question: &Question<'_>) -> Why {
        match (&self.entry, &self.signpost) {
            (Some(_), _) if question.is_demanded => Why::Request,
            (Some(_), _) => Why::Stale,
            (None, _) if question.said.has_range => Why::Partial,
            (None, Some(_)) => Why::VaryMiss,
            (None, None) => Why::UriMiss,
        }
    }
}

/// What becomes of what is stored for a request.
fn use_of(entry: &Entry, question: &Question<'_>) -> Use {
    let (now, wishes) = (question.now, &question.wishes);
    let Some(origin) = &entry.origin else { return Use::Validate };
    let (fresh_for, stale_for) = match origin.labels.is_stale() {
        true => (Default::default(), entry.stale_for(now).max(std::time::Duration::from_nanos(1))),
        false => (entry.fresh_for(now), entry.stale_for(now)),
    };
    // The common case in two comparisons.
    if !fresh_for.is_zero() && !question.said.has_wishes && !origin.grace.is_always_validated {
        return Use::Serve;
    }
    judge(entry.age(now), fresh_for, stale_for, &origin.grace, wishes)
}

impl Said {
    fn of(fields: &Fields<'_>) -> Said {
        let mut said = Said::default();
        // Few names have these lengths, so most fields cost one comparison of a number.
        fields.for_all(|name, value| match name.len() {
            5 if is_token(name, b"range") => said.has_range = true,
            6 if is_token(name, b"cookie") => said.asker.has_cookie = true,
            6 if is_token(name, b"pragma") => said.has_wishes = true,
            // What follows is no answer.
            7 if is_token(name, b"upgrade") => said.is_not_for_caches = true,
            8 if is_token(name, b"if-match") => said.is_not_for_caches = true,
            13 if is_token(name, b"authorization") => said.asker.has_authorization = true,
            13 if is_token(name, b"cache-control") => said.has_wishes = true,
            13 if is_token(name, b"if-none-match") => said.is_conditional = true,
            14 if is_token(name, b"content-length") => said.is_not_for_caches |= value != b"0",
            17 if is_token(name, b"transfer-encoding") => said.is_not_for_caches = true,
            17 if is_token(name, b"if-modified-since") => said.is_conditional = true,
            19 if is_token(name, b"if-unmodified-since") => said.is_not_for_caches = true,
            // Some back ends take them for another method or target than the one that is keyed.
            13 if is_token(name, b"x-http-method") || is_token(name, b"x-rewrite-url") => said.is_not_for_caches = true,
            14 if is_token(name, b"x-original-url") => said.is_not_for_caches = true,
            17 if is_token(name, b"x-method-override") => said.is_not_for_caches = true,
            22 if is_token(name, b"x-http-method-override") => said.is_not_for_caches = true,
            _ => {}
        });
        said
    }
}
