use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, ETAG, HeaderValue, TRANSFER_ENCODING, VARY};
use http::{HeaderMap, HeaderName, Method, Version};
use pingora_error::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::ctx::Ctx;
use crate::base::{Fields, Variant};
use crate::gateway::respond::Reply;
use crate::gateway::transform::{Coding, Encoder, Negotiated, negotiate};

/// Compresses an answer that is at hand as a whole, where its API says so and its client accepts it.
pub(super) fn compress_reply(session: &Session, ctx: &Ctx, reply: &mut Reply) {
    let Some(bytes_min) = bytes_min(ctx) else { return };
    let fields: HeaderMap = reply.fields.iter().cloned().collect();
    let len = Some(reply.body.len() as u64);
    let coding = match negotiated(session, reply.status, &fields, len, bytes_min) {
        Negotiated::Untouched => return,
        Negotiated::Plain => None,
        Negotiated::Compressed(coding) => Some(coding),
    };
    reply.fields.push(vary());
    if let Some(coding) = coding {
        reply.body = Encoder::new(coding).whole(&reply.body);
        let tag = reply.fields.iter_mut().find(|(name, _)| name == ETAG);
        tag.into_iter().for_each(|(_, value)| weaken(value));
        reply.fields.push(content_encoding(coding));
    }
}

/// Begins to compress an answer whose body is to come, where its API says so and its client accepts it. `head` is changed
/// accordingly; what is written from now on goes through [`compress`].
pub(super) fn begin(session: &Session, ctx: &mut Ctx, head: &mut ResponseHeader) -> Result<()> {
    let Some(bytes_min) = bytes_min(ctx) else { return Ok(()) };
    let len = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    match negotiated(session, head.status.as_u16(), &head.headers, len, bytes_min) {
        Negotiated::Untouched => {}
        Negotiated::Plain => drop(head.append_header(VARY, vary().1)?),
        Negotiated::Compressed(coding) => {
            head.append_header(VARY, vary().1)?;
            head.insert_header(CONTENT_ENCODING, content_encoding(coding).1)?;
            if let Some(mut tag) = head.headers.get(ETAG).cloned() {
                weaken(&mut tag);
                head.insert_header(ETAG, tag)?;
            }
            head.remove_header(&CONTENT_LENGTH);
            if session.req_header().version == Version::HTTP_11 {
                head.insert_header(TRANSFER_ENCODING, HeaderValue::from_static("chunked"))?;
            }
            ctx.encoder = Some(Box::new(Encoder::new(coding)));
        }
    }
    Ok(())
}

/// What a piece of a body, or its end, is for the client.
pub(super) fn compress(body: &mut Option<Bytes>, is_end: bool, ctx: &mut Ctx) {
    let Some(encoder) = &mut ctx.encoder else { return };
    let piece = body.take().filter(|piece| !piece.is_empty()).map(|piece| encoder.push(&piece)).unwrap_or_default();
    let last = if is_end { ctx.encoder.take().map(|encoder| encoder.finish()) } else { None };
    *body = match last {
        None => Some(piece),
        Some(last) => Some([piece, last].concat().into()),
    }
    .filter(|body| !body.is_empty());
}

/// Writes a piece of an answer's body.
pub(super) async fn write_piece(session: &mut Session, ctx: &mut Ctx, piece: Bytes) -> Result<()> {
    let mut body = Some(piece);
    compress(&mut body, false, ctx);
    match body {
        None => Ok(()),
        body => session.write_response_body(body, false).await,
    }
}

/// Writes the end of an answer's body.
pub(super) async fn write_end(session: &mut Session, ctx: &mut Ctx) -> Result<()> {
    let mut body = None;
    compress(&mut body, true, ctx);
    session.write_response_body(body, true).await
}

/// `minimum_compression_size` of the request's API.
fn bytes_min(ctx: &Ctx) -> Option<u64> {
    ctx.stage()?.manners(ctx.place.variant.unwrap_or(Variant::Stable)).compression_bytes_min
}

fn negotiated(session: &Session, status: u16, answer: &HeaderMap, len: Option<u64>, bytes_min: u64) -> Negotiated {
    let request = session.req_header();
    let negotiated = negotiate(&Fields::Map(&request.headers), status, answer, len, bytes_min);
    // An answer to HEAD has no body that could be compressed, and a client of HTTP/1.0 knows no chunks.
    let has_stream = request.method != Method::HEAD && request.version != Version::HTTP_10;
    if negotiated == Negotiated::Untouched || has_stream { negotiated } else { Negotiated::Plain }
}

fn vary() -> (HeaderName, HeaderValue) {
    (VARY, HeaderValue::from_name(ACCEPT_ENCODING))
}

fn content_encoding(coding: Coding) -> (HeaderName, HeaderValue) {
    (CONTENT_ENCODING, HeaderValue::from_static(coding.as_str()))
}

/// The same content in other bytes: RFC 9110 section 8.8.1.
fn weaken(tag: &mut HeaderValue) {
    if tag.as_bytes().starts_with(b"\"")
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat())
    {
        *tag = weak;
    }
}
