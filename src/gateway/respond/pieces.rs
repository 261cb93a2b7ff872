use indexmap::IndexMap;
use percent_encoding::percent_decode_str;

use crate::base::{Head, Now, push_escaped};
use crate::config::ResponseHeaderSource;
use crate::telemetry::{Civil, Escape, Line, Variable};

/// A text with places for what a request says, compiled. API Gateway's gateway responses know no other template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pieces(Box<[Piece]>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    Context(Variable),
    /// In lower case.
    Header(Box<str>),
    Querystring(Box<str>),
    Path(Box<str>),
}

/// What pieces are filled from.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    pub head: &'a Head<'a>,
    /// What the log will say of the request; its refusal is noted already.
    pub line: &'a Line<'a>,
    /// The path parameters of its route, by name; escaped as in the path.
    pub params: &'a [(Box<str>, &'a str)],
    pub now: Now,
}

impl Pieces {
    /// Compiles a template whose values are made harmless by `escape`. What names no variable stands as it is; a
    /// variable that has no value here is empty, as in API Gateway.
    pub(super) fn of_template(text: &str, variables: &IndexMap<String, String>, escape: Escape) -> Pieces {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, piece, after)) = next_reference(rest, variables, escape) {
            push_text(&mut pieces, before);
            pieces.extend(piece);
            rest = after;
        }
        push_text(&mut pieces, rest);
        Pieces(pieces.into())
    }

    /// Compiles where a header's value comes from.
    pub(super) fn of_source(source: &ResponseHeaderSource, variables: &IndexMap<String, String>) -> Pieces {
        let piece = match source {
            ResponseHeaderSource::Static(text) => Some(Piece::Text(text.as_str().into())),
            ResponseHeaderSource::Header(name) => Some(Piece::Header(name.as_str().into())),
            ResponseHeaderSource::Querystring(name) => Some(Piece::Querystring(name.as_str().into())),
            ResponseHeaderSource::Path(name) => Some(Piece::Path(name.as_str().into())),
            ResponseHeaderSource::Context(name) => context(name),
            ResponseHeaderSource::StageVariable(name) => {
                variables.get(name).map(|value| Piece::Text(value.as_str().into()))
            }
        };
        Pieces(piece.into_iter().collect())
    }

    /// Appends the text for one request.
    pub(super) fn write(&self, asking: &Asking<'_>, escape: Escape, out: &mut Vec<u8>) {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Context(variable) => {
                    variable.push(out, escape, &mut Civil::default(), asking.line, asking.now);
                }
                Piece::Header(name) => escape(out, asking.head.fields.get(name).unwrap_or_default()),
                Piece::Querystring(name) => asking.push_querystring(name, escape, out),
                Piece::Path(name) => asking.push_path(name, escape, out),
            }
        }
    }
}

impl Asking<'_> {
    /// The first parameter of the query that is called so, decoded.
    fn push_querystring(&self, name: &str, escape: Escape, out: &mut Vec<u8>) {
        let query = self.head.query.unwrap_or_default();
        let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        if let Some((_, value)) = pairs.find(|(other, _)| decoded(other) == name.as_bytes()) {
            escape(out, &decoded(value));
        }
    }

    fn push_path(&self, name: &str, escape: Escape, out: &mut Vec<u8>) {
        if let Some((_, value)) = self.params.iter().find(|(other, _)| **other == *name) {
            let value: Vec<u8> = percent_decode_str(value).collect();
            escape(out, &value);
        }
    }
}

fn decoded(text: &str) -> Vec<u8> {
    percent_decode_str(&text.replace('+', " ")).collect()
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.into()));
    }
}

/// What stands before the first reference, what it stands for, and what is behind it.
fn next_reference<'t>(
    text: &'t str,
    variables: &IndexMap<String, String>,
    escape: Escape,
) -> Option<(&'t str, Option<Piece>, &'t str)> {
    text.match_indices('$').find_map(|(at, _)| {
        let (piece, after) = read_reference(&text[at + 1..], variables, escape)?;
        Some((&text[..at], piece, after))
    })
}

/// Reads what stands behind a `$`, if it is a reference; with its value if it can have one.
fn read_reference<'t>(
    text: &'t str,
    variables: &IndexMap<String, String>,
    escape: Escape,
) -> Option<(Option<Piece>, &'t str)> {
    if let Some(rest) = text.strip_prefix("context.") {
        let (name, after) = split_name(rest, "_")?;
        return Some((context(name), after));
    }
    if let Some(rest) = text.strip_prefix("stageVariables.") {
        let (name, after) = split_name(rest, "_")?;
        let value = variables.get(name).map(|value| {
            let mut escaped = Vec::new();
            escape(&mut escaped, value.as_bytes());
            Piece::Text(String::from_utf8_lossy(&escaped).into())
        });
        return Some((value, after));
    }
    let (place, rest) = text.strip_prefix("method.request.")?.split_once('.')?;
    let (name, after) = split_name(rest, "_-")?;
    let piece = match place {
        "header" => Piece::Header(name.to_ascii_lowercase().into()),
        "querystring" => Piece::Querystring(name.into()),
        "path" => Piece::Path(name.into()),
        _ => return None,
    };
    Some((Some(piece), after))
}

/// A name is letters, digits, `marks` and inner dots: a full stop after it is the sentence's.
fn split_name<'t>(text: &'t str, marks: &str) -> Option<(&'t str, &'t str)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '.' || marks.contains(c);
    let end = text.find(|c: char| !is_name(c)).unwrap_or(text.len());
    let end = text[..end].trim_end_matches(['.', '-']).len();
    (end > 0).then(|| text.split_at(end))
}

/// What only the log may say is as empty as what nobody knows.
fn context(name: &str) -> Option<Piece> {
    let variable = Variable::find(name).ok().flatten().filter(|variable| variable.is_for_clients());
    variable.map(Piece::Context)
}

/// How values are written into a text of this media type.
pub(super) fn escape_of(media_type: &str) -> Escape {
    let subtype = media_type.split(';').next().unwrap_or_default().trim_ascii();
    match subtype {
        "application/json" => push_escaped,
        subtype if subtype.ends_with("+json") => push_escaped,
        "text/html" | "text/xml" | "application/xml" => push_markup,
        subtype if subtype.ends_with("+xml") => push_markup,
        _ => push_plain,
    }
}

/// So that a value can begin neither an element nor an end of an attribute.
fn push_markup(out: &mut Vec<u8>, value: &[u8]) {
    for byte in value {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            byte => out.push(*byte),
        }
    }
}

pub(super) fn push_plain(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(value);
}
