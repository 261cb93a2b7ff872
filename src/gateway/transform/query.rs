//! Reading and writing single parameters of a raw query.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// Everything but RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The last value of the parameter `name`, decoded; names are compared decoded too.
pub(super) fn last_value<'a>(query: Option<&'a str>, name: &str) -> Option<Cow<'a, [u8]>> {
    let pairs = query?.split('&').rev().filter(|pair| !pair.is_empty());
    let mut named = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    named.find(|(key, _)| decode(key).as_ref() == name.as_bytes()).map(|(_, value)| decode(value))
}

/// Every value of the parameter `name`, decoded.
pub(super) fn for_each_value<'a>(query: Option<&'a str>, name: &str, mut take: impl FnMut(Cow<'a, [u8]>)) {
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let named = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    named.filter(|(key, _)| decode(key).as_ref() == name.as_bytes()).for_each(|(_, value)| take(decode(value)));
}

/// All of them, joined with commas; `None` for a parameter that is not there.
pub(super) fn values(query: Option<&str>, name: &str) -> Option<Vec<u8>> {
    let mut all: Option<Vec<u8>> = None;
    for_each_value(query, name, |value| match &mut all {
        Some(all) => {
            all.push(b',');
            all.extend_from_slice(&value);
        }
        None => all = Some(value.into_owned()),
    });
    all
}

/// A request target while it is written, behind whatever stands in `out` before.
pub(super) struct Target<'o> {
    out: &'o mut Vec<u8>,
    has_query: bool,
}

impl<'o> Target<'o> {
    pub(super) fn new(out: &'o mut Vec<u8>) -> Target<'o> {
        Target { out, has_query: false }
    }

    /// Appends text of the path, or of the query once that has begun.
    pub(super) fn push(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    pub(super) fn push_encoded(&mut self, value: &[u8]) {
        percent_encode(value, ESCAPED).for_each(|piece| self.push(piece));
    }

    /// Appends `name=value`, behind the `?` or `&` that it needs.
    pub(super) fn push_pair(&mut self, name: &str, value: &[u8]) {
        self.push_separator();
        self.push_encoded(name.as_bytes());
        self.push("=");
        self.push_encoded(value);
    }

    /// Appends a query as it is.
    pub(super) fn push_query(&mut self, query: &str) {
        if !query.is_empty() {
            self.push_separator();
            self.push(query);
        }
    }

    /// Begins the query, or its next parameter.
    pub(super) fn push_separator(&mut self) {
        if !self.has_query {
            self.has_query = true;
            self.push("?");
        } else if !self.out.ends_with(b"?") && !self.out.ends_with(b"&") {
            self.push("&");
        }
    }
}

/// Percent escapes, and `+` for a space as forms write it.
fn decode(text: &str) -> Cow<'_, [u8]> {
    if !text.contains('+') {
        return percent_decode_str(text).into();
    }
    Cow::Owned(percent_decode_str(&text.replace('+', " ")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_of_a_parameter_is_found_by_its_decoded_name() {
        let query = Some("a=1&b%20c=x+y%21&a=2&&flag");
        let value = |name| last_value(query, name).map(|value| String::from_utf8_lossy(&value).into_owned());
        assert_eq!(value("a").as_deref(), Some("2"));
        assert_eq!(value("b c").as_deref(), Some("x y!"));
        assert_eq!(value("flag").as_deref(), Some(""));
        assert_eq!(value("missing"), None);
        assert_eq!(last_value(None, "a"), None);
    }

    #[test]
    fn a_value_cannot_leave_its_place_in_the_query() {
        let mut out = b"GET /?".to_vec();
        let mut target = Target::new(&mut out);
        target.push("/x");
        target.push_query("t=1");
        target.push_pair("a b", b"1&c=2#\xff");
        assert_eq!(out, b"GET /?/x?t=1&a%20b=1%26c%3D2%23%FF");
    }
}
