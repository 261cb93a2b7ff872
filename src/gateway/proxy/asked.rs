use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use http::header;
use http::request::Parts;
use pingora_proxy::Session;

use super::source::attribute;
use crate::base::{Fields, Head, Networks, Scheme};
use crate::gateway::snapshot::host_of;

/// A request as the phases and telemetry see it, whichever lane read it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) head: Head<'a>,
    /// Host and port as the client asked for them.
    pub(super) authority: &'a str,
    /// `HTTP/1.1`
    pub(super) protocol: &'static str,
}

/// What a head takes, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadSize {
    pub(super) line: usize,
    pub(super) fields: usize,
}

/// ` HTTP/1.1\r\n` and a space after the method.
const LINE_FRAME: usize = 12;
/// `: ` and `\r\n`
const FIELD_FRAME: usize = 4;
/// The empty line.
const END_OF_HEAD: usize = 2;

impl HeadSize {
    pub(super) fn new<'a>(
        method: &str,
        target_len: usize,
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) -> HeadSize {
        let fields = fields.map(|(name, value)| name.len() + value.len() + FIELD_FRAME).sum();
        HeadSize { line: method.len() + target_len + LINE_FRAME, fields }
    }

    /// Of a head of HTTP/1.1 that took `len` bytes.
    pub(super) fn of_wire(method: &str, target_len: usize, len: usize) -> HeadSize {
        let line = method.len() + target_len + LINE_FRAME;
        HeadSize { line, fields: len.saturating_sub(line + END_OF_HEAD) }
    }

    pub(super) fn of_session(session: &Session) -> HeadSize {
        let request = session.req_header();
        HeadSize::of_parts(request, request.raw_path().len())
    }

    pub(super) fn of_parts(request: &Parts, target_len: usize) -> HeadSize {
        let fields = request.headers.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
        HeadSize::new(request.method.as_str(), target_len, fields)
    }
}

impl<'a> Asked<'a> {
    /// What Pingora read. `canonical` is the canonical path where it differs from the path that was sent.
    pub(super) fn of_session(session: &'a Session, canonical: &'a Option<Arc<str>>, trusted: &Networks) -> Asked<'a> {
        let is_tls = session.digest().is_some_and(|digest| digest.ssl_digest.is_some());
        let scheme = if is_tls { Scheme::Https } else { Scheme::Http };
        let peer = peer_of(session);
        let mut asked = Asked::of_parts(session.req_header(), peer, scheme);
        attribute(&mut asked.head, peer, trusted);
        asked.respell(canonical.as_deref());
        asked
    }

    /// A request in parsed form, with its path as it was sent.
    pub(super) fn of_parts(request: &'a Parts, client: IpAddr, scheme: Scheme) -> Asked<'a> {
        let authority = authority_of(request);
        let head = Head {
            method: request.method.as_str(),
            host: host_of(authority),
            path: request.uri.path(),
            query: request.uri.query(),
            fields: Fields::Map(&request.headers),
            client,
            scheme,
        };
        Asked { head, authority, protocol: protocol_of(request) }
    }

    /// Gives it its canonical path, where that differs from the path that was sent.
    pub(super) fn respell(&mut self, canonical: Option<&'a str>) {
        if let Some(path) = canonical {
            self.head.path = path;
        }
    }
}

/// HTTP/2 has the authority in its `:authority`.
fn authority_of(request: &Parts) -> &str {
    let host = request.headers.get(header::HOST).and_then(|value| value.to_str().ok());
    request.uri.authority().map(|authority| authority.as_str()).or(host).unwrap_or_default()
}

/// The peer's address; connections without one (none of ours) are nobody's.
fn peer_of(session: &Session) -> IpAddr {
    let address = session.client_addr().and_then(|address| address.as_inet());
    address.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip().to_canonical())
}

fn protocol_of(request: &Parts) -> &'static str {
    match request.version {
        http::Version::HTTP_10 => "HTTP/1.0",
        http::Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}
