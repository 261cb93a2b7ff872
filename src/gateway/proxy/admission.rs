use super::change::note_change;
use super::ctx::{Admitted, Ctx};
use crate::base::{Answer, Head, Refusal, Variant, loose_path};
use crate::gateway::authorize::Policy;
use crate::gateway::route::{self, Missed};
use crate::gateway::snapshot::{Live, Plan, grant_of};
use crate::gateway::{authorize, throttle};

/// Stage and variant → route → caller → capacity: the phases in their order, once a request.
pub(super) async fn admit(live: &Live, head: &Head<'_>, ctx: &mut Ctx) -> Result<(), Answer> {
    take_place(live, ctx)?;
    let snapshot = &*ctx.snapshot;
    let Some(route::Place { stage: stage_id, path }) = snapshot.domains().locate(head.host, head.path) else {
        return Err(Answer::new(Refusal::UnknownStage, "neither the host nor the path names an API and a stage"));
    };
    let stage = snapshot.stage(stage_id);
    ctx.place.stage = Some(stage_id);
    let variant = stage.canary().map_or(Variant::Stable, |canary| canary.choose(head, fastrand::f64()));
    ctx.place.variant = Some(variant);
    ctx.facts.is_canary = stage.canary().map(|_| variant == Variant::Canary);

    let matched = stage.tree_of(variant).find(head.method, path).map_err(missed)?;
    ctx.place.route = Some(matched.route);
    let plan = stage.plan(variant, matched.route);

    check_readings(head, ctx, plan)?;
    let caller = authorize::check(plan.access, snapshot.keys(), stage_id, head)?;
    ctx.place.key = caller.key().map(|key| key.id());
    check_announced_body(head, plan)?;

    let grant = caller.member().map(grant_of);
    let started = ctx.facts.started;
    let ticket = throttle::admit(&plan.limits, grant, matched.route, live.clock(), started).await?;
    let params = matched.params.iter().map(|value| place_in(head.path, value)).collect();
    ctx.admitted = Some(Admitted { ticket, params });
    note_change(head, ctx);
    Ok(())
}

/// Turns the request away if the gateway carries too much. Nothing is decided or spent by then.
fn take_place(live: &Live, ctx: &mut Ctx) -> Result<(), Answer> {
    let place = live.overload().enter(ctx.snapshot.limits(), ctx.standing, live.connections().count());
    ctx.in_flight = place.map_err(|reason| live.shed(reason))?;
    Ok(())
}

/// Refuses a path to an open route that a lenient back end could read as the path of a keyed one.
fn check_readings(head: &Head<'_>, ctx: &Ctx, plan: &Plan) -> Result<(), Answer> {
    let Some(loose) = (plan.access == Policy::Open).then(|| loose_path(head.path)).flatten() else { return Ok(()) };
    let snapshot = &*ctx.snapshot;
    let Some(route::Place { stage: id, path }) = snapshot.domains().locate(head.host, &loose) else { return Ok(()) };
    let (stage, variant) = (snapshot.stage(id), ctx.place.variant.unwrap_or(Variant::Stable));
    let variant = if stage.canary().is_some() { variant } else { Variant::Stable };
    match stage.tree_of(variant).find(head.method, path) {
        Ok(other) if stage.plan(variant, other.route).access != Policy::Open => Err(Answer::new(
            Refusal::MalformedRequest,
            "the path can be read as that of a route which needs an API key",
        )),
        _ => Ok(()),
    }
}

fn missed(missed: Missed) -> Answer {
    match missed {
        Missed::Path => Answer::new(Refusal::UnknownRoute, "no route of this API has this path"),
        Missed::Method { allow } => {
            Answer::new(Refusal::MethodNotAllowed, "this path has no route for this method").with_allow(allow.into())
        }
    }
}

fn check_announced_body(head: &Head<'_>, plan: &Plan) -> Result<(), Answer> {
    let announced = head.fields.text("content-length").and_then(|length| length.parse::<u64>().ok());
    match announced.is_some_and(|length| length > plan.body_bytes_max) {
        true => Err(body_too_large()),
        false => Ok(()),
    }
}

pub(super) fn body_too_large() -> Answer {
    Answer::new(Refusal::BodyTooLarge, "the request body is larger than this route takes")
}

/// Where `part`, a slice of `whole`, stands in it.
fn place_in(whole: &str, part: &str) -> std::ops::Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    start..start + part.len()
}
