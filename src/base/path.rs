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
    /// An ASCII character that UTF-8 writes in one byte, percent-encoded in several (RFC 3629 section 3).
    Overlong,
}

impl PathFault {
    /// What to tell the client.
    pub fn detail(self) -> &'static str {
        match self {
            PathFault::NotAbsolute => "the request target's path does not start with /",
            PathFault::BadEscape => "the path holds a % that two hexadecimal digits do not follow",
            PathFault::ForbiddenByte => "the path holds a control character, a space or a backslash",
            PathFault::Overlong => "the path holds a character in more bytes than it takes",
        }
    }
}

/// The one spelling of a path that is routed, keyed and forwarded (RFC 3986 section 6.2.2, and slashes merged).
///
/// Escapes of unreserved characters are decoded, other escapes get upper-case digits, characters that no path may
/// hold as they are get escaped (RFC 3986 section 3.3), dot segments are resolved and repeated slashes merged. `%2F`
/// stays as it is and separates nothing. Borrows when the path is canonical already, which costs one scan.
pub fn canonical_path(path: &str) -> Result<Cow<'_, str>, PathFault> {
    spell(path).map(|spelt| spelt.path)
}

/// A path in its one spelling.
#[derive(Debug)]
pub struct Spelt<'p> {
    pub path: Cow<'p, str>,
    /// Whether it can be read in one way only, so that its [`loose_path`] need not be asked for.
    pub is_plain: bool,
}

/// The [`canonical_path`], and what the one scan that it costs tells beside it.
pub fn spell(path: &str) -> Result<Spelt<'_>, PathFault> {
    if !path.starts_with('/') {
        return Err(PathFault::NotAbsolute);
    }
    let traits = traits_of(path.as_bytes());
    if traits & (ODD | ODD_AT_START) == 0 {
        return Ok(Spelt { path: Cow::Borrowed(path), is_plain: traits & AMBIGUOUS == 0 });
    }
    let decoded = normalise_escapes(path.as_bytes())?;
    Ok(Spelt { path: Cow::Owned(resolve_segments(&decoded)), is_plain: false })
}

/// A trait of a byte that does not stand for itself.
const ODD: u16 = 1;
/// Of `/` and `.`: a segment that begins so is empty, or may be a dot segment.
const ODD_AT_START: u16 = 2;
/// Of `;`: to some readers a segment ends here.
const AMBIGUOUS: u16 = 4;

/// So many bits above a byte's own traits stand those that count of the byte behind it.
const NEXT: u32 = 8;

/// The traits of all bytes that count where they stand. Without a branch on any byte: a path is short, and nearly always
/// as it should be.
fn traits_of(path: &[u8]) -> u16 {
    let (mut all, mut counted) = (0, ODD | AMBIGUOUS);
    for byte in path {
        let own = TRAITS[usize::from(*byte)];
        all |= own & counted;
        counted = own >> NEXT;
    }
    all
}

/// A `static`: of a constant a copy may be made for each look.
static TRAITS: [u16; 256] = {
    let mut traits = [0; 256];
    let mut byte = 0;
    while byte < traits.len() {
        let own = match byte as u8 {
            b'/' | b'.' => ODD_AT_START,
            b';' => AMBIGUOUS,
            byte if !is_plain(byte) => ODD,
            _ => 0,
        };
        let counted = if byte == b'/' as usize { ODD | AMBIGUOUS | ODD_AT_START } else { ODD | AMBIGUOUS };
        traits[byte] = own | (counted << NEXT);
        byte += 1;
    }
    traits
};

/// Whether a byte stands for itself. Braces do too: they are how routes name parameters.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x21..0x7f) && !matches!(byte, b'%' | b'\\' | b'"' | b'<' | b'>' | b'^' | b'`' | b'|')
}

fn is_forbidden(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f || byte == b'\\'
}

/// The path as a back end may read it that decodes more than it should: escapes twice, `%2F` as a slash, and without
/// what follows a `;`. `None`: it is the same. `path` is canonical.
///
/// For comparison only: what is matched, keyed and forwarded is the canonical path.
pub fn loose_path(path: &str) -> Option<String> {
    memchr::memchr2(b'%', b';', path.as_bytes())?;
    let decoded = decode(&decode(path.as_bytes()));
    let mut out = Vec::with_capacity(decoded.len());
    let mut is_parameter = false;
    for byte in decoded {
        let byte = if byte == b'\\' { b'/' } else { byte };
        is_parameter = byte != b'/' && (is_parameter || byte == b';');
        match is_parameter {
            true => {}
            false if is_plain(byte) => out.push(byte),
            false => push_escape(byte, &mut out),
        }
    }
    let loose = resolve_segments(&String::from_utf8_lossy(&out));
    (loose != path).then_some(loose)
}

