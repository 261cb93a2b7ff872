use std::borrow::Cow;

use pingora_proxy::Session;

use super::asked::HeadSize;
use super::ctx::Ctx;
use crate::base::{Answer, Head, Refusal, RequestId, canonical_path};
use crate::telemetry::Trace;

/// Of one conversation over an upgraded connection, in either direction.
pub(super) const UPGRADED_IDLE: std::time::Duration = std::time::Duration::from_secs(600);

/// Pingora waits for ever on a kept connection unless it is told otherwise for every request.
pub(super) fn set_deadlines(session: &mut Session, ctx: &Ctx) {
    let limits = ctx.snapshot.limits();
    let is_upgrade = session.is_upgrade_req();
    session.set_keepalive(Some(limits.idle_timeout.as_secs().max(1)));
    session.set_read_timeout(Some(if is_upgrade { UPGRADED_IDLE } else { limits.body_timeout }));
    session.set_write_timeout(Some(limits.body_timeout));
    // Off by default, and then a request that was sent behind another would abort it (RFC 9112 section 9.3.2).
    session.set_pipelining_enabled(true);
}

/// Names the request, continues its trace, and refuses a head that is too large or whose path has no one spelling.
/// `head` has its path as it was sent; a canonical one that differs is kept in `ctx`.
pub(super) fn check(head: &Head<'_>, size: HeadSize, ctx: &mut Ctx) -> Result<(), Answer> {
    let canonical = canonical_path(head.path);
    if let Ok(Cow::Owned(owned)) = &canonical {
        ctx.canonical = Some(owned.as_str().into());
    }
    let id = head.fields.get("x-request-id").and_then(RequestId::from_client);
    ctx.facts.request_id = id.unwrap_or_else(|| new_id(ctx));
    ctx.facts.trace = Trace::from_head(head, ctx.facts.started);
    check_size(size, ctx.snapshot.limits().head_bytes_max)?;
    canonical.map(drop).map_err(|fault| Answer::new(Refusal::MalformedRequest, fault.detail()))
}

fn new_id(ctx: &Ctx) -> RequestId {
    RequestId::generate(ctx.facts.started.unix_ms, fastrand::u128(..))
}

/// Names a request whose head could not be read.
pub(super) fn name_unread(ctx: &mut Ctx) {
    ctx.facts.request_id = new_id(ctx);
}

/// Refuses a head of which this much was read.
pub(super) fn check_size(size: HeadSize, max: usize) -> Result<(), Answer> {
    if size.line > max {
        return Err(Answer::new(Refusal::UriTooLong, "the request target is longer than this gateway reads"));
    }
    match size.line + size.fields > max {
        true => Err(Answer::new(Refusal::HeadersTooLarge, "the head is larger than this gateway reads")),
        false => Ok(()),
    }
}
