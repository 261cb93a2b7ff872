use super::media_type::{Contents, Notation, essence};
use super::sent::is_secret;
use super::{form, json};
use crate::base::{Fields, Head, Place, Violation};
use crate::config::ErrorStyle;
use crate::schema::{Breach, SchemaId, Schemas, Side};

/// What an operation takes as a body.
#[derive(Debug)]
pub(super) struct Body {
    pub contents: Contents,
    pub is_required: bool,
}

/// Of a body that says nothing of itself.
const DEFAULT_TYPE: &str = "application/json";

/// The schema that a body is held to, and how it is read.
pub(super) struct Model {
    schema: SchemaId,
    notation: Notation,
}

impl Body {
    /// Whether the operation takes a body of the type that the request says.
    pub(super) fn takes(&self, fields: &Fields<'_>) -> bool {
        self.contents.find(media_type(fields)).is_some()
    }

    /// What the body is checked against; `None`: nothing, whatever it is.
    pub(super) fn model(&self, fields: &Fields<'_>) -> Option<Model> {
        let media_type = media_type(fields);
        let schema = self.contents.find(media_type)??;
        let notation = Notation::of(media_type);
        (notation != Notation::Other).then_some(Model { schema, notation })
    }

    /// Everything that is wrong with a body. To API Gateway an empty one is `{}`.
    pub(super) fn check(&self, schemas: &Schemas, model: &Model, style: ErrorStyle, body: &[u8]) -> Vec<Violation> {
        let body = match (body, style) {
            ([], ErrorStyle::Aws) => b"{}",
            ([], ErrorStyle::Standard) if self.is_required => return vec![Violation::new(Place::Body, "a body")],
            ([], ErrorStyle::Standard) => return Vec::new(),
            (body, _) => body,
        };
        model.check(schemas, Side::Request, body)
    }
}

impl Model {
    /// Of an answer's content.
    pub(super) fn of_json(schema: SchemaId) -> Model {
        Model { schema, notation: Notation::Json }
    }

    pub(super) fn check(&self, schemas: &Schemas, side: Side, body: &[u8]) -> Vec<Violation> {
        let value = match self.notation {
            Notation::Form => Ok(form::read(schemas, self.schema, body)),
            Notation::Json | Notation::Other => json::read(body),
        };
        match value {
            Ok(value) => {
                let breaches = schemas.check(self.schema, &value, side, body.len());
                breaches.into_iter().map(violation).collect()
            }
            Err(why) => vec![Violation::new(Place::Body, format!("JSON, not {why}"))],
        }
    }
}

fn violation(breach: Breach) -> Violation {
    let sent = breach.sent.filter(|_| !breach.pointer.rsplit('/').next().is_some_and(is_secret));
    Violation::new(Place::Body, breach.expected).at(breach.pointer).with_sent(sent)
}

/// The media type that a request says of its body.
fn media_type<'f>(fields: &Fields<'f>) -> &'f str {
    match essence(fields.text("content-type").unwrap_or_default()) {
        "" => DEFAULT_TYPE,
        said => said,
    }
}

/// Whether the head announces a body. Over HTTP/2 one may come without a word; then its type is the word.
pub(super) fn announces_body(head: &Head<'_>) -> bool {
    let fields = &head.fields;
    match fields.text("content-length") {
        Some(length) => length.trim() != "0",
        None => {
            let may_have_one = matches!(head.method, "POST" | "PUT" | "PATCH");
            fields.get("transfer-encoding").is_some() || may_have_one && fields.get("content-type").is_some()
        }
    }
}

/// Whether the body is in codings that are taken off before it is checked.
pub(super) fn can_be_unpacked(fields: &Fields<'_>) -> bool {
    const KNOWN: [&str; 5] = ["", "identity", "gzip", "x-gzip", "deflate"];
    let codings = fields.text("content-encoding").unwrap_or_default();
    codings.split(',').all(|coding| KNOWN.iter().any(|known| coding.trim().eq_ignore_ascii_case(known)))
}

/// Whether the body is as it says, not packed in a coding.
pub(super) fn is_plain(fields: &Fields<'_>) -> bool {
    let coding = fields.text("content-encoding").unwrap_or_default().trim();
    coding.is_empty() || coding.eq_ignore_ascii_case("identity")
}
