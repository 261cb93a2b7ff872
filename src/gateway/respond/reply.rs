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
}

impl Reply {
    pub fn new(status: u16, body: Bytes) -> Reply {
        Reply { status, fields: SmallVec::new(), body }
    }

    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Reply {
        self.fields.push((name, value));
        self
    }

    /// Adds a field whose value is digits.
    pub fn with_number(self, name: HeaderName, value: u64) -> Reply {
        self.with(name, HeaderValue::from(value))
    }

    /// Adds a field if its value is legal in HTTP; what we were configured with always is.
    pub fn with_text(self, name: HeaderName, value: &str) -> Reply {
        self.with_bytes(name, Bytes::copy_from_slice(value.as_bytes()))
    }

    /// The same without a copy.
    pub fn with_bytes(self, name: HeaderName, value: Bytes) -> Reply {
        match HeaderValue::from_maybe_shared(value) {
            Ok(value) => self.with(name, value),
            Err(_) => self,
        }
    }
}
