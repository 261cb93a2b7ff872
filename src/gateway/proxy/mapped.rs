use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use pingora_error::Result;
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use smallvec::SmallVec;

use super::Conductor;
use super::asked::Asked;
use super::cached::note;
use super::ctx::Ctx;
use super::passed::context;
use super::upload::Upload;
use crate::base::{Answer, Refusal};
use crate::config::ErrorStyle;
use crate::gateway::cache::{Ask, Leader, Sharing};
use crate::gateway::integrate::{Exchange, Mapped, Target};
use crate::gateway::respond::Reply;
use crate::gateway::transform::{
    Came, Context, Made, Scene, Sent, apply_overrides, decode, encoded_value, is_of_cors, remapped,
};
use crate::telemetry::IntegrationFacts;
use crate::template::{Override, Overrides};

/// The largest answer that is read as a whole, as API Gateway's payloads.
const ANSWER_BYTES_MAX: usize = 10 << 20;

/// What an integration with templates answers.
enum Answered<'a> {
    Made(Made),
    /// Its answers pass as they come.
    Passing(Box<Exchange<'a>>),
}

/// The request's integration, if it looks into bodies or makes them.
pub(super) fn mapped_of(ctx: &Ctx) -> Option<Arc<Mapped>> {
    match &ctx.plan()?.target {
        Target::Mapped(mapped) => Some(Arc::clone(mapped)),
        _ => None,
    }
}

impl Conductor {
    /// Carries a request out that nobody shares.
    pub(super) async fn answer_mapped(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
        mapped: &Mapped,
        upload: &mut Upload,
    ) -> Result<bool> {
        match self.carry_out(session, ctx, mapped, upload).await {
            Ok(Answered::Made(made)) => {
                let reply = reply_of(made, ctx);
                self.reply(session, ctx, reply).await
            }
            Ok(Answered::Passing(exchange)) => {
                self.write_own_head(session, ctx, &exchange).await?;
                self.write_rest(session, ctx, *exchange, None).await
            }
            Err(answer) => self.refuse(session, ctx, answer).await,
        }
    }

    /// Carries a request out whose answer is for all who ask for its key.
    pub(super) async fn lead_mapped(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
        mapped: &Mapped,
        (ask, leader): (&Ask, Leader),
        upload: &mut Upload,
    ) -> Result<bool> {
        let answered = match self.carry_out(session, ctx, mapped, upload).await {
            Ok(Answered::Passing(exchange)) => read_answer(*exchange).await.map(passed),
            Ok(Answered::Made(made)) => Ok(made),
            Err(answer) => Err(answer),
        };
        match answered {
            Ok(made) => {
                note(ctx, ask.forwarded(self.share(leader, &made)));
                let reply = reply_of(made, ctx);
                self.reply(session, ctx, reply).await
            }
            Err(answer) => {
                note(ctx, ask.forwarded(false));
                self.refuse(session, ctx, answer).await
            }
        }
    }

    /// Keeps an answer for those who wait and those who come. `false`: it is for nobody else.
    fn share(&self, mut leader: Leader, made: &Made) -> bool {
        let now = self.live.clock().now();
        let mut fields = HeaderMap::with_capacity(made.fields.len());
        for (name, value) in &made.fields {
            fields.append(name, value.clone());
        }
        let Ok(status) = StatusCode::from_u16(made.status) else { return false };
        let is_shared = leader.head(status, &fields, now) != Sharing::NotShared
            && (made.body.is_empty() || leader.chunk(made.body.clone(), now).is_ok());
        if is_shared {
            leader.complete(now);
        }
        is_shared
    }

    /// The client's body → the integration's request → its answer → the client's.
    async fn carry_out(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
        mapped: &Mapped,
        upload: &mut Upload,
    ) -> Result<Answered<'_>, Answer> {
        let body = upload.unpacked(session, ctx).await?;
        let scene = |overrides: &Overrides, use_it: &mut dyn FnMut(&Scene<'_>, &Asked<'_>) -> Result<(), Answer>| {
            with_scene(session, ctx, mapped, &body, overrides, use_it)
        };
        let binary = ctx.binary_types();
        let mut sent = None;
        scene(&Overrides::default(), &mut |scene, _| {
            sent = Some(mapped.mapping.request(scene, binary, body.clone())?);
            Ok(())
        })?;
        let Some(sent) = sent else { return Err(unplaced()) };
        let mut told = IntegrationFacts::default();
        let came = match &mapped.http {
            None => Ok((mapped.mapping.mock_status(&sent)?, HeaderMap::new(), Bytes::new())),
            Some(http) => {
                let mut request = None;
                scene(&sent.overrides, &mut |scene, asked| {
                    let outgoing = http.outgoing(&asked.head, scene.values, scene.context);
                    request = Some(finish(outgoing.build(&[])?, &sent, outgoing.maps_content_type())?);
                    Ok(())
                })?;
                let Some(request) = request else { return Err(unplaced()) };
                let sends_body = !sent.body.is_empty() && !matches!(request.method, Method::GET | Method::HEAD);
                let outgoing_body = sends_body.then(|| sent.body.clone());
                let opened = self.fetches.open(http.back_end(), request, outgoing_body, &mut told).await;
                match opened {
                    Err(answer) => Err(answer),
                    Ok(mut exchange) => {
                        if mapped.mapping.passes_answers() {
                            http.back_end().shape().cleaning().clean(&mut exchange.head);
                            ctx.facts.integration = told;
                            return Ok(Answered::Passing(exchange));
                        }
                        read_answer(*exchange).await
                    }
                }
            }
        };
        let answered = came.and_then(|(status, fields, body)| {
            let mut made = None;
            scene(&sent.overrides, &mut |scene, _| {
                let came = Came { status, fields: &fields, body: &body };
                made = Some(mapped.mapping.answer(scene, binary, came, &sent.overrides)?);
                Ok(())
            })?;
            made.map(Answered::Made).ok_or_else(unplaced)
        });
        ctx.facts.integration = told;
        answered
    }
}

