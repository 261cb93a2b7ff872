use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};

use crate::base::{Head, is_plain};
use crate::telemetry::Trace;
use crate::template::Override;

/// What the gateway knows of a request beside its head, and tells the back end.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub request_id: &'a [u8],
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
    /// With this hop in it.
    pub trace: &'a Trace,
    /// Of the client, where it was read as a whole; what is passed on is not looked into.
    pub body: &'a [u8],
    /// What a template says the parameters of the back end's path are.
    pub path_overrides: &'a [(String, Override)],
}

/// The fields that the gateway states itself, each about this hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Statement {
    ForwardedFor,
    ForwardedProto,
    ForwardedHost,
    Forwarded,
    RequestId,
    Traceparent,
    AmznTrace,
}

impl Statement {
    pub(super) const ALL: [Statement; 7] = [
        Statement::ForwardedFor,
        Statement::ForwardedProto,
        Statement::ForwardedHost,
        Statement::Forwarded,
        Statement::RequestId,
        Statement::Traceparent,
        Statement::AmznTrace,
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
        }
    }

    /// Writes the value; nothing is written for a fact that is not known.
    pub(super) fn write(self, head: &Head<'_>, context: &Context<'_>, out: &mut Vec<u8>) {
        match self {
            Statement::ForwardedFor => write_address(head.client, out),
            Statement::ForwardedProto => out.extend_from_slice(head.scheme.as_str().as_bytes()),
            Statement::ForwardedHost => out.extend_from_slice(context.authority.as_bytes()),
            Statement::Forwarded => write_forwarded(head, context, out),
            Statement::RequestId => out.extend_from_slice(context.request_id),
            Statement::Traceparent => context.trace.push_traceparent(out),
            Statement::AmznTrace => context.trace.push_amzn(out),
        }
    }
}

/// An address as people write it: IPv4 in IPv6's clothes is IPv4.
pub(super) fn write_address(address: IpAddr, out: &mut Vec<u8>) {
    match address.to_canonical() {
        IpAddr::V4(address) => write_v4(address, out),
        // Writing into a vector does not fail.
        IpAddr::V6(address) => drop(write!(out, "{address}")),
    }
}

/// The formatter takes a thousand instructions for an address, and each request states two.
fn write_v4(address: Ipv4Addr, out: &mut Vec<u8>) {
    let (mut text, mut len) = ([0; 16], 0);
    for octet in address.octets() {
        let (digits, digits_len) = OCTETS[usize::from(octet)];
        // Always four bytes: what is too much is written over by the next.
        text[len..len + 4].copy_from_slice(&digits);
        len += digits_len + 1;
    }
    out.extend_from_slice(&text[..len - 1]);
}

/// The digits of each octet with a dot behind them, and how many there are.
static OCTETS: [([u8; 4], usize); 256] = {
    let mut octets = [([b'.'; 4], 1); 256];
    let mut octet = 0;
    while octet < octets.len() {
        let (digits, len) = &mut octets[octet];
        let mut rest = octet;
        *len = if octet >= 100 {
            3
        } else if octet >= 10 {
            2
        } else {
            1
        };
        let mut at = *len;
        while at > 0 {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        octet += 1;
    }
    octets
};

/// RFC 7239 section 4: an IPv6 address stands in brackets and quotes; a host is quoted since it may hold a port.
fn write_forwarded(head: &Head<'_>, context: &Context<'_>, out: &mut Vec<u8>) {
    let is_v6 = head.client.to_canonical().is_ipv6();
    out.extend_from_slice(if is_v6 { b"for=\"[" } else { b"for=" });
    write_address(head.client, out);
    out.extend_from_slice(if is_v6 { b"]\"" } else { b"" });
    if !context.authority.is_empty() {
        out.extend_from_slice(b";host=\"");
        push_quoted(context.authority.as_bytes(), out);
        out.push(b'"');
    }
    out.extend_from_slice(b";proto=");
    out.extend_from_slice(head.scheme.as_str().as_bytes());
}

/// RFC 9110 section 5.6.4: what would end or escape a quoted string is escaped.
fn push_quoted(text: &[u8], out: &mut Vec<u8>) {
    if is_plain(text) {
        return out.extend_from_slice(text);
    }
    let mut rest = text;
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(&[b'\\', rest[at]]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str) {
        let mut out = Vec::new();
        write_address(address.parse().unwrap(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), address);
    }

    #[test]
    fn an_address_is_written_as_people_write_it() {
        ["0.0.0.0", "1.20.255.9", "10.100.99.200", "255.255.255.255", "2001:db8::1"].into_iter().for_each(check);
    }

    #[test]
    fn what_would_end_a_quoted_string_is_escaped() {
        let mut out = Vec::new();
        push_quoted(b"a\"b\\", &mut out);
        assert_eq!(out, b"a\\\"b\\\\");
    }
}
