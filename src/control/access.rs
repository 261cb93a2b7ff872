use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::{Problem, Shared};

/// Lets a request pass by its token, or because it only reads and comes from loopback.
pub(super) async fn check(
    State(control): Shared,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let snapshot = control.live.snapshot();
    let sent = request.headers().get(header::AUTHORIZATION).map(|value| value.as_bytes());
    let refused = match (sent, snapshot.admin_token()) {
        (Some(sent), Some(token)) if is_bearer(sent, token) => None,
        (Some(_), Some(_)) => Some(Problem::new(StatusCode::UNAUTHORIZED, "the admin token is wrong")),
        (_, token) => without_token(request.method(), peer, token.is_some()),
    };
    match refused {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    }
}

fn without_token(method: &Method, peer: SocketAddr, has_token: bool) -> Option<Problem> {
    let is_read = method == Method::GET || method == Method::HEAD;
    match (is_read && peer.ip().is_loopback(), has_token) {
        (true, _) => None,
        (false, true) => Some(Problem::new(
            StatusCode::UNAUTHORIZED,
            "send the admin token as `Authorization: Bearer …`; without it only reads from loopback are answered",
        )),
        (false, false) => Some(Problem::new(
            StatusCode::FORBIDDEN,
            "no admin token is configured, so only reads from loopback are answered; set admin.token",
        )),
    }
}

fn is_bearer(sent: &[u8], token: &str) -> bool {
    sent.strip_prefix(b"Bearer ").is_some_and(|sent| sent.ct_eq(token.as_bytes()).into())
}
