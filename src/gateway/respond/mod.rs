//! Writes every answer that is the gateway's own, and seals every answer that leaves it.
//!
//! In: a refusal, a fixed answer or a stored one, and what the API says instead or of CORS. Out: a [`Reply`] (plain data)
//! or bytes on the client's connection.
//! Promises: this is the only place that renders an error body; both styles of `docs/errors.md` come from one table
//! ([`Refusal`](crate::base::Refusal)), unless a gateway response of the API takes its place; what only the log may know
//! cannot get in here, and no value can leave its place in a template. Every answer carries its request id. What is said of
//! CORS is laid over an answer last, so it is never stored. A refused client keeps its connection, unless it is still sending a body larger than 64 KiB.
//! Cost: an answer is written once, into a buffer that is there already; only where a protocol wants a header map are
//! its fields collected.

mod cors;
mod gateway_response;
mod pieces;
mod problem;
mod reply;
mod seal;
mod send;
mod sink;

pub use cors::{Cors, Grant, is_preflight};
pub use gateway_response::{GatewayResponses, Response};
pub use pieces::Asking;
pub use problem::{Custom, Refused};
pub use reply::Reply;
pub use seal::{AwsSeal, Seal};
pub use send::{DRAIN_TIMEOUT, may_drain, send, send_head};
pub use sink::Sink;
