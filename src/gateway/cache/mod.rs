//! Decides which answers may be shared, under which key and for how long, and lets one request fetch for all.
//!
//! In: a route's [`Plan`], a `Head`, whether the caller may invalidate; then the back end's answer as it arrives.
//! Out: an [`Ask`] or "not for the cache"; then an [`Entry`], the [`Leader`]ship of a fetch, or a [`Follower`] of one.
//!
//! **What is stored**: 200, 203, 204, 300, 301, 308, 404 and 410 up to 1 MiB, without `Set-Cookie` or `Content-Range`.
//! The origin's `Cache-Control` and `Vary` are not consulted, as in API Gateway: the key says what an answer depends
//! on. Therefore [`Plan::withheld`] names fields of the request that must not reach the back end on a shared fetch
//! (ranges, conditions, encodings), and a GET that announces a body never meets the cache; nor, in standard style,
//! does a request with `Authorization` or `Cookie` that its key does not declare (RFC 9111 section 3.5).
//! HEAD is answered from a stored GET; when there is none it passes through and stores nothing. Where an origin is
//! honoured, [`Plan::consult`] is asked instead and `origin` decides all of this as RFC 9111 has it.
//!
//! **Promises**: keys are compared in full, and two requests that differ in what is declared never share one.
//! N concurrent misses of a key are one fetch, and its bytes reach all of them as they arrive. A fetch that turns out
//! not to be shareable holds nobody back, and marks its key for 2 s so that the next misses do not queue either.
//! A leader that fails or goes away before its followers got anything is replaced by one of them. What was flushed or
//! refreshed is not brought back by a fetch that began earlier. Entries outlive a reload. The bytes of a stage's entries
//! never exceed its cache's size.
//!
//! **Cost**: a hit is one probe under a lock for readers and, for keys up to 256 bytes, without an allocation. A miss
//! takes a shard's locks and copies the body once, into a buffer of exactly its size. What has expired is dropped in the
//! background, some hundreds of entries at a time. No lock is held across an await; no task is spawned.

mod answer;
mod entries;
mod entry;
mod flight;
mod flights;
mod follower;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod ghosts;
mod honor;
mod honored;
mod key;
mod leader;
mod origin;
mod outcome;
mod plan;
mod purge;
mod queue;
mod refresh;
mod shard;
mod store;
#[cfg(test)]
mod tests;

pub use answer::AnswerHead;
pub use entry::Entry;
pub use flight::Step;
pub use follower::Follower;
pub use key::Key;
pub use leader::{Leader, Overflow, Sharing};
pub use origin::{Part, Validators, is_not_modified, is_unsafe, located, part, target_of};
pub use outcome::Outcome;
pub use plan::{Ask, Inputs, Plan, check};
pub use purge::{Purge, What};
pub use refresh::UNAUTHORIZED_WARNING;
pub use store::{CarryOver, Lookup, Store};

/// API Gateway's limit for one stored answer's body, in bytes.
pub const BODY_BYTES_MAX: usize = 1 << 20;
