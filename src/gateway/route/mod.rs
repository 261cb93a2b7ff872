//! Finds where a request goes: host and path → API and stage; path and method → route; caller → variant.
//!
//! In: a [`Head`](crate::base::Head). Out: a [`Place`] (stage and the path below it), then a [`Matched`] (route and
//! path parameters), and the [`Variant`](crate::base::Variant) of a stage with a canary.
//! Promises: static segments win over `{name}` over `{name+}`, and at one path an exact method over `ANY`; a path that
//! lacks the method falls through to the next best path that has it (semantics document, section 1.3). A slash at
//! the end is ignored. Domains come first, then `{api}.execute-api.*`, then `/{api}/{stage}`.
//! There is no regular expression, and a request never visits a node of the tree twice.
//! Cost: one hash per host; a hash and a cache line per static segment; no allocation for up to four path parameters.

mod canary;
mod domains;
mod edges;
mod methods;
mod pattern;
mod tree;

pub use canary::Canary;
pub use domains::{Domains, Place};
pub use pattern::{Pattern, Segment};
pub use tree::{Candidate, Matched, Missed, Params, Tree};
