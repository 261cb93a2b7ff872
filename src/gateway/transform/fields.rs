//! Tables of field names. Names are compared in any case, since a head may keep the wire's spelling.

use smallvec::SmallVec;

use crate::base::Fields;

/// RFC 9110 section 7.6.1, and what others send in their place. `TE` goes too: trailers are not forwarded.
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// What only the gateway may say to a back end. All of `x-forwarded-*` belongs here too.
const CLAIMS: &[&str] =
    &["forwarded", "x-real-ip", "x-request-id", "traceparent", "x-amzn-trace-id", "x-api-key", "host"];

/// What an `HTTP` integration sends of the client's fields without being told: what describes the body, and `Accept`.
const CONTENT: &[&str] = &["accept", "content-type", "content-encoding", "content-length"];

/// What a `Connection` nomination does not remove (beside claims): credentials, framing, and what others rely upon.
const UNREMOVABLE: &[&str] = &[
    "authorization",
    "cookie",
    "set-cookie",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-type",
    "etag",
    "location",
    "tracestate",
    "vary",
    "via",
    "www-authenticate",
];

/// More nominations than any honest peer sends; those after it are not looked at, so that a head full of them costs
/// little.
const NOMINATIONS_MAX: usize = 32;

/// Whether `name` is about one connection only.
pub(super) fn is_hop_by_hop(name: &str) -> bool {
    is_one_of(name, HOP_BY_HOP)
}

/// Whether a client's field `name` would speak for the gateway. CGI and its heirs read `_` as `-`, so do we here.
pub(super) fn is_claim(name: &str) -> bool {
    CLAIMS.iter().any(|claim| is_same_to_cgi(name, claim))
        || name.get(..12).is_some_and(|start| is_same_to_cgi(start, "x-forwarded-"))
}

/// Whether `name` describes the body that an `HTTP` integration passes on.
pub(super) fn is_content(name: &str) -> bool {
    is_one_of(name, CONTENT)
}

/// The fields that `Connection` nominates and that may go for it.
pub(super) fn nominations<'a>(fields: &Fields<'a>) -> SmallVec<[&'a str; 4]> {
    let mut found = SmallVec::new();
    fields.for_each("connection", |value| {
        let tokens = value.split(|byte| *byte == b',').filter_map(|token| std::str::from_utf8(token.trim_ascii()).ok());
        let removable = tokens.filter(|token| !token.is_empty() && is_removable(token));
        found.extend(removable.take(NOMINATIONS_MAX - found.len().min(NOMINATIONS_MAX)));
    });
    found
}

fn is_removable(name: &str) -> bool {
    !is_one_of(name, UNREMOVABLE) && !is_claim(name) && !is_hop_by_hop(name)
}

/// Whether `name` is in `names`, which are in lower case.
pub(super) fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|other| other.eq_ignore_ascii_case(name))
}

fn is_same_to_cgi(name: &str, lower: &str) -> bool {
    let fold = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    name.len() == lower.len() && name.bytes().map(fold).eq(lower.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_known_in_any_spelling() {
        for name in
            ["X-Forwarded-For", "x_forwarded_proto", "X-FORWARDED-PREFIX", "Forwarded", "X_Real_IP", "x-api-key"]
        {
            assert!(is_claim(name), "{name}");
        }
        for name in ["x-forwarded", "authorization", "x-api-keys", "via", "é-forwarded-for"] {
            assert!(!is_claim(name), "{name}");
        }
    }

    #[test]
    fn a_nomination_removes_neither_credentials_nor_what_the_gateway_says() {
        let list: &[(&str, &[u8])] = &[
            ("Connection", b"close, X-Hop, Authorization, cookie, Host, x-api-key, Content-Length, X-Forwarded-For"),
            ("connection", b"forwarded,x-request-id,traceparent,Transfer-Encoding,,x-other"),
        ];
        assert_eq!(nominations(&Fields::List(list)).as_slice(), ["close", "X-Hop", "x-other"]);
    }

    #[test]
    fn no_head_makes_the_gateway_look_at_thousands_of_nominations() {
        let value = "a,".repeat(5_000);
        let list: &[(&str, &[u8])] = &[("connection", value.as_bytes()), ("connection", b"b")];
        assert_eq!(nominations(&Fields::List(list)).len(), NOMINATIONS_MAX);
    }
}
