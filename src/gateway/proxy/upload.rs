use bytes::{Bytes, BytesMut};
use http::header;
use pingora_proxy::Session;

use super::admission::body_too_large;
use super::asked::Asked;
use super::ctx::Ctx;
use super::pace;
use crate::base::{Answer, Refusal};
use crate::gateway::transform::decode;

/// A request's body, on its way to whoever needs the whole of it. It is read once: what was read is sent on as it was.
#[derive(Debug, Default)]
pub(super) enum Upload {
    /// It stands with the session.
    #[default]
    Unread,
    /// `None`: the request has none.
    Whole(Option<Bytes>),
}

impl Upload {
    /// Reads the body where the operation holds it to something, and checks it.
    pub(super) async fn check(&mut self, session: &mut Session, ctx: &Ctx) -> Result<(), Answer> {
        let Some(plan) = ctx.plan() else { return Ok(()) };
        let canonical = ctx.canonical.clone();
        let wants = |session: &Session| {
            plan.checks.wants_body(&Asked::of_session(session, &canonical, ctx.snapshot.trusted_proxies()).head)
        };
        if !wants(session) {
            return Ok(());
        }
        let body = self.unpacked(session, ctx).await?;
        let head = Asked::of_session(session, &canonical, ctx.snapshot.trusted_proxies()).head;
        plan.checks.check_whole(&head, |at| ctx.param(head.path, at), &body)
    }

    /// All of the body, as large as the route takes it; `None` if the request has none.
    pub(super) async fn whole(&mut self, session: &mut Session, ctx: &Ctx) -> Result<Option<Bytes>, Answer> {
        if let Upload::Whole(body) = self {
            return Ok(body.clone());
        }
        let body = read(session, ctx).await?;
        *self = Upload::Whole(body.clone());
        Ok(body)
    }

    /// All of the body without its content codings, no larger than the route takes it. What is sent on stays as it is.
    pub(super) async fn unpacked(&mut self, session: &mut Session, ctx: &Ctx) -> Result<Bytes, Answer> {
        let body = self.whole(session, ctx).await?.unwrap_or_default();
        let codings = session.get_header(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
        match codings.filter(|codings| !codings.trim().is_empty()) {
            Some(codings) => decode(codings, body, ctx.plan().map_or(u64::MAX, |plan| plan.body_bytes_max)),
            None => Ok(body),
        }
    }

    pub(super) fn is_read(&self) -> bool {
        matches!(self, Upload::Whole(_))
    }
}

async fn read(session: &mut Session, ctx: &Ctx) -> Result<Option<Bytes>, Answer> {
    if session.is_body_empty() {
        return Ok(None);
    }
    let max = ctx.plan().map_or(u64::MAX, |plan| plan.body_bytes_max);
    if session.get_header(header::EXPECT).is_some() {
        // A client that is gone is noticed when it is read from.
        let _ = session.write_continue_response().await;
    }
    let mut body = BytesMut::new();
    loop {
        match session.read_request_body().await {
            Ok(Some(piece)) if body.len() as u64 + piece.len() as u64 > max => return Err(body_too_large()),
            Ok(Some(piece)) => {
                body.extend_from_slice(&piece);
                pace::keep(session, ctx.snapshot.limits(), body.len() as u64)?;
            }
            Ok(None) => return Ok(Some(body.freeze())),
            Err(error) => {
                let answer = Answer::new(Refusal::RequestTimeout, "the request's body did not arrive");
                return Err(answer.with_log(error.to_string()));
            }
        }
    }
}
