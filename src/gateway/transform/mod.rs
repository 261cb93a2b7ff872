//! Decides what the back end's request looks like, and which of its answer's fields are the client's business.
//!
//! In: a [`Head`](crate::base::Head), the values of the route's path parameters and a [`Context`] of what the
//! gateway knows. Out: an [`Outgoing`], which is written as bytes (`write`), or laid over Pingora's copy of the
//! client's request (`apply`), or made into a request of its own (`build`).
//!
//! Promises: one function, `Outgoing::passes`, decides over a client's field, and one compiled list says what is
//! added, whoever asks. What the gateway states itself (`X-Forwarded-*`, `Forwarded`, `x-request-id`, `traceparent`,
//! …) is never the client's word, and no `Connection` nomination removes it or strips credentials. `x-api-key` stays
//! here unless it is mapped. A path parameter cannot leave its place in the target. The host is never the client's
//! choice.
//! Absent: body templates.
//!
//! Cost: bytes are written where they are sent from, without an allocation and without a lookup of a configuration's
//! names; a query parameter that is mapped costs one scan of the query. Pingora's map of fields allocates.

mod addition;
mod context;
mod fields;
mod outgoing;
mod parameters;
mod query;
mod response;
mod shape;
mod stage_variables;
mod uri;

pub use context::Context;
pub use outgoing::Outgoing;
pub use response::{clean_response, for_each_clean_field};
pub use shape::Shape;
pub use stage_variables::substitute;
pub use uri::{Origin, UriTemplate, split_authority};
