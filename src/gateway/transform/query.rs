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

/// Appends `name=value` to a target, behind the `?` or `&` that it needs.
pub(super) fn push_pair(target: &mut String, name: &str, value: &[u8]) {
    push_separator(target);
    push_encoded(target, name.as_bytes());
    target.push('=');
    push_encoded(target, value);
}

/// Appends a query as it is.
pub(super) fn push_raw(target: &mut String, query: &str) {
    if !query.is_empty() {
        push_separator(target);
        target.push_str(query);
    }
}

pub(super) fn push_encoded(target: &mut String, value: &[u8]) {
    target.extend(percent_encode(value, ESCAPED));
}

fn push_separator(target: &mut String) {
    let has_query = target.bytes().any(|byte| byte == b'?');
    if !has_query {
        target.push('?');
    } else if !target.ends_with(['?', '&']) {
        target.push('&');
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
        let mut target = "/x".to_owned();
        push_raw(&mut target, "t=1");
        push_pair(&mut target, "a b", b"1&c=2#\xff");
        assert_eq!(target, "/x?t=1&a%20b=1%26c%3D2%23%FF");
    }
}
