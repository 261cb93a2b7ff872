use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::{Control, Problem, Shared};

/// Lets a request pass by its token, or because it only reads and comes from loopback.
pub(super) async fn check(
    State(control): Shared,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let is_read = request.method() == Method::GET || request.method() == Method::HEAD;
    match decide(&control, is_read, peer, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Whether a request that only reads may be told what operators may know.
pub(super) fn may_read(control: &Control, peer: SocketAddr, fields: &HeaderMap) -> bool {
    decide(control, true, peer, fields).is_ok()
}

fn decide(control: &Control, is_read: bool, peer: SocketAddr, fields: &HeaderMap) -> Result<(), Problem> {
    let snapshot = control.live.snapshot();
    let sent = fields.get(header::AUTHORIZATION).map(|value| value.as_bytes());
    match (sent, snapshot.admin_token()) {
        (Some(sent), Some(token)) if is_bearer(sent, token) => Ok(()),
        (Some(_), Some(_)) => Err(Problem::new(StatusCode::UNAUTHORIZED, "the admin token is wrong")),
        _ if is_read && peer.ip().is_loopback() => Ok(()),
        (None, Some(_)) => Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "send the admin token as `Authorization: Bearer …`; without it only reads from loopback are answered",
        )),
        (_, None) => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "no admin token is configured, so only reads from loopback are answered; set admin.token",
        )),
    }
}

fn is_bearer(sent: &[u8], token: &str) -> bool {
    sent.strip_prefix(b"Bearer ").is_some_and(|sent| sent.ct_eq(token.as_bytes()).into())
}
