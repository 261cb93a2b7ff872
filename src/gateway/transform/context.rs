use std::io::Write;
use std::net::IpAddr;

use crate::base::{Head, push_number};

/// What the gateway knows of a request beside its head, and tells the back end.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub request_id: &'a str,
    /// The API's name.
    pub api: &'a str,
    /// The stage's name.
    pub stage: &'a str,
    /// The route's path as it was written, such as `/orders/{id}`.
    pub route: &'a str,
    /// The path before base path and stage were stripped.
    pub path: &'a str,
    /// The name of the API key, never its value.
    pub key: Option<&'a str>,
    /// Host and port as the client asked for them: `X-Forwarded-Host`, and `Host` with `preserve_host`.
    pub authority: &'a str,
    /// This hop's W3C trace context; empty: none is sent.
    pub traceparent: &'a str,
    /// Whether `traceparent` continues the client's trace, so that its `tracestate` still means something.
    pub is_trace_continued: bool,
    /// The value of `X-Amzn-Trace-Id`; empty: none is sent.
    pub amzn_trace: &'a str,
}

/// The fields that the gateway states itself, each about this hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Statement {
    ForwardedFor,
    ForwardedProto,
    ForwardedHost,
    Forwarded,
    RequestId,
    Traceparent,
    AmznTrace,
    Via,
}

impl Statement {
    pub(super) const ALL: [Statement; 8] = [
        Statement::ForwardedFor,
        Statement::ForwardedProto,
        Statement::ForwardedHost,
        Statement::Forwarded,
        Statement::RequestId,
        Statement::Traceparent,
        Statement::AmznTrace,
        Statement::Via,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Statement::ForwardedFor => "x-forwarded-for",
            Statement::ForwardedProto => "x-forwarded-proto",
            Statement::ForwardedHost => "x-forwarded-host",
            Statement::Forwarded => "forwarded",
            Statement::RequestId => "x-request-id",
            Statement::Traceparent => "traceparent",
            Statement::AmznTrace => "x-amzn-trace-id",
            Statement::Via => "via",
        }
    }

    /// Writes the value; nothing is written for a fact that is not known.
    pub(super) fn write(self, head: &Head<'_>, context: &Context<'_>, out: &mut Vec<u8>) {
        match self {
            Statement::ForwardedFor => write_address(head.client, out),
            Statement::ForwardedProto => out.extend_from_slice(head.scheme.as_str().as_bytes()),
            Statement::ForwardedHost => out.extend_from_slice(context.authority.as_bytes()),
            Statement::Forwarded => write_forwarded(head, context, out),
            Statement::RequestId => out.extend_from_slice(context.request_id.as_bytes()),
            Statement::Traceparent => out.extend_from_slice(context.traceparent.as_bytes()),
            Statement::AmznTrace => out.extend_from_slice(context.amzn_trace.as_bytes()),
            // RFC 9110 section 7.6.3: a gateway says so in each inbound request.
            Statement::Via => out.extend_from_slice(b"1.1 tollgate"),
        }
    }
}

/// An address as people write it: IPv4 in IPv6's clothes is IPv4.
pub(super) fn write_address(address: IpAddr, out: &mut Vec<u8>) {
    match address.to_canonical() {
        // The formatter takes a thousand instructions for an address, and each request states two.
        IpAddr::V4(address) => {
            for (at, octet) in address.octets().into_iter().enumerate() {
                if at > 0 {
                    out.push(b'.');
                }
                push_number(out, octet.into());
            }
        }
        // Writing into a vector does not fail.
        IpAddr::V6(address) => drop(write!(out, "{address}")),
    }
}

/// RFC 7239 section 4: an IPv6 address stands in brackets and quotes; a host is quoted since it may hold a port.
fn write_forwarded(head: &Head<'_>, context: &Context<'_>, out: &mut Vec<u8>) {
    let is_v6 = head.client.to_canonical().is_ipv6();
    out.extend_from_slice(if is_v6 { b"for=\"[" } else { b"for=" });
    write_address(head.client, out);
    out.extend_from_slice(if is_v6 { b"]\"" } else { b"" });
    if !context.authority.is_empty() {
        out.extend_from_slice(b";host=\"");
        out.extend(quote(context.authority.as_bytes()));
        out.push(b'"');
    }
    out.extend_from_slice(b";proto=");
    out.extend_from_slice(head.scheme.as_str().as_bytes());
}

/// RFC 9110 section 5.6.4: what would end or escape a quoted string is escaped.
fn quote(text: &[u8]) -> impl Iterator<Item = u8> {
    text.iter().flat_map(|byte| {
        let escape = matches!(byte, b'"' | b'\\').then_some(b'\\');
        escape.into_iter().chain([*byte])
    })
}
