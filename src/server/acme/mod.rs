//! Obtains certificates by ACME (RFC 8555) and renews them; names are proved by HTTP-01.
//!
//! In: `[acme]` and what listeners name in `tls.acme`. Out: a PEM file for each certificate in the state directory, which
//! `server/tls` follows as it does any other, and proofs that requests are answered with while an order is open.
//! Promises: a certificate that serves is replaced only by one that can, and whatever fails leaves it. A stored one is
//! not ordered again before its time. Files are written by rename and for their owner alone. Failures are tried again
//! ever more seldom, and not before the authority says; each is logged, counted, and told by `/readyz?verbose`.
//! Cost: nothing on the data plane's threads, but for one load per request, and a look at its path while an order is
//! open.

mod account;
mod agent;
mod http;
mod order;
mod renewal;
mod schedule;
mod shelf;
mod trouble;

pub(super) use agent::Agent;
