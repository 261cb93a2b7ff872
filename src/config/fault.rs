use std::fmt;

use annotate_snippets::Level;
use serde_json::{Value, json};

use super::source::Pages;
use super::{Sources, Span};

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where; `None` for a fault of a whole file.
    pub span: Option<Span>,
    /// Lower case, no full stop; names the thing and its value.
    pub message: String,
    /// What to try.
    pub help: Option<String>,
    /// A second place that the fault is about, and what is there.
    pub also: Option<(Span, String)>,
}

/// Everything that is wrong with a configuration, in the order of its files and lines.
#[derive(Clone, Debug)]
pub struct Faults {
    sources: Sources,
    faults: Vec<Fault>,
}

impl Fault {
    pub fn at(span: Span, message: impl Into<String>) -> Fault {
        Fault { span: Some(span), message: message.into(), help: None, also: None }
    }

    /// A fault of a whole file, which the message names.
    pub fn of_file(message: impl Into<String>) -> Fault {
        Fault { span: None, message: message.into(), help: None, also: None }
    }

    pub fn with_help(mut self, help: impl Into<String>) -> Fault {
        self.help = Some(help.into());
        self
    }

    /// Points to a second place, such as the first of two things with one name.
    pub fn with_also(mut self, span: Span, label: impl Into<String>) -> Fault {
        self.also = Some((span, label.into()));
        self
    }
}

impl Faults {
    /// Faults of the files in `sources`.
    pub fn new(sources: Sources, mut faults: Vec<Fault>) -> Faults {
        faults.sort_by_key(|fault| fault.span);
        Faults { sources, faults }
    }

    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    pub fn len(&self) -> usize {
        self.faults.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter()
    }

    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// All faults as text for people: place, line, caret, help. With terminal colours where `color` is true.
    pub fn render(&self, color: bool) -> String {
        super::render::render(&self.sources, &self.faults, &Level::ERROR, color)
    }

    /// The same as warnings, of what may be meant.
    pub fn render_as_warnings(&self, color: bool) -> String {
        super::render::render(&self.sources, &self.faults, &Level::WARNING, color)
    }

    /// `[{file, line, column, message, help}]`; line and column are null for a fault of a whole file.
    pub fn to_json(&self) -> Value {
        let mut pages = Pages::of(&self.sources);
        self.faults.iter().map(|fault| describe(&mut pages, fault)).collect()
    }
}

fn describe(pages: &mut Pages<'_>, fault: &Fault) -> Value {
    let line = fault.span.map(|span| pages.find(span));
    let path = pages.sources.path(fault.span.map_or(0, |span| span.file));
    json!({
        "file": path.display().to_string(),
        "line": line.as_ref().map(|line| line.number),
        "column": line.as_ref().map(|line| line.column),
        "message": fault.message,
        "help": fault.help,
    })
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Faults {}
