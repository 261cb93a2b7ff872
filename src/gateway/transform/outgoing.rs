use std::ops::Range;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use pingora_http::RequestHeader;
use smallvec::SmallVec;

use super::context::Context;
use super::fields::{Kind, Nominations, is_one_of, nominations};
use super::parameters::Request;
use super::query::Target;
use super::remap::Remapping;
use super::shape::Shape;
use super::uri::UriTemplate;
use crate::base::{Answer, Fields, Head, Refusal};

/// One request to a back end, decided.
#[derive(Debug)]
pub struct Outgoing<'a> {
    shape: &'a Shape,
    uri: &'a UriTemplate,
    request: Request<'a>,
    nominated: Nominations<'a>,
}

impl<'a> Outgoing<'a> {
    pub(super) fn new(
        (shape, uri): (&'a Shape, &'a UriTemplate),
        head: &'a Head<'a>,
        values: &'a [&'a str],
        context: &'a Context<'a>,
    ) -> Outgoing<'a> {
        let nominated = if shape.is_proxy { nominations(&head.fields) } else { SmallVec::new() };
        Outgoing { shape, uri, request: Request { head, values, context }, nominated }
    }

    /// Appends the head of an HTTP/1.1 request: its line, `Host`, the client's fields, the gateway's. How the body is
    /// framed, and the empty line after that, are the sender's to write; `Expect` stays behind, as the body comes.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.method().as_bytes());
        out.push(b' ');
        self.write_target(out);
        out.extend_from_slice(b" HTTP/1.1\r\n");
        self.shape.host.write_line(&self.request, out);
        self.request.head.fields.for_all(|name, value| {
            let kind = Kind::of(name);
            if !matches!(kind, Kind::Length | Kind::Expect) && self.passes(kind, name, value) {
                for part in [name, b": ", value, b"\r\n"] {
                    out.extend_from_slice(part);
                }
            }
        });
        self.shape.additions.iter().for_each(|addition| addition.write_line(&self.request, out));
    }

    /// Lays this over Pingora's copy of the client's request, in `upstream_request_filter`.
    ///
    /// Pingora has taken the hop-by-hop fields off by then, and what is left of them (an upgrade's `Connection`, the
    /// body's framing) is its own: it stays. [`crate::gateway::integrate`]'s peers tell it to leave nominations to us.
    pub fn apply(&self, request: &mut RequestHeader) -> Result<(), Answer> {
        let leaves = |name: &&HeaderName| {
            let value = request.headers.get(*name).map(HeaderValue::as_bytes).unwrap_or_default();
            let name = name.as_str().as_bytes();
            let kind = Kind::of(name);
            let is_hop = self.shape.is_proxy && kind == Kind::HopByHop;
            let stays = is_hop || self.passes(kind, name, value);
            !stays
        };
        let leaving: SmallVec<[HeaderName; 16]> = request.headers.keys().filter(leaves).cloned().collect();
        for name in &leaving {
            request.remove_header(name);
        }
        if self.method() != request.method.as_str() {
            request.set_method(parse_method(self.method())?);
        }
        request.set_raw_path(&self.target()).map_err(unsendable)?;
        let added = Added::new(self);
        added.append_to(request, &added.fields)
    }

    /// A request of its own, for an exchange that the gateway carries out itself. Of the client's fields those named
    /// in `without` (in lower case) stay behind, as does `Expect`: the body is at hand.
    pub fn build(&self, without: &[&str]) -> Result<RequestHeader, Answer> {
        let method = parse_method(self.method())?;
        let mut request = RequestHeader::build_no_case(method, &self.target(), Some(24)).map_err(unsendable)?;
        let added = Added::new(self);
        let (host, rest) = added.fields.split_at(HOST_FIELDS.min(added.fields.len()));
        added.append_to(&mut request, host)?;
        self.append_clients(&mut request, without)?;
        added.append_to(&mut request, rest)?;
        Ok(request)
    }

    fn append_clients(&self, request: &mut RequestHeader, without: &[&str]) -> Result<(), Answer> {
        let passes = |name: &[u8], value: &[u8]| {
            let kind = Kind::of(name);
            kind != Kind::Expect && self.passes(kind, name, value) && !is_one_of(name, without)
        };
        match self.request.head.fields {
            Fields::Map(map) => {
                for (name, value) in
                    map.iter().filter(|(name, value)| passes(name.as_str().as_bytes(), value.as_bytes()))
                {
                    request.append_header(name, value).map_err(unsendable)?;
                }
                Ok(())
            }
            listed => {
                let mut done = Ok(());
                listed.for_all(|name, value| {
                    if done.is_ok() && passes(name, value) {
                        let name = HeaderName::from_bytes(name).map_err(unsendable);
                        done = name.and_then(|name| request.append_header(name, value).map(drop).map_err(unsendable));
                    }
                });
                done
            }
        }
    }

    /// Whether the client's field `name`, of this `kind`, is sent on.
    fn passes(&self, kind: Kind, name: &[u8], value: &[u8]) -> bool {
        let is_wanted = match kind {
            Kind::HopByHop | Kind::Claim => false,
            Kind::Tracestate => self.request.context.trace.keeps_tracestate(),
            // Without a proxy nothing counts as nominated.
            Kind::Content | Kind::Length => !is_one_of(name, &self.nominated),
            Kind::Expect | Kind::Plain => self.shape.is_proxy && !is_one_of(name, &self.nominated),
        };
        let is_sent = kind == Kind::Length || self.shape.remapping().sends(name, value);
        is_wanted && is_sent && !self.shape.sets_header(name)
    }

    /// Whether a request without a body says so, as API Gateway does it for methods that have one (RFC 9110 section 8.6).
    pub fn announces_nothing(&self) -> bool {
        self.shape.remapping() != Remapping::Off && matches!(self.method(), "POST" | "PUT" | "PATCH")
    }

    /// Whether `request_parameters` say what the body's type is.
    pub fn maps_content_type(&self) -> bool {
        self.shape.sets_header(b"content-type")
    }

    /// The integration's own method, or the client's.
    fn method(&self) -> &str {
        self.shape.method.as_deref().unwrap_or(self.request.head.method)
    }

    fn target(&self) -> Vec<u8> {
        let mut target = Vec::with_capacity(self.request.head.path.len() + 64);
        self.write_target(&mut target);
        target
    }

    /// The uri's path and query, the client's query for a proxy, what is mapped: in this order.
    fn write_target(&self, out: &mut Vec<u8>) {
        let mut target = Target::new(out);
        match self.shape.paths.is_empty() {
            true => self.uri.write_target(self.request.values, &mut target),
            false => self.shape.paths.with_values(&self.request, |values| self.uri.write_target(values, &mut target)),
        }
        target.push_query(self.request.head.query.filter(|_| self.shape.is_proxy).unwrap_or_default());
        self.shape.querystrings.write(&self.request, &mut target);
    }
}

