use std::borrow::Cow;

use crate::base::{Fields, canonical_path};

/// Whether a request with this method may change what is stored: RFC 9111 section 4.4. Methods that nobody knows may.
pub fn is_unsafe(method: &str) -> bool {
    !matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE")
}

/// The targets, as canonical path and query, that an answer to such a request names in `Location` and
/// `Content-Location`; only those of the host that was asked, so that none spoils what another has stored.
///
/// `path` is the canonical one that was asked.
pub fn located(fields: &Fields<'_>, host: &str, path: &str) -> Vec<String> {
    let named = ["location", "content-location"].into_iter().filter_map(|name| fields.text(name));
    named.filter_map(|reference| resolve(reference, host, path)).collect()
}

/// RFC 3986 section 5.2, as far as it leads to the same host. Schemes and ports are not looked at: what this gateway
/// answers for a host it answers on each of them.
fn resolve(reference: &str, host: &str, base: &str) -> Option<String> {
    let reference = reference.split('#').next().unwrap_or_default();
    let with_authority = reference.strip_prefix("//").or_else(|| Some(reference.split_once("://")?.1));
    let target: Cow<'_, str> = match with_authority {
        Some(rest) => {
            let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            if !host_of(authority).eq_ignore_ascii_case(host) {
                return None;
            }
            if target.starts_with('/') { target.into() } else { format!("/{target}").into() }
        }
        None if reference.starts_with('/') => reference.into(),
        None if reference.is_empty() => base.into(),
        None if reference.starts_with('?') => format!("{base}{reference}").into(),
        None => format!("{}{reference}", &base[..base.rfind('/').map_or(0, |at| at + 1)]).into(),
    };
    let (path, query) = target.split_once('?').map_or((&*target, None), |(path, query)| (path, Some(query)));
    Some(target_of(&canonical_path(path).ok()?, query))
}

fn host_of(authority: &str) -> &str {
    let end = authority.rfind(':').filter(|at| authority[at + 1..].bytes().all(|byte| byte.is_ascii_digit()));
    &authority[..end.unwrap_or(authority.len())]
}

/// How a stored answer's target is written: the canonical path, and the query where there is one.
pub fn target_of(path: &str, query: Option<&str>) -> String {
    match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_followed_within_the_host_alone() {
        let check = |reference: &str, expected: Option<&str>| {
            let found = resolve(reference, "a.example", "/books/1");
            assert_eq!(found.as_deref(), expected, "{reference}");
        };
        check("/books/2", Some("/books/2"));
        check("/books/x/../2?a=1#frag", Some("/books/2?a=1"));
        check("2", Some("/books/2"));
        check("?a", Some("/books/1?a"));
        check("", Some("/books/1"));
        check("http://a.example:8080/books/2", Some("/books/2"));
        check("HTTP://A.example", Some("/"));
        check("//a.example:8080?x", Some("/?x"));
        check("http://b.example/books/2", None);
        check("//b.example/books/2", None);
        check("http://a.example:x/books/2", None);
    }

    #[test]
    fn only_methods_that_are_known_to_be_safe_change_nothing() {
        assert!(["GET", "HEAD", "OPTIONS", "TRACE"].iter().all(|method| !is_unsafe(method)));
        assert!(["POST", "PUT", "PATCH", "DELETE", "M-SEARCH", "get"].iter().all(|method| is_unsafe(method)));
    }
}
