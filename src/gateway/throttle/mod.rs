//! Decides whether a caller may spend capacity now.
//!
//! In: a route's [`Limits`], the caller's [`Grant`], the time. Out: a [`Ticket`], or the refusal with what to wait for.
//! Order, as API Gateway has it: the plan's rate (a route's own replaces it) → the plan's quota → the route's rate →
//! the stage's rate.
//!
//! Promises: no window of `t` seconds admits more than `burst + rate * t` of one limiter, however many ask at once.
//! A quota is exact. A refused request consumes no quota; a token that an earlier limiter gave is lost when a later
//! one refuses, as with API Gateway. Buckets and counters outlive snapshots: a changed rate keeps its debt
//! ([`Rebase`]), a changed quota its count. Limits are of a key × plan (× stage for rates), never of a plan as a whole.
//! Deliberately absent: limits of the gateway as a whole, which API Gateway has per account and region.
//!
//! Cost: one load and one exchange for each bucket, [`crate::store`]'s five for the quota; no lock, no clock, no
//! allocation, no reference count. It awaits only the store. What a key holds takes 24 bytes with its bucket, its quota
//! counter 64.

mod admit;
mod bucket;
mod compile;
mod plan;
mod rate;

#[cfg(test)]
mod tests;

pub use admit::{Ticket, admit};
pub use bucket::{Bucket, Limiter, Rebase};
pub use compile::{Claim, Claims, Places, Plans};
pub use plan::{Grant, Holding, Limits, Plan, Terms};
pub use rate::Rate;
