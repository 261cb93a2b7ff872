use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Version, header};
use pingora_core::connectors::ConnectorOptions;
use pingora_core::connectors::http::Connector;
use pingora_core::server::configuration::ServerConf;
use pingora_error::{Error, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;

use super::Conductor;
use super::admission::body_too_large;
use super::answers::stored;
use super::asked::Asked;
use super::ctx::Ctx;
use super::passed::{http_of, warning, with_outgoing};
use crate::base::{Answer, Head, Refusal};
use crate::gateway::cache::{self, AnswerHead, Ask, Entry, Follower, Leader, Lookup, Outcome, Sharing, Step};
use crate::gateway::integrate::{self, Exchange, Target};
use crate::gateway::respond;
use crate::gateway::transform;
use crate::telemetry::{CacheOutcome, IntegrationFacts};

/// The connections of exchanges that this lane carries out itself.
pub struct Exchanges(Connector);

impl Exchanges {
    pub(super) fn new(conf: &ServerConf) -> Exchanges {
        Exchanges(Connector::new(Some(ConnectorOptions::from_server_conf(conf))))
    }
}

impl std::fmt::Debug for Exchanges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Exchanges")
    }
}

/// How far a reader's client was served.
enum Written {
    Whole,
    /// Nothing yet, and nothing will come from this fetch.
    Nothing,
    /// The fetch failed before there was anything.
    Failed,
    /// A part; the leader holds the rest.
    Part,
    /// A part, and there is no rest.
    Cut,
}

/// How a fetch ended.
enum Fetched<'a> {
    Shared,
    Refused(Answer),
    /// The answer cannot be shared: the rest of it is the leader's to write, after this piece.
    Rest(Box<Exchange<'a>>, Option<Bytes>),
}

impl Conductor {
    /// Answers what needs no stream to a back end: fixed and cached answers, and fetches that are shared. `false`: the
    /// request is streamed.
    pub(super) async fn answer_without_streaming(&self, session: &mut Session, ctx: &mut Ctx) -> Result<bool> {
        let snapshot = std::sync::Arc::clone(&ctx.snapshot);
        let (Some(stage), Some(variant), Some(route)) = (ctx.place.stage, ctx.place.variant, ctx.place.route) else {
            return Ok(false);
        };
        let plan = snapshot.stage(stage).plan(variant, route);
        match (&plan.target, &plan.cache) {
            (Target::Mock(mock), _) => self.reply_mock(session, ctx, mock).await,
            (Target::Http(_), None) => Ok(false),
            (Target::Http(_), Some(cache)) => self.answer_cached(session, ctx, cache).await,
        }
    }

