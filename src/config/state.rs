use std::path::PathBuf;

use super::read::Value;
use super::{Located, Span};

/// `[state]`: where counters last.
#[derive(Debug)]
pub struct State {
    /// A folder, resolved against the file that names it; `data` unless written.
    pub dir: Located<PathBuf>,
}

impl Default for State {
    fn default() -> State {
        State { dir: Located::new("data".into(), Span::default()) }
    }
}

impl State {
    pub(super) fn read(value: Value<'_>) -> Option<State> {
        let table = value.table("[state]", &["dir", "redis"])?;
        table.refuse_unserved("redis", "counters are kept by each node, in `dir`");
        Some(State { dir: table.or("dir", State::default().dir, |value| value.located(Value::path)) })
    }
}