/// Hands over the request as templates see it. What templates override of its path's parameters is in their place.
fn with_scene(
    session: &Session,
    ctx: &Ctx,
    mapped: &Mapped,
    body: &[u8],
    overrides: &Overrides,
    use_it: &mut dyn FnMut(&Scene<'_>, &Asked<'_>) -> Result<(), Answer>,
) -> Result<(), Answer> {
    let canonical = ctx.canonical.clone();
    let asked = Asked::of_session(session, &canonical, ctx.snapshot.trusted_proxies());
    let context = context(&asked, ctx).ok_or_else(unplaced)?;
    let context = Context { body, path_overrides: &overrides.request_path, ..context };
    let overridden: SmallVec<[Option<String>; 4]> =
        mapped.names.iter().map(|name| path_override(overrides, name)).collect();
    let values = ctx.params(asked.head.path);
    let values: SmallVec<[&str; 4]> = values
        .iter()
        .enumerate()
        .map(|(at, value)| overridden.get(at).and_then(|text| text.as_deref()).unwrap_or(value))
        .collect();
    let scene = Scene {
        head: &asked.head,
        names: &mapped.names,
        values: &values,
        context: &context,
        variables: &mapped.variables,
        started: ctx.facts.started,
        protocol: asked.protocol,
        is_canary: ctx.facts.is_canary.unwrap_or(false),
        subject: ctx.facts.client_subject.as_deref(),
    };
    use_it(&scene, &asked)
}

fn path_override(overrides: &Overrides, name: &str) -> Option<String> {
    let bare = name.strip_suffix('+').unwrap_or(name);
    let (_, value) = overrides.request_path.iter().find(|(own, _)| own == bare)?;
    Some(match value {
        Override::One(text) => encoded_value(text.as_bytes()),
        Override::Many(texts) => encoded_value(texts.join(",").as_bytes()),
    })
}

/// The back end's request with what its body became and what templates override.
fn finish(mut request: RequestHeader, sent: &Sent, has_own_type: bool) -> Result<RequestHeader, Answer> {
    // It was decoded.
    request.remove_header(&header::CONTENT_ENCODING);
    if let Some(content_type) = sent.content_type.as_ref().filter(|_| !has_own_type) {
        let _ = request.insert_header(header::CONTENT_TYPE, content_type);
    }
    apply_overrides(&sent.overrides, &mut request)?;
    Ok(request)
}

/// Status, fields and body of a back end's answer, which is read to its end.
async fn read_answer(mut exchange: Exchange<'_>) -> Result<(u16, HeaderMap, Bytes), Answer> {
    let mut body = BytesMut::new();
    while let Some(piece) = exchange.chunk().await? {
        if body.len() + piece.len() > ANSWER_BYTES_MAX {
            let answer = Answer::new(Refusal::InternalError, "the back end's answer is too large to be changed");
            return Err(answer.with_log(format!("it has more than {ANSWER_BYTES_MAX} bytes")));
        }
        body.extend_from_slice(&piece);
    }
    let (status, mut fields) = (exchange.head.status.as_u16(), exchange.head.headers.clone());
    exchange.finish().await;
    let codings = fields.remove(header::CONTENT_ENCODING);
    let body = match codings.as_ref().and_then(|value| value.to_str().ok()) {
        Some(codings) => decode(codings, body.freeze(), ANSWER_BYTES_MAX as u64).map_err(|answer| {
            let log = answer.log.for_log().unwrap_or_default().to_owned();
            Answer::new(Refusal::BackEndFailed, "the back end's answer is in a coding that cannot be read")
                .with_log(log)
        })?,
        None => body.freeze(),
    };
    Ok((status, fields, body))
}

fn passed((status, fields, body): (u16, HeaderMap, Bytes)) -> Made {
    let fields = fields.iter().filter(|(name, _)| *name != header::CONTENT_LENGTH);
    Made { status, fields: fields.map(|(name, value)| (name.clone(), value.clone())).collect(), body }
}

/// The answer under the names that it has for clients; what frames it, and what the gateway says itself, is left out.
fn reply_of(made: Made, ctx: &Ctx) -> Reply {
    let mut reply = Reply::new(made.status, made.body);
    let is_aws = ctx.style() == ErrorStyle::Aws;
    for (name, value) in made.fields {
        let renamed = remapped(name.as_str()).filter(|_| is_aws).map(HeaderName::from_static);
        let is_ours = FRAMING.contains(&name) || (ctx.cors.is_some() && is_of_cors(name.as_str().as_bytes()));
        if renamed.is_some() || !is_ours {
            reply.fields.push((renamed.unwrap_or(name), value));
        }
    }
    reply
}

const FRAMING: [HeaderName; 4] =
    [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION, header::UPGRADE];

/// A request comes here with the place that it was matched to.
fn unplaced() -> Answer {
    Answer::new(Refusal::InternalError, "the gateway lost its place")
}
