use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::freshness::read_date;
use crate::base::Fields;

/// What an answer is recognised by: RFC 9110 section 8.8. At least one is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validators<'a> {
    pub etag: Option<&'a [u8]>,
    pub last_modified: Option<&'a [u8]>,
}

impl<'a> Validators<'a> {
    pub fn of(fields: &Fields<'a>) -> Option<Validators<'a>> {
        let last_modified = fields.get("last-modified").filter(|value| read_date(value).is_some());
        Validators { etag: fields.get("etag"), last_modified }.any()
    }

    /// The same of an answer's head as it is stored.
    pub fn of_stored(fields: &'a [(HeaderName, HeaderValue)]) -> Option<Validators<'a>> {
        let get = |name: HeaderName| fields.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_bytes());
        let last_modified = get(header::LAST_MODIFIED).filter(|value| read_date(value).is_some());
        Validators { etag: get(header::ETAG), last_modified }.any()
    }

    fn any(self) -> Option<Validators<'a>> {
        (self.etag.is_some() || self.last_modified.is_some()).then_some(self)
    }

    /// What the origin is asked with: RFC 9111 section 4.3.1.
    pub fn conditions(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<> {
        let pair = |name, value: Option<&[u8]>| Some((name, HeaderValue::from_bytes(value?).ok()?));
        let etag = pair(header::IF_NONE_MATCH, self.etag);
        [etag, pair(header::IF_MODIFIED_SINCE, self.last_modified)].into_iter().flatten()
    }
}

/// Whether a client that asks with these fields has the stored answer already: RFC 9111 section 4.3.2. `date` is the
/// answer's own, which stands in where it has no `Last-Modified`.
pub fn is_not_modified(fields: &Fields<'_>, stored: Option<Validators<'_>>, date: Option<&[u8]>) -> bool {
    if fields.get("if-none-match").is_some() {
        let Some(etag) = stored.and_then(|stored| stored.etag) else { return false };
        let mut is_named = false;
        fields.for_each("if-none-match", |line| is_named |= line.trim_ascii() == b"*" || names(line, etag));
        return is_named;
    }
    let Some(since) = fields.get("if-modified-since").and_then(read_date) else { return false };
    let changed = stored.and_then(|stored| stored.last_modified).or(date).and_then(read_date);
    changed.is_some_and(|changed| changed <= since)
}

/// Whether a list of entity tags has `etag`, by the weak comparison of RFC 9110 section 8.8.3.2. A comma may be in a tag.
fn names(list: &[u8], etag: &[u8]) -> bool {
    let etag = opaque(etag);
    let mut rest = list;
    while let Some(start) = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b',')) {
        let member = opaque(&rest[start..]);
        let len = match member.strip_prefix(b"\"") {
            Some(inner) => memchr::memchr(b'"', inner).map_or(member.len(), |end| end + 2),
            None => memchr::memchr(b',', member).unwrap_or(member.len()),
        };
        let (tag, after) = member.split_at(len);
        if tag.trim_ascii() == etag {
            return true;
        }
        rest = after;
    }
    false
}

fn opaque(etag: &[u8]) -> &[u8] {
    etag.strip_prefix(b"W/").unwrap_or(etag)
}

/// Whether two entity tags are the same and strong: RFC 9110 section 8.8.3.2.
pub(super) fn is_strongly_equal(left: &[u8], right: &[u8]) -> bool {
    left == right && left.starts_with(b"\"")
}

/// The fields of a stored answer after the origin has confirmed it with these: RFC 9111 sections 3.2 and 4.3.4.
///
/// What describes the stored body stays as it is, and so does its entity tag, which is what the origin confirmed.
pub fn renewed(stored: &[(HeaderName, HeaderValue)], news: &HeaderMap) -> HeaderMap {
    let mut fields = HeaderMap::with_capacity(stored.len() + 4);
    // Its date is of what is said now, even where the origin has no clock to say it.
    let stays = |name: &HeaderName| is_of_the_body(name) || (!news.contains_key(name) && *name != header::DATE);
    for (name, value) in stored.iter().filter(|(name, _)| stays(name)) {
        fields.append(name, value.clone());
    }
    for (name, value) in news.iter().filter(|(name, _)| !is_of_the_body(name)) {
        fields.append(name, value.clone());
    }
    fields
}

fn is_of_the_body(name: &HeaderName) -> bool {
    use header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG};
    matches!(*name, CONTENT_ENCODING | CONTENT_LENGTH | CONTENT_RANGE | ETAG) || name.as_str() == "content-md5"
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: Validators<'static> =
        Validators { etag: Some(b"\"a,b\""), last_modified: Some(b"Sun, 06 Nov 1994 08:49:37 GMT") };

    #[track_caller]
    fn check(fields: &[(&str, &str)], stored: Option<Validators<'_>>, expected: bool) {
        let list: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let date: &[u8] = b"Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(is_not_modified(&Fields::List(&list), stored, Some(date)), expected, "{fields:?}");
    }

    #[test]
    fn a_client_that_has_what_is_stored_need_not_get_it_again() {
        for same in ["\"a,b\"", "W/\"a,b\"", "\"x\", \"a,b\"", "\"a,b\",\"x\"", "*", " \"a,b\" "] {
            check(&[("If-None-Match", same)], Some(STORED), true);
        }
        for other in ["\"a\"", "a,b", "", "\"a,b", "\"A,B\""] {
            check(&[("If-None-Match", other)], Some(STORED), false);
        }
        let (before, same) = ("Sun, 06 Nov 1994 08:49:36 GMT", "Sunday, 06-Nov-94 08:49:37 GMT");
        check(&[("If-Modified-Since", same)], Some(STORED), true);
        check(&[("If-Modified-Since", same)], None, true);
        check(&[("If-Modified-Since", before)], Some(STORED), false);
        check(&[("If-Modified-Since", "nonsense")], Some(STORED), false);
        check(&[("If-None-Match", "\"x\""), ("If-Modified-Since", same)], Some(STORED), false);
        check(&[("If-None-Match", "\"a,b\""), ("If-Modified-Since", before)], Some(STORED), true);
        check(&[("If-None-Match", "*")], None, false);
        check(&[], Some(STORED), false);
    }

    #[test]
    fn a_confirmed_answer_takes_the_new_fields_but_not_those_of_its_body() {
        let list = |fields: &[(&'static str, &'static str)]| -> Vec<(HeaderName, HeaderValue)> {
            let pair = |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
            fields.iter().map(pair).collect()
        };
        let stored = list(&[("a", "1"), ("a", "2"), ("b", "1"), ("etag", "\"1\""), ("content-encoding", "gzip")]);
        let news = list(&[("a", "3"), ("c", "1"), ("etag", "\"2\""), ("content-length", "9"), ("content-type", "x")]);
        let renewed = renewed(&stored, &news.into_iter().collect());
        let mut told: Vec<_> = renewed.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        told.sort_unstable();
        let expected = [
            ("a", "3"),
            ("b", "1"),
            ("c", "1"),
            ("content-encoding", "gzip"),
            ("content-type", "x"),
            ("etag", "\"1\""),
        ];
        assert_eq!(told, expected);
    }
}
