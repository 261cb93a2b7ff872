use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::Value;

/// The `format`s that are checked; what is not known is for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    DateTime,
    Email,
    Hostname,
    Ipv4,
    Ipv6,
    Uri,
    Date,
    Time,
    Uuid,
    Byte,
    Int32,
    Int64,
}

/// Every format and its name; those of draft-04 stand first.
const NAMES: [(&str, Format); 12] = [
    ("date-time", Format::DateTime),
    ("email", Format::Email),
    ("hostname", Format::Hostname),
    ("ipv4", Format::Ipv4),
    ("ipv6", Format::Ipv6),
    ("uri", Format::Uri),
    ("date", Format::Date),
    ("time", Format::Time),
    ("uuid", Format::Uuid),
    ("byte", Format::Byte),
    ("int32", Format::Int32),
    ("int64", Format::Int64),
];

/// RFC 1035 section 2.3.4.
const HOST_MAX: usize = 253;
const LABEL_MAX: usize = 63;

impl Format {
    /// Of draft-04 alone, or of OpenAPI too.
    pub(super) fn named(name: &str, knows_openapi: bool) -> Option<Format> {
        let known = if knows_openapi { &NAMES[..] } else { &NAMES[..6] };
        known.iter().find(|(written, _)| *written == name).map(|(_, format)| *format)
    }

    pub(super) fn as_str(self) -> &'static str {
        NAMES[self as usize].0
    }

    /// A format says nothing of values of other types than its own.
    pub(super) fn holds(self, value: &Value) -> bool {
        match (self, value) {
            (Format::Int32, Value::Number(number)) => fits(number, i32::MIN.into(), i32::MAX.into()),
            (Format::Int64, Value::Number(number)) => fits(number, i64::MIN, i64::MAX),
            (Format::Int32 | Format::Int64, _) => true,
            (format, Value::String(text)) => format.holds_text(text),
            _ => true,
        }
    }

    fn holds_text(self, text: &str) -> bool {
        match self {
            Format::DateTime => is_date_time(text),
            Format::Email => is_email(text),
            Format::Hostname => is_hostname(text),
            Format::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
            Format::Ipv6 => text.parse::<Ipv6Addr>().is_ok(),
            Format::Uri => is_uri(text),
            Format::Date => is_date(text),
            Format::Time => is_time(text),
            Format::Uuid => is_uuid(text),
            Format::Byte => is_base64(text),
            Format::Int32 | Format::Int64 => true,
        }
    }
}

fn fits(number: &serde_json::Number, min: i64, max: i64) -> bool {
    match (number.as_i64(), number.as_f64()) {
        (Some(integer), _) => (min..=max).contains(&integer),
        (None, Some(float)) if number.is_f64() => (min as f64..=max as f64).contains(&float),
        _ => false,
    }
}

/// RFC 3339 section 5.6.
fn is_date_time(text: &str) -> bool {
    let Some((date, rest)) = text.split_at_checked(10) else { return false };
    let Some(time) = rest.strip_prefix(['T', 't', ' ']) else { return false };
    is_date(date) && is_time(time)
}

fn is_date(text: &str) -> bool {
    let mut parts = text.split('-');
    let (year, month, day) = (number(parts.next(), 4), number(parts.next(), 2), number(parts.next(), 2));
    match (year, month, day, parts.next()) {
        (Some(year), Some(month), Some(day), None) => (1..=days_in(year, month)).contains(&day),
        _ => false,
    }
}

fn days_in(year: u32, month: u32) -> u32 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u32::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    }
}

/// With a zone, as RFC 3339 has it.
fn is_time(text: &str) -> bool {
    let Some((clock, rest)) = text.split_at_checked(8) else { return false };
    let fraction = rest.strip_prefix('.').map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    let zone = match fraction {
        Some(zone) if zone.len() + 1 < rest.len() => zone,
        Some(_) => return false,
        None => rest,
    };
    is_clock(clock) && (zone.eq_ignore_ascii_case("z") || is_offset(zone))
}

/// A leap second is a second.
fn is_clock(text: &str) -> bool {
    let mut parts = text.split(':');
    let (hour, minute, second) = (number(parts.next(), 2), number(parts.next(), 2), number(parts.next(), 2));
    let is_in = |number: Option<u32>, max: u32| number.is_some_and(|number| number <= max);
    is_in(hour, 23) && is_in(minute, 59) && is_in(second, 60) && parts.next().is_none()
}

