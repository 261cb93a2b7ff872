/// RFC 9113 section 4.1.
const HEAD_BYTES: usize = 9;
/// Of a payload, what is kept to be looked at: a head of one field, an error and what stands before it.
const LOOK_BYTES: usize = 8;
const PREFACE_BYTES: u32 = 24;

/// Follows the frames in one direction of a connection, however its bytes are split over reads and writes.
#[derive(Debug, Default)]
pub(super) struct Walk {
    start: [u8; HEAD_BYTES + LOOK_BYTES],
    filled: usize,
    /// Bytes to be passed over.
    left: u32,
}

/// A frame, as far as it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'f> {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    /// Of its payload, in bytes.
    pub(super) len: u32,
    /// The first bytes of its payload.
    pub(super) look: &'f [u8],
}

impl Frame<'_> {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const RST_STREAM: u8 = 3;
    pub(super) const GOAWAY: u8 = 7;
    pub(super) const CONTINUATION: u8 = 9;

    const END_STREAM: u8 = 1;

    pub(super) fn is_end(&self) -> bool {
        self.flags & Frame::END_STREAM != 0
    }

    /// The error that this `RST_STREAM` or `GOAWAY` tells.
    pub(super) fn error_code(&self) -> u32 {
        let at = if self.kind == Frame::GOAWAY { 4 } else { 0 };
        self.look.get(at..at + 4).and_then(|code| code.try_into().ok()).map_or(0, u32::from_be_bytes)
    }

    /// Whether this is the head of an answer that has a status and nothing else, and no body (RFC 7541 section 6: one
    /// field by its index, or `:status` with a literal value). No answer of ours is like that: the framer's own are.
    pub(super) fn is_bare_status(&self) -> bool {
        const STATUS_WITH_LITERAL: u8 = 0x48;
        let is_one_field = match *self.look {
            [_] => true,
            [STATUS_WITH_LITERAL, len, ..] => self.len == 2 + u32::from(len & 0x7f),
            _ => false,
        };
        self.kind == Frame::HEADERS && self.is_end() && is_one_field
    }
}

impl Walk {
    /// Of what a client sends, which begins with the preface.
    pub(super) fn after_preface() -> Walk {
        Walk { left: PREFACE_BYTES, ..Walk::default() }
    }

    /// Goes on with `bytes`, and calls `each` with every frame whose first bytes are known.
    pub(super) fn go_on(&mut self, mut bytes: &[u8], mut each: impl FnMut(Frame<'_>)) {
        loop {
            let passed = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
            self.left -= passed as u32;
            bytes = &bytes[passed..];
            while self.filled < self.wanted() && !bytes.is_empty() {
                let count = (self.wanted() - self.filled).min(bytes.len());
                self.start[self.filled..self.filled + count].copy_from_slice(&bytes[..count]);
                self.filled += count;
                bytes = &bytes[count..];
            }
            if self.left > 0 || self.filled < self.wanted() {
                return;
            }
            let len = self.len();
            let [_, _, _, kind, flags, a, b, c, d, ..] = self.start;
            let stream = u32::from_be_bytes([a, b, c, d]) & 0x7fff_ffff;
            each(Frame { kind, flags, stream, len, look: &self.start[HEAD_BYTES..self.filled] });
            self.left = len - (self.filled - HEAD_BYTES) as u32;
            self.filled = 0;
        }
    }

    /// The payload's length, once the frame's head is known.
    fn len(&self) -> u32 {
        u32::from_be_bytes([0, self.start[0], self.start[1], self.start[2]])
    }

    fn wanted(&self) -> usize {
        match self.filled {
            0..HEAD_BYTES => HEAD_BYTES,
            _ => HEAD_BYTES + usize::try_from(self.len()).map_or(LOOK_BYTES, |len| len.min(LOOK_BYTES)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let len = (payload.len() as u32).to_be_bytes();
        [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    /// Kind, stream, length and the first bytes of every frame.
    fn walk(bytes: &[u8], piece: usize) -> Vec<(u8, u32, u32, Vec<u8>)> {
        let (mut walk, mut found) = (Walk::after_preface(), Vec::new());
        for piece in bytes.chunks(piece) {
            walk.go_on(piece, |frame| found.push((frame.kind, frame.stream, frame.len, frame.look.to_vec())));
        }
        found
    }

    #[test]
    fn frames_are_found_however_they_are_split() {
        let frames = [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            frame(4, 0, 0, b""),
            frame(1, 5, 1, b"0123456789"),
            frame(0, 0, 1, &[7; 300]),
            frame(3, 0, 1, &[0, 0, 0, 8]),
            frame(6, 0, 0, b"pingping"),
        ];
        let bytes = frames.concat();
        let expected = vec![
            (4, 0, 0, vec![]),
            (1, 1, 10, b"01234567".to_vec()),
            (0, 1, 300, vec![7; 8]),
            (3, 1, 4, vec![0, 0, 0, 8]),
            (6, 0, 8, b"pingping".to_vec()),
        ];
        for piece in 1..=bytes.len() {
            assert_eq!(walk(&bytes, piece), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn an_error_and_a_bare_status_are_read() {
        let check = |kind, flags, payload: &[u8], code: u32, is_bare: bool| {
            let look = &payload[..payload.len().min(LOOK_BYTES)];
            let frame = Frame { kind, flags, stream: 1, len: payload.len() as u32, look };
            assert_eq!((frame.error_code(), frame.is_bare_status()), (code, is_bare), "{payload:?}");
        };
        check(Frame::RST_STREAM, 0, &[0, 0, 0, 1], 1, false);
        check(Frame::GOAWAY, 0, &[0, 0, 0, 9, 0, 0, 0, 11, b'x'], 11, false);
        check(Frame::HEADERS, 5, &[0x48, 0x82, 0x68, 0x01], 0x4882_6801, true);
        check(Frame::HEADERS, 5, &[0xbe], 0, true);
        check(Frame::HEADERS, 4, &[0xbe], 0, false);
        check(Frame::HEADERS, 5, &[0x88, 0xc0, 0xbf], 0, false);
    }
}
