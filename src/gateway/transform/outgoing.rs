use std::ops::Range;

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::{HeaderName, HeaderValue, Method};
use pingora_http::RequestHeader;
use smallvec::SmallVec;

use super::context::Context;
use super::fields::{is_claim, is_content, is_hop_by_hop, is_one_of, nominations};
use super::parameters::Request;
use super::query;
use super::shape::Shape;
use crate::base::{Answer, Fields, Head, Refusal};

/// One request to a back end, decided.
#[derive(Debug)]
pub struct Outgoing<'a> {
    shape: &'a Shape,
    head: &'a Head<'a>,
    is_trace_continued: bool,
    nominated: SmallVec<[&'a str; 4]>,
    target: String,
    /// The values of `added`, one behind the other.
    values: Bytes,
    added: SmallVec<[Added; 12]>,
}

/// A field that the gateway adds, and where its value stands.
type Added = (HeaderName, Range<usize>);

/// `Host` is added first: RFC 9110 section 7.2 wants it at the top of the field section.
const HOST_FIELDS: usize = 1;

impl<'a> Outgoing<'a> {
    pub(super) fn new(
        shape: &'a Shape,
        head: &'a Head<'a>,
        values: &'a [&'a str],
        context: &'a Context<'a>,
    ) -> Outgoing<'a> {
        let request = Request { head, values, context };
        let mut additions = Additions { values: Vec::with_capacity(384), fields: SmallVec::new() };
        additions.host(shape, context);
        additions.statements(shape, head, context);
        additions.parameters(shape, &request);
        Outgoing {
            shape,
            head,
            is_trace_continued: context.is_trace_continued,
            nominated: nominations(&head.fields),
            target: write_target(shape, &request),
            values: Bytes::from(additions.values),
            added: additions.fields,
        }
    }

    /// The integration's own method, or the client's.
    pub fn method(&self) -> &str {
        self.shape.method.as_deref().unwrap_or(self.head.method)
    }

    /// Path and query.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Whether the client's field `name`, in any case, is sent on.
    pub fn passes(&self, name: &str) -> bool {
        let is_wanted = if name.eq_ignore_ascii_case("tracestate") {
            self.is_trace_continued
        } else if self.shape.is_proxy {
            !is_hop_by_hop(name) && !is_claim(name) && !is_one_of(name, &self.nominated)
        } else {
            is_content(name)
        };
        is_wanted && !self.shape.parameters.sets_header(name)
    }

    /// Calls `each` with every field to send, `Host` first, except those of the client named in `without` (in lower
    /// case). Framing is the sender's: `content-length` passes as the client gave it, `transfer-encoding` does not.
    pub fn for_each_field(&self, without: &[&str], mut each: impl FnMut(&str, &[u8])) {
        let (host, added) = self.added.split_at(HOST_FIELDS);
        self.read(host).for_each(|(name, value)| each(name, value));
        let passes = |name: &str| self.passes(name) && !is_one_of(name, without);
        self.head.fields.for_all(|name, value| {
            if passes(name) {
                each(name, value);
            }
        });
        self.read(added).for_each(|(name, value)| each(name, value));
    }

    /// Lays this over Pingora's copy of the client's request, in `upstream_request_filter`.
    ///
    /// Pingora has taken the hop-by-hop fields off by then, and what is left of them (an upgrade's `Connection`, the
    /// body's framing) is its own: it stays. [`crate::gateway::integrate`]'s peers tell it to leave nominations to us.
    pub fn apply(&self, request: &mut RequestHeader) -> Result<(), Answer> {
        let stays = |name: &str| self.passes(name) || (self.shape.is_proxy && is_hop_by_hop(name));
        let leaves = |name: &&HeaderName| !stays(name.as_str());
        let leaving: SmallVec<[HeaderName; 16]> = request.headers.keys().filter(leaves).cloned().collect();
        for name in &leaving {
            request.remove_header(name);
        }
        if let Some(method) = &self.shape.method {
            request.set_method(parse_method(method)?);
        }
        request.set_raw_path(self.target.as_bytes()).map_err(unsendable)?;
        self.add_to(request, &self.added)
    }

    /// A request of its own, for an exchange that the gateway carries out itself. Of the client's fields those named
    /// in `without` (in lower case) stay behind, as does `Expect`: the body is at hand.
    pub fn build(&self, without: &[&str]) -> Result<RequestHeader, Answer> {
        let method = parse_method(self.method())?;
        let mut request = RequestHeader::build_no_case(method, self.target.as_bytes(), Some(24)).map_err(unsendable)?;
        let (host, added) = self.added.split_at(HOST_FIELDS);
        self.add_to(&mut request, host)?;
        let passes =
            |name: &str| self.passes(name) && !name.eq_ignore_ascii_case("expect") && !is_one_of(name, without);
        match self.head.fields {
            Fields::Map(map) => {
                for (name, value) in map.iter().filter(|(name, _)| passes(name.as_str())) {
                    request.append_header(name, value).map_err(unsendable)?;
                }
            }
            listed => {
                let mut done = Ok(());
                listed.for_all(|name, value| {
                    if passes(name) && done.is_ok() {
                        done = request.append_header(name.to_ascii_lowercase(), value).map(drop).map_err(unsendable);
                    }
                });
                done?;
            }
        }
        self.add_to(&mut request, added)?;
        Ok(request)
    }

    fn read<'s>(&'s self, added: &'s [Added]) -> impl Iterator<Item = (&'s str, &'s [u8])> {
        added.iter().map(|(name, range)| (name.as_str(), &self.values[range.clone()]))
    }

    /// Appends `added`, behind what the client said of the same name (`Via` is a list of hops in their order).
    fn add_to(&self, request: &mut RequestHeader, added: &[Added]) -> Result<(), Answer> {
        for (name, range) in added {
            if let Ok(value) = HeaderValue::from_maybe_shared(self.values.slice(range.clone())) {
                request.append_header(name, value).map_err(unsendable)?;
            }
        }
        Ok(())
    }
}

