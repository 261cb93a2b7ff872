use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::StatusCode;
use pingora_core::connectors::ConnectorOptions;
use pingora_core::connectors::http::Connector;
use pingora_core::server::configuration::ServerConf;
use pingora_http::RequestHeader;
use tokio::sync::mpsc;

use super::asked::Asked;
use super::contract::check_answer;
use super::ctx::Ctx;
use super::passed::{back_end_of, with_outgoing};
use crate::base::{Answer, Refusal};
use crate::gateway::cache::{self, Leader, Sharing};
use crate::gateway::integrate::{self, BackEnd, Exchange};
use crate::gateway::snapshot::Live;
use crate::gateway::validate;
use crate::telemetry::{Contract, IntegrationFacts};

/// The exchanges that a worker carries out itself, each for all who ask for its key.
pub struct Fetches {
    live: Arc<Live>,
    connector: Connector,
    later: mpsc::Sender<Order>,
    /// Until [`Fetches::run`] takes it.
    orders: Mutex<Option<mpsc::Receiver<Order>>>,
}

/// A fetch that is to be made.
pub(super) struct Order {
    back_end: Arc<BackEnd>,
    request: RequestHeader,
    leader: Leader,
    /// What the answer is held to.
    checks: validate::Plan,
}

/// What is learned on the way.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) integration: IntegrationFacts,
    pub(super) contract: Contract,
}

/// How a fetch ended.
pub(super) enum Fetched<'a> {
    /// Everyone has it, or will.
    Shared,
    Refused(Answer),
    /// The answer cannot be shared: the rest of it is the leader's to write, after this piece.
    Rest(Box<Exchange<'a>>, Option<Bytes>),
}

/// What is fetched later waits here; what finds no place is fetched when it is asked for again.
const LATER_MAX: usize = 1024;
/// So many of them are under way at once.
const RUNNING_MAX: usize = 64;

impl std::fmt::Debug for Fetches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fetches")
    }
}

impl Fetches {
    pub(super) fn new(live: Arc<Live>, conf: &ServerConf) -> Fetches {
        let connector = Connector::new(Some(ConnectorOptions::from_server_conf(conf)));
        let (later, orders) = mpsc::channel(LATER_MAX);
        Fetches { live, connector, later, orders: Mutex::new(Some(orders)) }
    }

    /// Makes the fetches that no client waits for, for as long as the worker lives.
    pub async fn run(&self) {
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut orders) = orders else { return };
        let mut running = FuturesUnordered::new();
        loop {
            tokio::select! {
                order = orders.recv(), if running.len() < RUNNING_MAX => match order {
                    Some(order) => running.push(self.refresh(order)),
                    None => return,
                },
                Some(()) = running.next() => {}
            }
        }
    }

    /// Has a fetch made that no client waits for.
    pub(super) fn later(&self, order: Order) {
        // Dropped, its leader is gone, and the next who asks leads.
        let _ = self.later.try_send(order);
    }

    /// Sends a request with its whole body, and reads the head of the answer.
    pub(super) async fn open(
        &self,
        back_end: &BackEnd,
        request: RequestHeader,
        body: Option<Bytes>,
        told: &mut IntegrationFacts,
    ) -> Result<Box<Exchange<'_>>, Answer> {
        let clock = self.live.clock();
        let deadline = back_end.deadline(clock.now());
        integrate::open(&self.connector, back_end, request, body, deadline, clock, told).await.map(Box::new)
    }

    /// An answer that is not for everyone is for nobody here.
    async fn refresh(&self, order: Order) {
        self.fetch(order, None, &mut Told::default()).await;
    }

    /// Fetches for everyone who asks for the leader's key.
    pub(super) async fn fetch(&self, order: Order, body: Option<Bytes>, told: &mut Told) -> Fetched<'_> {
        let Order { back_end, request, mut leader, checks } = order;
        let clock = self.live.clock();
        let mut exchange = match self.open(&back_end, request, body, &mut told.integration).await {
            Ok(exchange) => exchange,
            Err(answer) => {
                return match leader.stand_in(clock.now()) {
                    Ok(()) => Fetched::Shared,
                    Err(_) => Fetched::Refused(answer),
                };
            }
        };
        back_end.shape().cleaning().clean(&mut exchange.head);
        let status = exchange.head.status;
        if status == StatusCode::NOT_MODIFIED && leader.is_validating() {
            leader.confirmed(&exchange.head.headers, clock.now());
            exchange.finish().await;
            return Fetched::Shared;
        }
        if is_failure(status) {
            match leader.stand_in(clock.now()) {
                Ok(()) => return Fetched::Shared,
                Err(back) => leader = back,
            }
        }
        let read = match check_answer(checks.answers(), &mut exchange, &mut told.contract).await {
            Ok(read) => read,
            Err(answer) => return Fetched::Refused(answer),
        };
        if leader.head(status, &exchange.head.headers, clock.now()) == Sharing::NotShared {
            return Fetched::Rest(exchange, read);
        }
        if let Some(piece) = read
            && leader.chunk(piece.clone(), clock.now()).is_err()
        {
            return Fetched::Rest(exchange, Some(piece));
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
}

/// The statuses that `stale-if-error` is about: RFC 5861 section 4.
fn is_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

impl Order {
    /// The fetch that `leader` leads for this request; `None` where it has no HTTP integration.
    pub(super) fn new(
        asked: &Asked<'_>,
        ctx: &Ctx,
        cache: &cache::Plan,
        leader: Leader,
    ) -> Option<Result<Order, Answer>> {
        let withheld: smallvec::SmallVec<[&str; 8]> = cache.withheld().collect();
        let back_end = Arc::clone(back_end_of(ctx)?);
        let checks = ctx.plan()?.checks.clone();
        // The back end sees no more of the authority than what is in the key, which over HTTP/2 has no port.
        let is_port_keyed = !cache.honors_origin() || asked.head.fields.get("host").is_some();
        let authority = if is_port_keyed { asked.authority } else { asked.head.host };
        let asked = Asked { authority, ..*asked };
        let request = with_outgoing(&asked, ctx, |outgoing| outgoing.build(&withheld))?;
        Some(request.and_then(|mut request| {
            for (name, value) in leader.conditions() {
                request.insert_header(name, value).map_err(|error| {
                    Answer::new(Refusal::InternalError, "the stored answer cannot be validated")
                        .with_log(error.to_string())
                })?;
            }
            Ok(Order { back_end, request, leader, checks })
        }))
    }

    pub(super) fn leader(&self) -> &Leader {
        &self.leader
    }
}
