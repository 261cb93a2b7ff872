use pingora_error::{Error, ErrorSource, Result};
use pingora_proxy::{FailToProxy, Session};

use super::Conductor;
use super::arrival::{authority_of, client_of, path_of};
use super::ctx::Ctx;
use super::passed::warning;
use crate::base::{Answer, Refusal};
use crate::gateway::integrate::Mock;
use crate::gateway::respond::{self, Reply};
use crate::gateway::snapshot::host_of;
use crate::telemetry::{Facts, Line};

impl Conductor {
    /// Answers with a refusal. `true`, as Pingora wants it: the request has its answer.
    pub(super) async fn refuse(&self, session: &mut Session, ctx: &mut Ctx, answer: Answer) -> Result<bool> {
        let seal = ctx.seal();
        let reply = respond::refuse(&answer, seal.style, &seal.request_id);
        ctx.facts.refusal = Some(answer.refusal);
        ctx.facts.detail = answer.log;
        self.reply(session, ctx, reply).await
    }

    /// Answers with what is at hand as a whole.
    pub(super) async fn reply(&self, session: &mut Session, ctx: &mut Ctx, reply: Reply) -> Result<bool> {
        ctx.facts.status = reply.status;
        if respond::send(session, reply, &ctx.seal()).await.is_err() {
            // The client went away; there is nobody to tell.
            session.set_keepalive(None);
        }
        Ok(true)
    }

    pub(super) async fn reply_mock(&self, session: &mut Session, ctx: &mut Ctx, mock: &Mock) -> Result<bool> {
        let mut reply = Reply::new(mock.status().as_u16(), mock.body());
        reply.fields.extend(mock.fields().iter().cloned());
        self.reply(session, ctx, reply).await
    }

    /// The last word on a request that failed on its way: the answer that its last attempt left, if it can be given.
    pub(super) async fn refuse_failed(&self, session: &mut Session, error: &Error, ctx: &mut Ctx) -> FailToProxy {
        let answer = ctx.attempt.failed.take().or_else(|| unexpected(error));
        session.set_keepalive(None);
        match answer {
            Some(answer) if session.response_written().is_none() => {
                // Failing to write is the client's going away, which `reply` has noted.
                let _ = self.refuse(session, ctx, answer).await;
            }
            Some(answer) => {
                // The head has gone: all that is left is to cut the body, and to say why in the log.
                ctx.facts.refusal = Some(answer.refusal);
                ctx.facts.detail = answer.log;
            }
            None => ctx.facts.status = Facts::CLIENT_CLOSED_REQUEST,
        }
        FailToProxy { error_code: ctx.facts.status, can_reuse_downstream: false }
    }

    /// Counts and logs the request.
    pub(super) fn record(&self, session: &Session, ctx: &mut Ctx) {
        ctx.facts.bytes_out = session.body_bytes_sent() as u64;
        ctx.facts.bytes_in = session.body_bytes_read() as u64;
        let request = session.req_header();
        let stage = ctx.stage();
        let member = ctx.place.key.as_ref().zip(ctx.place.stage).and_then(|(key, stage)| key.grant(stage));
        let line = Line {
            facts: &ctx.facts,
            method: request.method.as_str(),
            host: host_of(authority_of(session)),
            path: path_of(session, &ctx.canonical),
            protocol: protocol_of(session),
            client: client_of(session),
            user_agent: request.headers.get(http::header::USER_AGENT).map(|value| value.as_bytes()),
            route: ctx.plan().map(|plan| &plan.series).or_else(|| stage.map(|stage| stage.series())),
            key: member.map(|member| &member.series),
            format: stage.map_or(ctx.snapshot.format(), |stage| stage.format()),
        };
        self.live.telemetry().record(&line, self.live.clock().now());
    }
}

/// An error that no attempt has put into words.
fn unexpected(error: &Error) -> Option<Answer> {
    match error.esource() {
        ErrorSource::Downstream if error.etype() == &pingora_error::ErrorType::ReadTimedout => {
            Some(Answer::new(Refusal::RequestTimeout, "the request's body came too slowly"))
        }
        ErrorSource::Downstream => None,
        _ => Some(Answer::new(Refusal::InternalError, "the gateway failed").with_log(error.to_string())),
    }
}

fn protocol_of(session: &Session) -> &'static str {
    match session.req_header().version {
        http::Version::HTTP_10 => "HTTP/1.0",
        http::Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}

/// Adds the warning to an answer from the cache, for a caller whose wish for a refresh was ignored.
pub(super) fn warn(reply: Reply, is_warned: bool) -> Reply {
    let (name, value) = warning();
    if is_warned { reply.with(name, value) } else { reply }
}
