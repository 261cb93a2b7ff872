use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;

use super::misconfigured;
use crate::base::Answer;

/// `binary_media_types`: whose bytes are not text.
#[derive(Clone, Debug, Default)]
pub struct BinaryTypes(Vec<Box<str>>);

impl BinaryTypes {
    pub const NONE: BinaryTypes = BinaryTypes(Vec::new());

    /// `written` in lower case, such as `image/png`, `image/*` or `*/*`.
    pub fn new(written: &[String]) -> BinaryTypes {
        BinaryTypes(written.iter().map(|range| range.as_str().into()).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a content type, with or without parameters, is among them.
    pub fn holds(&self, content_type: &str) -> bool {
        let essence = essence(content_type);
        self.0.iter().any(|range| match range.strip_suffix("/*") {
            Some("*") => true,
            Some(kind) => essence.split_once('/').is_some_and(|(own, _)| own.eq_ignore_ascii_case(kind)),
            None => essence.eq_ignore_ascii_case(range),
        })
    }
}

/// A media type without its parameters.
pub(super) fn essence(content_type: &str) -> &str {
    content_type.split_once(';').map_or(content_type, |(essence, _)| essence).trim()
}

/// The first of the types that an `Accept` lists: the service looks at no other.
pub(super) fn first_type(accept: &str) -> &str {
    essence(accept.split_once(',').map_or(accept, |(first, _)| first))
}

pub(super) fn encoded(body: &[u8]) -> Bytes {
    BASE64_STANDARD.encode(body).into()
}

pub(super) fn decoded(body: &[u8]) -> Result<Bytes, Answer> {
    let decoded = BASE64_STANDARD.decode(body.trim_ascii());
    decoded.map(Bytes::from).map_err(|error| misconfigured(format!("the body should be base64: {error}")))
}
