use std::sync::Arc;

use super::Express;
use crate::base::{Answer, Head};
use crate::gateway::cache::{Entry, Lookup};
use crate::gateway::integrate::Target;
use crate::gateway::proxy::admission::{self, Admission};
use crate::gateway::proxy::answers::{fixed, hit, not_cached, select, unserved};
use crate::gateway::proxy::asked::Asked;
use crate::gateway::proxy::cached::{look_up, note, note_lookup};
use crate::gateway::proxy::ctx::Ctx;
use crate::gateway::proxy::fetches::Order;
use crate::gateway::respond::Reply;

/// How a request is answered.
#[derive(Debug)]
pub(super) enum Way {
    /// With what we hold.
    Held(Held),
    /// By its back end, here.
    PassOn,
    /// By the full lane.
    HandOver,
}

/// An answer that is held as a whole.
#[derive(Debug)]
pub(super) enum Held {
    Refused(Answer),
    Stored(Arc<Entry>),
    Fixed(Box<Reply>),
}

impl Express {
    /// Judges a request with its canonical path, which [`check`](crate::gateway::proxy::arrival::check) has nothing against.
    pub(super) async fn judge(&self, asked: &Asked<'_>, ctx: &mut Ctx) -> Way {
        if let Some(reply) = self.live.issuance().answer(&asked.head) {
            return Way::Held(Held::Fixed(Box::new(reply)));
        }
        match admission::admit(&self.live, &asked.head, ctx).await {
            Ok(Admission::Admitted) => self.decide(asked, ctx),
            Ok(Admission::Answered(reply)) => Way::Held(Held::Fixed(reply)),
            Err(answer) => Way::Held(Held::Refused(answer)),
        }
    }

    /// Asks the phases after admission in their order.
    fn decide(&self, asked: &Asked<'_>, ctx: &mut Ctx) -> Way {
        let head = &asked.head;
        let Some(plan) = ctx.plan() else { return Way::HandOver };
        if plan.checks.wants_body(head) || ctx.compresses() {
            return Way::HandOver;
        }
        let http = match &plan.target {
            Target::Mock(mock) => return Way::Held(Held::Fixed(Box::new(fixed(mock)))),
            Target::Unserved(kind) => return Way::Held(Held::Refused(unserved(kind))),
            Target::Mapped(_) => return Way::HandOver,
            Target::Http(http) => http,
        };
        let is_passed_on = http.back_end().is_plain() && plan.checks.answers().is_none();
        let streamed = if is_passed_on { Way::PassOn } else { Way::HandOver };
        let Some(cache) = &plan.cache else { return streamed };
        let found = match look_up(head, ctx, cache) {
            Ok(found) => found,
            Err(answer) => return Way::Held(Held::Refused(answer)),
        };
        note_lookup(&found, ctx);
        match found {
            None => streamed,
            Some((ask, Lookup::Hit(entry))) if !ask.is_conditional() => Way::Held(Held::Stored(entry)),
            Some((_, Lookup::Hit(entry))) => held(entry, head, ctx),
            Some((_, Lookup::HitAndRefresh(entry, leader))) => {
                let cache = ctx.plan().and_then(|plan| plan.cache.as_ref());
                if let Some(Ok(order)) = cache.and_then(|cache| Order::new(asked, ctx, cache, leader)) {
                    self.fetches.later(order);
                }
                held(entry, head, ctx)
            }
            Some((_, Lookup::Unavailable)) => Way::Held(Held::Refused(not_cached())),
            Some((ask, Lookup::Alone)) if matches!(streamed, Way::PassOn) => {
                note(ctx, ask.forwarded(false));
                Way::PassOn
            }
            found => {
                ctx.found = found.map(Box::new);
                Way::HandOver
            }
        }
    }
}

/// An entry for a request that may want less than the whole of it.
fn held(entry: Arc<Entry>, head: &Head<'_>, ctx: &mut Ctx) -> Way {
    let now = ctx.facts.started;
    match select(&entry, &head.fields, now, ctx) {
        Some(reply) => {
            note(ctx, hit(&entry, now));
            Way::Held(Held::Fixed(Box::new(reply)))
        }
        None => Way::Held(Held::Stored(entry)),
    }
}
