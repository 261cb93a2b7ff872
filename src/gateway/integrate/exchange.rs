use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Method, StatusCode};
use pingora_core::connectors::http::Connector;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::upstreams::peer::{HttpPeer, Peer};
use pingora_error::{Error, ErrorType};
use pingora_http::{RequestHeader, ResponseHeader};

use super::back_end::BackEnd;
use super::deadline::Deadline;
use super::failure::Failure;
use super::http2;
use super::pick::Pick;
use super::retry::may_retry;
use crate::base::{Answer, Clock, Refusal};
use crate::telemetry::IntegrationFacts;

/// More informational answers before the real one than any honest back end sends.
const INFORMATIONAL_MAX: u32 = 16;

/// An exchange whose answer has begun. Dropped before [`Exchange::finish`] it closes its connection.
pub struct Exchange<'a> {
    pub head: ResponseHeader,
    session: HttpSession,
    peer: HttpPeer,
    pick: Pick,
    deadline: Deadline,
    connector: &'a Connector,
    clock: &'a Clock,
}

/// Sends `request` with its whole `body` to an endpoint of `back_end` and reads the answer's head; informational ones are
/// passed over. A failure that allows it is followed by one more attempt. What was tried is written into `told`.
///
/// # Errors
/// What to answer instead, as [`Failure::answer`] has it.
pub async fn open<'a>(
    connector: &'a Connector,
    back_end: &BackEnd,
    mut request: RequestHeader,
    body: Option<Bytes>,
    deadline: Deadline,
    clock: &'a Clock,
    told: &mut IntegrationFacts,
) -> Result<Exchange<'a>, Answer> {
    frame(&mut request, body.as_ref())?;
    let began = clock.now();
    let mut tried = None;
    let mut attempt = 0;
    loop {
        let pick = back_end.pick(clock, clock.now(), deadline, tried).await?;
        let peer = pick.peer(deadline, clock.now())?;
        told.attempts += 1;
        told.target = Some(pick.address());
        let sent = send(connector, &peer, request.clone(), body.clone()).await;
        told.latency = clock.now().since(began);
        let broken = match sent {
            Ok((session, head)) => {
                told.status = head.status.as_u16();
                return Ok(Exchange { head, session, peer, pick, deadline, connector, clock });
            }
            Err(broken) => broken,
        };
        pick.report(Err(broken.failure), clock.now());
        if !may_retry(broken.failure, request.method.as_str(), attempt, true, false) {
            return Err(broken.answer(pick.name()));
        }
        tried = Some(pick.index());
        attempt += 1;
    }
}

impl Exchange<'_> {
    /// The next piece of the body, in the time that is left; `None` at its end. An answer without a body has none.
    ///
    /// # Errors
    /// The body ended early or too late: what to answer, if nothing was passed on yet.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Answer> {
        loop {
            let Some(remaining) = self.deadline.remaining(self.clock.now()) else {
                self.pick.report(Err(Failure::TimedOut), self.clock.now());
                return Err(self.pick.too_late());
            };
            self.session.set_read_timeout(Some(remaining));
            match self.session.read_response_body().await {
                Ok(Some(piece)) if piece.is_empty() => {}
                Ok(piece) => return Ok(piece),
                Err(error) => {
                    let broken = Broken::new(error, false);
                    self.pick.report(Err(broken.failure), self.clock.now());
                    return Err(broken.answer(self.pick.name()));
                }
            }
        }
    }

    /// The endpoint that answers, as the configuration names it.
    pub fn back_end(&self) -> &str {
        self.pick.name()
    }

    /// Ends an exchange that went well. The connection is kept for others if the body was read to its end.
    pub async fn finish(self) {
        self.pick.report(Ok(()), self.clock.now());
        let idle_timeout = self.peer.idle_timeout();
        self.connector.release_http_session(self.session, &self.peer, idle_timeout).await;
    }
}

/// An attempt that came to nothing.
struct Broken {
    failure: Failure,
    error: Box<Error>,
}

impl Broken {
    fn new(error: Box<Error>, is_connecting: bool) -> Broken {
        let error = error.into_up();
        Broken { failure: Failure::of(&error, is_connecting), error }
    }

    fn answer(self, target: &str) -> Answer {
        let answer = self.failure.answer(target, &self.error);
        answer.unwrap_or_else(|| Answer::new(Refusal::InternalError, "the exchange failed"))
    }
}

/// Says how long the body is (RFC 9110 section 8.6): the whole of it is at hand.
fn frame(request: &mut RequestHeader, body: Option<&Bytes>) -> Result<(), Answer> {
    let framed = match body {
        Some(body) => request.insert_header(CONTENT_LENGTH, body.len()),
        None if [Method::POST, Method::PUT, Method::PATCH].contains(&request.method) => {
            request.insert_header(CONTENT_LENGTH, 0)
        }
        None => {
            request.remove_header(&CONTENT_LENGTH);
            Ok(())
        }
    };
    framed.map_err(|error| {
        Answer::new(Refusal::InternalError, "the request cannot be framed").with_log(error.to_string())
    })
}

/// One attempt, up to the answer's head, in the time that `peer` has.
async fn send(
    connector: &Connector,
    peer: &HttpPeer,
    request: RequestHeader,
    body: Option<Bytes>,
) -> Result<(HttpSession, ResponseHeader), Broken> {
    let total = peer.options.read_timeout.unwrap_or_default();
    match tokio::time::timeout(total, attempt(connector, peer, request, body)).await {
        Ok(ended) => ended,
        Err(_) => Err(Broken::new(Error::explain(ErrorType::ReadTimedout, "before the answer's head"), false)),
    }
}

async fn attempt(
    connector: &Connector,
    peer: &HttpPeer,
    request: RequestHeader,
    body: Option<Bytes>,
) -> Result<(HttpSession, ResponseHeader), Broken> {
    let (mut session, _) = connector.get_http_session(peer).await.map_err(|error| Broken::new(error, true))?;
    let answered = ask(&mut session, request, body, peer.is_tls()).await;
    let head = answered.map_err(|error| Broken::new(error, false))?;
    Ok((session, head))
}

async fn ask(
    session: &mut HttpSession,
    mut request: RequestHeader,
    body: Option<Bytes>,
    is_tls: bool,
) -> pingora_error::Result<ResponseHeader> {
    http2::fit(&mut request, session, is_tls)?;
    session.write_request_header(Box::new(request)).await?;
    if let Some(body) = body {
        session.write_request_body(body, true).await?;
    }
    session.finish_request_body().await?;
    for _ in 0..INFORMATIONAL_MAX {
        session.read_response_header().await?;
        match session.response_header() {
            // Nothing was asked to switch, so this is not HTTP any more.
            Some(head) if head.status == StatusCode::SWITCHING_PROTOCOLS => break,
            Some(head) if head.status.is_informational() => {}
            Some(head) => return Ok(head.clone()),
            None => break,
        }
    }
    Error::e_explain(ErrorType::InvalidHTTPHeader, "no final answer")
}

#[cfg(test)]
mod tests;
