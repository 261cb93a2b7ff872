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
    Wire { bytes: &'a [u8], spans: &'a FieldSpans },
}

/// Where the fields of a head stand in its bytes, in their order.
#[derive(Clone, Debug, Default)]
pub struct FieldSpans {
    list: Vec<FieldSpan>,
    /// A bit for each length that a name has, see [`length_bit`]. Most names that are looked for are not there, and this
    /// tells it without a look at any.
    lengths: u64,
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
        self.name_len() == name.len() && is_name(self.name(bytes), name.as_bytes())
    }

    fn name_len(&self) -> usize {
        (self.name.1 - self.name.0) as usize
    }
}

impl FieldSpans {
    pub fn with_capacity(fields: usize) -> FieldSpans {
        FieldSpans { list: Vec::with_capacity(fields), lengths: 0 }
    }

    pub fn clear(&mut self) {
        self.list.clear();
        self.lengths = 0;
    }

    pub fn push(&mut self, span: FieldSpan) {
        self.lengths |= length_bit(span.name_len());
        self.list.push(span);
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, FieldSpan> {
        self.list.iter()
    }

    /// Those whose name is `name` (lower case), in their order.
    fn named<'s>(&'s self, bytes: &'s [u8], name: &'s str) -> impl Iterator<Item = &'s FieldSpan> {
        self.list.iter().filter(move |span| span.is(bytes, name))
    }
}

/// The bit that stands for names of this length; very long ones share the last.
pub const fn length_bit(len: usize) -> u64 {
    1 << if len < 63 { len } else { 63 }
}

/// Whether `name` is `lower` in any case, eight bytes at a time. Both are of one length, and `lower` has no capitals.
fn is_name(name: &[u8], lower: &[u8]) -> bool {
    let ((words, _), (lower_words, _)) = (name.as_chunks(), lower.as_chunks());
    let differs = |(word, lower): (&[u8; 8], &[u8; 8])| !is_word(*word, *lower);
    match name.last_chunk().zip(lower.last_chunk()) {
        // What follows the last whole word is compared with the bytes before it.
        Some(ends) => !words.iter().zip(lower_words).chain([ends]).any(differs),
        None => name.eq_ignore_ascii_case(lower),
    }
}

/// Whether `word` is `lower` in any case: where they differ, it is in the bit of the case, and `lower` has a letter.
fn is_word(word: [u8; 8], lower: [u8; 8]) -> bool {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let (word, lower) = (u64::from_ne_bytes(word), u64::from_ne_bytes(lower));
    // The highest bit of each byte tells; names are ASCII, so it is free, and no byte carries into its neighbour.
    let seven_bits = lower & (EACH * 0x7f);
    let from_a = seven_bits + EACH * u64::from(0x80 - b'a');
    let above_z = seven_bits + EACH * u64::from(0x7f - b'z');
    let is_letter = from_a & !above_z & (EACH * 0x80);
    (word ^ lower) & !(is_letter >> 2) == 0
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
        // What is known by its length not to be there costs no call.
        if self.may_have(length_bit(name.len())) { self.find(name) } else { None }
    }

    fn find(&self, name: &str) -> Option<&'a [u8]> {
        match self {
            Fields::Map(map) => map.get(name).map(http::HeaderValue::as_bytes),
            Fields::List(list) => list.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| *v),
            Fields::Wire { bytes, spans } => spans.named(bytes, name).next().map(|span| span.value(bytes)),
        }
    }

    /// The first value of `name` (lower case) if it is visible text.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Calls `each` with every value of `name` (lower case), in order.
    pub fn for_each(&self, name: &str, mut each: impl FnMut(&'a [u8])) {
        if !self.may_have(length_bit(name.len())) {
            return;
        }
        match self {
            Fields::Map(map) => map.get_all(name).iter().for_each(|value| each(value.as_bytes())),
            Fields::List(list) => {
                list.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).for_each(|(_, value)| each(value));
            }
            Fields::Wire { bytes, spans } => {
                spans.named(bytes, name).for_each(|span| each(span.value(bytes)));
            }
        }
    }

    /// Whether there may be a name of one of these lengths, a [`length_bit`] each.
    pub fn may_have(&self, lengths: u64) -> bool {
        match self {
            Fields::Map(map) => !map.is_empty(),
            Fields::List(list) => !list.is_empty(),
            Fields::Wire { spans, .. } => spans.lengths & lengths != 0,
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
    token.first_chunk::<N>().is_some_and(|token_start| {
        // By words as far as there are any; which, is known when this is compiled.
        let is_same = match (token_start.last_chunk(), lower.last_chunk()) {
            (Some(end), Some(lower_end)) => {
                let (words, lower_words) = (token_start.as_chunks().0.iter(), lower.as_chunks().0);
                words.zip(lower_words).all(|(word, lower)| is_lower_word(*word, *lower))
                    && is_lower_word(*end, *lower_end)
            }
            _ => token_start.iter().zip(lower).fold(0, |all, (byte, lower)| all | ((byte | CASE) ^ lower)) == 0,
        };
        is_same && token.len() == N
    })
}

/// But for control characters, which no parser lets through, only a letter's other case differs in this bit alone from
/// lower case, digits and dashes.
const CASE: u8 = 0x20;

fn is_lower_word(word: [u8; 8], lower: [u8; 8]) -> bool {
    u64::from_ne_bytes(word) | u64::from_ne_bytes([CASE; 8]) == u64::from_ne_bytes(lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_name_is_found_in_any_case_and_nothing_else_is(
            name in "[!#$%&'*+.^_`|~0-9a-z-]{1,20}", at in 0..20usize, byte in 0..=255u8
        ) {
            let (lower, upper) = (name.as_bytes(), name.to_ascii_uppercase());
            proptest::prop_assert!(is_name(lower, lower) && is_name(upper.as_bytes(), lower));
            let mut other = lower.to_vec();
            other[at % lower.len()] = byte;
            proptest::prop_assert_eq!(is_name(&other, lower), other.eq_ignore_ascii_case(lower));
        }

        #[test]
        fn a_token_is_known_in_any_case_and_nothing_else_is(name in "[!#$%&'*+.^_`|~0-9A-Za-z-]{0,4}|[eE][tT][aA][gG-]") {
            proptest::prop_assert_eq!(is_token(name.as_bytes(), b"etag"), name.eq_ignore_ascii_case("etag"));
            proptest::prop_assert_eq!(is_token(name.as_bytes(), b"x-9"), name.eq_ignore_ascii_case("x-9"));
            let long = name.repeat(3);
            proptest::prop_assert_eq!(is_token(long.as_bytes(), b"etagetagetag"), name.eq_ignore_ascii_case("etag"));
        }

        #[test]
        fn a_long_token_differs_in_any_place(at in 0..17usize, byte in "[!#$%&'*+.^_`|~0-9A-Za-z-]") {
            let mut token = *b"Transfer-Encoding";
            token[at] = byte.as_bytes()[0];
            let expected = token.eq_ignore_ascii_case(b"transfer-encoding");
            proptest::prop_assert_eq!(is_token(&token, b"transfer-encoding"), expected);
            proptest::prop_assert!(!is_token(&token[..16], b"transfer-encoding"));
        }
    }
}
