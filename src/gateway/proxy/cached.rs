use bytes::Bytes;
use http::{HeaderValue, Version, header};
use pingora_error::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::Conductor;
use super::answers::{hit, not_cached, not_modified, note_refusal, select, stored, unserved};
use super::asked::Asked;
use super::compressed::{self, write_end, write_piece};
use super::ctx::Ctx;
use super::fetches::{Fetched, Order, Told};
use super::mapped::mapped_of;
use super::passed::warning;
use super::upload::Upload;
use crate::base::{Answer, Fields, Head, Now};
use crate::gateway::cache::{self, AnswerHead, Ask, Entry, Follower, Leader, Lookup, Outcome, Step};
use crate::gateway::integrate::{Exchange, Target};
use crate::gateway::respond;
use crate::telemetry::CacheOutcome;

/// So often a request asks the cache anew, after a leader that failed or whose answer was for others.
const TRIES_MAX: u8 = 3;

/// How far a reader's client was served.
enum Written {
    Whole,
    /// Nothing yet, and nothing will come from this fetch.
    Nothing,
    /// The fetch failed before there was anything.
    Failed,
    /// Nothing: it is for requests that say something else in a field that it depends on.
    OtherVariant,
    /// A part; the leader holds the rest.
    Part,
    /// A part, and there is no rest.
    Cut,
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
        let mut upload = Upload::default();
        if let Err(answer) = upload.check(session, ctx).await {
            return self.refuse(session, ctx, answer).await;
        }
        let is_answered = match (&plan.target, &plan.cache) {
            (Target::Unserved(kind), _) => self.refuse(session, ctx, unserved(kind)).await?,
            (Target::Mock(mock), _) => self.reply_mock(session, ctx, mock).await?,
            (Target::Mapped(mapped), None) => self.answer_mapped(session, ctx, mapped, &mut upload).await?,
            (Target::Mapped(_), Some(cache)) => self.answer_cached(session, ctx, cache, &mut upload).await?,
            (Target::Http(_), None) => false,
            (Target::Http(_), Some(cache)) => self.answer_cached(session, ctx, cache, &mut upload).await?,
        };
        let is_streamed = !upload.is_read() && plan.checks.answers().is_none();
        match is_answered || is_streamed || session.is_upgrade_req() {
            true => Ok(is_answered),
            false => self.execute(session, ctx, upload).await,
        }
    }

    async fn answer_cached(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
        cache: &cache::Plan,
        upload: &mut Upload,
    ) -> Result<bool> {
        let (ask, mut found) = match self.find(session, ctx, cache) {
            Ok(Some(found)) => found,
            Ok(None) => return self.answer_alone(session, ctx, upload).await,
            Err(answer) => return self.refuse(session, ctx, answer).await,
        };
        let mut tries = 0;
        loop {
            let follower = match found {
                Lookup::Hit(entry) => return self.reply_stored(session, ctx, &entry, None).await,
                // What only a request can make is not made behind its back.
                Lookup::HitAndRefresh(_, leader) if mapped_of(ctx).is_some() => {
                    return self.lead(session, ctx, cache, (&ask, leader), upload).await;
                }
                Lookup::HitAndRefresh(entry, leader) => {
                    self.refresh_later(session, ctx, cache, leader);
                    return self.reply_stored(session, ctx, &entry, None).await;
                }
                Lookup::Unavailable => return self.refuse(session, ctx, not_cached()).await,
                Lookup::Lead(leader) => return self.lead(session, ctx, cache, (&ask, leader), upload).await,
                Lookup::Alone => {
                    note(ctx, ask.forwarded(false));
                    return self.answer_alone(session, ctx, upload).await;
                }
                Lookup::Follow(follower) => follower,
            };
            note(ctx, Outcome::Collapsed);
            let mut follower = follower;
            found = match self.write_along(session, ctx, &mut follower).await {
                Written::Whole => return Ok(true),
                Written::Failed if cache.honors_origin() => self.ask_again(session, ctx, cache, &mut tries)?,
                Written::OtherVariant => self.ask_again(session, ctx, cache, &mut tries)?,
                Written::Failed => follower.retry(self.live.clock().now()),
                Written::Nothing => Lookup::Alone,
                Written::Part | Written::Cut => return cut(),
            };
        }
    }

    /// A request that has nothing to do with the cache: `false` leaves it to the proxy.
    async fn answer_alone(&self, session: &mut Session, ctx: &mut Ctx, upload: &mut Upload) -> Result<bool> {
        match mapped_of(ctx) {
            Some(mapped) => self.answer_mapped(session, ctx, &mapped, upload).await,
            None => Ok(false),
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
        let found = look_up(&Asked::of_session(session, &canonical, ctx.snapshot.trusted_proxies()).head, ctx, cache)?;
        note_lookup(&found, ctx);
        Ok(found)
    }

    /// `outcome` is how it came about, unless it was there to be found.
    async fn reply_stored(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
        entry: &Entry,
        outcome: Option<Outcome>,
    ) -> Result<bool> {
        let now = self.live.clock().now();
        let selected = select(entry, &Fields::Map(&session.req_header().headers), now, ctx);
        let reply = selected.unwrap_or_else(|| stored(entry, now, ctx));
        note(ctx, outcome.unwrap_or_else(|| hit(entry, now)));
        self.reply(session, ctx, reply).await
    }

    fn refresh_later(&self, session: &Session, ctx: &Ctx, cache: &cache::Plan, leader: Leader) {
        let canonical = ctx.canonical.clone();
        let asked = Asked::of_session(session, &canonical, ctx.snapshot.trusted_proxies());
        if let Some(Ok(order)) = Order::new(&asked, ctx, cache, leader) {
            self.fetches.later(order);
        }
    }

    /// Asks the cache anew, a few times; then the request fetches for itself.
    fn ask_again(&self, session: &Session, ctx: &mut Ctx, cache: &cache::Plan, tries: &mut u8) -> Result<Lookup> {
        *tries += 1;
        if *tries > TRIES_MAX {
            return Ok(Lookup::Alone);
        }
        let canonical = ctx.canonical.clone();
        let asked = Asked::of_session(session, &canonical, ctx.snapshot.trusted_proxies());
        let found = look_up(&asked.head, ctx, cache);
        Ok(found.ok().flatten().map_or(Lookup::Alone, |(_, found)| found))
    }

    /// Fetches for everyone who asks for this key, and answers the own client meanwhile.
    async fn lead(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
        cache: &cache::Plan,
        (ask, leader): (&Ask, Leader),
        upload: &mut Upload,
    ) -> Result<bool> {
        if let Some(mapped) = mapped_of(ctx) {
            return self.lead_mapped(session, ctx, &mapped, (ask, leader), upload).await;
        }
        let canonical = ctx.canonical.clone();
        let order =
            Order::new(&Asked::of_session(session, &canonical, ctx.snapshot.trusted_proxies()), ctx, cache, leader);
        let body = upload.whole(session, ctx).await;
        let (order, body) = match (order, body) {
            (Some(Ok(order)), Ok(body)) => (order, body),
            (Some(Err(answer)), _) | (_, Err(answer)) => return self.refuse(session, ctx, answer).await,
            (None, _) => return Ok(false),
        };
        let leader = order.leader();
        let mut reader = leader.reader();
        note(ctx, ask.forwarded(true));
        let mut told = Told::default();
        let fetch = self.fetches.fetch(order, body, &mut told);
        let (fetched, written) = tokio::join!(fetch, self.write_along(session, ctx, &mut reader));
        (ctx.facts.integration, ctx.facts.contract) = (told.integration, told.contract);
        match (fetched, written) {
            (Fetched::Shared, Written::Whole) => Ok(true),
            (Fetched::Refused(answer), Written::Failed | Written::Nothing) => {
                // What was noted when the fetch began did not come true.
                note(ctx, ask.forwarded(false));
                self.refuse(session, ctx, answer).await
            }
            (Fetched::Rest(exchange, piece), Written::Nothing) => {
                note(ctx, ask.forwarded(false));
                self.write_own_head(session, ctx, &exchange).await?;
                self.write_rest(session, ctx, *exchange, piece).await
            }
            (Fetched::Rest(exchange, piece), Written::Part) => self.write_rest(session, ctx, *exchange, piece).await,
            _ => cut(),
        }
    }

    /// Writes a shared fetch to a client as it arrives. A client that goes away is as good as served: the fetch goes
    /// on for the others.
    async fn write_along(&self, session: &mut Session, ctx: &mut Ctx, reader: &mut Follower) -> Written {
        let mut has_head = false;
        loop {
            let done = match reader.next().await {
                Step::Stored(entry) => {
                    let outcome = Some(came_about(&entry, self.live.clock().now(), ctx));
                    return match self.reply_stored(session, ctx, &entry, outcome).await {
                        Ok(_) => Written::Whole,
                        Err(_) => Written::Cut,
                    };
                }
                Step::Head(head) if !head.suits(&Fields::Map(&session.req_header().headers)) => {
                    return Written::OtherVariant;
                }
                Step::Head(head)
                    if let Some(reply) = not_modified(&head, &Fields::Map(&session.req_header().headers)) =>
                {
                    // The body is for others.
                    let _ = self.reply(session, ctx, reply).await;
                    return Written::Whole;
                }
                Step::Head(head) => {
                    has_head = true;
                    write_shared_head(session, ctx, &head).await
                }
                Step::Chunk(piece) => write_piece(session, ctx, piece).await,
                Step::End => {
                    // As below: a client that is gone has its answer.
                    let _ = write_end(session, ctx).await;
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

    pub(super) async fn write_own_head(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
        exchange: &Exchange<'_>,
    ) -> Result<()> {
        let mut head = exchange.head.clone();
        if !head.headers.contains_key(header::CONTENT_LENGTH) {
            frame(session, &mut head)?;
        }
        ctx.facts.status = head.status.as_u16();
        compressed::begin(session, ctx, &mut head)?;
        respond::send_head(session, head, &ctx.seal(), false).await
    }

    pub(super) async fn write_rest(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
        mut exchange: Exchange<'_>,
        piece: Option<Bytes>,
    ) -> Result<bool> {
        if let Some(piece) = piece {
            write_piece(session, ctx, piece).await?;
        }
        loop {
            match exchange.chunk().await {
                Ok(Some(piece)) => write_piece(session, ctx, piece).await?,
                Ok(None) => {
                    write_end(session, ctx).await?;
                    exchange.finish().await;
                    return Ok(true);
                }
                Err(mut answer) => {
                    note_refusal(&mut answer, ctx);
                    return cut();
                }
            }
        }
    }
}

/// Asks the cache about an admitted request; `None`: the request bypasses it.
pub(super) fn look_up(head: &Head<'_>, ctx: &Ctx, cache: &cache::Plan) -> Result<Option<(Ask, Lookup)>, Answer> {
    let may_invalidate = ctx.admitted.as_ref().is_some_and(|admitted| admitted.ticket.may_invalidate_cache());
    if cache.honors_origin() {
        return cache.consult(head, |at| ctx.param(head.path, at), may_invalidate, ctx.facts.started);
    }
    let Some(ask) = cache.ask(head, may_invalidate)? else { return Ok(None) };
    let key = cache.key(head, |at| ctx.param(head.path, at));
    Ok(Some((ask, cache.lookup(ask, &key, ctx.facts.started))))
}

/// How a stored answer came to whoever waited for a fetch.
fn came_about(entry: &Entry, now: Now, ctx: &Ctx) -> Outcome {
    match ctx.cached {
        Some(Outcome::Collapsed) => Outcome::Collapsed,
        _ if entry.is_outlived(now) => Outcome::Stale { for_s: entry.stale_s(now), is_for_error: true },
        _ => Outcome::Validated,
    }
}

/// Notes what the cache said.
pub(super) fn note_lookup(found: &Option<(Ask, Lookup)>, ctx: &mut Ctx) {
    match found {
        None => note(ctx, Outcome::Bypass),
        Some((ask, _)) => ctx.is_warned = ask.is_warned(),
    }
}

async fn write_shared_head(session: &mut Session, ctx: &mut Ctx, shared: &AnswerHead) -> Result<()> {
    let mut head = ResponseHeader::build_no_case(shared.status, Some(shared.fields.len() + 6))?;
    for (name, value) in &shared.fields {
        head.append_header(name, value)?;
    }
    if let Some(age_s) = shared.age_s() {
        head.insert_header(header::AGE, age_s)?;
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
    compressed::begin(session, ctx, &mut head)?;
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
        Outcome::Stale { .. } => CacheOutcome::Stale,
        Outcome::Validated => CacheOutcome::Validated,
        Outcome::Collapsed => CacheOutcome::Collapsed,
        Outcome::Miss { .. } => CacheOutcome::Miss,
        Outcome::Refreshed { .. } => CacheOutcome::Refreshed,
        Outcome::Bypass => CacheOutcome::Bypass,
    };
}
