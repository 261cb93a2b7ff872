use std::sync::Arc;

use smallvec::SmallVec;

use super::change::note_change;
use super::ctx::{Admitted, Ctx};
use super::signature::bad_signature;
use crate::base::{Answer, Head, Refusal, Variant, loose_path};
use crate::config::ErrorStyle;
use crate::gateway::authorize::Policy;
use crate::gateway::respond::{Grant, Reply, is_preflight};
use crate::gateway::route::{self, Matched, Missed, Params};
use crate::gateway::snapshot::{Live, Plan, Stage, grant_of};
use crate::gateway::{authorize, throttle};

/// What becomes of a request that nothing refuses.
#[derive(Debug)]
pub(super) enum Admission {
    /// It goes on to its integration.
    Admitted,
    /// It asks nothing of a back end, such as whether another request may be sent, and this is the answer.
    Answered(Box<Reply>),
}

/// Stage and variant → CORS → route → caller → capacity → what the head can tell of validity: the phases in their
/// order, once a request.
pub(super) async fn admit(live: &Live, head: &Head<'_>, ctx: &mut Ctx) -> Result<Admission, Answer> {
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

    if let Some(reply) = answer_for_cors(stage, variant, head, path, &mut ctx.cors) {
        return Ok(Admission::Answered(reply));
    }
    let mut values = Params::new();
    let found = stage.tree(variant).find_with(stage.method_of(head), path, &mut values);
    let route = found.map_err(|why| missed(why, head, stage.style()))?;
    ctx.place.route = Some(route);
    let plan = stage.plan(variant, route);

    check_readings(head, stage, ctx, plan)?;
    let caller = authorize::check(plan.access, snapshot.keys(), stage_id, head)?;
    ctx.place.key = caller.key().map(|key| key.id());
    check_announced_body(head, plan)?;

    let grant = caller.member().map(grant_of);
    let started = ctx.facts.started;
    let ticket = throttle::admit(&plan.limits, grant, route, live.clock(), started).await?;
    plan.checks.check_head(head, |at| values.get(at).copied())?;
    let admitted = ctx.admitted.insert(Admitted { ticket, params: SmallVec::new() });
    admitted.params.extend(values.iter().map(|value| place_in(head.path, value)));
    note_change(head, stage.method_of(head), ctx);
    Ok(Admission::Admitted)
}

/// Grants what answers may say of CORS; a preflight is answered at once, before anyone asks who sends it.
fn answer_for_cors(
    stage: &Stage,
    variant: Variant,
    head: &Head<'_>,
    path: &str,
    granted: &mut Option<Arc<Grant>>,
) -> Option<Box<Reply>> {
    let cors = stage.manners(variant).cors.as_ref()?;
    let head = &Head { method: stage.method_of(head), ..*head };
    if has_own_options(stage, variant, head.method, path) {
        return None;
    }
    let grant = granted.insert(cors.grant(head));
    is_preflight(head).then(|| Box::new(cors.preflight(head, grant)))
}

/// Whether a route that is written for `OPTIONS` takes this request: then CORS is its business, as in REST APIs.
fn has_own_options(stage: &Stage, variant: Variant, method: &str, path: &str) -> bool {
    let is_own = |matched: Matched<'_>| &**stage.plan(variant, matched.route).method == "OPTIONS";
    method == "OPTIONS" && stage.tree(variant).find(method, path).is_ok_and(is_own)
}

/// Turns the request away if the gateway carries too much. Nothing is decided or spent by then.
fn take_place(live: &Live, ctx: &mut Ctx) -> Result<(), Answer> {
    let place = live.overload().enter(ctx.snapshot.limits(), ctx.standing, live.connections().count());
    ctx.in_flight = place.map_err(|reason| live.shed(reason))?;
    Ok(())
}

/// Refuses a path to an open route that a lenient back end could read as the path of a keyed one.
fn check_readings(head: &Head<'_>, stage: &Stage, ctx: &Ctx, plan: &Plan) -> Result<(), Answer> {
    let is_doubtful = plan.access == Policy::Open && !ctx.is_path_plain;
    let Some(loose) = is_doubtful.then(|| loose_path(head.path)).flatten() else { return Ok(()) };
    let (snapshot, method) = (&*ctx.snapshot, stage.method_of(head));
    let Some(route::Place { stage: id, path }) = snapshot.domains().locate(head.host, &loose) else { return Ok(()) };
    let (stage, variant) = (snapshot.stage(id), ctx.place.variant.unwrap_or(Variant::Stable));
    let variant = if stage.canary().is_some() { variant } else { Variant::Stable };
    match stage.tree(variant).find(method, path) {
        Ok(other) if stage.plan(variant, other.route).access != Policy::Open => Err(Answer::new(
            Refusal::MalformedRequest,
            "the path can be read as that of a route which needs an API key",
        )),
        _ => Ok(()),
    }
}

fn missed(missed: Missed, head: &Head<'_>, style: ErrorStyle) -> Answer {
    let authorization = head.fields.get("authorization").filter(|_| style == ErrorStyle::Aws);
    if let Some(message) = authorization.and_then(|value| bad_signature(value, head)) {
        return Answer::new(Refusal::IncompleteSignature, message);
    }
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
