use std::borrow::Cow;

/// Why a path has no canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathFault {
    /// It does not start with `/`.
    NotAbsolute,
    /// `%` without two hexadecimal digits after it.
    BadEscape,
    /// A control byte, a space, a backslash, or one of them percent-encoded.
    ForbiddenByte,
}

impl PathFault {
    /// What to tell the client.
    pub fn detail(self) -> &'static str {
        match self {
            PathFault::NotAbsolute => "the request target's path does not start with /",
            PathFault::BadEscape => "the path holds a % that two hexadecimal digits do not follow",
            PathFault::ForbiddenByte => "the path holds a control character, a space or a backslash",
        }
    }
}

/// The one spelling of a path that is routed, keyed and forwarded (RFC 3986 section 6.2.2, and slashes merged).
///
/// Escapes of unreserved characters are decoded, other escapes get upper-case digits, dot segments are
/// resolved and repeated slashes merged. `%2F` stays as it is and separates nothing. Borrows when the path
/// is canonical already, which costs one scan.
pub fn canonical_path(path: &str) -> Result<Cow<'_, str>, PathFault> {
    if !path.starts_with('/') {
        return Err(PathFault::NotAbsolute);
    }
    if is_canonical(path.as_bytes()) {
        return Ok(Cow::Borrowed(path));
    }
    let decoded = normalise_escapes(path.as_bytes())?;
    Ok(Cow::Owned(resolve_segments(&decoded)))
}

/// A quick "certainly canonical": no escape, no odd byte, no empty or dot segment.
fn is_canonical(path: &[u8]) -> bool {
    let mut previous = 0;
    for &byte in path {
        let starts_odd_segment = previous == b'/' && (byte == b'/' || byte == b'.');
        if byte == b'%' || is_forbidden(byte) || starts_odd_segment {
            return false;
        }
        previous = byte;
    }
    true
}

fn is_forbidden(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f || byte == b'\\'
}

fn normalise_escapes(path: &[u8]) -> Result<String, PathFault> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            if is_forbidden(byte) {
                return Err(PathFault::ForbiddenByte);
            }
            out.push(byte);
            continue;
        }
        let [high, low, after @ ..] = tail else { return Err(PathFault::BadEscape) };
        let (Some(h), Some(l)) = (hex_value(*high), hex_value(*low)) else { return Err(PathFault::BadEscape) };
        rest = after;
        match h * 16 + l {
            byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => out.push(byte),
            byte if byte < b' ' || byte == 0x7f || byte == b'\\' => return Err(PathFault::ForbiddenByte),
            _ => out.extend([b'%', high.to_ascii_uppercase(), low.to_ascii_uppercase()]),
        }
    }
    // Decoding adds only ASCII and the input was text, so this is text.
    String::from_utf8(out).map_err(|_| PathFault::ForbiddenByte)
}

fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn resolve_segments(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    let keeps_slash = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    let mut out = String::with_capacity(path.len());
    for segment in &segments {
        out.push('/');
        out.push_str(segment);
    }
    if segments.is_empty() || keeps_slash {
        out.push('/');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: Result<&str, PathFault>) {
        assert_eq!(canonical_path(path).as_deref().map_err(|fault| *fault), expected, "{path}");
    }

    #[test]
    fn one_resource_has_one_spelling() {
        check("/", Ok("/"));
        check("/orders/7", Ok("/orders/7"));
        check("/orders/7/", Ok("/orders/7/"));
        check("//orders///7", Ok("/orders/7"));
        check("/a/%2e%2E/orders", Ok("/orders"));
        check("/a/./b/../c", Ok("/a/c"));
        check("/../../etc", Ok("/etc"));
        check("/%6frders", Ok("/orders"));
        check("/caf%c3%a9", Ok("/caf%C3%A9"));
        check("/a%2fb", Ok("/a%2Fb"));
        check("/a/..", Ok("/"));
        check("/.well-known/x", Ok("/.well-known/x"));
    }

    #[test]
    fn a_path_without_a_safe_spelling_is_refused() {
        check("orders", Err(PathFault::NotAbsolute));
        check("/%zz", Err(PathFault::BadEscape));
        check("/%4", Err(PathFault::BadEscape));
        check("/a%00b", Err(PathFault::ForbiddenByte));
        check("/a%5cb", Err(PathFault::ForbiddenByte));
        check("/a\tb", Err(PathFault::ForbiddenByte));
    }

    #[test]
    fn a_canonical_path_stays_as_it_is() {
        proptest::proptest!(|(path in "/[a-zA-Z0-9%./~-]{0,40}")| {
            if let Ok(once) = canonical_path(&path) {
                let twice = canonical_path(&once).map(Cow::into_owned);
                proptest::prop_assert_eq!(twice, Ok(once.into_owned()));
            }
        });
    }
}
