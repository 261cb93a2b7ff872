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
//! Whole bodies are the matter of `mapping`: templates, selection of responses, base64.
//! In aws style one table (`remap.rs`) says what is dropped and renamed, either way. Absent: body templates.
//!
//! Cost: bytes are written where they are sent from, without an allocation and without a lookup of a configuration's
//! names; a query parameter that is mapped costs one scan of the query. Pingora's map of fields allocates.

mod addition;
mod coding;
mod context;
mod fields;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod mapping;
mod outgoing;
mod parameters;
mod query;
mod remap;
mod response;
mod shape;
mod stage_variables;
mod uri;

pub use coding::{Coding, Encoder, Negotiated, decode, negotiate};
pub use context::Context;
pub use mapping::{BinaryTypes, Came, Made, Mapping, Scene, Sent, apply_overrides};
pub use outgoing::Outgoing;
pub use query::encoded as encoded_value;
pub use remap::remapped;
pub use response::{Cleaning, is_of_cors};
pub use shape::{ApiTerms, Shape};
pub use stage_variables::substitute;
pub use uri::{Origin, UriTemplate, split_authority};
