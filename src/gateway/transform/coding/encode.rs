use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::{HeaderMap, header};

use crate::base::Fields;

/// A coding that answers are compressed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Gzip,
    Deflate,
}

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Negotiated {
    /// It goes out as it is, whatever the client accepts.
    Untouched,
    /// It could be compressed, but not for this client: it says so in `Vary`.
    Plain,
    Compressed(Coding),
}

/// Compresses one answer.
#[derive(Debug)]
pub struct Encoder(Inner);

#[derive(Debug)]
enum Inner {
    Gzip(GzEncoder<Vec<u8>>),
    Deflate(ZlibEncoder<Vec<u8>>),
}

impl Coding {
    /// As `Content-Encoding` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
        }
    }
}

/// Whether an answer of `len` bytes (`None`: not known yet) is compressed where all of `bytes_min` and more are.
pub fn negotiate(
    request: &Fields<'_>,
    status: u16,
    answer: &HeaderMap,
    len: Option<u64>,
    bytes_min: u64,
) -> Negotiated {
    let has_body = !matches!(status, 100..=199 | 204 | 206 | 304);
    let is_long_enough = len.is_none_or(|len| len >= bytes_min && len > 0);
    if !has_body || !is_long_enough || !may_be_changed(answer) {
        return Negotiated::Untouched;
    }
    preferred(request).map_or(Negotiated::Plain, Negotiated::Compressed)
}

fn may_be_changed(answer: &HeaderMap) -> bool {
    let mut cache_control = answer.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let is_fixed = cache_control.any(|value| value.to_ascii_lowercase().contains("no-transform"));
    let content_type = answer.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    !is_fixed && !answer.contains_key(header::CONTENT_ENCODING) && !is_dense(content_type)
}

/// Types that are compressed by themselves; a stream of events must not wait for a block to be full.
fn is_dense(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let dense = ["application/gzip", "application/zip", "application/zstd", "font/woff2", "text/event-stream"];
    let is_picture = essence.starts_with("image/") && !essence.contains("svg") && essence != "image/bmp";
    is_picture || ["audio/", "video/"].iter().any(|kind| essence.starts_with(kind)) || dense.contains(&essence.as_str())
}

/// The coding that the client wants most: RFC 9110 section 12.5.3. gzip where it does not care.
fn preferred(request: &Fields<'_>) -> Option<Coding> {
    let (mut gzip, mut deflate, mut any, mut identity) = (None, None, None, None);
    request.for_each("accept-encoding", |value| {
        for item in String::from_utf8_lossy(value).split(',') {
            let (name, quality) = weighed(item);
            match name.to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => gzip = Some(quality),
                "deflate" => deflate = Some(quality),
                "*" => any = Some(quality),
                "identity" => identity = Some(quality),
                _ => {}
            }
        }
    });
    let (gzip, deflate) = (gzip.or(any).unwrap_or(0), deflate.or(any).unwrap_or(0));
    let best = gzip.max(deflate);
    match best == 0 || identity.is_some_and(|identity| identity > best) {
        true => None,
        false if gzip == best => Some(Coding::Gzip),
        false => Some(Coding::Deflate),
    }
}

/// A name and its weight in thousandths; one that cannot be read is as good as none.
fn weighed(item: &str) -> (&str, u32) {
    let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
    let quality = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse::<f32>().unwrap_or(1.0))
    });
    (name.trim(), (quality.unwrap_or(1.0).clamp(0.0, 1.0) * 1000.0) as u32)
}

impl Encoder {
    pub fn new(coding: Coding) -> Encoder {
        Encoder(match coding {
            Coding::Gzip => Inner::Gzip(GzEncoder::new(Vec::new(), Compression::fast())),
            Coding::Deflate => Inner::Deflate(ZlibEncoder::new(Vec::new(), Compression::fast())),
        })
    }

    /// What `piece` comes to, all of it: a client that waits for it must not wait for the next.
    pub fn push(&mut self, piece: &[u8]) -> Bytes {
        // Writing to a vector does not fail.
        let _ = match &mut self.0 {
            Inner::Gzip(encoder) => encoder.write_all(piece).and_then(|()| encoder.flush()),
            Inner::Deflate(encoder) => encoder.write_all(piece).and_then(|()| encoder.flush()),
        };
        std::mem::take(match &mut self.0 {
            Inner::Gzip(encoder) => encoder.get_mut(),
            Inner::Deflate(encoder) => encoder.get_mut(),
        })
        .into()
    }

    /// What is left once all is said.
    pub fn finish(self) -> Bytes {
        let rest = match self.0 {
            Inner::Gzip(encoder) => encoder.finish(),
            Inner::Deflate(encoder) => encoder.finish(),
        };
        rest.unwrap_or_default().into()
    }

    /// A body that is at hand as a whole.
    pub fn whole(mut self, body: &[u8]) -> Bytes {
        let _ = match &mut self.0 {
            Inner::Gzip(encoder) => encoder.write_all(body),
            Inner::Deflate(encoder) => encoder.write_all(body),
        };
        self.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(accept: &str, answer: &[(&'static str, &'static str)], len: Option<u64>, expected: Negotiated) {
        let list = [("accept-encoding", accept.as_bytes())];
        let fields = answer
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), header::HeaderValue::from_static(value)));
        let negotiated = negotiate(&Fields::List(&list), 200, &fields.collect(), len, 100);
        assert_eq!(negotiated, expected, "{accept:?} {answer:?} {len:?}");
    }

    #[test]
    fn a_client_gets_the_coding_that_it_wants_most() {
        let gzip = Negotiated::Compressed(Coding::Gzip);
        let deflate = Negotiated::Compressed(Coding::Deflate);
        check("gzip, deflate, br", &[], Some(100), gzip);
        check("deflate", &[], None, deflate);
        check("gzip;q=0.5, deflate;q=0.8", &[], None, deflate);
        check("*", &[], None, gzip);
        check("gzip;q=0, *;q=0.1", &[], None, deflate);
        check("br", &[], None, Negotiated::Plain);
        check("identity, gzip;q=0.2", &[], None, Negotiated::Plain);
        check("", &[], None, Negotiated::Plain);
    }

    #[test]
    fn what_is_short_or_dense_or_not_to_be_changed_is_left_as_it_is() {
        check("gzip", &[], Some(99), Negotiated::Untouched);
        check("gzip", &[("content-encoding", "br")], None, Negotiated::Untouched);
        check("gzip", &[("cache-control", "public, No-Transform")], None, Negotiated::Untouched);
        check("gzip", &[("content-type", "image/png")], None, Negotiated::Untouched);
        check("gzip", &[("content-type", "image/svg+xml")], None, Negotiated::Compressed(Coding::Gzip));
        check("gzip", &[("content-type", "text/event-stream; charset=utf-8")], None, Negotiated::Untouched);
    }

    #[test]
    fn each_piece_can_be_read_before_the_next_comes() {
        let mut encoder = Encoder::new(Coding::Gzip);
        let first = encoder.push(b"one ");
        assert!(!first.is_empty());
        let whole = [first, encoder.push(b"two"), encoder.finish()].concat();
        let decoded = super::super::decode("gzip", whole.into(), 100).map_err(|answer| answer.refusal);
        assert_eq!(decoded.as_deref(), Ok(&b"one two"[..]));
    }
}
