//! A configuration, compiled: what every phase needs, immutable, swapped as a whole.
//!
//! In: a [`Config`](crate::config::Config), the store, the snapshot that it will replace. Out: a [`Snapshot`], or
//! every fault of what the configuration means. [`Live`] holds the current one and what outlives a swap.
//! Promises: each room compiles its own part; here they are only put together. A request that loaded a snapshot keeps
//! it to its end. Token buckets, quota counters, cached answers and back-end pools go on in the next snapshot where
//! their names and contents are the same.
//! Cost: ten thousand routes and ten thousand keys compile in some hundreds of milliseconds, beside the data plane
//! (`benches/phases.rs`); loading the current snapshot is one atomic increment.

mod caches;
mod compile;
mod connections;
mod deployment;
mod explain;
mod flush;
mod issuance;
mod live;
mod member;
mod overload;
mod question;
mod stage;
mod summary;

pub use compile::{Compiled, Snapshot};
pub use connections::{Connections, Farewell, Open, Seat};
pub use explain::{Explanation, Step};
pub use flush::Flush;
pub use issuance::{Issuance, Proof};
pub use live::{Current, Live};
pub use member::{Keys, Member, Membership, Offer, facts_of, grant_of};
pub use overload::{InFlightPlace, Overload, Pressure, Standing};
pub use question::Question;
pub(crate) use question::host_of;
pub use stage::{Manners, Plan, Stage};
pub use summary::{RouteRow, Summary};
