use std::net::{IpAddr, Ipv4Addr};

use http::header;
use pingora_proxy::Session;

use super::ctx::Ctx;
use crate::base::{Answer, Head, Refusal, RequestId, Scheme, canonical_path};
use crate::gateway::snapshot::host_of;
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
pub(super) fn check(session: &Session, ctx: &mut Ctx) -> Result<(), Answer> {
    let request = session.req_header();
    let path = request.uri.path();
    let canonical = canonical_path(path);
    if let Ok(std::borrow::Cow::Owned(owned)) = &canonical {
        ctx.canonical = Some(owned.clone());
    }
    let head = head_of(session, path);
    ctx.facts.request_id = head
        .fields
        .get("x-request-id")
        .and_then(RequestId::from_client)
        .unwrap_or_else(|| RequestId::generate(ctx.facts.started.unix_ms, fastrand::u128(..)));
    ctx.facts.trace = Trace::from_head(&head, ctx.facts.started);
    check_size(session, ctx.snapshot.limits().head_bytes_max)?;
    canonical.map(drop).map_err(|fault| Answer::new(Refusal::MalformedRequest, fault.detail()))
}

fn check_size(session: &Session, max: usize) -> Result<(), Answer> {
    /// ` HTTP/1.1\r\n` and a space after the method.
    const LINE: usize = 12;
    /// `: ` and `\r\n`
    const FIELD: usize = 4;
    let request = session.req_header();
    let target = request.raw_path().len();
    if target + request.method.as_str().len() + LINE > max {
        return Err(Answer::new(Refusal::UriTooLong, "the request target is longer than this gateway reads"));
    }
    let fields: usize = request.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + FIELD).sum();
    match target + request.method.as_str().len() + LINE + fields > max {
        true => Err(Answer::new(Refusal::HeadersTooLarge, "the head is larger than this gateway reads")),
        false => Ok(()),
    }
}

/// The request as phases see it; `path` is its canonical path.
pub(super) fn head_of<'a>(session: &'a Session, path: &'a str) -> Head<'a> {
    let request = session.req_header();
    Head {
        method: request.method.as_str(),
        host: host_of(authority_of(session)),
        path,
        query: request.uri.query(),
        fields: crate::base::Fields::Map(&request.headers),
        client: client_of(session),
        scheme: if session.digest().is_some_and(|digest| digest.ssl_digest.is_some()) {
            Scheme::Https
        } else {
            Scheme::Http
        },
    }
}

/// Host and port as the client asked for them. HTTP/2 has them in its `:authority`.
pub(super) fn authority_of(session: &Session) -> &str {
    let request = session.req_header();
    let host = request.headers.get(header::HOST).and_then(|value| value.to_str().ok());
    request.uri.authority().map(|authority| authority.as_str()).or(host).unwrap_or_default()
}

/// The peer's address; connections without one (none of ours) are nobody's.
pub(super) fn client_of(session: &Session) -> IpAddr {
    let address = session.client_addr().and_then(|address| address.as_inet());
    address.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip().to_canonical())
}

/// The canonical path of a request.
pub(super) fn path_of<'a>(session: &'a Session, canonical: &'a Option<String>) -> &'a str {
    canonical.as_deref().unwrap_or_else(|| session.req_header().uri.path())
}
