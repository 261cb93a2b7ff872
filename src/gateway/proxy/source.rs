use std::net::{IpAddr, SocketAddr};

use crate::base::{Fields, Head, Networks, Scheme};

/// More hops than any honest chain of proxies has.
const HOPS_MAX: usize = 64;

/// Notes in `head` who asks, and by which scheme, as far as trusted proxies tell.
pub(super) fn attribute(head: &mut Head<'_>, peer: IpAddr, trusted: &Networks) {
    head.client = peer;
    if !trusted.is_empty() && trusted.contains(peer) {
        head.client = source(&head.fields, peer, trusted);
        head.scheme = scheme(&head.fields).unwrap_or(head.scheme);
    }
}

/// What the nearest proxy says of the scheme by which it was asked, or passes on: the last word in
/// `X-Forwarded-Proto`, since what stands before may be the client's own.
fn scheme(fields: &Fields<'_>) -> Option<Scheme> {
    let mut last = None;
    fields.for_each("x-forwarded-proto", |value| last = Some(value));
    let word = last?.rsplit(|byte| *byte == b',').next()?.trim_ascii();
    [Scheme::Http, Scheme::Https].into_iter().find(|scheme| word.eq_ignore_ascii_case(scheme.as_str().as_bytes()))
}

/// Whose request it is that a trusted proxy sends: the nearest address in `X-Forwarded-For` that is no trusted proxy.
///
/// Read from the right, since everyone appends: what stands left of the first address that is not trusted is only
/// what that one claims. An entry that is no address ends the search at the proxy that wrote it down.
fn source(fields: &Fields<'_>, peer: IpAddr, trusted: &Networks) -> IpAddr {
    let mut values = smallvec::SmallVec::<[&[u8]; 2]>::new();
    fields.for_each("x-forwarded-for", |value| values.push(value));
    let entries = values.iter().rev().flat_map(|value| value.rsplit(|byte| *byte == b','));
    let mut nearest = peer;
    for entry in entries.take(HOPS_MAX) {
        match address_of(entry.trim_ascii()) {
            Some(address) if trusted.contains(address) => nearest = address,
            Some(address) => return address,
            None => return nearest,
        }
    }
    nearest
}

/// An address, with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address_of(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?;
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(in_brackets).or_else(with_port).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Network;

    fn attributed<'a>(list: &'a [(&'a str, &'a [u8])], peer: &str, trusted: &Networks) -> Head<'a> {
        let client = [0, 0, 0, 0].into();
        let (fields, scheme) = (Fields::List(list), Scheme::Http);
        let mut head = Head { method: "GET", host: "", path: "/", query: None, fields, client, scheme };
        attribute(&mut head, peer.parse().unwrap(), trusted);
        head
    }

    /// `forwarded` are the values of the fields, in their order.
    #[track_caller]
    fn check(peer: &str, forwarded: &[&str], expected: &str) {
        let networks = ["10.0.0.0/8", "fd00::/8"].map(|text| Network::parse(text).unwrap());
        let trusted: Networks = networks.into_iter().collect();
        let list: Vec<_> = forwarded.iter().map(|value| ("X-Forwarded-For", value.as_bytes())).collect();
        let head = attributed(&list, peer, &trusted);
        assert_eq!(head.client, expected.parse::<IpAddr>().unwrap(), "{peer} {forwarded:?}");
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        check("192.0.2.1", &["198.51.100.7"], "192.0.2.1");
        check("10.0.0.1", &["198.51.100.7"], "198.51.100.7");
        check("fd00::1", &["2001:db8::7"], "2001:db8::7");
        let nobody = Networks::default();
        let list = [("x-forwarded-for", &b"198.51.100.7"[..]), ("x-forwarded-proto", b"https")];
        let head = attributed(&list, "10.0.0.1", &nobody);
        assert_eq!((head.client, head.scheme), ("10.0.0.1".parse().unwrap(), Scheme::Http));
    }

    #[test]
    fn the_scheme_is_the_last_word_of_a_trusted_proxy() {
        let trusted: Networks = [Network::parse("10.0.0.0/8").unwrap()].into_iter().collect();
        let check = |peer: &str, values: &[&str], expected: Scheme| {
            let list: Vec<_> = values.iter().map(|value| ("X-Forwarded-Proto", value.as_bytes())).collect();
            assert_eq!(attributed(&list, peer, &trusted).scheme, expected, "{peer} {values:?}");
        };
        check("10.0.0.1", &["https"], Scheme::Https);
        check("10.0.0.1", &["HTTPS"], Scheme::Https);
        check("10.0.0.1", &["http, https"], Scheme::Https);
        check("10.0.0.1", &["https", "http"], Scheme::Http);
        check("10.0.0.1", &[], Scheme::Http);
        check("10.0.0.1", &["https, wss"], Scheme::Http);
        check("192.0.2.1", &["https"], Scheme::Http);
    }

    #[test]
    fn what_a_client_claims_itself_is_not_believed() {
        check("10.0.0.1", &["1.1.1.1, 198.51.100.7"], "198.51.100.7");
        check("10.0.0.1", &["1.1.1.1", "198.51.100.7, 10.0.0.2"], "198.51.100.7");
        check("10.0.0.1", &["1.1.1.1, 10.9.9.9, 198.51.100.7,10.0.0.2"], "198.51.100.7");
    }

    #[test]
    fn an_entry_that_is_no_address_ends_the_search() {
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &["", "unknown"], "10.0.0.1");
        check("10.0.0.1", &["198.51.100.7, unknown, 10.0.0.2"], "10.0.0.2");
        check("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3");
    }

    #[test]
    fn an_address_may_have_a_port() {
        check("10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7");
        check("10.0.0.1", &["[2001:db8::7]:4711"], "2001:db8::7");
        check("10.0.0.1", &["[2001:db8::7]"], "2001:db8::7");
        check("10.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7");
    }
}
