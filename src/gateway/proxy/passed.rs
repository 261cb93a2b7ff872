use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderValue, WARNING};
use pingora_error::{Error, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;

use super::admission::body_too_large;
use super::asked::Asked;
use super::ctx::Ctx;
use crate::base::{Answer, Head};
use crate::gateway::cache;
use crate::gateway::integrate::{BackEnd, Target, ask_for_trailers, takes_trailers};
use crate::gateway::snapshot::{Plan, Stage};
use crate::gateway::transform::{Cleaning, Context, Outgoing};

/// Writes the back end's request over Pingora's copy of the client's.
pub(super) fn write_request(session: &mut Session, head: &mut RequestHeader, ctx: &mut Ctx) -> Result<()> {
    let is_body_empty = session.is_body_empty();
    let canonical = ctx.canonical.clone();
    let asked = Asked::of_session(session, &canonical, ctx.snapshot.trusted_proxies());
    let done = with_outgoing(&asked, ctx, |outgoing| {
        outgoing.apply(head)?;
        Ok(is_body_empty && outgoing.announces_nothing())
    });
    if matches!(done, Some(Ok(true))) {
        head.insert_header(CONTENT_LENGTH, 0)?;
    }
    if back_end_of(ctx).is_some_and(|back_end| back_end.is_http2()) && takes_trailers(&asked.head) {
        ask_for_trailers(head)?;
    }
    done.map_or(Ok(()), |done| done.map(drop)).map_err(|answer| {
        ctx.attempt.failed = Some(answer);
        Error::new_in(ErrorType::InternalError)
    })
}

/// What the gateway knows of a request that was matched; its body is not among it.
pub(super) fn context<'a>(asked: &Asked<'a>, ctx: &'a Ctx) -> Option<Context<'a>> {
    ctx.route().map(|route| context_at(route, asked, ctx))
}

fn context_at<'a>((stage, plan): (&'a Stage, &'a Plan), asked: &Asked<'a>, ctx: &'a Ctx) -> Context<'a> {
    Context {
        request_id: ctx.facts.request_id.as_bytes(),
        api: &stage.name().api,
        stage: &stage.name().stage,
        route: plan.path(),
        path: asked.head.path,
        key: ctx.member().map(|member| &**member.seat.name()),
        authority: asked.authority,
        trace: &ctx.facts.trace,
        body: b"",
        path_overrides: &[],
    }
}

/// Hands what is to be sent to `use_it`. `None` for a request without an HTTP integration.
pub(super) fn with_outgoing<R>(asked: &Asked<'_>, ctx: &Ctx, use_it: impl FnOnce(&Outgoing<'_>) -> R) -> Option<R> {
    let (stage, plan) = ctx.route()?;
    let Target::Http(http) = &plan.target else { return None };
    let (path, context) = (asked.head.path, context_at((stage, plan), asked, ctx));
    let params = ctx.params(path);
    let head = Head { method: stage.method_of(&asked.head), ..asked.head };
    Some(use_it(&http.outgoing(&head, &params, &context)))
}

/// What becomes of the fields of its answer.
pub(super) fn cleaning_of(ctx: &Ctx) -> Cleaning {
    back_end_of(ctx).map(|back_end| back_end.shape().cleaning()).unwrap_or_default()
}

/// The back end of the request's HTTP integration.
pub(super) fn back_end_of(ctx: &Ctx) -> Option<&Arc<BackEnd>> {
    match &ctx.plan()?.target {
        Target::Http(http) => Some(http.back_end()),
        Target::Mock(_) | Target::Mapped(_) | Target::Unserved(_) => None,
    }
}

/// Stops a body that is larger than the route takes; one that announced its length was stopped before.
pub(super) fn count_request_body(body: Option<&Bytes>, ctx: &mut Ctx) -> Result<()> {
    ctx.facts.bytes_in += body.map_or(0, Bytes::len) as u64;
    let max = ctx.plan().map_or(u64::MAX, |plan| plan.body_bytes_max);
    if ctx.facts.bytes_in > max {
        return fail(ctx, body_too_large(), 413);
    }
    Ok(())
}

/// Ends the attempt with `answer`.
pub(super) fn fail<T>(ctx: &mut Ctx, answer: Answer, status: u16) -> Result<T> {
    ctx.attempt.failed = Some(answer);
    Err(Error::new_in(ErrorType::HTTPStatus(status)))
}

/// Seals the back end's answer. What is informational goes on as it is.
pub(super) fn seal_response(head: &mut ResponseHeader, ctx: &mut Ctx) {
    let is_upgrade = head.status == http::StatusCode::SWITCHING_PROTOCOLS;
    if head.status.is_informational() && !is_upgrade {
        return;
    }
    ctx.facts.status = head.status.as_u16();
    ctx.seal().apply(head);
}

/// The field that tells a caller that its wish for a refresh was ignored.
pub(super) fn warning() -> (http::HeaderName, HeaderValue) {
    (WARNING, HeaderValue::from_static(cache::UNAUTHORIZED_WARNING))
}
