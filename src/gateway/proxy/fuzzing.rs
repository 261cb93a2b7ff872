//! What reads bytes from the network here, for fuzz targets.

use std::net::IpAddr;

pub use super::express::fuzzing::{Body, ChunkedBody, Request, answer, request};
use crate::base::{Fields, Head, Networks, Scheme};

/// Whose request it is, as the fields say that `peer` sent.
pub fn source(fields: &Fields<'_>, peer: IpAddr, trusted: &Networks) -> IpAddr {
    let (host, path, scheme) = ("", "/", Scheme::Http);
    let mut head = Head { method: "GET", host, path, query: None, fields: *fields, client: peer, scheme };
    super::source::attribute(&mut head, peer, trusted);
    head.client
}
