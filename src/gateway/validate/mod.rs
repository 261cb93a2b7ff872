//! Decides whether a request is what its operation says, and whether the back end's answer is.
//!
//! In: a [`Plan`] compiled per route, a [`Head`](crate::base::Head) with the values of its path parameters, and, where
//! [`Plan::wants_body`] says so, the whole body. Out: nothing, or the answer that lists every violation at once.
//! [`Answers`] do the same for the answer of a back end.
//!
//! The two styles are two contracts. API Gateway looks for required parameters that are missing or blank, and holds
//! a body to the model of its content type. In standard style types, formats, enums, patterns and bounds of
//! parameters count as well, an operation answers in no type that the client does not accept (406), and takes no body
//! of a type that it does not declare (415).
//! Promises: parameters come before bodies. What a header or a cookie with credentials held is never repeated, nor is
//! anything that was sent in the log. A body in a content coding that nobody undid is refused rather than passed
//! unchecked. Bodies that are neither JSON nor `application/x-www-form-urlencoded` are checked by their type alone.
//!
//! Cost: a plan that checks nothing is a null pointer. Without a query nothing is allocated for parameters that are
//! not there; one that is there is a value of its own. A body is parsed once, and walked once if it is valid.

mod accept;
mod answers;
mod body;
mod compile;
mod encoding;
mod form;
mod json;
mod media_type;
mod parameter;
mod plan;
mod sent;

#[cfg(test)]
mod tests;

pub use answers::Answers;
pub use compile::{Rules, compile};
pub use plan::Plan;