/// Collects what is added; the values become one shared buffer, so that each is no allocation of its own.
struct Additions {
    values: Vec<u8>,
    fields: SmallVec<[Added; 12]>,
}

impl Additions {
    fn host(&mut self, shape: &Shape, context: &Context<'_>) {
        let client_s = Some(context.authority).filter(|host| shape.preserves_host && !host.is_empty());
        let host = client_s.unwrap_or(shape.uri.authority());
        self.add(HOST, |values| values.extend_from_slice(host.as_bytes()));
        if !shape.is_proxy && !shape.parameters.sets_header("user-agent") {
            self.add(USER_AGENT, |values| values.extend_from_slice(b"tollgate"));
        }
    }

    fn statements(&mut self, shape: &Shape, head: &Head<'_>, context: &Context<'_>) {
        for statement in &shape.statements {
            self.add(HeaderName::from_static(statement.name()), |values| statement.write(head, context, values));
        }
    }

    fn parameters(&mut self, shape: &Shape, request: &Request<'_>) {
        shape.parameters.for_each_header(request, |name, value| {
            self.add(name.clone(), |values| values.extend_from_slice(&value));
        });
    }

    /// Adds a field whose value `write` writes; an empty one is not sent.
    fn add(&mut self, name: HeaderName, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.values.len();
        write(&mut self.values);
        if self.values.len() > start {
            self.fields.push((name, start..self.values.len()));
        }
    }
}

/// The uri's path and query, the client's query for a proxy, what is mapped: in this order.
fn write_target(shape: &Shape, request: &Request<'_>) -> String {
    let client_query = request.head.query.filter(|_| shape.is_proxy).unwrap_or_default();
    let mut target = String::with_capacity(request.head.path.len() + client_query.len() + 64);
    shape.uri.write_target(request.values, &mut target);
    query::push_raw(&mut target, client_query);
    shape.parameters.write_query(request, &mut target);
    target
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
