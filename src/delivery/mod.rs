//! Releases: a canary becomes the stage, and what a new configuration would change.
//!
//! In: the files as they are on disk now, or two descriptions of configurations. Out: a file with one edit in
//! it, or a list of changes by readable path.
//! Promises: an edit keeps comments and layout, and a file is replaced whole or not at all; nothing is written
//! where the file is not what the configuration said. Differences never hold a secret, because descriptions do not.
//! Cost: reads and writes one file; nothing here is on a request's way.

mod difference;
mod edit;
mod patch;
mod promote;
mod replace;

pub use difference::{Change, difference};
pub use promote::{PromoteError, Promotion, promote};
