use http::HeaderName;
use http::header::HOST;

use super::context::Statement;
use super::parameters::{Request, Source};
use super::uri::Origin;

/// A field that the gateway adds to a request.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Addition {
    pub(super) name: HeaderName,
    /// The line as far as it is always the same: `name: `, or all of it.
    line: Box<[u8]>,
    value: Value,
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Value {
    Constant(Box<str>),
    /// Host and port as the client asked for them, if it did.
    ClientsAuthority {
        otherwise: Box<str>,
    },
    Stated(Statement),
    Mapped(Source),
}

impl Addition {
    /// `Host`: the origin's, or the client's where that is preserved.
    pub(super) fn host(origin: &Origin, preserves_clients: bool) -> Addition {
        match preserves_clients {
            true => Addition::new(HOST, Value::ClientsAuthority { otherwise: origin.authority().into() }),
            false => Addition::constant(HOST, origin.authority()),
        }
    }

    pub(super) fn constant(name: HeaderName, value: &str) -> Addition {
        Addition::new(name, Value::Constant(value.into()))
    }

    pub(super) fn stated(statement: Statement) -> Addition {
        Addition::new(HeaderName::from_static(statement.name()), Value::Stated(statement))
    }

    /// `None` where nothing would ever be sent.
    pub(super) fn mapped(name: HeaderName, source: Source) -> Option<Addition> {
        match source {
            Source::Absent => None,
            Source::Constant(text) if text.is_empty() || !is_sendable(text.as_bytes()) => None,
            Source::Constant(text) => Some(Addition::constant(name, &text)),
            source => Some(Addition::new(name, Value::Mapped(source))),
        }
    }

    fn new(name: HeaderName, value: Value) -> Addition {
        let line = match &value {
            Value::Constant(value) => format!("{name}: {value}\r\n"),
            _ => format!("{name}: "),
        };
        Addition { name, line: line.into_bytes().into(), value }
    }

    /// Appends the field as a line; a field whose value is not there is not sent.
    pub(super) fn write_line(&self, request: &Request<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.line);
        if let Value::Constant(_) = self.value {
            return;
        }
        let before = out.len();
        self.write_value(request, out);
        match out.len() > before {
            true => out.extend_from_slice(b"\r\n"),
            false => out.truncate(start),
        }
    }

    /// Appends the value alone, or nothing where it is not there.
    pub(super) fn write_value(&self, request: &Request<'_>, out: &mut Vec<u8>) {
        match &self.value {
            Value::Constant(text) => out.extend_from_slice(text.as_bytes()),
            Value::ClientsAuthority { otherwise } => {
                let clients = Some(request.context.authority).filter(|authority| !authority.is_empty());
                out.extend_from_slice(clients.unwrap_or(otherwise).as_bytes());
            }
            Value::Stated(statement) => statement.write(request.head, request.context, out),
            Value::Mapped(source) => {
                if let Some(value) = source.value(request).filter(|value| is_sendable(value)) {
                    out.extend_from_slice(&value);
                }
            }
        }
    }
}

/// Whether `value` can be a field's: a line's end in it would begin a field of the client's choice.
fn is_sendable(value: &[u8]) -> bool {
    value.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f))
}
