use std::fmt;
use std::ops::Range;

/// A part of a template's text, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub start: u32,
    pub end: u32,
}

/// Where in a text, both counted from 1, columns in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

/// Why a text is no template: found when it is compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The bytes of the text that are meant.
    pub at: Range<usize>,
    pub place: Place,
    /// Lower case, no full stop; names the thing and its value.
    pub message: String,
    /// What to try.
    pub help: Option<String>,
}

/// Why a template gave no output for this event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub why: Why,
    /// The bytes of the template's text that were being worked on.
    pub at: Range<usize>,
    pub place: Place,
    pub message: String,
}

/// Who is to blame for a [`Failure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The event's body is broken JSON: the service answers 400 to this.
    Payload,
    /// A budget is spent.
    Limit(Limit),
    /// The template asked for something that cannot be, such as the tenth item of three.
    Template,
}

/// The budgets by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Nesting,
    Iterations,
    Steps,
    Output,
    Memory,
    Time,
}

impl Limit {
    /// As in metrics, logs and the documentation.
    pub fn name(self) -> &'static str {
        match self {
            Limit::Nesting => "nesting",
            Limit::Iterations => "iterations",
            Limit::Steps => "steps",
            Limit::Output => "output",
            Limit::Memory => "memory",
            Limit::Time => "time",
        }
    }
}

impl Span {
    pub fn new(start: usize, end: usize) -> Span {
        Span { start: start as u32, end: end as u32 }
    }

    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

impl Place {
    pub(super) fn of(source: &str, offset: usize) -> Place {
        let before = source.get(..offset).unwrap_or(source);
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        Place { line: before.matches('\n').count() + 1, column: before[start..].chars().count() + 1 }
    }
}

impl Fault {
    pub(super) fn new(span: Span, message: impl Into<String>) -> Fault {
        Fault { at: span.range(), place: Place::default(), message: message.into(), help: None }
    }

    pub(super) fn with_help(mut self, help: impl Into<String>) -> Fault {
        self.help = Some(help.into());
        self
    }

    pub(super) fn placed(mut self, source: &str) -> Fault {
        self.place = Place::of(source, self.at.start);
        self
    }

    /// The same fault in the words of `config`, for a template whose text is the file number `file` of its sources.
    pub fn of_file(&self, file: u32) -> crate::config::Fault {
        let span = crate::config::Span { file, start: self.at.start as u32, end: self.at.end as u32 };
        let fault = crate::config::Fault::at(span, self.message.as_str());
        match &self.help {
            Some(help) => fault.with_help(help.as_str()),
            None => fault,
        }
    }
}

impl Failure {
    /// The same failure in the words of `config`, for a template whose text is the file number `file` of its sources.
    pub fn of_file(&self, file: u32) -> crate::config::Fault {
        let span = crate::config::Span { file, start: self.at.start as u32, end: self.at.end as u32 };
        crate::config::Fault::at(span, self.message.as_str())
    }
}

/// A failure on its way up: boxed, so that what goes well stays small.
#[derive(Debug)]
pub(super) struct Trouble(Box<Inner>);

#[derive(Debug)]
struct Inner {
    why: Why,
    at: Option<Span>,
    message: String,
}

impl Trouble {
    pub fn new(why: Why, message: impl Into<String>) -> Trouble {
        Trouble(Box::new(Inner { why, at: None, message: message.into() }))
    }

    /// The template asked for something that cannot be.
    pub fn template(message: impl Into<String>) -> Trouble {
        Trouble::new(Why::Template, message)
    }

    pub fn why(&self) -> Why {
        self.0.why
    }

    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The same trouble, said otherwise.
    pub fn in_words(mut self, words: impl FnOnce(&str) -> String) -> Trouble {
        self.0.message = words(&self.0.message);
        self
    }

    /// The innermost place wins.
    pub fn at(mut self, span: Span) -> Trouble {
        self.0.at.get_or_insert(span);
        self
    }

    pub fn placed(self, source: &str) -> Failure {
        let span = self.0.at.unwrap_or_default();
        let place = Place::of(source, span.range().start);
        Failure { why: self.0.why, at: span.range(), place, message: self.0.message }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl std::error::Error for Fault {}

impl std::error::Error for Failure {}
