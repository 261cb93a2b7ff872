//! Content codings: a request's body is decoded where somebody reads it, an answer is compressed where its API says so.
//!
//! In: what `Content-Encoding` and `Accept-Encoding` say, and bytes. Out: bytes, in the bounds of the route.
//! Promises: a body that would unfold to more than the route takes is refused before it has; what is compressed already,
//! a part of something, or marked `no-transform` (RFC 9110 section 7.7) is left as it is; an answer whose coding depends
//! on the request says so in `Vary`, whether or not it was compressed for this client.
//! Cost: zlib's, at a level of speed.

mod decode;
mod encode;

pub use decode::decode;
pub use encode::{Coding, Encoder, Negotiated, negotiate};
