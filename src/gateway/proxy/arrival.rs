use std::borrow::Cow;

use http::HeaderValue;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use pingora_proxy::Session;

use super::asked::HeadSize;
use super::ctx::Ctx;
use super::express::is_served_upgrade;
use crate::base::{Answer, Head, Now, Refusal, RequestId, spell};
use crate::telemetry::Trace;

/// Of one conversation over an upgraded connection, in either direction.
pub(super) const UPGRADED_IDLE: std::time::Duration = std::time::Duration::from_secs(600);

/// Lets go of an upgrade that is not served: with a body it would be held to no deadline.
pub(super) fn forget_odd_upgrade(session: &mut Session) {
    let fields = &session.req_header().headers;
    let is_odd = |value: &HeaderValue| !is_served_upgrade(value.as_bytes());
    let has_body = fields.contains_key(CONTENT_LENGTH) || fields.contains_key(TRANSFER_ENCODING);
    if has_body || fields.get_all(UPGRADE).iter().any(is_odd) {
        session.req_header_mut().remove_header(&UPGRADE);
    }
}

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

/// Names the request and continues its trace.
pub(super) fn identify(head: &Head<'_>, started: Now) -> (RequestId, Trace) {
    let id = head.fields.get("x-request-id").and_then(RequestId::from_client);
    let id = id.unwrap_or_else(|| RequestId::generate(started.unix_ms, fastrand::u128(..)));
    (id, Trace::from_head(head, started))
}

/// Refuses a head that is too large or whose path has no one spelling.
/// `head` has its path as it was sent; what is canonical and differs is kept in `ctx`.
pub(super) fn check(head: &Head<'_>, size: HeadSize, ctx: &mut Ctx) -> Result<(), Answer> {
    if head.fields.len() > ctx.snapshot.limits().fields_max {
        return Err(Answer::new(Refusal::HeadersTooLarge, "the head has more fields than this gateway reads"));
    }
    let spelt = spell(head.path);
    if let Ok(spelt) = &spelt {
        ctx.is_path_plain = spelt.is_plain;
        if let Cow::Owned(canonical) = &spelt.path {
            ctx.canonical = Some(canonical.as_str().into());
        }
    }
    check_size(size, ctx.snapshot.limits().head_bytes_max)?;
    spelt.map(drop).map_err(|fault| Answer::new(Refusal::MalformedRequest, fault.detail()))
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
