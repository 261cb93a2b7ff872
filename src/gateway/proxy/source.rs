use std::net::{IpAddr, SocketAddr};

use crate::base::{Fields, Networks};

/// More hops than any honest chain of proxies has.
const HOPS_MAX: usize = 64;

/// Whose request it is: the peer's, or, if the peer is a trusted proxy, the nearest address in `X-Forwarded-For` that
/// is none.
///
/// Read from the right, since everyone appends: what stands left of the first address that is not trusted is only
/// what that one claims. An entry that is no address ends the search at the proxy that wrote it down.
pub(super) fn source(fields: &Fields<'_>, peer: IpAddr, trusted: &Networks) -> IpAddr {
    if trusted.is_empty() || !trusted.contains(peer) {
        return peer;
    }
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

    /// `forwarded` are the values of the fields, in their order.
    #[track_caller]
    fn check(peer: &str, forwarded: &[&str], expected: &str) {
        let networks = ["10.0.0.0/8", "fd00::/8"].map(|text| Network::parse(text).unwrap());
        let trusted: Networks = networks.into_iter().collect();
        let list: Vec<_> = forwarded.iter().map(|value| ("X-Forwarded-For", value.as_bytes())).collect();
        let found = source(&Fields::List(&list), peer.parse().unwrap(), &trusted);
        assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{peer} {forwarded:?}");
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        check("192.0.2.1", &["198.51.100.7"], "192.0.2.1");
        check("10.0.0.1", &["198.51.100.7"], "198.51.100.7");
        check("fd00::1", &["2001:db8::7"], "2001:db8::7");
        let nobody = Networks::default();
        let list = [("x-forwarded-for", &b"198.51.100.7"[..])];
        let peer = "10.0.0.1".parse().unwrap();
        assert_eq!(source(&Fields::List(&list), peer, &nobody), peer);
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
