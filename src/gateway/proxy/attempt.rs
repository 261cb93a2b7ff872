use std::fmt::Display;

use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::arrival::UPGRADED_IDLE;
use super::ctx::Ctx;
use super::cut::stopping;
use super::passed::back_end_of;
use crate::base::{Answer, Now, Refusal};
use crate::gateway::integrate::{Deadline, Failure, Pick, may_retry};
use crate::gateway::snapshot::Live;

/// Chooses an endpoint for this attempt.
pub(super) async fn choose_peer(live: &Live, session: &Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
    ctx.attempt.is_upgrade = session.is_upgrade_req();
    let now = live.clock().now();
    let chosen = choose(live, ctx, now).await;
    match chosen.and_then(|(pick, deadline)| pick.peer(deadline, now)) {
        Ok(mut peer) => {
            if ctx.attempt.is_upgrade {
                peer.options.read_timeout = Some(UPGRADED_IDLE);
            }
            Ok(Box::new(peer))
        }
        Err(answer) => {
            let status = answer.refusal.status();
            super::passed::fail(ctx, answer, status)
        }
    }
}

/// Chooses an endpoint for this attempt, which has until the deadline of the exchange.
pub(super) async fn choose<'c>(live: &Live, ctx: &'c mut Ctx, now: Now) -> Result<(&'c Pick, Deadline), Answer> {
    // The one before is not in flight any more.
    ctx.attempt.pick = None;
    let Some(back_end) = back_end_of(ctx) else {
        return Err(Answer::new(Refusal::InternalError, "this route has no back end"));
    };
    let deadline = ctx.attempt.deadline.unwrap_or_else(|| back_end.deadline(now));
    let pick = back_end.pick(live.clock(), now, deadline, ctx.attempt.tried).await;
    ctx.attempt.deadline = Some(deadline);
    let pick = pick?;
    ctx.facts.integration.attempts += 1;
    ctx.facts.integration.target = Some(pick.address());
    Ok((ctx.attempt.pick.insert(pick), deadline))
}

/// Nothing was sent: another endpoint may have it.
pub(super) fn after_failed_connect(live: &Live, ctx: &mut Ctx, mut error: Box<Error>) -> Box<Error> {
    let failure = Failure::of(&error, true);
    // Any method may be repeated, and whatever body there is was not touched.
    let again = may_retry(failure, "GET", ctx.attempt.number, true, false);
    end_attempt(live, ctx, failure, &error);
    error.set_retry(again);
    error
}

/// The connection broke under the exchange.
pub(super) fn after_broken_exchange(
    live: &Live,
    session: &Session,
    ctx: &mut Ctx,
    mut error: Box<Error>,
) -> Box<Error> {
    if ctx.attempt.failed.is_some() {
        // We broke it ourselves and know what to say.
        error.set_retry(false);
        return error;
    }
    if live.is_cut() {
        ctx.attempt.failed = Some(stopping());
        error.set_retry(false);
        return error;
    }
    let failure = Failure::of(&error, false);
    let is_body_replayable = !session.as_ref().retry_buffer_truncated();
    let has_started = session.response_written().is_some();
    let method = session.req_header().method.as_str();
    let again = may_retry(failure, method, ctx.attempt.number, is_body_replayable, has_started);
    end_attempt(live, ctx, failure, &error);
    error.set_retry(again);
    error
}

/// An attempt came to nothing; what its answer would be is kept.
pub(super) fn end_attempt(live: &Live, ctx: &mut Ctx, failure: Failure, error: impl Display) {
    let now = live.clock().now();
    let attempt = &mut ctx.attempt;
    if let Some(pick) = attempt.pick.take() {
        pick.report(Err(failure), now);
        attempt.tried = Some(pick.index());
        attempt.failed = failure.answer(pick.name(), error);
    }
    attempt.number += 1;
    ctx.facts.integration.latency = now.since(ctx.facts.started);
    // What this attempt had counted is sent again.
    ctx.facts.bytes_in = 0;
}

/// The back end answers.
pub(super) fn after_response_head(live: &Live, head: &ResponseHeader, ctx: &mut Ctx) {
    if head.status.is_informational() && head.status != http::StatusCode::SWITCHING_PROTOCOLS {
        return;
    }
    note_response(head.status.as_u16(), ctx, live.clock().now());
}

/// The back end answers with this final status.
pub(super) fn note_response(status: u16, ctx: &mut Ctx, now: Now) {
    ctx.facts.integration.status = status;
    ctx.facts.integration.latency = now.since(ctx.facts.started);
    ctx.attempt.failed = None;
    if let Some(pick) = &ctx.attempt.pick {
        pick.report(Ok(()), now);
    }
}

/// Pingora's timeouts are of single reads; this one is of the whole. At the end the endpoint has one request less in
/// flight, before the client can notice that it has its answer.
pub(super) fn check_deadline(live: &Live, is_end: bool, ctx: &mut Ctx) -> Result<()> {
    if is_end {
        ctx.attempt.pick = None;
    }
    let Some(deadline) = ctx.attempt.deadline.filter(|_| !is_end && !ctx.attempt.is_upgrade) else { return Ok(()) };
    if deadline.remaining(live.clock().now()).is_some() {
        return Ok(());
    }
    let answer = Answer::new(Refusal::BackEndTimeout, "the back end did not finish in time");
    ctx.attempt.failed = Some(answer);
    Err(Error::new_up(ErrorType::ReadTimedout))
}
