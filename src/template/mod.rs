//! Mapping templates: Velocity and JSONPath as API Gateway speaks them. A pure engine that knows nothing of HTTP.
//!
//! In: a template's text → [`Template::compile`] → a [`Template`], immutable, shared by all threads. Then an [`Event`],
//! the [`Overrides`] of earlier templates and a [`Budget`] → [`Template::render`] → the text and the overrides, or a
//! [`Failure`] with line and column.
//! Where API Gateway's recorded answers differ from Apache Velocity, the recordings win: `docs/templates.md`.
//! Promises: nothing is parsed when a template renders, but for the body (once, if asked for), for `$util.parseJson`, and
//! for paths and patterns that are not written out; no template can hang, overflow a stack or take more than its budget.
//! Deliberately absent: Java itself (only the methods in `method.rs` exist), `#parse`, `#include`, and macros.
//! Cost: literals, body and parameters are borrowed; lists and maps live in one heap that goes with the rendering.

mod asked;
mod directive;
mod event;
mod explain;
mod expression;
mod fault;
mod json;
mod limits;
mod method;
mod number;
mod parser;
mod path;
mod pattern;
mod print;
mod reference;
mod run;
mod text;
mod tree;
mod value;
mod xml;

pub use event::{Event, Fact, Override, Overrides, Table, Variable};
pub use explain::{Remark, What};
pub use fault::{Failure, Fault, Limit, Place, Why};
pub use limits::{Budget, Limits};
pub use path::{JsonPath, PathFault};
pub use pattern::Pattern;

use fault::Span;
use limits::Meter;
use parser::{Names, Parser};
use run::Renderer;
use text::Text;
use tree::Block;
use value::Heap;

/// A compiled template.
#[derive(Debug)]
pub struct Template {
    source: Box<str>,
    root: Block,
    /// How many variables it names.
    variables: usize,
}

/// What a rendering gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    pub text: String,
    /// Those that came in, and those that the template set.
    pub overrides: Overrides,
}

impl Template {
    /// Reads a template; its first fault, if it has any.
    pub fn compile(source: &str, limits: &Limits) -> Result<Template, Fault> {
        if source.len() > limits.template_bytes {
            let message = format!("a template of {} bytes; {} are allowed", source.len(), limits.template_bytes);
            return Err(Fault::new(Span::default(), message).placed(source));
        }
        let mut names = Names::default();
        let root = Parser::new(source, limits, &mut names).template().map_err(|fault| fault.placed(source))?;
        Ok(Template { source: source.into(), root, variables: names.len() })
    }

    /// The text for an event. `carried` holds what the templates before this one have overridden.
    pub fn render(&self, event: &dyn Event, carried: &Overrides, budget: &Budget) -> Result<Rendered, Failure> {
        Renderer::new(self, event, carried, budget).run().0
    }

    /// Like [`Template::render`], and what happened on the way.
    pub fn explain(
        &self,
        event: &dyn Event,
        carried: &Overrides,
        budget: &Budget,
    ) -> (Result<Rendered, Failure>, Vec<Remark>) {
        let (rendered, trace) = Renderer::new(self, event, carried, budget).traced().run();
        (rendered, trace.map(|trace| trace.finish(&self.source)).unwrap_or_default())
    }

    pub fn source(&self) -> &str {
        &self.source
    }
}

impl JsonPath {
    /// What the path finds in a body, as JSON text; `None` where a definite path leads nowhere. For parameter mappings
    /// (`method.request.body.JSONPATH`); within a template, `$input.json` does the same.
    pub fn find_json(&self, body: &str, budget: &Budget) -> Result<Option<String>, Failure> {
        self.find_text(body, budget, false)
    }

    /// Like [`JsonPath::find_json`], but strings without quotes, and nothing for null.
    pub fn find_plain(&self, body: &str, budget: &Budget) -> Result<Option<String>, Failure> {
        self.find_text(body, budget, true)
    }

    fn find_text(&self, body: &str, budget: &Budget, is_plain: bool) -> Result<Option<String>, Failure> {
        let mut heap = Heap::new(Meter::new(budget));
        let found = json::read_body(&Text::Lent(body), &mut heap).and_then(|root| self.find(&root, &mut heap));
        let written = found.and_then(|found| {
            let Some(found) = found.filter(|found| !(is_plain && found.is_null())) else { return Ok(None) };
            let mut printer = print::Printer { heap: &heap, most: budget.output_bytes, depth: budget.nesting };
            let mut text = String::new();
            match &found {
                value::Value::Text(plain) if is_plain => text.push_str(plain),
                value => printer.json(value, &mut text)?,
            }
            Ok(Some(text))
        });
        written.map_err(|trouble| trouble.placed(""))
    }
}

#[cfg(test)]
mod tests;
