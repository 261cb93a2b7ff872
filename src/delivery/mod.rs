//! Releases: a configuration becomes the running one, a canary becomes the stage, and what a new configuration would
//! change.
//!
//! In: the files as they are on disk now, or two descriptions of configurations. Out: a new snapshot, a file with one
//! edit in it, or a list of changes by readable path.
//! Promises: a reload happens as a whole or not at all, and how the last one went is kept; an edit keeps comments and
//! layout, and a file is replaced whole or not at all; nothing is written where the file is not what the configuration
//! said. Differences never hold a secret, because descriptions do not.
//! Cost: a reload reads and compiles on a thread that runs when a core has nothing else to do; nothing here is on a
//! request's way.

mod aside;
mod difference;
mod edit;
mod patch;
mod prepare;
mod promote;
mod reload;
mod replace;

pub use aside::aside;
pub use difference::{Change, difference};
pub use promote::{PromoteError, Promotion, promote};
pub use reload::{Origin, ReloadReport, Reloader};