    async fn answer_cached(&self, session: &mut Session, ctx: &mut Ctx, cache: &cache::Plan) -> Result<bool> {
        let (ask, mut found) = match self.find(session, ctx, cache) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(false),
            Err(answer) => return self.refuse(session, ctx, answer).await,
        };
        loop {
            let follower = match found {
                Lookup::Hit(entry) => return self.reply_stored(session, ctx, &entry).await,
                Lookup::Lead(leader) => return self.lead(session, ctx, cache, &ask, leader).await,
                Lookup::Alone => {
                    note(ctx, ask.forwarded(false));
                    return Ok(false);
                }
                Lookup::Follow(follower) => follower,
            };
            note(ctx, Outcome::Collapsed);
            let mut follower = follower;
            found = match self.write_along(session, ctx, &mut follower).await {
                Written::Whole => return Ok(true),
                Written::Failed => follower.retry(self.live.clock().now()),
                Written::Nothing => Lookup::Alone,
                Written::Part | Written::Cut => return cut(),
            };
        }
    }

    /// What another lane found already, or what the cache says now.
    fn find(
        &self,
        session: &Session,
        ctx: &mut Ctx,
        cache: &cache::Plan,
    ) -> std::result::Result<Option<(Ask, Lookup)>, Answer> {
        if let Some(found) = ctx.found.take() {
            return Ok(Some(*found));
        }
        let canonical = ctx.canonical.clone();
        let found = look_up(&Asked::of_session(session, &canonical).head, ctx, cache)?;
        note_lookup(&found, ctx);
        Ok(found)
    }

    async fn reply_stored(&self, session: &mut Session, ctx: &mut Ctx, entry: &Entry) -> Result<bool> {
        let reply = stored(entry, self.live.clock().now(), ctx);
        self.reply(session, ctx, reply).await
    }

    /// Fetches for everyone who asks for this key, and answers the own client meanwhile.
    async fn lead(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
        cache: &cache::Plan,
        ask: &Ask,
        leader: Leader,
    ) -> Result<bool> {
        let withheld: smallvec::SmallVec<[&str; 8]> = cache.withheld().collect();
        let canonical = ctx.canonical.clone();
        let asked = Asked::of_session(session, &canonical);
        let request = with_outgoing(&asked, ctx, |outgoing| outgoing.build(&withheld));
        let body = read_body(session, ctx).await;
        let (request, body) = match (request, body) {
            (Some(Ok(request)), Ok(body)) => (request, body),
            (Some(Err(answer)), _) | (_, Err(answer)) => return self.refuse(session, ctx, answer).await,
            (None, _) => return Ok(false),
        };
        let Some(http) = http_of(ctx).cloned() else { return Ok(false) };
        let mut reader = leader.reader();
        note(ctx, ask.forwarded(true));
        let mut told = IntegrationFacts::default();
        let fetch = self.fetch(&http, request, body, leader, &mut told);
        let (fetched, written) = tokio::join!(fetch, self.write_along(session, ctx, &mut reader));
        ctx.facts.integration = told;
        match (fetched, written) {
            (Fetched::Shared, Written::Whole) => Ok(true),
            (Fetched::Refused(answer), Written::Failed | Written::Nothing) => {
                // What was noted when the fetch began did not come true.
                note(ctx, ask.forwarded(false));
                self.refuse(session, ctx, answer).await
            }
            (Fetched::Rest(exchange, piece), Written::Nothing) => {
                note(ctx, ask.forwarded(false));
                self.write_unshared_head(session, ctx, &exchange).await?;
                self.write_rest(session, ctx, *exchange, piece).await
            }
            (Fetched::Rest(exchange, piece), Written::Part) => self.write_rest(session, ctx, *exchange, piece).await,
            _ => cut(),
        }
    }

    async fn fetch<'a>(
        &'a self,
        http: &integrate::Http,
        request: RequestHeader,
        body: Option<Bytes>,
        mut leader: Leader,
        told: &mut IntegrationFacts,
    ) -> Fetched<'a> {
        let clock = self.live.clock();
        let deadline = http.deadline(clock.now());
        let mut exchange = match integrate::open(&self.exchanges.0, http, request, body, deadline, clock, told).await {
            Ok(exchange) => Box::new(exchange),
            Err(answer) => return Fetched::Refused(answer),
        };
        transform::clean_response(&mut exchange.head);
        let status = exchange.head.status;
        if leader.head(status, &exchange.head.headers, clock.now()) == Sharing::NotShared {
            return Fetched::Rest(exchange, None);
        }
        loop {
            match exchange.chunk().await {
                Ok(Some(piece)) => {
                    if leader.chunk(piece.clone(), clock.now()).is_err() {
                        return Fetched::Rest(exchange, Some(piece));
                    }
                }
                Ok(None) => {
                    exchange.finish().await;
                    leader.complete(clock.now());
                    return Fetched::Shared;
                }
                Err(answer) => return Fetched::Refused(answer),
            }
        }
    }

    /// Writes a shared fetch to a client as it arrives. A client that goes away is as good as served: the fetch goes
    /// on for the others.
    async fn write_along(&self, session: &mut Session, ctx: &mut Ctx, reader: &mut Follower) -> Written {
        let mut has_head = false;
        loop {
            let done = match reader.next().await {
                Step::Head(head) => {
                    has_head = true;
                    write_shared_head(session, ctx, &head).await
                }
                Step::Chunk(piece) => session.write_response_body(Some(piece), false).await,
                Step::End => {
                    // As below: a client that is gone has its answer.
                    let _ = session.write_response_body(None, true).await;
                    return Written::Whole;
                }
                Step::Alone if has_head => return Written::Part,
                Step::Alone => return Written::Nothing,
                Step::Retry => return Written::Failed,
                Step::Cut => return Written::Cut,
            };
            if done.is_err() {
                session.set_keepalive(None);
                return Written::Whole;
            }
        }
    }

    async fn write_unshared_head(&self, session: &mut Session, ctx: &mut Ctx, exchange: &Exchange<'_>) -> Result<()> {
        let mut head = exchange.head.clone();
        if !head.headers.contains_key(header::CONTENT_LENGTH) {
            frame(session, &mut head)?;
        }
        ctx.facts.status = head.status.as_u16();
        respond::send_head(session, head, &ctx.seal(), false).await
    }

    async fn write_rest(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
        mut exchange: Exchange<'_>,
        piece: Option<Bytes>,
    ) -> Result<bool> {
        if let Some(piece) = piece {
            session.write_response_body(Some(piece), false).await?;
        }
        loop {
            match exchange.chunk().await {
                Ok(Some(piece)) => session.write_response_body(Some(piece), false).await?,
                Ok(None) => {
                    session.write_response_body(None, true).await?;
                    exchange.finish().await;
                    return Ok(true);
                }
                Err(answer) => {
                    ctx.facts.refusal = Some(answer.refusal);
                    ctx.facts.detail = answer.log;
                    return cut();
                }
            }
        }
    }
}

