use std::sync::Arc;

use super::body::{Model, is_plain};
use super::encoding::read_scalar;
use super::media_type::{Contents, Notation, essence};
use super::plan::in_words;
use super::sent::{is_secret, shortened};
use crate::base::{Answer, Fields, Place, Refusal, Violation};
use crate::schema::{SchemaId, Schemas, Side};

/// What the back end's answers are held to.
#[derive(Debug)]
pub struct Answers {
    pub(super) schemas: Arc<Schemas>,
    /// Exact ones first, then classes, then the default.
    pub(super) by_status: Box<[(Statuses, Response)]>,
    pub(super) is_enforced: bool,
}

/// Which statuses a response is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Statuses {
    Only(u16),
    /// By the first digit.
    Class(u16),
    Any,
}

#[derive(Debug)]
pub(super) struct Response {
    pub headers: Box<[(Box<str>, SchemaId)]>,
    pub contents: Contents,
}

impl Answers {
    /// Whether an answer that breaks the contract is withheld.
    pub fn is_enforced(&self) -> bool {
        self.is_enforced
    }

    /// Whether the body of an answer with this head is checked, and so is to be had as a whole.
    pub fn wants_body(&self, status: u16, fields: &Fields<'_>) -> bool {
        self.model(status, fields).is_some()
    }

    /// Checks an answer, and its body where that [is wanted](Answers::wants_body) and at hand.
    ///
    /// # Errors
    /// What is wrong with it, for the log.
    pub fn check(&self, status: u16, fields: &Fields<'_>, body: Option<&[u8]>) -> Result<(), String> {
        // It is about an answer that the client has.
        if status == 304 {
            return Ok(());
        }
        let Some(response) = self.find(status) else {
            let undeclared =
                Violation::new(Place::Status, "one that the operation declares").named(&status.to_string());
            return Err(in_words(&[undeclared]));
        };
        let mut violations = response.check_type(fields);
        response.check_headers(&self.schemas, fields, &mut violations);
        if let (Some(model), Some(body)) = (self.model(status, fields), body) {
            violations.extend(model.check(&self.schemas, Side::Response, body));
        }
        if violations.is_empty() { Ok(()) } else { Err(in_words(&violations)) }
    }

    /// What the client is told of an answer that is withheld; `why` is for the log.
    pub fn refusal(why: String) -> Answer {
        Answer::new(Refusal::ResponseBreaksContract, "the back end's answer is not what this operation answers with")
            .with_log(why)
    }

    fn find(&self, status: u16) -> Option<&Response> {
        let is_of = |statuses: Statuses| match statuses {
            Statuses::Only(only) => only == status,
            Statuses::Class(class) => class == status / 100,
            Statuses::Any => true,
        };
        self.by_status.iter().find(|(statuses, _)| is_of(*statuses)).map(|(_, response)| response)
    }

    fn model(&self, status: u16, fields: &Fields<'_>) -> Option<Model> {
        let media_type = essence(fields.text("content-type")?);
        let schema = self.find(status)?.contents.find(media_type)??;
        let is_readable = Notation::of(media_type) == Notation::Json && is_plain(fields);
        is_readable.then(|| Model::of_json(schema))
    }
}

impl Response {
    fn check_type(&self, fields: &Fields<'_>) -> Vec<Violation> {
        let Some(said) = fields.text("content-type").filter(|_| !self.contents.is_empty()) else { return Vec::new() };
        if self.contents.find(essence(said)).is_some() {
            return Vec::new();
        }
        let expected = self.contents.names().collect::<Vec<_>>().join(" or ");
        vec![Violation::new(Place::Header, expected).named("content-type")]
    }

    /// Those that are there.
    fn check_headers(&self, schemas: &Schemas, fields: &Fields<'_>, violations: &mut Vec<Violation>) {
        for (name, schema) in &self.headers {
            let Some(text) = fields.text(name) else { continue };
            let value = read_scalar(schemas, Some(*schema), text);
            let breaches = schemas.check(*schema, &value, Side::Response, text.len());
            let sent = (!is_secret(name)).then(|| shortened(text));
            violations.extend(
                breaches
                    .into_iter()
                    .map(|breach| Violation::new(Place::Header, breach.expected).named(name).with_sent(sent.clone())),
            );
        }
    }
}

impl Statuses {
    /// `200`, `4XX`, `default`
    pub(super) fn read(written: &str) -> Option<Statuses> {
        match written.as_bytes() {
            b"default" => Some(Statuses::Any),
            [class @ b'1'..=b'5', b'X' | b'x', b'X' | b'x'] => Some(Statuses::Class((class - b'0').into())),
            _ => written.parse().ok().map(Statuses::Only),
        }
    }
}
