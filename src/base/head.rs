use std::net::IpAddr;

use http::HeaderMap;

/// How the client reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

/// A borrowed view of a request's head: what every phase decides over, whoever parsed it.
///
/// `path` is the canonical path (see [`super::canonical_path`]); what is matched, keyed and forwarded
/// is this one spelling.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// As sent; methods are case-sensitive.
    pub method: &'a str,
    /// The authority's host without its port, as sent. Empty for HTTP/1.0 without `Host`.
    pub host: &'a str,
    /// Starts with `/`; no query.
    pub path: &'a str,
    /// Without its `?`; `None` when there was none.
    pub query: Option<&'a str>,
    pub fields: Fields<'a>,
    /// The peer's address.
    pub client: IpAddr,
    pub scheme: Scheme,
}

/// The header fields of a [`Head`].
#[derive(Clone, Copy, Debug)]
pub enum Fields<'a> {
    /// As Pingora parsed them.
    Map(&'a HeaderMap),
    /// As a list in the order of the wire; names in any case.
    List(&'a [(&'a str, &'a [u8])]),
    /// As they stand in the bytes that were read, in their order; names in any case.
    Wire { bytes: &'a [u8], spans: &'a [FieldSpan] },
}

/// Where one field stands in the bytes of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldSpan {
    name: (u32, u32),
    value: (u32, u32),
}

impl FieldSpan {
    /// Of `name` and `value`, slices of `bytes`. A head is far shorter than 4 GiB.
    pub fn of(bytes: &[u8], name: &[u8], value: &[u8]) -> FieldSpan {
        let span = |part: &[u8]| {
            let start = (part.as_ptr() as usize).saturating_sub(bytes.as_ptr() as usize);
            (start as u32, (start + part.len()) as u32)
        };
        FieldSpan { name: span(name), value: span(value) }
    }

    /// Where its line begins.
    pub fn start(&self) -> usize {
        self.name.0 as usize
    }

    /// The field's name, in any case.
    pub fn name<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        bytes.get(self.name.0 as usize..self.name.1 as usize).unwrap_or_default()
    }

    pub fn value<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        bytes.get(self.value.0 as usize..self.value.1 as usize).unwrap_or_default()
    }

    fn is(&self, bytes: &[u8], name: &str) -> bool {
        (self.name.1 - self.name.0) as usize == name.len() && self.name(bytes).eq_ignore_ascii_case(name.as_bytes())
    }
}

impl<'a> Fields<'a> {
    /// How many there are; a name that comes twice counts twice.
    pub fn len(&self) -> usize {
        match self {
            Fields::Map(map) => map.len(),
            Fields::List(list) => list.len(),
            Fields::Wire { spans, .. } => spans.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first value of `name` (lower case), as bytes.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        match self {
            Fields::Map(map) => map.get(name).map(http::HeaderValue::as_bytes),
            Fields::List(list) => list.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| *v),
            Fields::Wire { bytes, spans } => {
                spans.iter().find(|span| span.is(bytes, name)).map(|span| span.value(bytes))
            }
        }
    }

    /// The first value of `name` (lower case) if it is visible text.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Calls `each` with every value of `name` (lower case), in order.
    pub fn for_each(&self, name: &str, mut each: impl FnMut(&'a [u8])) {
        match self {
            Fields::Map(map) => map.get_all(name).iter().for_each(|value| each(value.as_bytes())),
            Fields::List(list) => {
                list.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).for_each(|(_, value)| each(value));
            }
            Fields::Wire { bytes, spans } => {
                spans.iter().filter(|span| span.is(bytes, name)).for_each(|span| each(span.value(bytes)));
            }
        }
    }

    /// Calls `each` with every field, in order; names as they were sent. A name is a token, which is ASCII.
    pub fn for_all(&self, mut each: impl FnMut(&'a [u8], &'a [u8])) {
        match self {
            Fields::Map(map) => map.iter().for_each(|(name, value)| each(name.as_str().as_bytes(), value.as_bytes())),
            Fields::List(list) => list.iter().for_each(|(name, value)| each(name.as_bytes(), value)),
            Fields::Wire { bytes, spans } => spans.iter().for_each(|span| each(span.name(bytes), span.value(bytes))),
        }
    }

    /// Whether any value of the list field `name` holds the token `token`, in any case.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        let mut found = false;
        self.for_each(name, |value| {
            found |= value.split(|b| *b == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()));
        });
        found
    }
}

/// Whether `token` is `lower` (lower case, digits and dashes), in any case. For names of fields, which are tokens, and
/// for words in their values; costs a few instructions, since the length is known beforehand.
pub fn is_token<const N: usize>(token: &[u8], lower: &[u8; N]) -> bool {
    // But for control characters, which no parser lets through, only a letter's other case differs in this bit alone.
    const CASE: u8 = 0x20;
    token.first_chunk::<N>().is_some_and(|start| {
        let difference = start.iter().zip(lower).fold(0, |all, (byte, lower)| all | ((byte | CASE) ^ lower));
        difference == 0 && token.len() == N
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_token_is_known_in_any_case_and_nothing_else_is(name in "[!#$%&'*+.^_`|~0-9A-Za-z-]{0,4}|[eE][tT][aA][gG-]") {
            proptest::prop_assert_eq!(is_token(name.as_bytes(), b"etag"), name.eq_ignore_ascii_case("etag"));
            proptest::prop_assert_eq!(is_token(name.as_bytes(), b"x-9"), name.eq_ignore_ascii_case("x-9"));
        }
    }
}
