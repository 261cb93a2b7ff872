use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

use crate::config::{Fault, MockAnswer, Span};
use crate::gateway::transform::is_of_cors;

/// A `MOCK` integration's answer, ready to be sent.
#[derive(Debug)]
pub struct Mock {
    status: StatusCode,
    fields: Box<[(HeaderName, HeaderValue)]>,
    body: Bytes,
}

/// Framing is the gateway's: these would contradict it.
const FRAMING: [HeaderName; 4] =
    [http::header::CONTENT_LENGTH, http::header::TRANSFER_ENCODING, http::header::CONNECTION, http::header::UPGRADE];

impl Mock {
    /// Compiles the `answer` of an integration at `span`. `ignores_cors`: what it says of CORS is the gateway's to say.
    pub fn compile(answer: &MockAnswer, span: Span, ignores_cors: bool) -> Result<Mock, Vec<Fault>> {
        let (mut fields, mut faults) = (Vec::new(), Vec::new());
        let is_ignored = |name: &str| ignores_cors && is_of_cors(name.as_bytes());
        for (name, value) in answer.headers.iter().filter(|(name, _)| !is_ignored(name)) {
            match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
                (Err(_), _) => faults.push(Fault::at(span, format!("\"{name}\" is not a header's name"))),
                (_, Err(_)) => faults.push(Fault::at(span, format!("the value of \"{name}\" is not a header's value"))),
                (Ok(name), _) if FRAMING.contains(&name) => faults
                    .push(Fault::at(span, format!("the gateway writes \"{name}\" itself")).with_help("leave it out")),
                (Ok(name), Ok(value)) => fields.push((name, value)),
            }
        }
        let status = StatusCode::from_u16(answer.status).ok().filter(|status| status.as_u16() >= 200);
        match status {
            Some(status) if faults.is_empty() => {
                Ok(Mock { status, fields: fields.into(), body: Bytes::copy_from_slice(answer.body.as_bytes()) })
            }
            Some(_) => Err(faults),
            None => {
                faults.push(Fault::at(span, format!("the mock's status {} is not 200 to 599", answer.status)));
                Err(faults)
            }
        }
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub fn fields(&self) -> &[(HeaderName, HeaderValue)] {
        &self.fields
    }

    pub fn body(&self) -> Bytes {
        self.body.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(status: u16, name: &str, value: &str) -> Result<Mock, Vec<Fault>> {
        let headers = [(name.to_owned(), value.to_owned())].into();
        Mock::compile(
            &MockAnswer { status, headers, body: "{}".to_owned(), transformation: None },
            Span::default(),
            false,
        )
    }

    #[test]
    fn a_mock_is_ready_to_be_sent_or_a_fault() {
        let mock = compile(418, "X-Tea", "pot").unwrap();
        assert_eq!((mock.status().as_u16(), mock.fields().len(), mock.body().as_ref()), (418, 1, b"{}".as_slice()));
        assert_eq!(compile(200, "no name", "x").unwrap_err().len(), 1);
        assert_eq!(compile(200, "x", "a\nb").unwrap_err().len(), 1);
        assert_eq!(compile(100, "content-length", "9").unwrap_err().len(), 2);
    }
}
