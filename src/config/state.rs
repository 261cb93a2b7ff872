use std::path::PathBuf;

use super::Located;

/// `[state]`: where counters last.
#[derive(Debug)]
pub struct State {
    /// A folder, resolved against the file that names it; `data` unless written.
    pub dir: Located<PathBuf>,
}
