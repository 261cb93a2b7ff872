/// Reads a body in chunks (RFC 9112 section 7.1), however its bytes are split over reads.
///
/// Strict where readers differ: a size is one to fifteen hexadecimal digits, lines end in CR LF, extensions and
/// trailers are visible text. Extensions and trailers are read and go no further.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::gateway::proxy) struct Chunks {
    at: At,
    /// Of the current chunk, what is still to come.
    left: u64,
    /// Digits of the current size, or bytes of the current line.
    line_len: usize,
    /// Bytes of extensions that no data has made up for.
    extension_len: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Size,
    Extension,
    SizeEnd,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    Trailer,
    TrailerLf,
    LastLf,
    Done,
}

/// The bytes are not chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gateway::proxy) struct BadChunk;

const SIZE_DIGITS_MAX: usize = 15;
/// Of extensions of one chunk, or of all trailers: more than any honest peer sends.
const LINE_BYTES_MAX: usize = 4096;
/// Of all extensions, beyond the data between them: a limit of the body's size does not see them.
const EXTENSION_BYTES_MAX: u64 = 16 << 10;

impl Chunks {
    pub(super) fn is_done(&self) -> bool {
        self.at == At::Done
    }

    /// Reads `bytes` up to the body's end and hands what is data to `data`. Returns how many bytes were the body's.
    pub(super) fn read(&mut self, bytes: &[u8], mut data: impl FnMut(&[u8])) -> Result<usize, BadChunk> {
        let mut at = 0;
        while at < bytes.len() && !self.is_done() {
            if self.at == At::Data {
                let rest = &bytes[at..];
                let len = usize::try_from(self.left).map_or(rest.len(), |left| left.min(rest.len()));
                data(&rest[..len]);
                self.left -= len as u64;
                self.extension_len = self.extension_len.saturating_sub(len as u64);
                at += len;
                if self.left == 0 {
                    self.at = At::DataCr;
                }
            } else {
                self.step(bytes[at])?;
                at += 1;
            }
        }
        Ok(at)
    }

    /// One byte of what is not data.
    fn step(&mut self, byte: u8) -> Result<(), BadChunk> {
        self.at = match (self.at, byte) {
            (At::Size, _) if byte.is_ascii_hexdigit() && self.line_len < SIZE_DIGITS_MAX => {
                self.line_len += 1;
                self.left = self.left * 16 + u64::from(char::from(byte).to_digit(16).unwrap_or_default());
                At::Size
            }
            (At::Size, b'\r') if self.line_len > 0 => At::SizeEnd,
            (At::Size, b';') if self.line_len > 0 => self.begin_line(At::Extension),
            (At::Extension, b'\r') => At::SizeEnd,
            (At::Extension, _) if is_visible(byte) => self.extend()?,
            (At::SizeEnd, b'\n') if self.left > 0 => self.begin_line(At::Data),
            (At::SizeEnd, b'\n') => self.begin_line(At::TrailerStart),
            (At::DataCr, b'\r') => At::DataLf,
            (At::DataLf, b'\n') => At::Size,
            (At::TrailerStart, b'\r') => At::LastLf,
            (At::TrailerStart | At::TrailerName, _) if is_tchar(byte) => self.go_on(At::TrailerName)?,
            (At::TrailerName, b':') => self.go_on(At::Trailer)?,
            (At::Trailer, _) if is_visible(byte) => self.go_on(At::Trailer)?,
            (At::Trailer, b'\r') => At::TrailerLf,
            (At::TrailerLf, b'\n') => At::TrailerStart,
            (At::LastLf, b'\n') => At::Done,
            _ => return Err(BadChunk),
        };
        Ok(())
    }

    fn begin_line(&mut self, at: At) -> At {
        self.line_len = 0;
        at
    }

    fn extend(&mut self) -> Result<At, BadChunk> {
        self.extension_len += 1;
        if self.extension_len > EXTENSION_BYTES_MAX { Err(BadChunk) } else { self.go_on(At::Extension) }
    }

    fn go_on(&mut self, at: At) -> Result<At, BadChunk> {
        self.line_len += 1;
        if self.line_len > LINE_BYTES_MAX { Err(BadChunk) } else { Ok(at) }
    }
}

