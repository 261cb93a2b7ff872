use crate::gateway::snapshot::host_of;

/// Host and port as the client asked for them, and the host alone.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Authority<'b> {
    pub(super) text: &'b str,
    pub(super) host: &'b str,
}

/// The value of the `Host` field that was read last, and how much of it is the host. It is nearly always that of the
/// next request too, which then needs no look at its every byte.
#[derive(Debug, Default)]
pub(super) struct LastHost {
    text: String,
    host_len: usize,
}

/// A longer one is not remembered.
const HOST_BYTES_MAX: usize = 256;

impl LastHost {
    /// `None`: `value` is not a host and a port.
    pub(super) fn read<'b>(&'b mut self, value: &'b [u8]) -> Option<Authority<'b>> {
        if self.text.as_bytes() != value || value.is_empty() {
            let is_authority = !value.is_empty() && value.iter().all(|byte| is_of_authority(*byte));
            let authority = Authority::of(std::str::from_utf8(value).ok().filter(|_| is_authority)?);
            if value.len() > HOST_BYTES_MAX {
                return Some(authority);
            }
            self.text.clear();
            self.text.push_str(authority.text);
            self.host_len = authority.host.len();
        }
        Some(Authority { text: &self.text, host: &self.text[..self.host_len] })
    }
}

impl<'b> Authority<'b> {
    pub(super) fn of(text: &'b str) -> Authority<'b> {
        Authority { text, host: host_of(text) }
    }
}

/// RFC 3986 section 3.2.2, without the comma, which is where a joined list shows.
pub(super) const fn is_of_authority(byte: u8) -> bool {
    AUTHORITY[byte as usize]
}

static AUTHORITY: [bool; 256] = {
    let mut of_authority = [false; 256];
    let mut byte = 0;
    while byte < of_authority.len() {
        of_authority[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"-._~%!$&'()*+;=:[]";
    let mut at = 0;
    while at < others.len() {
        of_authority[others[at] as usize] = true;
        at += 1;
    }
    of_authority
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_was_read_before_says_nothing_of_another() {
        let mut last_host = LastHost::default();
        let mut check = |value: &str, expected: Option<(&str, &str)>| {
            let found = last_host.read(value.as_bytes()).map(|authority| (authority.text, authority.host));
            assert_eq!(found, expected, "{value}");
        };
        let long = format!("{}:1", "a".repeat(HOST_BYTES_MAX));
        check("", None);
        check("a.example:80", Some(("a.example:80", "a.example")));
        check("a.example:80", Some(("a.example:80", "a.example")));
        check("a.example:8", Some(("a.example:8", "a.example")));
        check("b", Some(("b", "b")));
        check("b/", None);
        check("b", Some(("b", "b")));
        check(&long, Some((&long, &long[..HOST_BYTES_MAX])));
        check("", None);
        check("b", Some(("b", "b")));
    }
}
