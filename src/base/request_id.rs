use std::fmt;

use super::{Ascii, Now, base64, hex};

/// The name under which a request is known in its answer, in logs and at the back end.
///
/// Taken from the client's `x-request-id` when that is well-formed, else a UUIDv7 (RFC 9562 section 5.7).
/// Held inline: making one allocates nothing.
#[derive(Clone, Copy)]
pub struct RequestId(Ascii<{ RequestId::MAX_LEN }>);

impl RequestId {
    /// A longer id from a client is replaced.
    pub const MAX_LEN: usize = 64;

    /// The client's id if it has 8 to 64 letters, digits, `-`, `_`, `.` or `:`.
    pub fn from_client(value: &[u8]) -> Option<RequestId> {
        let is_well_formed = (8..=Self::MAX_LEN).contains(&value.len())
            && value.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(b));
        is_well_formed.then(|| RequestId(Ascii::of(&[value])))
    }

    /// A new UUIDv7 for a request that arrived at `unix_ms`, with random bits from `random`.
    pub fn generate(unix_ms: u64, random: u128) -> RequestId {
        const VERSION: u128 = 0x7 << 76;
        const VARIANT: u128 = 0b10 << 62;
        const RANDOM_BITS: u128 = (0xfff << 64) | ((1 << 62) - 1);
        let bits = (u128::from(unix_ms) << 80) | VERSION | VARIANT | (random & RANDOM_BITS);
        let digits = hex::<32>(bits);
        let mut text = *b"00000000-0000-0000-0000-000000000000";
        for (at, group) in [(0, 0..8), (9, 8..12), (14, 12..16), (19, 16..20), (24, 20..32)] {
            text[at..at + group.len()].copy_from_slice(&digits[group]);
        }
        RequestId(Ascii::of(&[&text]))
    }

    /// The second name that API Gateway gives a request, which no client can choose: its `x-amz-apigw-id`. 16 characters
    /// of base64, from this id and the moment at which the request began.
    pub fn extended(&self, started: Now) -> Ascii<16> {
        let fold = |hash: u128, byte: &u8| (hash ^ u128::from(*byte)).wrapping_mul(FNV_PRIME);
        let moment = started.mono_ns.to_be_bytes();
        let hash = self.as_bytes().iter().chain(&moment).fold(FNV_OFFSET, fold);
        Ascii::of(&[&base64::<16>(&hash.to_be_bytes()[..11])])
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The same, for whoever needs no text.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Of the hash FNV-1a in 128 bits.
const FNV_OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const FNV_PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_id_is_a_uuid_of_version_7_that_sorts_by_time() {
        let id = RequestId::generate(0x0190_0000_0001, u128::MAX);
        assert_eq!(id.as_str(), "01900000-0001-7fff-bfff-ffffffffffff");
        assert!(RequestId::generate(1, u128::MAX).as_str() < RequestId::generate(2, 0).as_str());
    }

    #[test]
    fn the_second_name_is_eleven_bytes_of_base64_and_differs_from_request_to_request() {
        let now = |mono_ns| Now { mono_ns, unix_ms: 0 };
        let id = RequestId::from_client(b"request-1").unwrap();
        let text = id.extended(now(1));
        assert!(text.as_str().len() == 16 && text.as_str().ends_with('='), "{}", text.as_str());
        assert_ne!(text.as_str(), id.extended(now(2)).as_str());
    }

    #[test]
    fn only_a_well_formed_id_of_the_client_is_kept() {
        assert!(RequestId::from_client(b"req-2024.01:7").is_some_and(|id| id.as_str() == "req-2024.01:7"));
        for bad in [&b"short"[..], b"has a space in it", b"line\r\nbreak", &[b'a'; 65]] {
            assert!(RequestId::from_client(bad).is_none());
        }
    }
}
