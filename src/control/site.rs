use std::net::{IpAddr, Ipv6Addr};

use axum::http::{HeaderMap, Uri, header, uri::Authority};

/// Which site a request is for, and for which a browser says that it asks.
#[derive(Debug)]
pub(super) struct Site<'a> {
    /// Without a port.
    pub host: Option<&'a str>,
    authority: Option<&'a str>,
    /// Of the page that asks.
    origin: Option<&'a str>,
    /// `Sec-Fetch-Site` (W3C Fetch Metadata).
    fetched_from: Option<&'a str>,
}

impl<'a> Site<'a> {
    /// What stands in the target counts before `Host` (RFC 9112 section 3.2.2).
    pub fn of(uri: &'a Uri, fields: &'a HeaderMap) -> Site<'a> {
        // What is no text is no site of ours.
        let text = |name| fields.get(name).map(|value| value.to_str().unwrap_or("?"));
        let authority = uri.authority().map(Authority::as_str).or_else(|| text(header::HOST.as_str()));
        Site {
            host: authority.map(without_port),
            authority,
            origin: text(header::ORIGIN.as_str()),
            fetched_from: text("sec-fetch-site"),
        }
    }

    /// Why it comes from another site, if a browser says so. Programs say nothing of the kind.
    pub fn is_foreign(&self) -> Option<&'static str> {
        if self.fetched_from.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
            return Some("`Sec-Fetch-Site` says that another site asks");
        }
        let is_own = |origin: &str| {
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            authority.is_some() && authority.map(str::to_ascii_lowercase) == self.authority.map(str::to_ascii_lowercase)
        };
        self.origin.is_some_and(|origin| !is_own(origin)).then_some("`Origin` says that another site asks")
    }
}

/// Whether only the operator can have had a name in mind that leads here.
pub(super) fn is_own(host: &str, names: &[String]) -> bool {
    let in_brackets = || host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    host.parse::<IpAddr>().is_ok()
        || in_brackets().is_some_and(|host| host.parse::<Ipv6Addr>().is_ok())
        || host.eq_ignore_ascii_case("localhost")
        || names.iter().any(|name| name.eq_ignore_ascii_case(host))
}

fn without_port(authority: &str) -> &str {
    match authority.rfind([':', ']']) {
        Some(at) if authority.as_bytes()[at] == b':' => &authority[..at],
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_localhost_and_configured_names_are_own() {
        let names = ["gateway.internal".to_owned()];
        let check = |authority: &str, expected: bool| {
            assert_eq!(is_own(without_port(authority), &names), expected, "{authority}")
        };
        for own in
            ["127.0.0.1:9090", "127.0.0.1", "[::1]:9090", "[::1]", "localhost:1", "LOCALHOST", "Gateway.internal:9090"]
        {
            check(own, true);
        }
        for foreign in
            ["evil.example", "evil.example:9090", "localhost.evil.example", "127.0.0.1.evil.example", "", "[::1", "1"]
        {
            check(foreign, false);
        }
    }

    #[test]
    fn a_browser_that_asks_for_another_site_is_foreign_and_a_program_is_not() {
        let check = |fields: &[(&'static str, &'static str)], expected: bool| {
            let fields: HeaderMap =
                fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            let uri = Uri::from_static("/v1/reload");
            assert_eq!(Site::of(&uri, &fields).is_foreign().is_some(), expected, "{fields:?}");
        };
        check(&[("host", "localhost:9090")], false);
        check(&[("host", "localhost:9090"), ("origin", "http://localhost:9090")], false);
        check(
            &[("host", "localhost:9090"), ("origin", "http://LocalHost:9090"), ("sec-fetch-site", "same-origin")],
            false,
        );
        check(&[("host", "localhost:9090"), ("sec-fetch-site", "none")], false);
        check(&[("host", "localhost:9090"), ("origin", "http://localhost:8080")], true);
        check(&[("host", "localhost:9090"), ("origin", "https://evil.example")], true);
        check(&[("host", "localhost:9090"), ("origin", "null")], true);
        check(&[("origin", "null")], true);
        check(&[("host", "localhost:9090"), ("sec-fetch-site", "cross-site")], true);
        check(&[("host", "localhost:9090"), ("sec-fetch-site", "same-site")], true);
    }
}
