use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::Reply;
use crate::base::push_line;

/// Where the fields of an answer go, so that what they say is said once.
pub trait Sink {
    /// Takes a field: its name in lower case, and what writes its value.
    fn field(&mut self, name: &'static str, write: impl FnOnce(&mut Vec<u8>));

    /// Takes a field whose name is the operator's.
    fn named(&mut self, name: &HeaderName, value: HeaderValue);

    fn text(&mut self, name: &'static str, value: &[u8]) {
        self.field(name, |out| out.extend_from_slice(value));
    }
}

/// The lines of a head.
impl Sink for Vec<u8> {
    fn field(&mut self, name: &'static str, write: impl FnOnce(&mut Vec<u8>)) {
        self.extend_from_slice(name.as_bytes());
        self.extend_from_slice(b": ");
        write(self);
        self.extend_from_slice(b"\r\n");
    }

    fn named(&mut self, name: &HeaderName, value: HeaderValue) {
        push_line(self, name.as_str().as_bytes(), value.as_bytes());
    }
}

impl Sink for Reply {
    fn field(&mut self, name: &'static str, write: impl FnOnce(&mut Vec<u8>)) {
        let mut value = Vec::new();
        write(&mut value);
        // What we are configured with is always legal in HTTP.
        if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(value)) {
            self.fields.push((HeaderName::from_static(name), value));
        }
    }

    fn named(&mut self, name: &HeaderName, value: HeaderValue) {
        self.fields.push((name.clone(), value));
    }
}
