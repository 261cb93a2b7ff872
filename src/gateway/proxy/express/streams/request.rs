use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, header};

use crate::gateway::proxy::express::authority::is_of_authority;
use crate::gateway::proxy::express::head::{Framing, LOOK_ALIKE, looks_like_framing, read_length};

/// Reads what the head says of its body, once it is known to be unambiguous.
///
/// The framer has seen to pseudo-fields, names, and fields that are of one connection (RFC 9113 sections 8.2 and
/// 8.3). What is refused here is what a back end that speaks HTTP/1.1 could read differently.
pub(super) fn read_head(parts: &mut Parts, has_body: bool) -> Result<Framing, &'static str> {
    if parts.method == Method::CONNECT {
        return Err("this gateway is no tunnel");
    }
    check_target(parts.uri.path_and_query().map_or("", |target| target.as_str()))?;
    check_authority(parts)?;
    if parts.headers.keys().any(|name| name != header::CONTENT_LENGTH && looks_like_framing(name.as_str().as_bytes())) {
        return Err(LOOK_ALIKE);
    }
    join_cookies(&mut parts.headers);
    match (announced_length(&parts.headers)?, has_body) {
        (Some(length), _) => Ok(Framing::Length(length)),
        (None, true) => Ok(Framing::Chunked),
        (None, false) => Ok(Framing::None),
    }
}

/// The framer takes targets with bytes that end a request line.
fn check_target(target: &str) -> Result<(), &'static str> {
    if !target.starts_with('/') && target != "*" {
        return Err("the request target is no path");
    }
    match target.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        true => Err("the request target holds a space or a control character"),
        false => Ok(()),
    }
}

/// RFC 9113 section 8.3.1: `Host` and `:authority` must say the same.
fn check_authority(parts: &Parts) -> Result<(), &'static str> {
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    let mut hosts = parts.headers.get_all(header::HOST).iter().map(HeaderValue::as_bytes);
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err("the request has two Host fields");
    }
    let said = match (authority, host) {
        (None, None) => return Err("the request has no authority"),
        (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host) => {
            return Err("the Host field and the request target contradict each other");
        }
        (said, host) => said.or(host).unwrap_or_default(),
    };
    match !said.is_empty() && said.iter().all(|byte| is_of_authority(*byte)) {
        true => Ok(()),
        false => Err("the authority is not a host and a port"),
    }
}

/// As on HTTP/1.1: one field, digits and nothing else. The framer holds the body to it.
fn announced_length(fields: &HeaderMap) -> Result<Option<u64>, &'static str> {
    let mut lengths = fields.get_all(header::CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return Ok(None) };
    if lengths.next().is_some() {
        return Err("the request has two Content-Length fields");
    }
    read_length(length.as_bytes()).map(Some).ok_or("the Content-Length field is not a number")
}

/// RFC 9113 section 8.2.3: crumbs of a cookie are put together for who does not speak HTTP/2.
fn join_cookies(fields: &mut HeaderMap) {
    let mut crumbs = fields.get_all(header::COOKIE).iter();
    if crumbs.next().is_none() || crumbs.next().is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = fields.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        fields.insert(header::COOKIE, whole);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `fields` are lines of "name: value".
    fn read(
        method: &str,
        uri: &str,
        fields: &[(&str, &str)],
        has_body: bool,
    ) -> (Parts, Result<Framing, &'static str>) {
        let mut request = http::Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let mut parts = request.body(()).expect("a request").into_parts().0;
        let framing = read_head(&mut parts, has_body);
        (parts, framing)
    }

    #[track_caller]
    fn check(uri: &str, fields: &[(&str, &str)], expected: Result<Framing, &str>) {
        match (read("POST", uri, fields, true).1, expected) {
            (Ok(framing), Ok(expected)) => assert_eq!(framing, expected, "{uri} {fields:?}"),
            (Err(why), Err(expected)) => assert!(why.contains(expected), "{uri} {fields:?}: {why}"),
            (found, _) => panic!("{uri} {fields:?}: {found:?}"),
        }
    }

    #[test]
    fn a_body_has_a_length_or_goes_on_in_chunks() {
        check("http://x/a?b", &[], Ok(Framing::Chunked));
        check("http://x:80/", &[("host", "X:80"), ("content-length", "3")], Ok(Framing::Length(3)));
        check("/", &[("host", "x")], Ok(Framing::Chunked));
        assert_eq!(read("GET", "http://x/", &[], false).1, Ok(Framing::None));
        assert_eq!(read("OPTIONS", "*", &[("host", "x")], false).1, Ok(Framing::None));
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        check("http://x/", &[("host", "y")], Err("contradict"));
        check("/", &[("host", "x"), ("host", "x")], Err("two Host"));
        check("/", &[], Err("no authority"));
        check("http://a@x/", &[], Err("not a host"));
        check("/", &[("host", "x, y")], Err("not a host"));
        check("http://x/", &[("content-length", "3"), ("content-length", "3")], Err("two Content-Length"));
        check("http://x/", &[("content-length", "3, 3")], Err("not a number"));
        check("http://x/", &[("content-length", "+3")], Err("not a number"));
        check("http://x/", &[("content_length", "3")], Err("misspelling"));
        check("http://x/", &[("transfer_encoding", "chunked")], Err("misspelling"));
        assert_eq!(read("CONNECT", "x:80", &[], true).1, Err("this gateway is no tunnel"));
    }

    #[test]
    fn a_cookie_in_crumbs_is_one_field_again() {
        let (parts, _) = read("GET", "http://x/", &[("cookie", "a=b"), ("cookie", "c=d")], false);
        assert_eq!(parts.headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=b; c=d"]);
    }
}
