use std::ops::Range;

use super::Validators;
use super::freshness::read_date;
use super::validation::is_strongly_equal;
use crate::base::Fields;

/// What of a stored body a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Whole,
    Bytes(Range<usize>),
    /// Nothing that it has.
    Unsatisfiable,
}

/// Of a complete stored body of `len` bytes: RFC 9110 section 14.2. Several ranges in one request are answered with the
/// whole, as a server may, and so is what cannot be read.
pub fn part(fields: &Fields<'_>, stored: Option<Validators<'_>>, len: usize) -> Part {
    let Some(range) = fields.get("range") else { return Part::Whole };
    if fields.get("if-range").is_some_and(|condition| !is_met(condition, stored)) {
        return Part::Whole;
    }
    let Some(spec) = range.split_at_checked(6).filter(|(unit, _)| unit.eq_ignore_ascii_case(b"bytes=")) else {
        return Part::Whole;
    };
    bytes(spec.1.trim_ascii(), len).unwrap_or(Part::Whole)
}

fn bytes(spec: &[u8], len: usize) -> Option<Part> {
    let at = memchr::memchr(b'-', spec)?;
    let (first, last) = (&spec[..at], &spec[at + 1..]);
    let part = match (number(first), number(last)) {
        (Some(first), _) if last.is_empty() => Part::Bytes(first..len),
        (Some(first), Some(last)) if first <= last => Part::Bytes(first..last.saturating_add(1).min(len)),
        (None, Some(suffix)) if first.is_empty() => Part::Bytes(len.saturating_sub(suffix)..len),
        _ => return None,
    };
    Some(match part {
        Part::Bytes(range) if range.start >= range.end => Part::Unsatisfiable,
        part => part,
    })
}

fn number(digits: &[u8]) -> Option<usize> {
    let is_number = !digits.is_empty() && digits.len() <= 18 && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()
}

/// RFC 9110 section 13.1.5: only what is surely the same; a date only where there is no entity tag to ask for.
fn is_met(condition: &[u8], stored: Option<Validators<'_>>) -> bool {
    let Some(stored) = stored else { return false };
    match read_date(condition) {
        Some(_) => stored.last_modified == Some(condition),
        None => stored.etag.is_some_and(|etag| is_strongly_equal(etag, condition)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: Validators<'static> =
        Validators { etag: Some(b"\"a\""), last_modified: Some(b"Sun, 06 Nov 1994 08:49:37 GMT") };

    #[track_caller]
    fn check(range: &str, if_range: Option<&str>, expected: Part) {
        let mut fields = vec![("range", range.as_bytes())];
        fields.extend(if_range.map(|value| ("if-range", value.as_bytes())));
        assert_eq!(part(&Fields::List(&fields), Some(STORED), 10), expected, "{range} {if_range:?}");
    }

    #[test]
    fn one_range_of_a_complete_body_is_cut_out_of_it() {
        check("bytes=0-1", None, Part::Bytes(0..2));
        check("Bytes=1-", None, Part::Bytes(1..10));
        check("bytes=-3", None, Part::Bytes(7..10));
        check("bytes=-30", None, Part::Bytes(0..10));
        check("bytes=9-99", None, Part::Bytes(9..10));
        check("bytes=4-999999999999999999", None, Part::Bytes(4..10));
        for beyond in ["bytes=10-", "bytes=10-12", "bytes=-0"] {
            check(beyond, None, Part::Unsatisfiable);
        }
        for whole in ["bytes=2-1", "bytes=0-1,3-4", "bytes=x-1", "bytes=-", "bytes=", "lines=0-1", "", "bytes=+1-2"] {
            check(whole, None, Part::Whole);
        }
    }

    #[test]
    fn a_part_is_given_only_of_what_the_client_has_the_rest_of() {
        let (has, has_not) = (Part::Bytes(0..2), Part::Whole);
        check("bytes=0-1", Some("\"a\""), has.clone());
        check("bytes=0-1", Some("W/\"a\""), has_not.clone());
        check("bytes=0-1", Some("\"b\""), has_not.clone());
        check("bytes=0-1", Some("Sun, 06 Nov 1994 08:49:37 GMT"), has);
        check("bytes=0-1", Some("Sun, 06 Nov 1994 08:49:38 GMT"), has_not);
    }
}
