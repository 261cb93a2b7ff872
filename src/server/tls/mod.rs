//! What a listener shows and asks for in TLS: certificates by name, versions, resumption, clients' certificates.
//!
//! In: a listener's `tls` and the PEM files that it names, or that `server/acme` obtains. Out: the `rustls::ServerConfig` for the next handshake.
//! Promises: who names a host gets the certificate that is for it, exactly before by wildcard, and everybody else the
//! first; while there is none, no handshake succeeds. Files that change are taken over together or not at all: what cannot be served leaves what is, and is said
//! once and in the metrics. A session is resumed only under the authorities for clients that it was begun under.
//! Cost: a handshake loads one pointer and looks a name up; the files' metadata are read once a second.

mod certificate;
mod handshake;
mod inspect;
mod keeper;
mod names;
mod terms;

pub(super) use certificate::{Certificate, read_chain};
pub(super) use handshake::shake_hands;
pub use inspect::{Inspection, inspect};
pub(super) use keeper::{Keeper, keep};
