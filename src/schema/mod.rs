//! Decides whether a JSON value is what a schema says, and words what is wrong with one that is not.
//!
//! A language and nothing else: it knows no HTTP. In: the [`Models`](crate::config::Models) of a definition and the
//! schemas that refer to them, which a [`Compiler`] makes into [`Schemas`]; then values. Out: `true`, or every
//! [`Breach`] with its JSON pointer. The keywords are those of JSON Schema draft-04, OpenAPI 3.0 and, of 2020-12, all
//! that need no dynamic scope.
//!
//! Promises: a schema that says nonsense is a fault with its place, when it is compiled. All schemas of a definition
//! are nodes of one list, each once: a model that a thousand operations refer to is there once, and cycles are plain
//! numbers. Patterns run in linear time, so look-around is a fault. A check takes a number of steps that grows with
//! the value's size and no faster, whatever the schema: what is not done by then is refused. At most
//! [`BREACHES_MAX`] breaches are told. Nothing is fetched.
//! Absent: `$dynamicRef`, `$anchor`, `contentEncoding` and other annotations, which hold nobody to anything.
//!
//! Cost: a valid value costs no allocation but that of its unique items.

mod breach;
mod check;
mod compile;
mod compose;
mod evaluated;
mod format;
mod keywords;
mod kinds;
mod node;
mod number;
mod pattern;
mod unique;

#[cfg(test)]
mod tests;

pub use breach::{BREACHES_MAX, Breach};
pub use check::Side;
pub use compile::{Compiler, Flavor};
pub use kinds::Kinds;
pub use node::{SchemaId, Schemas};
