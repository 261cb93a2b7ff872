use serde_json::Value;

use super::encoding::{Shape, Unread};
use super::sent::{Sent, is_secret, place_of, shortened};
use crate::base::{Place, Violation};
use crate::config::{self, ParameterEncoding, ParameterPlace};
use crate::schema::{Breach, SchemaId, Schemas, Side};

/// What is known of a parameter.
#[derive(Debug)]
pub(super) struct Parameter {
    /// A header's in lower case.
    pub name: Box<str>,
    pub place: ParameterPlace,
    /// Its number among the parameters of the path.
    pub path_index: usize,
    pub is_required: bool,
    pub schema: Option<SchemaId>,
    pub encoding: ParameterEncoding,
    pub shape: Shape,
    is_secret: bool,
}

impl Parameter {
    pub(super) fn new(
        written: &config::Parameter,
        path_names: &[Box<str>],
        schema: Option<SchemaId>,
    ) -> Option<Parameter> {
        let index = path_names.iter().position(|name| **name == *written.name);
        let path_index = match written.place {
            // Of a parameter that the path does not have nothing can be said.
            ParameterPlace::Path => index?,
            _ => 0,
        };
        Some(Parameter {
            name: written.name.as_str().into(),
            place: written.place,
            path_index,
            is_required: written.is_required,
            schema: schema.filter(|_| written.encoding != ParameterEncoding::Opaque),
            encoding: written.encoding,
            shape: Shape::Scalar,
            is_secret: written.place == ParameterPlace::Cookie || is_secret(&written.name),
        })
    }

    /// Learns from the schemas, once they are whole, what its text is read as.
    pub(super) fn settle(&mut self, schemas: &Schemas) {
        self.shape = self.schema.map_or(Shape::Scalar, |schema| Shape::of(schemas.kinds(schema)));
    }

    /// API Gateway's check: missing and blank are the same.
    pub(super) fn is_blank(&self, sent: &Sent<'_, '_>) -> bool {
        sent.texts(self.place, &self.name, self.path_index).iter().all(|text| text.trim().is_empty())
    }

    pub(super) fn is_missing(&self) -> Violation {
        Violation::new(place_of(self.place), "a value").named(&self.name)
    }

    /// Everything that is wrong with it.
    pub(super) fn check(&self, schemas: &Schemas, sent: &Sent<'_, '_>, violations: &mut Vec<Violation>) {
        let (value, text) = match self.read(schemas, sent) {
            Ok(read) => read,
            Err(Unread::Missing) if self.is_required => return violations.push(self.is_missing()),
            Err(Unread::Missing) => return,
            Err(Unread::Repeated) => return violations.push(self.broken("a single value")),
            Err(Unread::Broken(expected)) => return violations.push(self.broken(expected)),
        };
        let Some(schema) = self.schema else { return };
        let breaches = schemas.check(schema, &value, Side::Request, text.len());
        if breaches.is_empty() || self.is_fine_as_text(schemas, schema, &value, &text) {
            return;
        }
        violations.extend(breaches.into_iter().map(|breach| self.violation(breach, &text)));
    }

    /// What reads as a number may be meant as a text.
    fn is_fine_as_text(&self, schemas: &Schemas, schema: SchemaId, value: &Value, text: &str) -> bool {
        self.shape == Shape::Scalar
            && !value.is_string()
            && schemas.check(schema, &text.into(), Side::Request, text.len()).is_empty()
    }

    fn violation(&self, breach: Breach, text: &str) -> Violation {
        let violation = self.broken(breach.expected);
        let violation = if breach.pointer.is_empty() { violation } else { violation.at(breach.pointer.as_str()) };
        // A part is shown as such, the whole as it was written.
        let part = breach.sent.filter(|_| !breach.pointer.is_empty());
        let is_whole = breach.pointer.is_empty();
        let sent = part.or_else(|| is_whole.then(|| shortened(text)));
        violation.with_sent(sent.filter(|_| !self.is_secret))
    }

    fn broken(&self, expected: impl Into<Box<str>>) -> Violation {
        let place: Place = place_of(self.place);
        Violation::new(place, expected).named(&self.name)
    }
}
