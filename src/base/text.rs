/// Appends `value` as the inside of a JSON string: quotes, backslashes and control characters escaped, bytes that
/// are no UTF-8 replaced. So a client can neither end the string nor begin a line of its own.
pub fn push_escaped(out: &mut Vec<u8>, value: &[u8]) {
    if is_plain(value) {
        return out.extend_from_slice(value);
    }
    for chunk in value.utf8_chunks() {
        push_escaped_text(out, chunk.valid());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

/// Whether every byte stands for itself, whatever is beside it, as in nearly every value. Looked at eight at a time,
/// which the compiler makes a few instructions of.
pub fn is_plain(value: &[u8]) -> bool {
    let is_odd = |byte: &u8| needs_escape(*byte) | !byte.is_ascii();
    match value.last_chunk::<8>() {
        // What follows the last whole chunk is looked at with the bytes before it.
        Some(end) => {
            let mut chunks = value.as_chunks::<8>().0.iter().chain([end]);
            !chunks.any(|chunk| chunk.iter().fold(false, |any, byte| any | is_odd(byte)))
        }
        None => !value.iter().any(is_odd),
    }
}

fn push_escaped_text(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| needs_escape(byte)) {
        out.extend_from_slice(&rest[..at]);
        push_escape(out, rest[at]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

const fn needs_escape(byte: u8) -> bool {
    (byte < b' ') | (byte == b'"') | (byte == b'\\') | (byte == 0x7f)
}

fn push_escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        _ => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0xf)]]);
        }
    }
}

/// Appends a number in decimal digits.
pub fn push_number(out: &mut Vec<u8>, number: u64) {
    // Ages, waits and what is left of a burst mostly have one digit.
    match u8::try_from(number) {
        Ok(digit @ 0..=9) => out.push(b'0' + digit),
        _ => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
    }
}

/// The lowest `N` hexadecimal digits of `number`, `N` even and at most 32. Two digits at a time, from a table.
pub fn hex<const N: usize>(number: u128) -> [u8; N] {
    let bytes = number.to_be_bytes();
    let mut digits = [0; N];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(&bytes[bytes.len() - N / 2..]) {
        pair.copy_from_slice(&HEX_PAIRS[usize::from(*byte)]);
    }
    digits
}

/// The two digits of every byte.
const HEX_PAIRS: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < pairs.len() {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 0xf]];
        byte += 1;
    }
    pairs
};

/// `bytes` in base64 with its padding (RFC 4648 section 4), `N` digits: four for each three bytes begun.
pub fn base64<const N: usize>(bytes: &[u8]) -> [u8; N] {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = [b'='; N];
    for (four, three) in text.chunks_exact_mut(4).zip(bytes.chunks(3)) {
        let mut block = [0; 4];
        block[1..=three.len()].copy_from_slice(three);
        let bits = u32::from_be_bytes(block);
        for (at, digit) in four.iter_mut().enumerate().take(three.len() + 1) {
            *digit = DIGITS[(bits >> (18 - 6 * at)) as usize & 63];
        }
    }
    text
}

/// A text of at most `N` ASCII characters, held inline.
#[derive(Clone, Copy)]
pub struct Ascii<const N: usize> {
    text: [u8; N],
    len: u8,
}

impl<const N: usize> Ascii<N> {
    /// What of `parts`, one behind the other, fits and is ASCII.
    pub fn of(parts: &[&[u8]]) -> Ascii<N> {
        let mut ascii = Ascii { text: [0; N], len: 0 };
        for part in parts.iter().filter(|part| part.is_ascii()) {
            let start = usize::from(ascii.len);
            let end = start + part.len();
            if end <= N.min(u8::MAX.into()) {
                ascii.text[start..end].copy_from_slice(part);
                ascii.len = end as u8;
            }
        }
        ascii
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.text[..usize::from(self.len)]
    }

    pub fn as_str(&self) -> &str {
        // Only ASCII gets in.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl<const N: usize> std::fmt::Debug for Ascii<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_number_is_written_as_its_digits(number: u64) {
            let mut out = Vec::new();
            push_number(&mut out, number);
            proptest::prop_assert_eq!(String::from_utf8_lossy(&out), number.to_string());
        }

        #[test]
        fn hexadecimal_digits_are_the_lowest_ones(number: u128) {
            let (all, last) = (hex::<32>(number), hex::<2>(number));
            proptest::prop_assert_eq!(String::from_utf8_lossy(&all), format!("{number:032x}"));
            proptest::prop_assert_eq!(String::from_utf8_lossy(&last), format!("{:02x}", number & 0xff));
        }

        #[test]
        fn base64_has_six_bits_a_digit(bytes in proptest::collection::vec(proptest::num::u8::ANY, 11)) {
            let text = base64::<16>(&bytes);
            let value = |digit: &u8| match digit {
                b'A'..=b'Z' => digit - b'A',
                b'a'..=b'z' => digit - b'a' + 26,
                b'0'..=b'9' => digit - b'0' + 52,
                b'+' => 62,
                _ => 63,
            };
            let bits = text[..15].iter().fold(0u128, |bits, digit| bits << 6 | u128::from(value(digit))) >> 2;
            proptest::prop_assert_eq!(&bits.to_be_bytes()[5..], &bytes[..]);
            proptest::prop_assert_eq!(text[15], b'=');
        }

        #[test]
        fn what_is_plain_needs_no_escape(text in "[ -~]{0,20}", at in 0..20usize, byte: u8) {
            let mut bytes = text.into_bytes();
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            let is_odd = |byte: &u8| needs_escape(*byte) || !byte.is_ascii();
            proptest::prop_assert_eq!(is_plain(&bytes), !bytes.iter().any(is_odd));
        }

        #[test]
        fn what_is_escaped_is_read_back(text: String) {
            let mut out = b"\"".to_vec();
            push_escaped(&mut out, text.as_bytes());
            out.push(b'"');
            proptest::prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}
