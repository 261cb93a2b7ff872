use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use smallvec::SmallVec;

/// An answer that the gateway holds as a whole.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub status: u16,
    /// Neither `content-length` nor the fields of a [`Seal`](super::Seal).
    pub fields: SmallVec<[(HeaderName, HeaderValue); 6]>,
    pub body: Bytes,
    /// Whether its fields have the `Date` that it goes out with; else it is that of the moment.
    pub is_dated: bool,
}

impl Reply {
    pub fn new(status: u16, body: Bytes) -> Reply {
        Reply { status, fields: SmallVec::new(), body, is_dated: false }
    }
}
