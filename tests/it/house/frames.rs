//! HTTP/2 as frames: what no honest client would send.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::DEADLINE;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const NO_ERROR: u32 = 0;
pub const PROTOCOL_ERROR: u32 = 1;
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// One frame, as it came.
#[derive(Clone, Debug)]
pub struct Frame {
    pub kind: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The error of a `RST_STREAM` or a `GOAWAY`.
    pub fn error(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().expect("four bytes"))
    }

    /// The status of a head, if the framer wrote it by its index or as three digits.
    pub fn begins_with_status(&self, status: u16) -> bool {
        let by_index = match status {
            200 => Some(0x88),
            400 => Some(0x8c),
            404 => Some(0x8d),
            _ => None,
        };
        by_index.is_some() && self.payload.first().copied() == by_index
    }
}

/// A connection of frames.
pub struct Frames {
    tcp: TcpStream,
    pending: Vec<u8>,
}

impl Frames {
    /// Opens a connection with the preface and settings of this payload.
    #[track_caller]
    pub fn open(address: SocketAddr, settings: &[u8]) -> Frames {
        let tcp = TcpStream::connect(address).expect("a connection");
        tcp.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        tcp.set_write_timeout(Some(DEADLINE)).expect("a timeout");
        tcp.set_nodelay(true).expect("an option");
        let mut frames = Frames { tcp, pending: Vec::new() };
        frames.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        frames.send(SETTINGS, 0, 0, settings);
        frames
    }

    /// Sends a frame. `false`: the gateway has closed.
    pub fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        self.write(&frame(kind, flags, stream, payload))
    }

    /// Sends bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        self.tcp.write_all(bytes).is_ok()
    }

    /// Sends a request without a body.
    pub fn get(&mut self, stream: u32, path: &str) -> bool {
        let head = head("GET", path, &[]);
        self.send(HEADERS, END_STREAM | END_HEADERS, stream, &head)
    }

    /// The next frame; `None`: the gateway has closed.
    pub fn next(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.take() {
                return Ok(Some(frame));
            }
            let mut piece = [0; 64 << 10];
            match self.tcp.read(&mut piece) {
                Ok(0) => return Ok(None),
                Ok(count) => self.pending.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// The next frame for which `wanted` holds.
    #[track_caller]
    pub fn wait_for(&mut self, wanted: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            match self.next() {
                Ok(Some(frame)) if wanted(&frame) => return frame,
                Ok(Some(_)) => {}
                ended => panic!("the frame that is waited for does not come: {ended:?}"),
            }
        }
    }

    /// The error with which the gateway says goodbye before it closes; `None`: it closes without a word.
    #[track_caller]
    pub fn goodbye(&mut self) -> Option<u32> {
        let mut said = None;
        loop {
            match self.next() {
                Ok(Some(frame)) if frame.kind == GOAWAY => said = Some(frame.error()),
                Ok(Some(_)) => {}
                Ok(None) => return said,
                Err(error) => panic!("the connection stays open: {error}"),
            }
        }
    }

    fn take(&mut self) -> Option<Frame> {
        let [a, b, c, kind, _, stream @ ..] = *self.pending.first_chunk::<9>()?;
        let len = u32::from_be_bytes([0, a, b, c]) as usize;
        if self.pending.len() < 9 + len {
            return None;
        }
        let payload = self.pending[9..9 + len].to_vec();
        self.pending.drain(..9 + len);
        Some(Frame { kind, stream: u32::from_be_bytes(stream), payload })
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A head with these pseudo-fields, and more fields.
pub fn head(method: &str, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "gateway.test")];
    fields_of(&[&pseudo[..], fields].concat())
}

/// Fields as literals that nobody has to remember (RFC 7541 section 6.2.2).
pub fn fields_of(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        for text in [name, value] {
            push_length(text.len(), &mut out);
            out.extend_from_slice(text.as_bytes());
        }
    }
    out
}

/// RFC 7541 section 5.1, with a prefix of seven bits.
fn push_length(len: usize, out: &mut Vec<u8>) {
    if len < 127 {
        return out.push(len as u8);
    }
    out.push(127);
    let mut left = len - 127;
    while left >= 128 {
        out.push((left % 128) as u8 | 128);
        left /= 128;
    }
    out.push(left as u8);
}
