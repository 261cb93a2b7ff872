use std::path::PathBuf;

use super::read::Value;
use super::{Located, Span};

/// `[state]`: where counters last.
#[derive(Debug)]
pub struct State {
    /// A folder, resolved against the file that names it; `data` unless written.
    pub dir: Located<PathBuf>,
    /// Requests of a key that may be counted in memory only while `dir` cannot be written; 1,000,000 unless written.
    pub unsaved_max: u64,
}

const UNSAVED_MAX: u64 = 1_000_000;

impl Default for State {
    fn default() -> State {
        State { dir: Located::new("data".into(), Span::default()), unsaved_max: UNSAVED_MAX }
    }
}

impl State {
    pub(super) fn read(value: Value<'_>) -> Option<State> {
        let table = value.table("[state]", &["dir", "unsaved_max", "redis"])?;
        table.refuse_unserved("redis", "counters are kept by each node, in `dir`");
        Some(State {
            dir: table.or("dir", State::default().dir, |value| value.located(Value::path)),
            unsaved_max: table.or("unsaved_max", UNSAVED_MAX, |value| value.integer(0..=i64::MAX as u64)),
        })
    }
}
