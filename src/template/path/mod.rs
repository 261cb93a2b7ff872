//! JSONPath in Jayway's dialect, which is API Gateway's: a definite path (`$.a.b[0]`) gives the value or nothing, an
//! indefinite one (`*`, `..`, slices, filters, several indices) gives a list.
//!
//! Promises: a path is read once; finding visits a node for a step of the budget and never goes deeper than JSON may.

mod filter;
mod find;
mod function;
mod parse;

use std::fmt;

use super::fault::Trouble;
use super::value::{Heap, Value};
use filter::Filter;
use function::Function;

/// A compiled path.
#[derive(Clone, Debug)]
pub struct JsonPath {
    segments: Box<[Segment]>,
    function: Option<Function>,
    is_definite: bool,
}

/// Why a text is no path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathFault {
    /// The byte of the text that is meant.
    pub at: usize,
    pub message: String,
}

#[derive(Clone, Debug)]
enum Segment {
    /// One name, or several that make a smaller object.
    Names(Box<[Box<str>]>),
    Indices(Box<[i64]>),
    Slice(Option<i64>, Option<i64>),
    Wildcard,
    /// `..`: the node itself and everything below it.
    Scan,
    Filter(Box<Filter>),
}

impl JsonPath {
    /// Reads a path; one that does not begin with `$` is taken to begin at the root.
    pub fn compile(text: &str) -> Result<JsonPath, PathFault> {
        parse::path(text)
    }

    /// The value of a definite path, or the list of an indefinite one; `None` where a definite path leads nowhere.
    pub(super) fn find<'r>(&self, root: &Value<'r>, heap: &mut Heap<'r>) -> Result<Option<Value<'r>>, Trouble> {
        find::find(self, root, root, heap)
    }
}

impl fmt::Display for PathFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.message, self.at)
    }
}

impl std::error::Error for PathFault {}

#[cfg(test)]
mod tests;
