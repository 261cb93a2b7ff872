//! What reads bytes from the network here, for fuzz targets.

use std::net::IpAddr;

pub use super::express::fuzzing::{Body, ChunkedBody, Request, answer, request};
use crate::base::{Fields, Networks};

/// Whose request it is, as the fields say that a trusted `peer` sent.
pub fn source(fields: &Fields<'_>, peer: IpAddr, trusted: &Networks) -> IpAddr {
    super::source::source(fields, peer, trusted)
}
