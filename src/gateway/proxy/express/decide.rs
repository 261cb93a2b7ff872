use std::sync::Arc;

use super::Express;
use crate::base::{Head, Variant};
use crate::gateway::cache::Lookup;
use crate::gateway::integrate::{Http, Target};
use crate::gateway::proxy::admission;
use crate::gateway::proxy::answers::{fixed, refusal, stored};
use crate::gateway::proxy::arrival;
use crate::gateway::proxy::asked::HeadSize;
use crate::gateway::proxy::cached::{look_up, note};
use crate::gateway::proxy::ctx::Ctx;
use crate::gateway::respond::Reply;

/// How a request is answered.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it lives for a moment; a box would be an allocation an answer")]
pub(super) enum Way {
    /// With what we hold.
    Reply(Reply),
    /// By its back end, here.
    PassOn,
    /// By the full lane.
    HandOver,
}

impl Express {
    /// Judges a head whose path is as it was sent; its canonical path is in `ctx` after that.
    pub(super) async fn judge(&self, sent: &Head<'_>, size: HeadSize, ctx: &mut Ctx) -> Way {
        if let Err(answer) = arrival::check(sent, size, ctx) {
            return Way::Reply(refusal(answer, ctx));
        }
        let canonical = ctx.canonical.clone();
        let head = Head { path: canonical.as_deref().unwrap_or(sent.path), ..*sent };
        self.decide(&head, ctx).await
    }

    /// Asks the phases in their order.
    async fn decide(&self, head: &Head<'_>, ctx: &mut Ctx) -> Way {
        if let Err(answer) = admission::admit(&self.live, head, ctx).await {
            return Way::Reply(refusal(answer, ctx));
        }
        let snapshot = Arc::clone(&ctx.snapshot);
        let (Some(stage), Some(route)) = (ctx.place.stage, ctx.place.route) else { return Way::HandOver };
        let plan = snapshot.stage(stage).plan(ctx.place.variant.unwrap_or(Variant::Stable), route);
        let http = match &plan.target {
            Target::Mock(mock) => return Way::Reply(fixed(mock)),
            Target::Http(http) => http,
        };
        let Some(cache) = &plan.cache else { return streamed(http) };
        match look_up(head, ctx, cache).await {
            Err(answer) => Way::Reply(refusal(answer, ctx)),
            Ok(None) => streamed(http),
            Ok(Some((_, Lookup::Hit(entry)))) => Way::Reply(stored(&entry, ctx.facts.started, ctx)),
            Ok(Some((ask, Lookup::Alone))) if !http.is_tls() => {
                note(ctx, ask.forwarded(false));
                Way::PassOn
            }
            Ok(Some(found)) => {
                ctx.found = Some(found);
                Way::HandOver
            }
        }
    }
}

fn streamed(http: &Http) -> Way {
    if http.is_tls() { Way::HandOver } else { Way::PassOn }
}
