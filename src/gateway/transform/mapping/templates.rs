use http::HeaderValue;
use indexmap::IndexMap;

use super::binary::essence;
use super::scene::Seen;
use super::{DEFAULT_TYPE, misconfigured};
use crate::base::{Answer, Refusal};
use crate::config::{Fault, Located, Passthrough};
use crate::template::{Budget, Failure, Limits, Overrides, Rendered, Template, Why};

/// The mapping templates of one direction, by media type.
#[derive(Debug)]
pub(super) struct Templates(Box<[Mapped]>);

/// A template and the type that it is for.
#[derive(Debug)]
pub(super) struct Mapped {
    media_type: Box<str>,
    direction: Direction,
    template: Template,
    /// "request template for application/json"
    name: Box<str>,
}

/// Which body a template is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Request,
    Response,
}

/// What becomes of a request's body.
#[derive(Debug)]
pub(super) enum Choice<'t> {
    Template(&'t Mapped),
    AsIs,
    Refused,
}

/// The type of a template for whatever has none of its own.
const ANY_TYPE: &str = "$default";

impl Templates {
    pub(super) fn compile(
        direction: Direction,
        written: &IndexMap<String, Located<String>>,
        faults: &mut Vec<Fault>,
    ) -> Templates {
        let compile = |(media_type, text): (&String, &Located<String>)| {
            let name = format!("{} template for {media_type}", direction.name());
            match Template::compile(text, &Limits::default()) {
                Ok(template) => {
                    Some(Mapped { media_type: media_type.as_str().into(), direction, template, name: name.into() })
                }
                Err(fault) => {
                    faults.push(place(text, &name, fault));
                    None
                }
            }
        };
        Templates(written.iter().filter_map(compile).collect())
    }

    /// What the passthrough behaviour has for a body of this type.
    pub(super) fn choose(&self, content_type: Option<&str>, passthrough: Passthrough) -> Choice<'_> {
        let essence = content_type.map_or(DEFAULT_TYPE, essence);
        match self.find(essence).or_else(|| self.find(ANY_TYPE)) {
            Some(template) => Choice::Template(template),
            None => match passthrough {
                Passthrough::WhenNoMatch => Choice::AsIs,
                Passthrough::WhenNoTemplates if self.0.is_empty() => Choice::AsIs,
                Passthrough::WhenNoTemplates | Passthrough::Never => Choice::Refused,
            },
        }
    }

    /// For a client that accepts this: the type as it says it, else JSON, else the first.
    pub(super) fn for_accept(&self, accept: Option<&str>) -> Option<&Mapped> {
        let asked = accept.and_then(|accept| self.find(accept.trim()));
        asked.or_else(|| self.find(DEFAULT_TYPE)).or(self.0.first())
    }

    fn find(&self, media_type: &str) -> Option<&Mapped> {
        self.0.iter().find(|mapped| mapped.media_type.eq_ignore_ascii_case(media_type))
    }
}

impl Direction {
    /// As in the log.
    fn name(self) -> &'static str {
        match self {
            Direction::Request => "request",
            Direction::Response => "response",
        }
    }
}

impl Mapped {
    pub(super) fn render(&self, seen: &Seen<'_>, carried: &Overrides, budget: &Budget) -> Result<Rendered, Answer> {
        self.template.render(seen, carried, budget).map_err(|failure| self.failed(failure))
    }

    /// The type of what it makes.
    pub(super) fn content_type(&self) -> Option<HeaderValue> {
        let is_type = &*self.media_type != ANY_TYPE;
        HeaderValue::from_str(&self.media_type).ok().filter(|_| is_type)
    }

    fn failed(&self, Failure { why, place, message, .. }: Failure) -> Answer {
        let log = format!("{} at line {}, column {}: {message}", self.name, place.line, place.column);
        match why {
            Why::Payload if self.direction == Direction::Request => {
                Answer::new(Refusal::MalformedRequest, "the body is not the JSON or XML that it should be")
                    .with_log(log)
            }
            Why::Payload | Why::Limit(_) | Why::Template => misconfigured(log),
        }
    }
}

/// A template's fault in the configuration's words, under a picture of the line.
fn place(text: &Located<String>, name: &str, fault: crate::template::Fault) -> Fault {
    let line = text.lines().nth(fault.place.line - 1).unwrap_or_default();
    let caret = " ".repeat(fault.place.column - 1);
    let help = fault.help.map(|help| format!("\n{help}")).unwrap_or_default();
    let message =
        format!("the {name} is faulty at line {}, column {}: {}", fault.place.line, fault.place.column, fault.message);
    Fault::at(text.span, message).with_help(format!("{line}\n{caret}^{help}"))
}
