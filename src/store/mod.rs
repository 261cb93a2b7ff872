//! Durable state: how much of its quota every API key has used, in one embedded redb file.
//!
//! In: plans and keys by name, [`Quota`]s, the time. Out: [`Counter`]s that decide and count in one atomic step.
//!
//! A counter lives in memory and is durable by reservation ahead: one writer thread commits "up to here may be
//! counted" for all keys that ask, and nothing is counted beyond that mark. After a crash a counter starts
//! at its mark, so quota is lost, never handed back: at most two blocks a key, one [`Quota::block`] being 1/200 of the
//! limit, 1 at least and 1,000 at most. [`Store::flush`] writes the exact numbers.
//!
//! Promises: one `(plan, key, period)` has one counter per process, whatever is reloaded. When the disk fails, or
//! does not answer for a second, counting goes on exactly in memory, up to a bound for each key; [`Store::health`]
//! says since when and why, and the writer tries again every second. A clock that is set back hands nothing out again:
//! the writer carries over what was counted (`Counter::turn`).
//! Deliberately absent: rows are never deleted, so that a key has only one first period (a `Quota`'s offset).
//!
//! Cost: counting is four atomic loads and one exchange, no lock, no allocation. A request awaits the writer only when
//! it comes faster than the disk can commit half a block. Opening reads every row once; a row takes some 100 bytes.
//!
//! A process that takes this one's place takes the file over while this one goes on counting: see `succession`.
//!
//! Another medium (counters shared by several nodes) replaces `file` under `writer`: a mark is a lease.

mod calendar;
mod counter;
mod desk;
mod embedded;
mod error;
mod file;
mod ledger;
mod succession;
mod tally;
mod writer;

#[cfg(test)]
mod tests;

pub use calendar::{end_unix_ms, length_s};
pub use counter::{Counter, Denied, Exhausted, Quota, Taken, Usage};
pub use desk::Health;
pub use embedded::Store;
pub use error::{Problem, StoreError};
pub use ledger::Ledger;
pub use succession::{CounterName, Lent, Successor, Surplus, Want};
