#![no_main]
//! A body in chunks is read the same in any pieces, and as a reader reads it that has all of it at hand.

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use tollgate::gateway::proxy::fuzzing::ChunkedBody;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    /// Lengths of pieces that come one after the other.
    pieces: [u8; 8],
    body: &'a [u8],
}

type Read = Option<(Vec<u8>, usize, bool)>;

fuzz_target!(|input: Input<'_>| {
    let whole = read(input.body, [usize::MAX].into_iter());
    let pieces = input.pieces.iter().map(|len| usize::from(*len).max(1)).cycle();
    assert_eq!(whole, read(input.body, pieces), "it depends on the pieces");
    assert_eq!(whole, read(input.body, std::iter::repeat(1)), "it depends on the pieces");
    if let Some((data, taken, true)) = whole {
        assert_eq!(reference(&input.body[..taken]), Some((data, taken)), "it is read otherwise than by the book");
    }
});

fn read(body: &[u8], mut pieces: impl Iterator<Item = usize>) -> Read {
    let (mut chunks, mut data, mut taken) = (ChunkedBody::default(), Vec::new(), 0);
    while taken < body.len() && !chunks.is_done() {
        let rest = &body[taken..];
        let piece = &rest[..pieces.next().unwrap_or(usize::MAX).min(rest.len())];
        taken += chunks.read(piece, &mut data)?;
    }
    Some((data, taken, chunks.is_done()))
}

/// RFC 9112 section 7.1, with the whole body at hand.
fn reference(mut rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut data, len) = (Vec::new(), rest.len());
    loop {
        let size = line(&mut rest)?;
        let digits = size.split(|byte| *byte == b';').next()?;
        let size = usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        if size == 0 {
            break;
        }
        data.extend_from_slice(rest.get(..size)?);
        rest = rest[size..].strip_prefix(b"\r\n")?;
    }
    while !line(&mut rest)?.is_empty() {}
    Some((data, len - rest.len()))
}

fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let at = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let line = &rest[..at];
    *rest = &rest[at + 2..];
    Some(line)
}
