//! A client's connection in TLS: rustls between a socket and whoever speaks HTTP.
//!
//! In: a socket and a `rustls::ServerConfig`. Out: a [`Wire`](super::wire::Wire) that the express lane reads and writes
//! as it does a socket, HTTP/2's framer too, and that the full lane is handed inside a
//! [`Connection`](super::connection::Connection).
//!
//! **Promises**: what is written in one call leaves in one, its records side by side. A client's close is seen with or
//! without its alert; ours is said where an answer is whole and never where it was cut. What was encrypted is sent in
//! its order or not at all.
//! **Cost**: rustls runs unbuffered: records are read into, and written from, memory of the worker. A connection holds
//! only what of a record has not come or not left, so an idle one holds no buffer.

mod session;
mod stream;
mod subject;

pub use stream::TlsStream;
pub(super) use subject::client_subject;
