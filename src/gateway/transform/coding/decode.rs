use std::io::Read;

use bytes::Bytes;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use crate::base::{Answer, Refusal};

/// More codings than this over each other have no use.
const CODINGS_MAX: usize = 4;

/// Takes off the codings that `Content-Encoding` lists, the last one first.
///
/// # Errors
/// 415 for a coding that is not known here, 413 for a body of more than `bytes_max` bytes, 400 for one that is not what
/// it says.
pub fn decode(codings: &str, body: Bytes, bytes_max: u64) -> Result<Bytes, Answer> {
    let named: Vec<&str> = codings.split(',').map(str::trim).filter(|coding| !coding.is_empty()).collect();
    if named.len() > CODINGS_MAX {
        return Err(unknown(codings));
    }
    named.into_iter().rev().try_fold(body, |body, coding| match coding.to_ascii_lowercase().as_str() {
        "identity" => Ok(body),
        "gzip" | "x-gzip" => unfold(MultiGzDecoder::new(&body[..]), coding, bytes_max),
        "deflate" if is_zlib(&body) => unfold(ZlibDecoder::new(&body[..]), coding, bytes_max),
        // What RFC 9110 section 8.4.1.2 notes of some senders.
        "deflate" => unfold(DeflateDecoder::new(&body[..]), coding, bytes_max),
        _ => Err(unknown(coding)),
    })
}

/// RFC 1950 section 2.2: the first two bytes are a multiple of 31, and the method is 8.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [first, second, ..] if first & 0x0f == 8 && u16::from_be_bytes([*first, *second]) % 31 == 0)
}

fn unfold(decoder: impl Read, coding: &str, bytes_max: u64) -> Result<Bytes, Answer> {
    let mut body = Vec::new();
    let read = decoder.take(bytes_max.saturating_add(1)).read_to_end(&mut body);
    read.map_err(|error| {
        let answer = Answer::new(Refusal::MalformedRequest, "the body is not in the coding that it says");
        answer.with_log(format!("{coding}: {error}"))
    })?;
    if body.len() as u64 > bytes_max {
        return Err(Answer::new(Refusal::BodyTooLarge, "the request body unfolds to more than this route takes"));
    }
    Ok(body.into())
}

fn unknown(coding: &str) -> Answer {
    let answer = Answer::new(Refusal::UnsupportedMediaType, "the body's coding is none of gzip, deflate and identity");
    answer.with_log(format!("content-encoding {coding:?}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    fn gzip(body: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(body).and_then(|()| encoder.finish()).unwrap().into()
    }

    fn deflate(body: &[u8]) -> Bytes {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(body).and_then(|()| encoder.finish()).unwrap().into()
    }

    #[track_caller]
    fn check(codings: &str, body: Bytes, expected: Result<&str, Refusal>) {
        let decoded = decode(codings, body, 100);
        assert_eq!(decoded.as_deref().map_err(|answer| answer.refusal), expected.map(str::as_bytes), "{codings}");
    }

    #[test]
    fn codings_come_off_in_the_opposite_order_and_within_bounds() {
        check("gzip", gzip(b"hello"), Ok("hello"));
        check("X-GZIP, identity", gzip(b"hello"), Ok("hello"));
        check("deflate", deflate(b"hello"), Ok("hello"));
        check("deflate, gzip", gzip(&deflate(b"hello")), Ok("hello"));
        check("deflate", Bytes::from_static(&[0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]), Ok("hello"));
        check("gzip", gzip(&[b'a'; 101]), Err(Refusal::BodyTooLarge));
        check("gzip", gzip(&[b'a'; 1 << 20]), Err(Refusal::BodyTooLarge));
        check("gzip", Bytes::from_static(b"hello"), Err(Refusal::MalformedRequest));
        check("br", Bytes::from_static(b"hello"), Err(Refusal::UnsupportedMediaType));
        check("gzip,gzip,gzip,gzip,gzip", Bytes::new(), Err(Refusal::UnsupportedMediaType));
    }

    #[test]
    fn a_gzip_that_breaks_off_is_not_taken_for_whole() {
        let mut short = gzip(b"hello").to_vec();
        short.truncate(short.len() - 3);
        check("gzip", short.into(), Err(Refusal::MalformedRequest));
    }
}