/// Decodes what are escapes.
fn decode(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let escaped = match tail {
            [high, low, ..] if byte == b'%' => hex_value(*high).zip(hex_value(*low)),
            _ => None,
        };
        if let Some((high, low)) = escaped {
            rest = &tail[2..];
            out.push(high * 16 + low);
        } else {
            out.push(byte);
        }
    }
    out
}

fn push_escape(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
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
            if is_plain(byte) {
                out.push(byte)
            } else {
                push_escape(byte, &mut out)
            }
            continue;
        }
        let [high, low, after @ ..] = tail else { return Err(PathFault::BadEscape) };
        let (Some(h), Some(l)) = (hex_value(*high), hex_value(*low)) else { return Err(PathFault::BadEscape) };
        rest = after;
        match h * 16 + l {
            byte if is_overlong(byte, after) => return Err(PathFault::Overlong),
            byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => out.push(byte),
            byte if byte < b' ' || byte == 0x7f || byte == b'\\' => return Err(PathFault::ForbiddenByte),
            _ => out.extend([b'%', high.to_ascii_uppercase(), low.to_ascii_uppercase()]),
        }
    }
    // Decoding adds only ASCII and the input was text, so this is text.
    String::from_utf8(out).map_err(|_| PathFault::ForbiddenByte)
}

/// Whether this escaped byte begins a sequence that is longer than its character needs.
fn is_overlong(byte: u8, after: &[u8]) -> bool {
    let next = match after {
        [b'%', high, low, ..] => hex_value(*high).zip(hex_value(*low)).map(|(high, low)| high * 16 + low),
        _ => None,
    };
    matches!((byte, next), (0xc0 | 0xc1, Some(0x80..=0xbf)) | (0xe0, Some(0x80..=0x9f)) | (0xf0, Some(0x80..=0x8f)))
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
        check("/caf\u{e9}", Ok("/caf%C3%A9"));
        check("/a|b\"c", Ok("/a%7Cb%22c"));
        check("/{a}", Ok("/{a}"));
        check("/a%3b;b", Ok("/a%3B;b"));
        check("/Orders", Ok("/Orders"));
    }

    #[test]
    fn a_path_without_a_safe_spelling_is_refused() {
        check("orders", Err(PathFault::NotAbsolute));
        check("/%zz", Err(PathFault::BadEscape));
        check("/%4", Err(PathFault::BadEscape));
        check("/a%00b", Err(PathFault::ForbiddenByte));
        check("/a%5cb", Err(PathFault::ForbiddenByte));
        check("/a\tb", Err(PathFault::ForbiddenByte));
        for overlong in ["/a/%c0%ae%c0%ae/b", "/a%C0%AFb", "/a%e0%80%afb", "/a%f0%80%80%afb"] {
            check(overlong, Err(PathFault::Overlong));
        }
    }

    #[test]
    fn a_loose_reading_is_what_a_careless_back_end_makes_of_a_path() {
        let check = |path: &str, expected: Option<&str>| {
            let canonical = canonical_path(path).unwrap();
            assert_eq!(loose_path(&canonical).as_deref(), expected, "{path}");
        };
        check("/open/x", None);
        check("/open/caf%C3%A9", None);
        check("/open/..%2fkeyed", Some("/keyed"));
        check("/open/%2e%2e%2fkeyed", Some("/keyed"));
        check("/open/..;/keyed", Some("/keyed"));
        check("/keyed;x=1", Some("/keyed"));
        check("/keyed%3bx", Some("/keyed"));
        check("/open/%252e%252e%252fkeyed", Some("/keyed"));
        check("/open%2f%2fkeyed", Some("/open/keyed"));
        check("/%256beyed", Some("/keyed"));
    }

    #[test]
    fn a_path_that_is_plain_has_no_loose_reading() {
        proptest::proptest!(|(path in "/[a-z0-9%./;~-]{0,12}")| {
            if let Ok(Spelt { path, is_plain: true }) = spell(&path) {
                proptest::prop_assert_eq!(loose_path(&path), None);
            }
        });
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
