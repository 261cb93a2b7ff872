//! What a field's name says of who may have it. Names are compared in any case, since a head may keep the wire's
//! spelling, and as bytes: a name is a token, and a token is ASCII.

use smallvec::SmallVec;

use crate::base::{Fields, is_token};

/// Whose business a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// About one connection only: RFC 9110 section 7.6.1, and what others send in its place. `TE` is here too:
    /// only between two sides of HTTP/2 are trailers forwarded, and there it is written anew.
    HopByHop,
    /// What only the gateway may say to a back end. All of `x-forwarded-*` belongs here.
    Claim,
    /// What an `HTTP` integration sends of the client's fields without being told: what describes the body, and
    /// `Accept`.
    Content,
    /// `Content-Length`: content, and framing.
    Length,
    Expect,
    /// Goes with the client's `traceparent`.
    Tracestate,
    /// Any other.
    Plain,
}

impl Kind {
    /// Few names have one length, so that most fields cost a jump and a comparison or two.
    pub(super) fn of(name: &[u8]) -> Kind {
        match name.len() {
            2 if is_token(name, b"te") => Kind::HopByHop,
            4 if is_token(name, b"host") => Kind::Claim,
            6 if is_token(name, b"accept") => Kind::Content,
            6 if is_token(name, b"expect") => Kind::Expect,
            7 if is_token(name, b"trailer") || is_token(name, b"upgrade") => Kind::HopByHop,
            9 if is_claim(name, b"x-api-key") || is_claim(name, b"x-real-ip") || is_claim(name, b"forwarded") => {
                Kind::Claim
            }
            10 if is_token(name, b"connection") || is_token(name, b"keep-alive") => Kind::HopByHop,
            10 if is_token(name, b"tracestate") => Kind::Tracestate,
            11 if is_claim(name, b"traceparent") => Kind::Claim,
            12 if is_token(name, b"content-type") => Kind::Content,
            12 if is_claim(name, b"x-request-id") => Kind::Claim,
            14 if is_token(name, b"content-length") => Kind::Length,
            14 if is_token(name, b"http2-settings") => Kind::HopByHop,
            15 if is_claim(name, b"x-amzn-trace-id") => Kind::Claim,
            16 if is_token(name, b"content-encoding") => Kind::Content,
            16 if is_token(name, b"proxy-connection") => Kind::HopByHop,
            17 if is_token(name, b"transfer-encoding") => Kind::HopByHop,
            18 if is_token(name, b"proxy-authenticate") => Kind::HopByHop,
            19 if is_token(name, b"proxy-authorization") => Kind::HopByHop,
            12.. if is_claim(&name[..12], b"x-forwarded-") => Kind::Claim,
            _ => Kind::Plain,
        }
    }
}

/// What a `Connection` nomination does not remove beside claims, content and what is of one connection anyway:
/// credentials, and what others rely upon.
const UNREMOVABLE: &[&str] =
    &["authorization", "cookie", "set-cookie", "cache-control", "etag", "location", "vary", "via", "www-authenticate"];

/// More nominations than any honest peer sends; those after it are not looked at, so that a head full of them costs
/// little.
const NOMINATIONS_MAX: usize = 32;

/// The fields that `Connection` nominates and that may go for it.
pub(super) type Nominations<'a> = SmallVec<[&'a [u8]; 4]>;

pub(super) fn nominations<'a>(fields: &Fields<'a>) -> Nominations<'a> {
    let mut found = SmallVec::new();
    fields.for_each("connection", |value| {
        // By far the most frequent, and it nominates nothing.
        if !is_token(value, b"keep-alive") {
            nominate(value, &mut found);
        }
    });
    found
}

fn nominate<'a>(value: &'a [u8], found: &mut Nominations<'a>) {
    let tokens = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let removable = tokens.filter(|token| !token.is_empty() && is_removable(token));
    found.extend(removable.take(NOMINATIONS_MAX - found.len().min(NOMINATIONS_MAX)));
}

fn is_removable(name: &[u8]) -> bool {
    match Kind::of(name) {
        // Of content only `Accept` describes no body.
        Kind::Content => name.eq_ignore_ascii_case(b"accept"),
        Kind::Expect | Kind::Plain => !is_one_of(name, UNREMOVABLE),
        Kind::HopByHop | Kind::Claim | Kind::Length | Kind::Tracestate => false,
    }
}

/// Whether `name` is in `names`, each in any case.
pub(super) fn is_one_of<N: AsRef<[u8]>>(name: &[u8], names: &[N]) -> bool {
    names.iter().any(|other| name.eq_ignore_ascii_case(other.as_ref()))
}

/// Whether `name` is read as `lower` by CGI and its heirs, to whom `_` is `-`, so that it would speak for the gateway.
fn is_claim<const N: usize>(name: &[u8], lower: &[u8; N]) -> bool {
    name.first_chunk::<N>().is_some_and(|start| {
        let folded = start.map(|byte| if byte == b'_' { b'-' } else { byte });
        name.len() == N && is_token(&folded, lower)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: Kind, names: &[&str]) {
        for name in names {
            assert_eq!(Kind::of(name.as_bytes()), kind, "{name}");
            assert_eq!(Kind::of(name.to_uppercase().as_bytes()), kind, "{name} in upper case");
        }
    }

    #[test]
    fn a_name_is_known_in_any_spelling() {
        check(
            Kind::HopByHop,
            &["connection", "Keep-Alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te"],
        );
        check(Kind::HopByHop, &["trailer", "transfer-encoding", "Upgrade", "http2-settings"]);
        check(
            Kind::Claim,
            &["X-Forwarded-For", "x_forwarded_proto", "x-forwarded-PREFIX", "x-forwarded-", "Forwarded"],
        );
        check(Kind::Claim, &["X_Real_IP", "x-api-key", "host", "x-request-id", "x_amzn-trace_id", "traceparent"]);
        check(Kind::Content, &["accept", "content-type", "content-encoding"]);
        check(Kind::Length, &["content-length"]);
        check(Kind::Expect, &["expect"]);
        check(Kind::Tracestate, &["tracestate"]);
        let plain =
            ["x-forwarded", "authorization", "x-api-keys", "via", "content_length", "keep_alive", "x", "", "tE-"];
        check(Kind::Plain, &plain);
        check(Kind::Plain, &["é-forwarded-for"]);
    }

    #[test]
    fn a_nomination_removes_neither_credentials_nor_what_the_gateway_says() {
        let list: &[(&str, &[u8])] = &[
            ("Connection", b"close, X-Hop, Authorization, cookie, Host, x-api-key, Content-Length, X-Forwarded-For"),
            ("connection", b"forwarded,x-request-id,traceparent,Transfer-Encoding,,x-other"),
            ("connection", b"Keep-Alive"),
            ("connection", b"content-type, tracestate, accept"),
        ];
        let expected: [&[u8]; 4] = [b"close", b"X-Hop", b"x-other", b"accept"];
        assert_eq!(nominations(&Fields::List(list)).as_slice(), expected);
    }

    #[test]
    fn no_head_makes_the_gateway_look_at_thousands_of_nominations() {
        let value = "a,".repeat(5_000);
        let list: &[(&str, &[u8])] = &[("connection", value.as_bytes()), ("connection", b"b")];
        assert_eq!(nominations(&Fields::List(list)).len(), NOMINATIONS_MAX);
    }
}