/// What the gateway adds, for Pingora's map: the values are one shared buffer, so that none is an allocation of its
/// own.
struct Added<'a> {
    values: Bytes,
    fields: SmallVec<[Place<'a>; 12]>,
}

/// Where a field's value stands.
type Place<'a> = (&'a HeaderName, Range<usize>);

/// `Host` is added first.
const HOST_FIELDS: usize = 1;

impl<'a> Added<'a> {
    fn new(outgoing: &Outgoing<'a>) -> Added<'a> {
        let mut values = Vec::with_capacity(384);
        let mut fields = SmallVec::new();
        let Shape { host, additions, .. } = outgoing.shape;
        for addition in [host].into_iter().chain(additions) {
            let start = values.len();
            addition.write_value(&outgoing.request, &mut values);
            if values.len() > start {
                fields.push((&addition.name, start..values.len()));
            }
        }
        Added { values: values.into(), fields }
    }

    /// Appends `fields` of these, behind what the client said of the same name (`Via` is a list of hops in their order).
    fn append_to(&self, request: &mut RequestHeader, fields: &[Place<'_>]) -> Result<(), Answer> {
        for (name, range) in fields {
            if let Ok(value) = HeaderValue::from_maybe_shared(self.values.slice(range.clone())) {
                request.append_header(*name, value).map_err(unsendable)?;
            }
        }
        Ok(())
    }
}

fn parse_method(method: &str) -> Result<Method, Answer> {
    Method::from_bytes(method.as_bytes()).map_err(unsendable)
}

/// The client's method, target or a field of it is nothing that can be sent on.
fn unsendable(error: impl std::fmt::Display) -> Answer {
    Answer::new(Refusal::MalformedRequest, "the request cannot be sent on to the back end").with_log(error.to_string())
}

#[cfg(test)]
mod tests;
