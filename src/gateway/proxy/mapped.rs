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
use super::change::make_change;
use super::contract::{check_answer, check_made};
use super::ctx::Ctx;
use super::passed::context;
use super::upload::Upload;
use crate::base::{Answer, Fields, Head, Refusal};
use crate::config::ErrorStyle;
use crate::gateway::cache::{Ask, Leader, Sharing};
use crate::gateway::integrate::{Exchange, Http, Mapped, Target};
use crate::gateway::respond::Reply;
use crate::gateway::transform::{
    Came, Context, Made, Scene, Sent, apply_overrides, decode, encoded_value, is_of_cors, remapped,
};
use crate::telemetry::{Contract, IntegrationFacts};
use crate::template::{Override, Overrides};

/// The largest answer that is read as a whole, as API Gateway's payloads.
const ANSWER_BYTES_MAX: usize = 10 << 20;

/// What an integration with templates answers.
enum Answered<'a> {
    Made(Made),
    /// Its answers pass as they come.
    Passing(Passing<'a>),
}

/// An answer, and what of its body was read before.
type Passing<'a> = (Box<Exchange<'a>>, Option<Bytes>);

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
            Ok(Answered::Passing((exchange, read))) => {
                self.write_own_head(session, ctx, &exchange).await?;
                self.write_rest(session, ctx, *exchange, read).await
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
            Ok(Answered::Passing((exchange, read))) => read_answer(*exchange, read).await.map(passed),
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
        let (now, fields) = (self.live.clock().now(), fields_of(made));
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
        let sent = with_scene(session, ctx, mapped, &body, &Overrides::default(), |scene| {
            mapped.mapping.request(scene, ctx.binary_types(), body.clone())
        })?;
        let (status, fields, came) = match &mapped.http {
            None => (mapped.mapping.mock_status(&sent)?, HeaderMap::new(), Bytes::new()),
            Some(http) => {
                let request = with_scene(session, ctx, mapped, &body, &sent.overrides, |scene| {
                    let outgoing = http.outgoing(scene.head, scene.values, scene.context);
                    finish(outgoing.build(&[])?, &sent, outgoing.maps_content_type())
                })?;
                let mut exchange = self.exchange(ctx, http, request, &sent).await?;
                if mapped.mapping.passes_answers() {
                    http.back_end().shape().cleaning().clean(&mut exchange.head);
                    let mut contract = Contract::default();
                    let answers = ctx.plan().and_then(|plan| plan.checks.answers());
                    let checked = check_answer(answers, &mut exchange, &mut contract).await;
                    ctx.facts.contract = contract;
                    return Ok(Answered::Passing((exchange, checked?)));
                }
                read_answer(*exchange, None).await?
            }
        };
        let made = with_scene(session, ctx, mapped, &body, &sent.overrides, |scene| {
            let came = Came { status, fields: &fields, body: &came };
            mapped.mapping.answer(scene, ctx.binary_types(), came, &sent.overrides)
        })?;
        if let Some(answers) = ctx.plan().and_then(|plan| plan.checks.answers()) {
            let mut contract = Contract::default();
            let checked = check_made(answers, made.status, &fields_of(&made), &made.body, &mut contract);
            ctx.facts.contract = contract;
            checked?;
        }
        Ok(Answered::Made(made))
    }

    /// Sends the request and reads the head of its answer.
    async fn exchange(
        &self,
        ctx: &mut Ctx,
        http: &Http,
        request: RequestHeader,
        sent: &Sent,
    ) -> Result<Box<Exchange<'_>>, Answer> {
        let sends_body = !sent.body.is_empty() && !matches!(request.method, Method::GET | Method::HEAD);
        let body = sends_body.then(|| sent.body.clone());
        let mut told = IntegrationFacts::default();
        let opened = self.fetches.open(http.back_end(), request, body, &mut told).await;
        ctx.facts.integration = told;
        let exchange = opened?;
        let head = &exchange.head;
        make_change(head.status.as_u16(), &Fields::Map(&head.headers), ctx, self.live.clock().now());
        Ok(exchange)
    }
}

fn fields_of(made: &Made) -> HeaderMap {
    let mut fields = HeaderMap::with_capacity(made.fields.len());
    for (name, value) in &made.fields {
        fields.append(name, value.clone());
    }
    fields
}

/// Hands over the request as templates see it. What templates override of its path's parameters is in their place.
fn with_scene<R>(
    session: &Session,
    ctx: &Ctx,
    mapped: &Mapped,
    body: &[u8],
    overrides: &Overrides,
    use_it: impl FnOnce(&Scene<'_>) -> Result<R, Answer>,
) -> Result<R, Answer> {
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
    let method = ctx.stage().map_or(asked.head.method, |stage| stage.method_of(&asked.head));
    let head = Head { method, ..asked.head };
    let scene = Scene {
        head: &head,
        names: &mapped.names,
        values: &values,
        context: &context,
        variables: &mapped.variables,
        started: ctx.facts.started,
        protocol: asked.protocol,
        is_canary: ctx.facts.is_canary.unwrap_or(false),
        subject: ctx.facts.client_subject.as_deref(),
    };
    use_it(&scene)
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
/// `read` was read of its body before.
async fn read_answer(mut exchange: Exchange<'_>, read: Option<Bytes>) -> Result<(u16, HeaderMap, Bytes), Answer> {
    let mut body = read.map(BytesMut::from).unwrap_or_default();
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
