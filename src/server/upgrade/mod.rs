//! A new program takes the place of the running one, and no request is lost.
//!
//! The old process starts the new one with a socket pair as its standard input, sends its listening sockets through it
//! (`SCM_RIGHTS`) and goes on serving. The new one reads its configuration, compiles it, opens its logs and says
//! `Loaded`; the old one closes the state folder's store and says `Released`; the new one opens it and says `Ready`;
//! the old one says `Go`, accepts no more and drains. Until `Go` the new one has answered nobody, so whatever fails
//! before costs nothing: the old one opens its store again and serves on.
//!
//! **Promises**: the sockets are never closed, so no connection is refused or reset; a request of a quota is counted
//! with one process or the other (`store::Successor`). **Cost**: from `Released` to `Go`, some milliseconds, requests
//! of a quota wait if they have used up what was reserved; all others never wait.

mod channel;
mod predecessor;
mod successor;

pub(super) use predecessor::Predecessor;
pub(super) use successor::{Attempt, Offer};