fn is_offset(text: &str) -> bool {
    let parts = text.strip_prefix(['+', '-']).and_then(|offset| offset.split_once(':'));
    parts.is_some_and(|(hours, minutes)| {
        number(Some(hours), 2).is_some_and(|hours| hours < 24)
            && number(Some(minutes), 2).is_some_and(|minutes| minutes < 60)
    })
}

/// Of so many digits and nothing else.
fn number(text: Option<&str>, digits: usize) -> Option<u32> {
    let text = text.filter(|text| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok()
}

/// A mailbox as people have them: RFC 5321 section 4.1.2 without quotes and comments.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_atom = |part: &str| {
        let is_text = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
        !part.is_empty() && part.chars().all(is_text)
    };
    local.len() <= 64 && local.split('.').all(is_atom) && (is_hostname(domain) || is_address_literal(domain))
}

fn is_address_literal(text: &str) -> bool {
    let inside = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inside.is_some_and(|address| match address.strip_prefix("IPv6:") {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => address.parse::<Ipv4Addr>().is_ok(),
    })
}

/// RFC 1123 section 2.1.
fn is_hostname(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=LABEL_MAX).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= HOST_MAX && text.split('.').all(is_label)
}

/// RFC 3986 section 3: a scheme, and nothing that must be escaped.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let is_of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(is_of_scheme)
        && !rest.is_empty()
        && has_only_uri_letters(rest)
}

fn has_only_uri_letters(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().all(|(at, byte)| match byte {
        b'%' => bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)),
        byte => byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(byte),
    })
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// RFC 4648 section 4.
fn is_base64(text: &str) -> bool {
    let data = text.trim_end_matches('=');
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    text.len().is_multiple_of(4) && text.len() - data.len() <= 2 && data.bytes().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(format: &str, yes: &[&str], no: &[&str]) {
        let format = Format::named(format, true).unwrap();
        for text in yes {
            assert!(format.holds(&(*text).into()), "{text} is a {}", format.as_str());
        }
        for text in no {
            assert!(!format.holds(&(*text).into()), "{text} is no {}", format.as_str());
        }
    }

    #[test]
    fn every_format_finds_its_own_name() {
        for (name, format) in NAMES {
            assert_eq!((Format::named(name, true), format.as_str()), (Some(format), name));
        }
        assert_eq!(Format::named("uuid", false), None);
        assert_eq!(Format::named("uri", false), Some(Format::Uri));
    }

    #[test]
    fn texts_are_what_their_format_says() {
        check(
            "date-time",
            &["2024-02-29T23:59:60Z", "1963-06-19t08:30:06.283185z", "1990-12-31T15:59:50.123-08:00"],
            &[
                "2023-02-29T00:00:00Z",
                "2024-01-01T24:00:00Z",
                "2024-01-01T00:00:00",
                "2024-01-01",
                "2024-01-01T00:00:00.Z",
                "x",
            ],
        );
        check("date", &["2000-02-29"], &["1900-02-29", "2024-13-01", "2024-1-01", "2024-00-10", "2024-01-01x"]);
        check("time", &["08:30:06Z", "08:30:06.1+00:20"], &["8:30:06Z", "08:30:06", "08:30:06+25:00"]);
        check(
            "email",
            &["joe.bloggs@example.com", "a+b@[127.0.0.1]"],
            &["2962", ".a@b.c", "a..b@c.d", "a@-b", "a b@c.d"],
        );
        check("hostname", &["www.example.com", "a"], &["-a.b", "a_b", "", &"a".repeat(64)]);
        check("ipv4", &["192.168.0.1"], &["127.0.0.0.1", "256.1.1.1", "01.1.1.1"]);
        check("ipv6", &["::1", "2001:db8::7"], &["12345::", "1::2::3", "::1%eth0"]);
        check(
            "uri",
            &["http://a/b?c#d", "urn:x:y", "mailto:a@b"],
            &["//a/b", "/abc", "a b:c", "http:// a", "http://a/%zz", ":x"],
        );
        check("uuid", &["2EB8AA08-AA98-11EA-B4AA-73B441D16380"], &["2eb8aa08aa9811eab4aa73b441d16380", "x"]);
        check("byte", &["", "YQ==", "YWJj"], &["YQ=", "Y", "Y Q="]);
    }

    #[test]
    fn integers_have_the_width_that_their_format_says() {
        let int32 = |json: serde_json::Value| Format::Int32.holds(&json);
        assert!(int32(2_147_483_647.into()) && int32((-2_147_483_648_i64).into()) && int32("x".into()));
        assert!(!int32(2_147_483_648_i64.into()) && !int32(1e10.into()));
        assert!(Format::Int64.holds(&i64::MAX.into()) && !Format::Int64.holds(&u64::MAX.into()));
    }
}
