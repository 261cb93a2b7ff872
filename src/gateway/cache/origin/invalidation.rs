use std::borrow::Cow;

use http::header::{CONTENT_LOCATION, HeaderMap, LOCATION};

use crate::base::{Scheme, canonical_path};

/// Whether a request with this method may change what is stored: RFC 9111 section 4.4. Methods that nobody knows may.
pub fn is_unsafe(method: &str) -> bool {
    !matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE")
}

/// The targets, as canonical path and query, that an answer to such a request names in `Location` and
/// `Content-Location`; only those of the origin that was asked, so that none spoils what another has stored.
///
/// `authority` and `path` are those that were asked.
pub fn located(fields: &HeaderMap, scheme: Scheme, authority: &str, path: &str) -> Vec<String> {
    let named = [LOCATION, CONTENT_LOCATION].into_iter().filter_map(|name| fields.get(name)?.to_str().ok());
    named.filter_map(|reference| resolve(reference, scheme, authority, path)).collect()
}

/// RFC 3986 section 5.2, as far as it leads to the same origin.
fn resolve(reference: &str, scheme: Scheme, authority: &str, base: &str) -> Option<String> {
    let reference = reference.split('#').next().unwrap_or_default();
    let own = reference.split_once("://").map(|(named, rest)| (named.eq_ignore_ascii_case(scheme.as_str()), rest));
    let target: Cow<'_, str> = match (own, reference.strip_prefix("//")) {
        (Some((true, rest)), _) | (None, Some(rest)) => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (named, target) = rest.split_at(end);
            if !is_same_authority(named, authority, scheme) {
                return None;
            }
            if target.starts_with('/') { target.into() } else { format!("/{target}").into() }
        }
        (Some((false, _)), _) => return None,
        _ if reference.starts_with('/') => reference.into(),
        _ if reference.is_empty() => base.into(),
        _ if reference.starts_with('?') => format!("{base}{reference}").into(),
        _ => format!("{}{reference}", &base[..base.rfind('/').map_or(0, |at| at + 1)]).into(),
    };
    let (path, query) = target.split_once('?').map_or((&*target, None), |(path, query)| (path, Some(query)));
    let path = canonical_path(path).ok()?;
    Some(match query {
        Some(query) => format!("{path}?{query}"),
        None => path.into_owned(),
    })
}

fn is_same_authority(left: &str, right: &str, scheme: Scheme) -> bool {
    let port = match scheme {
        Scheme::Http => ":80",
        Scheme::Https => ":443",
    };
    let without_port = |authority: &'_ str| authority.strip_suffix(port).unwrap_or(authority).len();
    left[..without_port(left)].eq_ignore_ascii_case(&right[..without_port(right)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_followed_within_the_origin_alone() {
        let check = |reference: &str, expected: Option<&str>| {
            let found = resolve(reference, Scheme::Http, "a.example:8080", "/books/1");
            assert_eq!(found.as_deref(), expected, "{reference}");
        };
        check("/books/2", Some("/books/2"));
        check("/books/x/../2?a=1#frag", Some("/books/2?a=1"));
        check("2", Some("/books/2"));
        check("?a", Some("/books/1?a"));
        check("", Some("/books/1"));
        check("http://a.example:8080/books/2", Some("/books/2"));
        check("HTTP://A.example:8080", Some("/"));
        check("//a.example:8080?x", Some("/?x"));
        check("http://b.example:8080/books/2", None);
        check("http://a.example/books/2", None);
        check("https://a.example:8080/books/2", None);
        check("//b.example/books/2", None);
        assert_eq!(resolve("http://a/x", Scheme::Http, "a:80", "/").as_deref(), Some("/x"));
    }

    #[test]
    fn only_methods_that_are_known_to_be_safe_change_nothing() {
        assert!(["GET", "HEAD", "OPTIONS", "TRACE"].iter().all(|method| !is_unsafe(method)));
        assert!(["POST", "PUT", "PATCH", "DELETE", "M-SEARCH", "get"].iter().all(|method| is_unsafe(method)));
    }
}
