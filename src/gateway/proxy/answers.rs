use std::borrow::Cow;
use std::net::IpAddr;

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_RANGE, DATE};
use pingora_error::{Error, ErrorSource, Result};
use pingora_proxy::{FailToProxy, Session};

use super::Conductor;
use super::asked::Asked;
use super::compressed::compress_reply;
use super::ctx::Ctx;
use crate::base::{Answer, Fields, Now, Refusal, Variant, push_number};
use crate::config::ErrorStyle;
use crate::gateway::cache::{self, AnswerHead, Entry, Outcome, Part, Validators};
use crate::gateway::integrate::Mock;
use crate::gateway::respond::{self, Asking, Custom, Refused, Reply, Response, Sink};
use crate::gateway::route::Pattern;
use crate::gateway::snapshot::{Live, Stage, facts_of};
use crate::telemetry::{Facts, Line};

impl Conductor {
    /// Answers with a refusal. `true`, as Pingora wants it: the request has its answer.
    pub(super) async fn refuse(&self, session: &mut Session, ctx: &mut Ctx, answer: Answer) -> Result<bool> {
        let canonical = ctx.canonical.clone();
        let asked = Asked::of_session(session, &canonical, ctx.snapshot.trusted_proxies());
        let reply = refusal(answer, Some(&asked), ctx);
        self.reply(session, ctx, reply).await
    }

    /// Answers with what is at hand as a whole.
    pub(super) async fn reply(&self, session: &mut Session, ctx: &mut Ctx, mut reply: Reply) -> Result<bool> {
        ctx.facts.status = reply.status;
        compress_reply(session, ctx, &mut reply);
        if respond::send(session, reply, &ctx.seal()).await.is_err() {
            // The client went away; there is nobody to tell.
            session.set_keepalive(None);
        }
        Ok(true)
    }

    pub(super) async fn reply_mock(&self, session: &mut Session, ctx: &mut Ctx, mock: &Mock) -> Result<bool> {
        self.reply(session, ctx, fixed(mock)).await
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
            // The head has gone: all that is left is to cut the body, and to say why in the log.
            Some(mut answer) => note_refusal(&mut answer, ctx),
            None => ctx.facts.status = Facts::CLIENT_CLOSED_REQUEST,
        }
        FailToProxy { error_code: ctx.facts.status, can_reuse_downstream: false }
    }

    /// Counts and logs the request.
    pub(super) fn record(&self, session: &Session, ctx: &mut Ctx) {
        ctx.facts.bytes_out = session.body_bytes_sent() as u64;
        ctx.facts.bytes_in = session.body_bytes_read() as u64;
        let canonical = ctx.canonical.clone();
        let asked = Asked::of_session(session, &canonical, ctx.snapshot.trusted_proxies());
        tell(&self.live, Some(&asked), asked.head.client, ctx, self.live.clock().now());
    }
}

/// Counts and logs a request that is over; `asked` is `None` if its head could not be read.
pub(super) fn tell(live: &Live, asked: Option<&Asked<'_>>, client: IpAddr, ctx: &Ctx, now: Now) {
    live.telemetry().record(&line_of(asked, client, ctx), now);
}

fn line_of<'l>(asked: Option<&Asked<'l>>, client: IpAddr, ctx: &'l Ctx) -> Line<'l> {
    let stage = ctx.stage();
    Line {
        facts: &ctx.facts,
        method: asked.map_or("", |asked| asked.head.method),
        host: asked.map_or("", |asked| asked.head.host),
        path: asked.map_or("", |asked| asked.head.path),
        protocol: asked.map_or("", |asked| asked.protocol),
        client,
        user_agent: asked.and_then(|asked| asked.head.fields.get("user-agent")),
        route: ctx.plan().map(|plan| &plan.series).or_else(|| stage.map(|stage| stage.series())),
        key: ctx.member().map(facts_of),
        style: stage.map_or(ctx.snapshot.style(), Stage::style),
        format: stage.map_or(ctx.snapshot.format(), |stage| stage.format()),
    }
}

/// Words a refusal, and notes it; `asked` is `None` if the head could not be read.
pub(super) fn refusal(mut answer: Answer, asked: Option<&Asked<'_>>, ctx: &mut Ctx) -> Reply {
    note_refusal(&mut answer, ctx);
    let (reply, status) = with_refused(&answer, asked, ctx, |refused| (refused.reply(), refused.status()));
    ctx.facts.status = status;
    reply
}

/// Hands a refusal that was noted to `use_it`, as it is to be worded.
pub(super) fn with_refused<R>(
    answer: &Answer,
    asked: Option<&Asked<'_>>,
    ctx: &mut Ctx,
    use_it: impl FnOnce(&Refused<'_>) -> R,
) -> R {
    let style = ctx.style();
    if let Some(asked) = asked
        && ctx.custom(answer.refusal).is_some()
    {
        return with_custom(answer, asked, ctx, use_it);
    }
    use_it(&Refused { answer, style, request_id: &ctx.facts.request_id, custom: None })
}

/// The same for a refusal that the API words itself.
#[cold]
fn with_custom<R>(answer: &Answer, asked: &Asked<'_>, ctx: &mut Ctx, use_it: impl FnOnce(&Refused<'_>) -> R) -> R {
    let style = ctx.style();
    let own = Refused { answer, style, request_id: &ctx.facts.request_id, custom: None }.status();
    ctx.facts.status = ctx.custom(answer.refusal).and_then(Response::status).unwrap_or(own);
    let ctx = &*ctx;
    let line = line_of(Some(asked), asked.head.client, ctx);
    let params = params_of(asked, ctx);
    let asking = Asking { head: &asked.head, line: &line, params: &params, now: ctx.facts.started };
    let custom = ctx.custom(answer.refusal).map(|response| Custom { response, asking });
    use_it(&Refused { answer, style, request_id: &ctx.facts.request_id, custom })
}

