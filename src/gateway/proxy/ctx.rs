use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;

use super::arrival;
use super::change::Change;
use crate::base::{Answer, Fields, Head, Now, Refusal, RequestId, RouteId, Scheme, StageId, Variant};
use crate::config::ErrorStyle;
use crate::gateway::authorize::KeyId;
use crate::gateway::cache;
use crate::gateway::integrate::{Deadline, Pick, Target};
use crate::gateway::respond::{AwsSeal, Grant, Response, Seal};
use crate::gateway::snapshot::{InFlightPlace, Live, Member, Plan, Snapshot, Stage, Standing};
use crate::gateway::throttle::Ticket;
use crate::gateway::transform::{BinaryTypes, Encoder};
use crate::telemetry::{Facts, Trace};

/// What is carried from one of Pingora's calls to the next.
#[derive(Debug)]
pub struct Ctx {
    /// Pinned once: a request sees one configuration.
    pub(super) snapshot: Arc<Snapshot>,
    /// For telemetry; written as learned, never branched on.
    pub(super) facts: Facts,
    /// The canonical path, where it differs from the path that was sent.
    pub(super) canonical: Option<Arc<str>>,
    /// Whether the path can be read in one way only.
    pub(super) is_path_plain: bool,
    pub(super) place: Place,
    pub(super) admitted: Option<Admitted>,
    /// What the cache did; `None` on routes without one.
    pub(super) cached: Option<cache::Outcome>,
    /// What the answer says of CORS, where the gateway answers for it.
    pub(super) cors: Option<Arc<Grant>>,
    /// Whether the answer says that a wish for a refresh was ignored.
    pub(super) is_warned: bool,
    /// What another lane has asked the cache, and found.
    pub(super) found: Option<Box<(cache::Ask, cache::Lookup)>>,
    /// Of an answer that is compressed while it passes.
    pub(super) encoder: Option<Box<Encoder>>,
    /// What of the cache it puts out of date.
    pub(super) change: Option<Box<Change>>,
    pub(super) attempt: Attempt,
    /// Where the request stands among others of its client.
    pub(super) standing: Standing,
    /// Its place among all that are in flight, where they are limited.
    pub(super) in_flight: Option<InFlightPlace>,
}

/// How far the request has been matched, for metrics and logs of refused requests too.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub(super) stage: Option<StageId>,
    pub(super) variant: Option<Variant>,
    pub(super) route: Option<RouteId>,
    pub(super) key: Option<KeyId>,
}

/// A request that may go on to its integration. Only `admission` makes one.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) ticket: Ticket,
    /// Where the path parameters' values stand in the canonical path.
    pub(super) params: SmallVec<[Range<usize>; 4]>,
}

/// The way to the back end. All of it but the deadline is of the current attempt.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    /// Of the exchange as a whole.
    pub(super) deadline: Option<Deadline>,
    /// 0 for the first.
    pub(super) number: u32,
    pub(super) pick: Option<Pick>,
    pub(super) tried: Option<usize>,
    /// An upgraded connection has no deadline: it is a conversation.
    pub(super) is_upgrade: bool,
    /// What to answer when there is no further attempt.
    pub(super) failed: Option<Answer>,
}

impl Ctx {
    /// Of a request that began at `started` and whose head is not read yet, or never will be.
    pub(super) fn new(live: &Live, started: Now) -> Ctx {
        Ctx::identified(live, started, arrival::identify(&NO_HEAD, started))
    }

    pub(super) fn identified(live: &Live, started: Now, (id, trace): (RequestId, Trace)) -> Ctx {
        Ctx::of(live.snapshot(), started, (id, trace))
    }

    /// Makes a context that has [ended](Ctx::end) the one of another request. Where both see the same snapshot, it is
    /// not taken hold of anew: its counter is shared by all workers.
    pub(super) fn begin(&mut self, current: &Arc<Snapshot>, started: Now, (id, trace): (RequestId, Trace)) {
        if !Arc::ptr_eq(&self.snapshot, current) {
            self.snapshot = Arc::clone(current);
        }
        self.facts = Facts::new(id, trace, started);
    }