/// RFC 9110 section 5.6.2.
fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_visible(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// Writes `data` as one chunk; none is written for no data, since that would end the body.
pub(super) fn write_chunk(data: &[u8], out: &mut Vec<u8>) {
    if data.is_empty() {
        return;
    }
    let mut digits = [0; 18];
    let mut at = digits.len() - 2;
    digits[at..].copy_from_slice(b"\r\n");
    let mut left = data.len();
    while left > 0 {
        at -= 1;
        digits[at] = b"0123456789abcdef"[left & 0xf];
        left >>= 4;
    }
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

pub(super) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is read of `bytes` in pieces of these lengths: the data, and how many bytes were the body's.
    fn read(bytes: &[u8], pieces: &[usize]) -> Result<(Vec<u8>, usize, bool), BadChunk> {
        let (mut chunks, mut data, mut taken) = (Chunks::default(), Vec::new(), 0);
        let mut lengths = pieces.iter().copied().chain(std::iter::repeat(usize::MAX));
        while taken < bytes.len() && !chunks.is_done() {
            let rest = &bytes[taken..];
            let len = lengths.next().unwrap_or(1).clamp(1, rest.len());
            taken += chunks.read(&rest[..len], |part| data.extend_from_slice(part))?;
        }
        Ok((data, taken, chunks.is_done()))
    }

    #[track_caller]
    fn check(bytes: &str, expected: Result<(&str, usize), BadChunk>) {
        let expected = expected.map(|(data, taken)| (data.as_bytes().to_vec(), taken, true));
        assert_eq!(read(bytes.as_bytes(), &[]), expected, "{bytes:?}");
    }

    #[test]
    fn a_body_ends_with_its_last_chunk_and_the_next_request_is_left() {
        check("3\r\nabc\r\n0\r\n\r\nGET", Ok(("abc", 13)));
        check("A;x=\"y\"\r\n0123456789\r\n00\r\nX-T: v\r\n\r\n", Ok(("0123456789", 35)));
        check("0\r\n\r\n", Ok(("", 5)));
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        for bytes in [
            "zz\r\nabc\r\n0\r\n\r\n",
            "3\r\nabcd\r\n0\r\n\r\n",
            "-3\r\nabc\r\n",
            "+3\r\nabc\r\n",
            "0x3\r\nabc\r\n",
            "ffffffffffffffffff\r\n",
            "\r\nabc",
            ";x\r\nabc",
            "3 \r\nabc\r\n",
            "3\nabc\n0\n\n",
            "3\r\nabc\n0\r\n\r\n",
            "3;a\0\r\nabc\r\n",
            "3;a\nb\r\nabc\r\n",
            "0\r\n X: y\r\n\r\n",
            "0\r\n: y\r\n\r\n",
            "0\r\nX: \x01\r\n\r\n",
            "0\r\nX: y\n\r\n",
            "0\r\nno field\r\n\r\n",
            "0\r\nX : y\r\n\r\n",
            "0\r\nX\r\n\r\n",
            "0\r\nGET / HTTP/1.1\r\n\r\n",
            "0\r\n\rX",
        ] {
            check(bytes, Err(BadChunk));
        }
        let endless = format!("3;{}", "x".repeat(LINE_BYTES_MAX + 1));
        check(&endless, Err(BadChunk));
        let many = format!("1;{}\r\nx\r\n", "x".repeat(1000)).repeat(17) + "0\r\n\r\n";
        check(&many, Err(BadChunk));
        // As large chunks are signed one by one.
        let data = "x".repeat(100);
        let signed = format!("64;chunk-signature={data}\r\n{data}\r\n").repeat(1000) + "0\r\n\r\n";
        check(&signed, Ok((&data.repeat(1000), signed.len())));
    }

    proptest! {
        #[test]
        fn any_split_of_the_bytes_reads_the_same(
            parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..6),
            pieces in proptest::collection::vec(1usize..12, 0..200),
            noise in proptest::option::of((any::<prop::sample::Index>(), any::<u8>())),
        ) {
            let mut bytes = Vec::new();
            parts.iter().for_each(|part| write_chunk(part, &mut bytes));
            bytes.extend_from_slice(LAST_CHUNK);
            if noise.is_none() {
                prop_assert_eq!(read(&bytes, &pieces), Ok((parts.concat(), bytes.len(), true)));
            }
            if let Some((at, byte)) = noise {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            prop_assert_eq!(read(&bytes, &pieces), read(&bytes, &[]));
        }
    }
}