/// Asks the cache about an admitted request; `None`: the request bypasses it.
pub(super) fn look_up(head: &Head<'_>, ctx: &Ctx, cache: &cache::Plan) -> Result<Option<(Ask, Lookup)>, Answer> {
    let may_invalidate = ctx.admitted.as_ref().is_some_and(|admitted| admitted.ticket.may_invalidate_cache());
    let Some(ask) = cache.ask(head, may_invalidate)? else { return Ok(None) };
    let key = cache.key(head, |at| ctx.param(head.path, at));
    Ok(Some((ask, cache.lookup(ask, &key, ctx.facts.started))))
}

/// Notes what the cache said.
pub(super) fn note_lookup(found: &Option<(Ask, Lookup)>, ctx: &mut Ctx) {
    match found {
        None => note(ctx, Outcome::Bypass),
        Some((ask, _)) => ctx.is_warned = ask.is_warned(),
    }
}

/// Reads a body that the fetch needs as a whole; `None` if the request has none.
async fn read_body(session: &mut Session, ctx: &Ctx) -> Result<Option<Bytes>, Answer> {
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
            Ok(Some(piece)) => body.extend_from_slice(&piece),
            Ok(None) => return Ok(Some(body.freeze())),
            Err(error) => {
                let answer = Answer::new(Refusal::RequestTimeout, "the request's body did not arrive");
                return Err(answer.with_log(error.to_string()));
            }
        }
    }
}

async fn write_shared_head(session: &mut Session, ctx: &mut Ctx, shared: &AnswerHead) -> Result<()> {
    let mut head = ResponseHeader::build_no_case(shared.status, Some(shared.fields.len() + 6))?;
    for (name, value) in &shared.fields {
        head.append_header(name, value)?;
    }
    match shared.content_length {
        Some(_) if shared.status == http::StatusCode::NO_CONTENT => {}
        Some(length) => drop(head.insert_header(header::CONTENT_LENGTH, length)?),
        None => frame(session, &mut head)?,
    }
    if ctx.is_warned {
        let (name, value) = warning();
        head.append_header(name, value)?;
    }
    ctx.facts.status = shared.status.as_u16();
    respond::send_head(session, head, &ctx.seal(), false).await
}

/// A body of unknown length goes out in chunks where the client's protocol has them.
fn frame(session: &Session, head: &mut ResponseHeader) -> Result<()> {
    let has_body = !matches!(head.status.as_u16(), 204 | 304);
    if has_body && session.req_header().version == Version::HTTP_11 {
        head.insert_header(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"))?;
    }
    Ok(())
}

/// Ends a request whose answer cannot be completed: its connection is closed.
fn cut() -> Result<bool> {
    Err(Error::new_up(ErrorType::ConnectionClosed))
}

/// Notes what the cache does, for `Cache-Status`, metrics and the log.
pub(super) fn note(ctx: &mut Ctx, outcome: Outcome) {
    ctx.cached = Some(outcome);
    ctx.facts.cache = match outcome {
        Outcome::Hit { .. } => CacheOutcome::Hit,
        Outcome::Collapsed => CacheOutcome::Collapsed,
        Outcome::Miss { .. } => CacheOutcome::Miss,
        Outcome::Refreshed { .. } => CacheOutcome::Refreshed,
        Outcome::Bypass => CacheOutcome::Bypass,
    };
}