    /// Lets go of all that belongs to the request but its facts.
    pub(super) fn end(&mut self) {
        // Named one by one, so that a new one is not forgotten.
        #[rustfmt::skip]
        let Ctx {
            snapshot: _, facts: _, canonical, is_path_plain, place, admitted, cached, cors, is_warned, found, encoder, change, attempt, standing,
            in_flight,
        } = self;
        *canonical = None;
        *is_path_plain = false;
        *place = Place::default();
        *admitted = None;
        *cached = None;
        *cors = None;
        *is_warned = false;
        *found = None;
        *encoder = None;
        *change = None;
        *attempt = Attempt::default();
        *standing = Standing::default();
        *in_flight = None;
    }

    fn of(snapshot: Arc<Snapshot>, started: Now, (id, trace): (RequestId, Trace)) -> Ctx {
        Ctx {
            snapshot,
            facts: Facts::new(id, trace, started),
            canonical: None,
            is_path_plain: false,
            place: Place::default(),
            admitted: None,
            cached: None,
            cors: None,
            is_warned: false,
            found: None,
            encoder: None,
            change: None,
            attempt: Attempt::default(),
            standing: Standing::default(),
            in_flight: None,
        }
    }

    pub(super) fn stage(&self) -> Option<&Stage> {
        self.place.stage.map(|id| self.snapshot.stage(id))
    }

    /// The style of the API that the request belongs to.
    pub(super) fn style(&self) -> ErrorStyle {
        self.stage().map_or(self.snapshot.style(), Stage::style)
    }

    /// The plan of the route that was found.
    pub(super) fn plan(&self) -> Option<&Plan> {
        self.route().map(|(_, plan)| plan)
    }

    /// The same with its stage.
    pub(super) fn route(&self) -> Option<(&Stage, &Plan)> {
        let (stage, variant) = (self.stage()?, self.place.variant?);
        Some((stage, stage.plan(variant, self.place.route?)))
    }

    /// Whether answers of the request's API are compressed.
    pub(super) fn compresses(&self) -> bool {
        let variant = self.place.variant.unwrap_or(Variant::Stable);
        self.stage().is_some_and(|stage| stage.manners(variant).compression_bytes_min.is_some())
    }

    /// Whose bytes are not text, at the stage and variant.
    pub(super) fn binary_types(&self) -> &BinaryTypes {
        static NONE: BinaryTypes = BinaryTypes::NONE;
        self.stage().map_or(&NONE, |stage| &stage.manners(self.place.variant.unwrap_or(Variant::Stable)).binary_types)
    }

    /// The key that was found, at the stage.
    pub(super) fn member(&self) -> Option<Member<'_>> {
        self.snapshot.keys().key(self.place.key?)?.member(self.place.stage?)
    }

    /// What every answer to this request carries.
    pub(super) fn seal(&self) -> Seal {
        let aws = (self.style() == ErrorStyle::Aws).then(|| AwsSeal {
            extended_id: self.facts.extended_request_id(),
            trace: self.tells_trace().then(|| self.facts.trace.clone()),
        });
        Seal { request_id: self.facts.request_id, aws, cached: self.cached, cors: self.cors.clone() }
    }

    /// As recorded: answers that `HTTP` integrations gave say which trace they belong to, no others.
    fn tells_trace(&self) -> bool {
        let is_http = |plan: &Plan| matches!(&plan.target, Target::Http(http) if !http.back_end().shape().is_proxy());
        self.facts.refusal.is_none() && self.plan().is_some_and(is_http)
    }

    /// What the API says instead of a refusal's own answer.
    pub(super) fn custom(&self, refusal: Refusal) -> Option<&Response> {
        let variant = self.place.variant.unwrap_or(Variant::Stable);
        self.stage()?.manners(variant).responses.as_ref()?.of(refusal)
    }

    /// The value of the path parameter number `at`, as a slice of the canonical path.
    pub(super) fn param<'p>(&self, path: &'p str, at: usize) -> Option<&'p str> {
        path.get(self.admitted.as_ref()?.params.get(at)?.clone())
    }

    /// The values of the path parameters, as slices of the canonical path.
    pub(super) fn params<'p>(&self, path: &'p str) -> SmallVec<[&'p str; 4]> {
        let ranges = self.admitted.iter().flat_map(|admitted| &admitted.params);
        ranges.map(|range| path.get(range.clone()).unwrap_or_default()).collect()
    }
}

const NO_HEAD: Head<'static> = Head {
    method: "",
    host: "",
    path: "/",
    query: None,
    fields: Fields::List(&[]),
    client: std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
    scheme: Scheme::Http,
};
