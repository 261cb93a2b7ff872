//! The conductor of REST APIs: read from top to bottom it is the life of a request, in the order in which Pingora
//! calls. It has no logic of its own; the phases decide over a [`Head`](crate::base::Head), this acts, telemetry tells.
//!
//! In: a connection that speaks HTTP/1.1 or HTTP/2. Out: an answer, a metric, a log line.
//! Promises: one request sees one snapshot; admission runs once however often an attempt is repeated; every answer is
//! sealed by `respond`; nothing panics on what a client or a back end sends.
//! Cost: `tests/hot.rs` counts the allocations of an admitted request.

mod admission;
mod answers;
mod arrival;
mod asked;
mod attempt;
mod cached;
mod change;
mod compressed;
mod connection;
mod contract;
mod ctx;
mod cut;
mod executed;
mod express;
mod fetches;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod mapped;
mod pace;
mod passed;
mod signature;
mod source;
mod tls;
mod upload;
mod wire;

use std::any::Any;
use std::pin::pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use pingora_core::modules::http::HttpModules;
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, HttpProxy, ProxyHttp, ProxyWarnLogContext, Session};

use super::snapshot::Live;
use crate::base::{Answer, Fields};
use admission::Admission;
use asked::{Asked, HeadSize};
use ctx::Ctx;
use cut::{stopping, until_cut};
pub use express::{Express, Peer};
pub use fetches::Fetches;
pub use tls::TlsStream;
use tls::client_subject;
pub use wire::{Sink, Wire};

/// What a worker's connections are handed to.
pub type Lane = HttpProxy<Conductor>;

/// Idle connections to back ends that one worker keeps.
const UPSTREAM_POOL_SIZE: usize = 1024;

/// One try, and one more where it is safe.
const TRIES_MAX: usize = 2;

/// Makes a worker's lane, and what it fetches with.
pub fn lane(live: Arc<Live>) -> (Arc<Lane>, Arc<Fetches>) {
    let conf = Arc::new(ServerConf {
        upstream_keepalive_pool_size: UPSTREAM_POOL_SIZE,
        max_retries: TRIES_MAX,
        ..ServerConf::default()
    });
    let fetches = Arc::new(Fetches::new(Arc::clone(&live), &conf));
    let mut lane = HttpProxy::new(Conductor { live, fetches: Arc::clone(&fetches) }, conf);
    lane.handle_init_modules();
    (Arc::new(lane), fetches)
}

/// Runs the phases. One a worker: what it shares with others is in [`Live`].
#[derive(Debug)]
pub struct Conductor {
    live: Arc<Live>,
    fetches: Arc<Fetches>,
}

impl Conductor {
    async fn admit(&self, session: &Session, ctx: &mut Ctx) -> std::result::Result<Admission, Answer> {
        let sent = Asked::of_session(session, &None, ctx.snapshot.trusted_proxies()).head;
        (ctx.facts.request_id, ctx.facts.trace) = arrival::identify(&sent, ctx.facts.started);
        arrival::check(&sent, HeadSize::of_session(session), ctx)?;
        let canonical = ctx.canonical.clone();
        let head = Asked::of_session(session, &canonical, ctx.snapshot.trusted_proxies()).head;
        if let Some(reply) = self.live.issuance().answer(&head) {
            return Ok(Admission::Answered(Box::new(reply)));
        }
        admission::admit(&self.live, &head, ctx).await
    }
}

