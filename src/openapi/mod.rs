//! OpenAPI documents as they are: Swagger 2.0, OpenAPI 3.0 and 3.1, JSON or YAML.
//!
//! In: a file and what its `$ref`s name. Out: trees whose every value knows its place, or every fault with document,
//! pointer and line.
//! Promises: nothing is fetched over a network. Whatever a document holds, reading it ends soon and in bounded memory:
//! depth, size and what aliases expand to have limits. A cycle of references is found, not followed.

mod document;

pub use document::{Document, Key, Node, Pointer, Tree};
