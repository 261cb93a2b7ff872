use std::fmt::Write as _;

use jiff::{Timestamp, tz::TimeZone};

use crate::base::push_number;

/// Writes moments as text. Remembers the second it wrote last: most lines of a busy thread share it.
#[derive(Debug, Default)]
pub struct Civil {
    rfc3339: Second,
    clf: Second,
}

impl Civil {
    /// Appends `2024-01-31T10:11:12.034Z` (RFC 3339).
    pub fn push_rfc3339(&mut self, out: &mut Vec<u8>, unix_ms: u64) {
        out.extend_from_slice(self.rfc3339.text(unix_ms / 1000, "%Y-%m-%dT%H:%M:%S").as_bytes());
        let ms = unix_ms % 1000;
        out.push(b'.');
        for digit in [ms / 100, ms / 10 % 10, ms % 10] {
            push_number(out, digit);
        }
        out.push(b'Z');
    }

    /// Appends `31/Jan/2024:10:11:12 +0000`, the Common Log Format's time.
    pub fn push_clf(&mut self, out: &mut Vec<u8>, unix_ms: u64) {
        out.extend_from_slice(self.clf.text(unix_ms / 1000, "%d/%b/%Y:%H:%M:%S +0000").as_bytes());
    }
}

/// A moment as the Common Log Format writes it: `31/Jan/2024:10:11:12 +0000`.
pub fn clf_time(unix_ms: u64) -> String {
    let mut out = Vec::new();
    Civil::default().push_clf(&mut out, unix_ms);
    String::from_utf8_lossy(&out).into_owned()
}

/// One second in one format.
#[derive(Debug, Default)]
struct Second {
    unix_s: u64,
    text: String,
}

impl Second {
    fn text(&mut self, unix_s: u64, format: &str) -> &str {
        if self.text.is_empty() || self.unix_s != unix_s {
            self.unix_s = unix_s;
            self.text.clear();
            // A clock beyond the year 9999 is written as 1970 rather than not at all.
            let moment = i64::try_from(unix_s).ok().and_then(|s| Timestamp::from_second(s).ok()).unwrap_or_default();
            let civil = TimeZone::UTC.to_datetime(moment);
            // Writing to a String fails only for a format that jiff does not know, and both are known.
            let _ = write!(self.text, "{}", civil.strftime(format));
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_utc() {
        let mut civil = Civil::default();
        let mut out = Vec::new();
        for unix_ms in [1_706_695_872_034, 1_706_695_872_999, 0, 1_709_164_799_500, u64::MAX] {
            civil.push_rfc3339(&mut out, unix_ms);
            out.push(b' ');
        }
        civil.push_clf(&mut out, 1_706_695_872_034);
        let expected = "2024-01-31T10:11:12.034Z 2024-01-31T10:11:12.999Z 1970-01-01T00:00:00.000Z \
                        2024-02-28T23:59:59.500Z 1970-01-01T00:00:00.615Z 31/Jan/2024:10:11:12 +0000";
        assert_eq!(String::from_utf8(out).as_deref(), Ok(expected));
    }
}
