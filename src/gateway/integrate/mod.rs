//! Decides which back end gets a request, for how long it may take, and whether it is tried again.
//!
//! In: a [`Target`] compiled per route and variant, the clock, what became of the attempt. Out: a [`Pick`] of one
//! endpoint (for Pingora's proxy, or for a socket of one's own), or a whole [`Exchange`] that the gateway carries out
//! itself; or the answer that says why there is none.
//!
//! Promises: `timeout` covers everything from the choice of an endpoint to the last byte. A request is tried twice at
//! the most, and a second time only where that is safe (RFC 9110 section 9.2.2). Certificates and names are always
//! verified. Endpoints of equal lists are one [`Pool`], over all routes and reloads: what is known of their health and
//! load lasts while anyone uses them. Routes that differ in their target alone share a [`BackEnd`]. An unhealthy or resting endpoint gets no request, not even as the last one left.
//! No tasks of its own: `server` drives [`Pools::tend`].
//!
//! Cost: a choice is one atomic step in turn, or a look at each endpoint's load; no lock, and no await once a name is
//! resolved. An exchange clones its request's head once, so that it can be repeated.

mod back_end;
mod deadline;
mod endpoint;
mod exchange;
mod failure;
mod health;
mod http;
mod http2;
mod identity;
mod mock;
mod pick;
mod pool;
mod retry;
mod schedule;
mod transport;

#[cfg(test)]
mod origin;

use std::sync::Arc;

use indexmap::IndexMap;

pub use back_end::BackEnd;
pub use deadline::Deadline;
pub use endpoint::EndpointState;
pub use exchange::{Exchange, open};
pub use failure::Failure;
pub use http::Http;
pub use http2::{ask_for_trailers, takes_trailers};
pub use mock::Mock;
pub use pick::{InFlight, Pick};
pub use pool::{Pool, Pools};
pub use retry::{is_idempotent, may_retry};

use crate::config::{Fault, Integration, IntegrationKind, Span, TemplateLimits, Transformation};
use crate::gateway::transform::{ApiTerms, Mapping};

/// What answers a route in one variant of a stage.
#[derive(Debug)]
pub enum Target {
    Http(Http),
    Mock(Arc<Mock>),
    /// An integration that looks into bodies or makes them.
    Mapped(Arc<Mapped>),
    /// What its document declares and this release does not serve, such as `AWS_PROXY`.
    Unserved(Arc<str>),
}

/// An integration with mapping templates, selection patterns or conversions.
#[derive(Debug)]
pub struct Mapped {
    pub mapping: Mapping,
    /// `None`: a MOCK.
    pub http: Option<Http>,
    /// Of the path's parameters, in the order of their values.
    pub names: Box<[Box<str>]>,
    /// The variant's stage variables.
    pub variables: IndexMap<String, String>,
}

impl Mapped {
    fn compile(
        written: &Transformation,
        http: Option<Http>,
        span: Span,
        variables: &IndexMap<String, String>,
        names: &[Box<str>],
        limits: &TemplateLimits,
    ) -> Result<Target, Vec<Fault>> {
        let mapping = Mapping::compile(written, span, limits)?;
        Ok(Target::Mapped(Arc::new(Mapped { mapping, http, names: names.into(), variables: variables.clone() })))
    }
}

impl Target {
    /// Compiles `integration` for a route whose path parameters are `names`, in the order of their values. `variables`
    /// are the variant's: the stage's, overridden by its canary's.
    pub fn compile(
        integration: &Integration,
        variables: &IndexMap<String, String>,
        names: &[Box<str>],
        terms: ApiTerms<'_>,
        pools: &Pools,
        limits: &TemplateLimits,
    ) -> Result<Target, Vec<Fault>> {
        let compile_mapped = |transformation: &Transformation, http| {
            Mapped::compile(transformation, http, integration.span, variables, names, limits)
        };
        Ok(match &integration.kind {
            IntegrationKind::Http(written) => {
                let http = Http::compile(written, variables, names, terms, pools)?;
                match &written.transformation {
                    Some(transformation) => compile_mapped(transformation, Some(http))?,
                    None if written.reads_body() => compile_mapped(&Transformation::default(), Some(http))?,
                    None => Target::Http(http),
                }
            }
            IntegrationKind::Unserved(unserved) => Target::Unserved(unserved.kind.as_str().into()),
            // Most are the same for everyone: they need no rendering.
            IntegrationKind::Mock(answer) => match (answer.fixed(), &answer.transformation) {
                (None, Some(transformation)) => compile_mapped(transformation, None)?,
                (fixed, _) => {
                    let fixed = fixed.as_deref().unwrap_or(answer);
                    Target::Mock(Arc::new(Mock::compile(fixed, integration.span, terms.ignores_cors)?))
                }
            },
        })
    }
}
