use std::time::{Duration, UNIX_EPOCH};

use bytes::BytesMut;
use http::StatusCode;
use http::header::{
    AGE, CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, DATE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};

use super::BODY_BYTES_MAX;
use super::origin::{Terms, Variant, is_tags};
use crate::base::{Fields, Now};

/// The head of an answer that may be shared: what of it is everyone's.
#[derive(Debug)]
pub struct AnswerHead {
    pub status: StatusCode,
    /// Without fields of one connection (RFC 9110 section 7.6.1), without `Content-Length` and `Age`:
    /// the length is the body's, the age the entry's.
    pub fields: Box<[(HeaderName, HeaderValue)]>,
    /// The body's length in bytes, where it was known before the body.
    pub content_length: Option<u64>,
    is_dated: bool,
    /// How old the answer was when it arrived.
    age_s: u64,
    /// Which requests it is for, where that is not said by their key alone.
    pub(super) variant: Option<Box<Variant>>,
}

/// Whether an answer with this head may be shared at all.
pub(super) fn is_shareable(status: StatusCode, fields: &HeaderMap) -> bool {
    let is_stored_status = matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 410);
    let is_for_everyone = !fields.contains_key(SET_COOKIE) && !fields.contains_key(CONTENT_RANGE);
    is_stored_status && is_small_enough(status, fields) && is_for_everyone
}

/// Whether the head announces no more than is stored.
pub(super) fn is_small_enough(status: StatusCode, fields: &HeaderMap) -> bool {
    content_length(status, fields).is_none_or(|length| length <= BODY_BYTES_MAX as u64)
}

/// The length that the head announces. One that cannot be read is none.
fn content_length(status: StatusCode, fields: &HeaderMap) -> Option<u64> {
    if status == StatusCode::NO_CONTENT {
        return Some(0);
    }
    fields.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl AnswerHead {
    /// Copies the fields that may be kept. The values share one buffer of exactly their size, so that an entry
    /// does not hold on to the buffer that the connection was read into.
    pub(super) fn keep(status: StatusCode, all: &HeaderMap) -> AnswerHead {
        AnswerHead::keep_all_but(status, all, |_| false)
    }

    /// The same of an origin that is honoured: without the fields that it wants not to be stored, and with a date (RFC 9110 section 6.6.1).
    pub(super) fn keep_of_origin(
        status: StatusCode,
        all: &HeaderMap,
        terms: &Terms,
        variant: Option<Box<Variant>>,
        now: Now,
    ) -> AnswerHead {
        let is_left_out = |name: &HeaderName| terms.withheld_fields.iter().any(|other| other == name.as_str());
        let mut head = AnswerHead::keep_all_but(status, all, is_left_out);
        (head.variant, head.is_dated, head.age_s) = (variant, true, terms.age.as_secs());
        if !all.contains_key(DATE) {
            let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(now.unix_ms));
            let date = HeaderValue::from_str(&date).ok().map(|date| (DATE, date));
            head.fields = head.fields.into_iter().chain(date).collect();
        }
        head
    }

    /// The value of `Age` for those who get it as it arrives; `None`: it is new.
    pub fn age_s(&self) -> Option<u64> {
        (self.age_s > 0).then_some(self.age_s)
    }

    /// Whether its `Date` goes out as its origin wrote it.
    pub fn is_dated(&self) -> bool {
        self.is_dated
    }

    /// Whether the request with these fields may have it, whose key is the same.
    pub fn suits(&self, fields: &Fields<'_>) -> bool {
        self.variant.as_ref().is_none_or(|variant| variant.suits(fields))
    }

    fn keep_all_but(status: StatusCode, all: &HeaderMap, is_left_out: impl Fn(&HeaderName) -> bool) -> AnswerHead {
        let stays = |name: &HeaderName| {
            !is_of_one_answer(name) && !is_tags(name) && !is_named_in_connection(all, name) && !is_left_out(name)
        };
        let kept = || all.iter().filter(|(name, _)| stays(name));
        let mut buffer = BytesMut::with_capacity(kept().map(|(_, value)| value.len()).sum());
        let own = |value: &HeaderValue| {
            buffer.extend_from_slice(value.as_bytes());
            HeaderValue::from_maybe_shared(buffer.split().freeze()).ok()
        };
        let (names, values) = (kept().map(|(name, _)| name.clone()), kept().map(|(_, value)| value));
        let fields = names.zip(values.map(own)).filter_map(|(name, value)| Some((name, value?))).collect();
        AnswerHead {
            status,
            fields,
            content_length: content_length(status, all),
            is_dated: false,
            age_s: 0,
            variant: None,
        }
    }

    /// The bytes that this head takes in a store, roughly.
    pub(super) fn weight(&self) -> usize {
        self.fields
            .iter()
            .map(|(name, value)| size_of::<(HeaderName, HeaderValue)>() + name.as_str().len() + value.len())
            .sum::<usize>()
            + self.variant.as_ref().map_or(0, |variant| variant.weight())
    }
}

/// Fields that speak of one connection, one answer or one moment.
fn is_of_one_answer(name: &HeaderName) -> bool {
    matches!(*name, AGE | CONNECTION | CONTENT_LENGTH | TE | TRAILER | TRANSFER_ENCODING | UPGRADE)
        || matches!(
            name.as_str(),
            "keep-alive" | "proxy-authenticate" | "proxy-authentication-info" | "proxy-connection"
        )
}

fn is_named_in_connection(all: &HeaderMap, name: &HeaderName) -> bool {
    Fields::Map(all).has_token(CONNECTION.as_str(), name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn check(status: u16, fields: &[(&'static str, &'static str)], expected: bool) {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(is_shareable(status, &head(fields)), expected, "{status} {fields:?}");
    }

    #[test]
    fn only_whole_small_answers_for_everyone_are_shared() {
        for status in [200, 203, 204, 300, 301, 308, 404, 410] {
            check(status, &[("content-type", "text/plain")], true);
        }
        for status in [201, 206, 302, 304, 307, 400, 401, 403, 429, 500, 502, 503] {
            check(status, &[], false);
        }
        check(200, &[("content-length", "1048576")], true);
        check(200, &[("content-length", "1048577")], false);
        check(200, &[("set-cookie", "a=1")], false);
        check(200, &[("content-range", "bytes 0-1/2")], false);
        check(200, &[("cache-control", "no-store"), ("vary", "*")], true);
    }

    #[test]
    fn fields_of_one_connection_or_one_moment_are_not_kept() {
        let fields = [
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("content-length", "3"),
            ("age", "9"),
            ("content-type", "text/plain"),
            ("etag", "\"a\""),
        ];
        let kept = AnswerHead::keep(StatusCode::OK, &head(&fields));
        let names: Vec<_> = kept.fields.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(names, [("content-type", "text/plain"), ("etag", "\"a\"")]);
        assert_eq!(kept.content_length, Some(3));
    }
}
