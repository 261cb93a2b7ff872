//! OpenAPI documents as they are: Swagger 2.0, OpenAPI 3.0 and 3.1, JSON or YAML, with API Gateway's extensions.
//!
//! In: a file and what its `$ref`s name. Out: a [`Definition`](crate::config::Definition) as TOML would make one, or every
//! fault with document, pointer and line; and back, a document of what an API is.
//! Promises: nothing is fetched over a network, and no reference leaves the document's folder. Whatever a document holds,
//! reading it ends soon and in bounded memory: depth, size and what aliases expand to have limits. A cycle of references
//! is found, not followed; schemas may hold themselves. What a document declares and is not served is told, never
//! dropped.

mod at;
mod document;
mod export;
mod import;
mod library;
mod load;
mod main_file;
mod to_toml;
mod words;

use at::{At, Desk};
pub use document::{Document, Key, Node, Pointer, Tree};
pub use export::{Exported, Format, export, to_yaml};
pub use load::{load, load_with, parse, unserved};
pub use main_file::{MainFile, QuickStart};
pub use to_toml::to_toml;

#[cfg(test)]
mod tests;
