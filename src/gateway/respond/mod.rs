//! Writes every answer that is the gateway's own, and seals every answer that leaves it.
//!
//! In: a refusal, a fixed answer or a stored one. Out: a [`Reply`] (plain data) or bytes on the client's connection.
//! Promises: this is the only place that renders an error body; both styles of `docs/errors.md` come from one table
//! ([`Refusal`](crate::base::Refusal)); what only the log may know cannot get in here. Every answer carries its
//! request id. A refused client keeps its connection, unless it is still sending a body larger than 64 KiB.
//! Cost: one header map per answer; the bodies of aws style are static.

mod problem;
mod reply;
mod seal;
mod send;

pub use problem::refuse;
pub use reply::Reply;
pub use seal::Seal;
pub use send::{DRAIN_TIMEOUT, may_drain, send, send_head};
