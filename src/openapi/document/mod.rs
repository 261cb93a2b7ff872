//! A document: one file, parsed into values that know where they stand.

mod json;
mod node;
mod pointer;
mod read;
mod yaml;

pub use node::{Key, Node, Tree};
pub use pointer::Pointer;
pub use read::Document;

/// How deep values may be nested: deeper than any schema, flatter than a stack.
const DEPTH_MAX: usize = 128;

/// How many values a document may have once its aliases are expanded.
const NODES_MAX: usize = 1_000_000;

/// Why a text is no document.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SyntaxFault {
    /// A byte of the text.
    at: usize,
    message: String,
    /// A second place and what is there.
    also: Option<(usize, String)>,
}

impl SyntaxFault {
    fn new(at: usize, message: impl Into<String>) -> SyntaxFault {
        SyntaxFault { at, message: message.into(), also: None }
    }

    /// One name twice in an object: who reads it sees one of the two.
    fn duplicate(name: &str, at: usize, first: usize) -> SyntaxFault {
        SyntaxFault {
            also: Some((first, "first".to_owned())),
            ..SyntaxFault::new(at, format!("the name {name:?} stands here twice"))
        }
    }

    fn too_deep(at: usize) -> SyntaxFault {
        SyntaxFault::new(at, format!("values are nested more than {DEPTH_MAX} deep"))
    }

    fn too_many(at: usize) -> SyntaxFault {
        SyntaxFault::new(at, format!("the document comes to more than {NODES_MAX} values"))
    }
}

#[cfg(test)]
mod tests;
