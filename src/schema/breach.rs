use std::fmt::{self, Write};

use serde_json::Value;

/// Where a value is not what its schema says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// RFC 6901; empty for the whole.
    pub pointer: String,
    /// `an integer`, `at most 5 characters`
    pub expected: String,
    /// The value as JSON, shortened; `None`: it is missing.
    pub sent: Option<String>,
}

/// So many are told of one value.
pub const BREACHES_MAX: usize = 32;

/// Of what was sent, in characters.
const SHOWN_MAX: usize = 64;

/// How a place in a value was reached.
#[derive(Clone, Copy)]
pub(super) struct Path<'p> {
    pub before: Option<&'p Path<'p>>,
    pub step: Step<'p>,
}

#[derive(Clone, Copy)]
pub(super) enum Step<'p> {
    Whole,
    Property(&'p str),
    Item(usize),
}

impl Path<'_> {
    pub(super) const WHOLE: Path<'static> = Path { before: None, step: Step::Whole };

    pub(super) fn then<'p>(&'p self, step: Step<'p>) -> Path<'p> {
        Path { before: Some(self), step }
    }

    pub(super) fn pointer(&self) -> String {
        let mut pointer = self.before.map(Path::pointer).unwrap_or_default();
        match self.step {
            Step::Whole => {}
            Step::Property(name) => {
                pointer.push('/');
                // RFC 6901 section 3.
                for letter in name.chars() {
                    match letter {
                        '~' => pointer.push_str("~0"),
                        '/' => pointer.push_str("~1"),
                        letter => pointer.push(letter),
                    }
                }
            }
            Step::Item(at) => {
                // A string takes whatever is written.
                let _ = write!(pointer, "/{at}");
            }
        }
        pointer
    }
}

/// A value as JSON, cut where it gets long; its rest is not looked at.
pub(super) fn shown(value: &Value) -> String {
    let mut short = Short { text: String::new(), left: SHOWN_MAX };
    match write_value(&mut short, value) {
        Ok(()) => short.text,
        Err(fmt::Error) => short.text + "…",
    }
}

fn write_value(out: &mut Short, value: &Value) -> fmt::Result {
    match value {
        Value::String(text) => {
            // Cut before it is escaped, which would read all of it.
            let end = text.char_indices().nth(SHOWN_MAX).map_or(text.len(), |(at, _)| at);
            write!(out, "{}", Value::from(&text[..end]))
        }
        Value::Array(items) => {
            out.write_char('[')?;
            for (at, item) in items.iter().enumerate() {
                out.write_str(if at > 0 { "," } else { "" })?;
                write_value(out, item)?;
            }
            out.write_char(']')
        }
        Value::Object(properties) => {
            out.write_char('{')?;
            for (at, (name, property)) in properties.iter().enumerate() {
                let end = name.char_indices().nth(SHOWN_MAX).map_or(name.len(), |(at, _)| at);
                write!(out, "{}{}:", if at > 0 { "," } else { "" }, Value::from(&name[..end]))?;
                write_value(out, property)?;
            }
            out.write_char('}')
        }
        value => write!(out, "{value}"),
    }
}

/// Takes so many characters and no more.
struct Short {
    text: String,
    left: usize,
}

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut letters = text.chars();
        self.text.extend(letters.by_ref().take(self.left));
        self.left = self.left.saturating_sub(text.chars().count());
        if letters.next().is_some() { Err(fmt::Error) } else { Ok(()) }
    }
}