/// The path parameters of the route that was found, by name. Found anew: a refused request was not admitted.
fn params_of<'p>(asked: &Asked<'p>, ctx: &Ctx) -> Vec<(Box<str>, &'p str)> {
    let (Some(stage), Some(plan)) = (ctx.stage(), ctx.plan()) else { return Vec::new() };
    let place = ctx.snapshot.domains().locate(asked.head.host, asked.head.path);
    let tree = stage.tree(ctx.place.variant.unwrap_or(Variant::Stable));
    let found = place.and_then(|place| tree.find(stage.method_of(&asked.head), place.path).ok());
    let values = found.map(|found| found.params).unwrap_or_default();
    Pattern::new(plan.path()).parameter_names().into_iter().zip(values).collect()
}

/// Notes what the log says of a refusal.
pub(super) fn note_refusal(answer: &mut Answer, ctx: &mut Ctx) {
    ctx.facts.refusal = Some(answer.refusal);
    if ctx.style() == ErrorStyle::Aws {
        ctx.facts.message = Some(answer.refusal.aws_message().map_or_else(|| answer.detail.clone(), Cow::Borrowed));
    }
    ctx.facts.detail = std::mem::take(&mut answer.log);
}

/// The answer of a `MOCK` integration.
pub(super) fn fixed(mock: &Mock) -> Reply {
    let mut reply = Reply::new(mock.status().as_u16(), mock.body());
    reply.fields.extend(mock.fields().iter().cloned());
    reply
}

/// The answer for an integration that is only declared.
pub(super) fn unserved(kind: &str) -> Answer {
    let answer = Answer::new(Refusal::InternalError, "the integration of this route cannot be carried out");
    answer.with_log(format!("integrations of type {kind} are declared and not served by this release"))
}

/// The answer from an entry of the cache.
pub(super) fn stored(entry: &Entry, now: Now, ctx: &Ctx) -> Reply {
    let mut reply = Reply::new(entry.status.as_u16(), entry.body.clone());
    reply.is_dated = entry.is_dated();
    reply.fields.extend(entry.head.fields.iter().cloned());
    stored_fields(entry, now, ctx, &mut reply);
    reply
}

/// How an entry that was there to be found answers.
pub(super) fn hit(entry: &Entry, now: Now) -> Outcome {
    match entry.is_outlived(now) {
        true => Outcome::Stale { for_s: entry.stale_s(now), is_for_error: false },
        false => Outcome::Hit { remaining_s: entry.remaining_s(now) },
    }
}

/// The answer from an entry to a request that wants less than the whole of it; `None`: it gets the whole.
pub(super) fn select(entry: &Entry, fields: &Fields<'_>, now: Now, ctx: &Ctx) -> Option<Reply> {
    // Only what is stored as its origin says is held against conditions; API Gateway's cache knows none.
    if !entry.is_dated() || entry.status != StatusCode::OK {
        return None;
    }
    let mut reply = not_modified(&entry.head, fields).or_else(|| partial(entry, fields))?;
    stored_fields(entry, now, ctx, &mut reply);
    Some(reply)
}

/// 304 without what describes a body (RFC 9110 section 15.4.5), if the client has what the answer brings.
pub(super) fn not_modified(head: &AnswerHead, fields: &Fields<'_>) -> Option<Reply> {
    if !head.is_dated() || head.status != StatusCode::OK {
        return None;
    }
    let date = head.fields.iter().find(|(name, _)| *name == DATE).map(|(_, value)| value.as_bytes());
    if !cache::is_not_modified(fields, Validators::of_stored(&head.fields), date) {
        return None;
    }
    let mut reply = Reply { status: 304, is_dated: true, ..Reply::default() };
    let describes = |name: &str| name.starts_with("content-") && name != "content-location";
    reply.fields.extend(head.fields.iter().filter(|(name, _)| !describes(name.as_str())).cloned());
    Some(reply)
}

/// 206, or 416, for a range of the body.
fn partial(entry: &Entry, fields: &Fields<'_>) -> Option<Reply> {
    let len = entry.body.len();
    let (status, body, range) = match cache::part(fields, Validators::of_stored(&entry.head.fields), len) {
        Part::Whole => return None,
        Part::Unsatisfiable => (416, Bytes::new(), format!("bytes */{len}")),
        Part::Bytes(part) => {
            let range = format!("bytes {}-{}/{len}", part.start, part.end - 1);
            (206, entry.body.slice(part), range)
        }
    };
    let mut reply = Reply { status, body, is_dated: true, ..Reply::default() };
    reply.fields.extend(entry.head.fields.iter().filter(|(name, _)| *name != CONTENT_RANGE).cloned());
    reply.text("content-range", range.as_bytes());
    Some(reply)
}

/// For a client that wants nothing but what is stored: RFC 9111 section 5.2.1.7.
pub(super) fn not_cached() -> Answer {
    Answer::new(Refusal::NotCached, "nothing is stored that answers this request, and it asks for nothing else")
}

/// What an answer from the cache says beside what was stored.
pub(super) fn stored_fields(entry: &Entry, now: Now, ctx: &Ctx, sink: &mut impl Sink) {
    sink.field("age", |out| push_number(out, entry.age_s(now)));
    // A caller whose wish for a refresh was ignored is told so.
    if ctx.is_warned {
        sink.text("warning", cache::UNAUTHORIZED_WARNING.as_bytes());
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
