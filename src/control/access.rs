use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use subtle::ConstantTimeEq;

use super::site::{self, Site};
use super::{Control, Problem, Shared};
use crate::base::{Now, RequestId};
use crate::config::{Admin, AdminToken, digest};
use crate::telemetry::{AdminRefusal, Author, Change};

const REQUEST_ID: &str = "x-request-id";

/// Lets a request pass by its token, or because it only reads and comes from loopback. Who asks is told on.
pub(super) async fn check(
    State(control): Shared,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = name(&request, control.live.clock().now());
    let is_read = request.method() == Method::GET || request.method() == Method::HEAD;
    let site = Site::of(request.uri(), request.headers());
    let mut response = match decide(&control, is_read, peer.ip(), &site, request.headers(), id) {
        Ok(token) => {
            let author = Author::Admin { token, address: peer.ip().to_canonical(), request_id: id };
            request.extensions_mut().insert(Arc::new(author));
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    };
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Whether a request that only reads may be told what operators may know.
pub(super) fn may_read(control: &Control, peer: SocketAddr, site: &Site<'_>, fields: &HeaderMap) -> bool {
    let id = RequestId::generate(control.live.clock().now().unix_ms, fastrand::u128(..));
    decide(control, true, peer.ip(), site, fields, id).is_ok()
}

fn name(request: &Request, now: Now) -> RequestId {
    let sent = request.headers().get(REQUEST_ID).and_then(|id| RequestId::from_client(id.as_bytes()));
    sent.unwrap_or_else(|| RequestId::generate(now.unix_ms, fastrand::u128(..)))
}

/// By whose token a request passes; `None`: by none, since it only reads.
fn decide(
    control: &Control,
    is_read: bool,
    address: IpAddr,
    site: &Site<'_>,
    fields: &HeaderMap,
    id: RequestId,
) -> Result<Option<Box<str>>, Problem> {
    let refuse = |reason, problem| {
        control.live.telemetry().metrics.admin_refused(reason);
        Err(problem)
    };
    if let Some(why) = site.is_foreign() {
        return refuse(AdminRefusal::ForeignSite, Problem::new(StatusCode::FORBIDDEN, why));
    }
    let snapshot = control.live.snapshot();
    let admin = snapshot.admin();
    let mut sent = fields.get_all(header::AUTHORIZATION).iter();
    match (sent.next(), sent.next()) {
        (Some(sent), None) if !admin.tokens.is_empty() => {
            return check_token(control, admin, address, sent.as_bytes(), id).map(Some);
        }
        (Some(_), Some(_)) => return Err(Problem::bad_request("a request has one `Authorization`")),
        _ => {}
    }
    if !(is_read && address.to_canonical().is_loopback()) {
        return refuse(AdminRefusal::NoToken, no_token(admin));
    }
    match site.host {
        Some(host) if site::is_own(host, &admin.hosts) => Ok(None),
        // Else any page could read here, whose name its owner lets point to this machine.
        _ => refuse(
            AdminRefusal::ForeignSite,
            Problem::new(
                StatusCode::MISDIRECTED_REQUEST,
                "without a token the `Host` has to be an address, localhost or one of admin.hosts",
            ),
        ),
    }
}

fn no_token(admin: &Admin) -> Problem {
    match admin.tokens.is_empty() {
        true => Problem::new(
            StatusCode::FORBIDDEN,
            "no admin token is configured, so only reads from loopback are answered; set admin.token",
        ),
        false => Problem::new(
            StatusCode::UNAUTHORIZED,
            "send the admin token as `Authorization: Bearer …`; without it only reads from loopback are answered",
        ),
    }
}

/// The name of the token that was sent, if it is one and its sender has not been wrong too often.
fn check_token(
    control: &Control,
    admin: &Admin,
    address: IpAddr,
    sent: &[u8],
    request_id: RequestId,
) -> Result<Box<str>, Problem> {
    let (live, now) = (&control.live, control.live.clock().now());
    let metrics = &live.telemetry().metrics;
    if let Err(wait_s) = control.failures.check(address, now) {
        metrics.admin_refused(AdminRefusal::TooManyFailures);
        let why = "too many wrong admin tokens; until then none is looked at";
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, why).with_retry_after(wait_s));
    }
    if let Some(token) = bearer(sent).and_then(|sent| find(sent, &admin.tokens)) {
        control.failures.right(address, now);
        return Ok(token.name.as_str().into());
    }
    control.failures.wrong(address, now);
    metrics.admin_refused(AdminRefusal::WrongToken);
    let author = Author::Admin { token: None, address: address.to_canonical(), request_id };
    let failure = Some("the admin token is wrong");
    let change = Change { what: "admit", about: Value::Null, before: Value::Null, after: Value::Null, failure };
    live.telemetry().audit_log.note(&author, &change, now);
    Err(Problem::new(StatusCode::UNAUTHORIZED, "the admin token is wrong"))
}

/// What follows the scheme, which is written in any case (RFC 9110 section 11.1).
fn bearer(sent: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = sent.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(rest)
}

/// Compares digests, which are of one length, and with each token: how long it takes tells nothing of any of them.
fn find<'a>(sent: &[u8], tokens: &'a [AdminToken]) -> Option<&'a AdminToken> {
    let sent = digest(sent);
    let is_it = |token: &AdminToken| bool::from(token.digest.ct_eq(&sent));
    tokens.iter().fold(None, |found, token| if is_it(token) { Some(token) } else { found })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_whole_or_not_at_all() {
        let token = |name: &str, text: &[u8]| AdminToken { name: name.to_owned(), digest: digest(text) };
        let tokens = [token("a", b"first-token"), token("b", b"second-token")];
        let check = |sent: &str, expected: Option<&str>| {
            let found = bearer(sent.as_bytes()).and_then(|sent| find(sent, &tokens));
            assert_eq!(found.map(|token| token.name.as_str()), expected, "{sent}");
        };
        check("Bearer first-token", Some("a"));
        check("bearer second-token", Some("b"));
        for wrong in
            ["Bearer first-toke", "Bearer first-tokens", "Bearer ", "Bearer", "first-token", "Basic first-token", ""]
        {
            check(wrong, None);
        }
    }
}
