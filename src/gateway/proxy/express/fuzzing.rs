//! What reads bytes from the network here, for fuzz targets.

use super::authority::LastHost;
use super::chunks::Chunks;
use super::head::{Framing, HeadFault, read_request};
use super::response::read_response;
use crate::base::{FieldSpans, Scheme};

/// How a body goes on behind a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    None,
    Length(u64),
    Chunked,
}

/// A request's head that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    /// As it was sent, with its query.
    pub path: String,
    pub authority: String,
    pub body: Body,
    pub keeps_alive: bool,
    /// In bytes: where the body begins.
    pub len: usize,
    /// Names and values, in the order of the wire.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Reads a request's head; `Ok(None)`: it is not whole yet.
///
/// # Errors
/// Why it is refused.
pub fn request(bytes: &[u8]) -> Result<Option<Request>, &'static str> {
    let (mut spans, mut last_host) = (FieldSpans::default(), LastHost::default());
    let read = read_request(bytes, &mut spans, &mut last_host).map_err(|fault| match fault {
        HeadFault::Malformed(why) => why,
        HeadFault::TooManyFields => "too many fields",
    })?;
    let Some(read) = read else { return Ok(None) };
    let asked = read.asked(bytes, &spans, [127, 0, 0, 1].into(), Scheme::Http);
    let query = asked.head.query.map(|query| format!("?{query}")).unwrap_or_default();
    Ok(Some(Request {
        method: asked.head.method.to_owned(),
        path: asked.head.path.to_owned() + &query,
        authority: asked.authority.to_owned(),
        body: match read.framing {
            Framing::None => Body::None,
            Framing::Length(length) => Body::Length(length),
            Framing::Chunked => Body::Chunked,
        },
        keeps_alive: read.keeps_alive,
        len: read.len,
        fields: fields(bytes, &spans),
    }))
}

/// Status, length of the head, and fields of a back end's answer; `Ok(None)`: its head is not whole yet.
///
/// # Errors
/// Why it is refused.
#[expect(clippy::type_complexity, reason = "taken apart where it is used")]
pub fn answer(
    bytes: &[u8],
    is_answer_to_head: bool,
) -> Result<Option<(u16, usize, Vec<(Vec<u8>, Vec<u8>)>)>, &'static str> {
    let mut spans = FieldSpans::default();
    let read = read_response(bytes, &mut spans, is_answer_to_head)?;
    Ok(read.map(|read| (read.status, read.len, fields(bytes, &spans))))
}

fn fields(bytes: &[u8], spans: &FieldSpans) -> Vec<(Vec<u8>, Vec<u8>)> {
    spans.iter().map(|span| (span.name(bytes).to_vec(), span.value(bytes).to_vec())).collect()
}

/// A body in chunks, read as it comes.
#[derive(Clone, Debug, Default)]
pub struct ChunkedBody(Chunks);

impl ChunkedBody {
    pub fn is_done(&self) -> bool {
        self.0.is_done()
    }

    /// Reads up to the body's end, appends its data to `data`, and returns how many bytes were the body's; `None`: they
    /// are no chunks.
    pub fn read(&mut self, bytes: &[u8], data: &mut Vec<u8>) -> Option<usize> {
        self.0.read(bytes, |part| data.extend_from_slice(part)).ok()
    }
}