#[async_trait]
impl ProxyHttp for Conductor {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        Ctx::new(&self.live, self.live.clock().now())
    }

    /// Compression and the like are not ours: no module is built per request.
    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    async fn early_request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<()> {
        // Of a stream of HTTP/2; the context of a connection is for HTTP/1.1 only.
        if let Some(handed) = express::Handed::take(session.req_header()) {
            *ctx = *handed;
        }
        if ctx.facts.client_subject.is_none() {
            ctx.facts.client_subject = client_subject(session.digest().and_then(|it| it.ssl_digest.as_deref()));
        }
        arrival::forget_odd_upgrade(session);
        arrival::set_deadlines(session, ctx);
        Ok(())
    }

    /// The express lane hands requests over with their context.
    fn on_connection_reuse(&self, _: &mut Session, ctx: &mut Ctx, context: Box<dyn Any + Send + Sync>) {
        if let Ok(handed) = context.downcast::<Ctx>() {
            *ctx = *handed;
        }
    }

    /// Everything up to the back end. `true`: the request has its answer.
    async fn request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<bool> {
        // What the express lane hands over with its context was admitted there.
        if ctx.admitted.is_none() {
            match self.admit(session, ctx).await {
                Ok(Admission::Admitted) => {}
                Ok(Admission::Answered(reply)) => return self.reply(session, ctx, *reply).await,
                Err(answer) => return self.refuse(session, ctx, answer).await,
            }
        }
        let answered = until_cut(&self.live, pin!(self.answer_without_streaming(session, ctx))).await;
        match answered {
            Some(answered) => answered,
            None if session.response_written().is_none() => {
                session.set_keepalive(None);
                self.refuse(session, ctx, stopping()).await
            }
            None => Err(Error::new(ErrorType::ConnectionClosed)),
        }
    }

    // From here on everything runs once for each attempt.

    async fn upstream_peer(&self, session: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        attempt::choose_peer(&self.live, session, ctx).await
    }

    fn fail_to_connect(&self, _: &mut Session, _: &HttpPeer, ctx: &mut Ctx, error: Box<Error>) -> Box<Error> {
        attempt::after_failed_connect(&self.live, ctx, error)
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        head: &mut RequestHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        passed::write_request(session, head, ctx)
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        is_end: bool,
        ctx: &mut Ctx,
    ) -> Result<()> {
        passed::count_request_body(body.as_ref(), ctx)?;
        if is_end || ctx.attempt.is_upgrade {
            return Ok(());
        }
        pace::keep(session, ctx.snapshot.limits(), ctx.facts.bytes_in).or_else(|answer| passed::fail(ctx, answer, 408))
    }

    async fn upstream_response_filter(&self, _: &mut Session, head: &mut ResponseHeader, ctx: &mut Ctx) -> Result<()> {
        attempt::after_response_head(&self.live, head, ctx);
        change::make_change(head.status.as_u16(), &Fields::Map(&head.headers), ctx, self.live.clock().now());
        passed::cleaning_of(ctx).clean(head);
        Ok(())
    }

    async fn response_filter(&self, session: &mut Session, head: &mut ResponseHeader, ctx: &mut Ctx) -> Result<()>
    where
        Self::CTX: Send + Sync,
    {
        compressed::begin(session, ctx, head)?;
        passed::seal_response(head, ctx);
        Ok(())
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        is_end: bool,
        ctx: &mut Ctx,
    ) -> Result<Option<std::time::Duration>>
    where
        Self::CTX: Send + Sync,
    {
        compressed::compress(body, is_end, ctx);
        Ok(None)
    }

    fn upstream_response_body_filter(
        &self,
        _: &mut Session,
        _: &mut Option<Bytes>,
        is_end: bool,
        ctx: &mut Ctx,
    ) -> Result<Option<std::time::Duration>> {
        attempt::check_deadline(&self.live, is_end, ctx)?;
        Ok(None)
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        ctx: &mut Ctx,
        _: bool,
    ) -> Box<Error> {
        attempt::after_broken_exchange(&self.live, session, ctx, error)
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, ctx: &mut Ctx) -> FailToProxy {
        self.refuse_failed(session, error, ctx).await
    }

    async fn logging(&self, session: &mut Session, _: Option<&Error>, ctx: &mut Ctx) {
        self.record(session, ctx);
    }

    /// Failures are in the access log and in metrics, with their cause.
    fn suppress_error_log(&self, _: &Session, _: &Ctx, _: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(&self, _: &Session, _: &Ctx, _: &Error, _: ProxyWarnLogContext) -> bool {
        true
    }
}
