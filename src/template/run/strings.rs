//! The methods of `java.lang.String`. Places in strings count UTF-16 units, as in Java.

use super::Renderer;
use crate::template::fault::Trouble;
use crate::template::method::Method;
use crate::template::pattern::Pattern;
use crate::template::text::Text;
use crate::template::tree::{Call, Prepared};
use crate::template::value::Value;

impl<'r> Renderer<'r> {
    pub(super) fn call_text(
        &mut self,
        text: &Text<'r>,
        call: &'r Call,
        arguments: &[Value<'r>],
    ) -> Result<Option<Value<'r>>, Trouble> {
        self.heap.meter.read(text.len())?;
        let answer = match (call.method, arguments) {
            (Method::Length, []) => Value::integer(length(text) as i64),
            (Method::IsEmpty, []) => Value::Bool(text.is_empty()),
            (Method::IsBlank, []) => Value::Bool(text.trim().is_empty()),
            (Method::ToString | Method::Iterator, []) => Value::Text(text.clone()),
            (Method::Trim, []) => Value::Text(text.trimmed()),
            (Method::Strip, []) => {
                let start = text.len() - text.trim_start().len();
                Value::Text(text.slice(start..start + text.trim().len()))
            }
            (Method::ToLowerCase, []) => self.heap.make_text(text.to_lowercase())?,
            (Method::ToUpperCase, []) => self.heap.make_text(text.to_uppercase())?,
            (Method::Substring, [from]) => self.substring(text, from, None)?,
            (Method::Substring, [from, to]) => self.substring(text, from, Some(to))?,
            (Method::CharAt, [index]) => self.char_at(text, index)?,
            (Method::Repeat, [count]) => self.repeat(text, count)?,
            (Method::Split, [pattern]) => self.split(text, call, pattern, 0)?,
            (Method::Split, [pattern, limit]) => self.split(text, call, pattern, limit.as_integer().unwrap_or(0))?,
            (Method::Matches, [pattern]) => {
                Value::Bool(self.with_pattern(call, pattern, |pattern| pattern.is_match(text))?)
            }
            (Method::Replace, [from, to]) => self.replace(text, from, to)?,
            (Method::ReplaceAll, [pattern, with]) => self.replace_pattern(text, call, pattern, with, true)?,
            (Method::ReplaceFirst, [pattern, with]) => self.replace_pattern(text, call, pattern, with, false)?,
            (Method::Equals, [other]) => Value::Bool(matches!(other, Value::Text(other) if other == text)),
            (Method::IndexOf | Method::LastIndexOf, [part, from]) => {
                let part = self.text_of(part)?;
                index_from(text, &part, from, call.method == Method::LastIndexOf)
            }
            (Method::ValueOf, [value]) => Value::Text(self.text_of(value)?),
            (method, [other]) => return self.call_text_pair(text, method, other),
            _ => return Ok(None),
        };
        Ok(Some(answer))
    }

    /// The methods that take another string.
    fn call_text_pair(
        &mut self,
        text: &Text<'r>,
        method: Method,
        other: &Value<'r>,
    ) -> Result<Option<Value<'r>>, Trouble> {
        if other.is_null() && method != Method::EqualsIgnoreCase {
            return Err(Trouble::template(format!("{}() of a string got nothing", method.name())));
        }
        let other = self.text_of(other)?;
        let order = |left: &str, right: &str| Value::integer(difference(left, right));
        Ok(Some(match method {
            Method::Contains => Value::Bool(text.contains(other.as_str())),
            Method::StartsWith => Value::Bool(text.starts_with(other.as_str())),
            Method::EndsWith => Value::Bool(text.ends_with(other.as_str())),
            Method::EqualsIgnoreCase => Value::Bool(text.to_lowercase() == other.to_lowercase()),
            Method::CompareTo => order(text, &other),
            Method::CompareToIgnoreCase => order(&text.to_lowercase(), &other.to_lowercase()),
            Method::IndexOf => place(text, text.find(other.as_str())),
            Method::LastIndexOf => place(text, text.rfind(other.as_str())),
            Method::Concat => {
                self.heap.meter.check_output(text.len() + other.len())?;
                self.heap.make_text([text.as_str(), &other].concat())?
            }
            _ => return Ok(None),
        }))
    }

    fn substring(&self, text: &Text<'r>, from: &Value<'r>, to: Option<&Value<'r>>) -> Result<Value<'r>, Trouble> {
        let whole = || Value::integer(length(text) as i64);
        let to = to.cloned().unwrap_or_else(whole);
        let part = (|| {
            let (from, to) = (usize::try_from(from.as_integer()?).ok()?, usize::try_from(to.as_integer()?).ok()?);
            (from <= to).then_some(byte_of(text, from)?..byte_of(text, to)?)
        })();
        let part = part.filter(|part| part.start <= part.end);
        part.map(|part| Value::Text(text.slice(part))).ok_or_else(|| beyond("substring()", text))
    }

    fn char_at(&self, text: &Text<'r>, index: &Value<'r>) -> Result<Value<'r>, Trouble> {
        let start = index.as_integer().and_then(|index| byte_of(text, usize::try_from(index).ok()?));
        let c = start.and_then(|start| text[start..].chars().next().map(|c| start..start + c.len_utf8()));
        c.map(|c| Value::Text(text.slice(c))).ok_or_else(|| beyond("charAt()", text))
    }

    fn repeat(&mut self, text: &Text<'r>, count: &Value<'r>) -> Result<Value<'r>, Trouble> {
        let count = count.as_integer().and_then(|count| usize::try_from(count).ok());
        let count = count.ok_or_else(|| Trouble::template("repeat() wants a number that is not negative"))?;
        self.heap.meter.check_output(text.len().saturating_mul(count))?;
        self.heap.make_text(text.repeat(count))
    }

    fn split(
        &mut self,
        text: &Text<'r>,
        call: &'r Call,
        pattern: &Value<'r>,
        limit: i64,
    ) -> Result<Value<'r>, Trouble> {
        self.heap.meter.make(text.len())?;
        let parts = self.with_pattern(call, pattern, |pattern| pattern.split(text, limit))?;
        let parts = parts.into_iter().map(|part| Value::Text(text.slice(part))).collect();
        self.heap.make_list(parts, false)
    }

    fn replace(&mut self, text: &Text<'r>, from: &Value<'r>, to: &Value<'r>) -> Result<Value<'r>, Trouble> {
        let (from, to) = (self.text_of(from)?, self.text_of(to)?);
        let count = text.matches(from.as_str()).count();
        if count == 0 {
            return Ok(Value::Text(text.clone()));
        }
        self.heap.meter.check_output(text.len().saturating_add(count.saturating_mul(to.len())))?;
        self.heap.make_text(text.replace(from.as_str(), &to))
    }

    fn replace_pattern(
        &mut self,
        text: &Text<'r>,
        call: &'r Call,
        pattern: &Value<'r>,
        with: &Value<'r>,
        is_all: bool,
    ) -> Result<Value<'r>, Trouble> {
        let with = self.text_of(with)?;
        let most = self.heap.meter.budget.output_bytes;
        let replaced = self.with_pattern(call, pattern, |pattern| pattern.replace(text, &with, is_all, most))?;
        match replaced.map_err(Trouble::template)? {
            Some(replaced) => self.heap.make_text(replaced),
            None => Err(self.heap.meter.check_output(usize::MAX).expect_err("no budget is that large")),
        }
    }

    /// The call's pattern: compiled with the template where it is written out, else now.
    fn with_pattern<T>(
        &mut self,
        call: &'r Call,
        pattern: &Value<'r>,
        ask: impl FnOnce(&Pattern) -> T,
    ) -> Result<T, Trouble> {
        if let Prepared::Pattern(pattern) = &call.prepared {
            return Ok(ask(pattern));
        }
        let text = self.text_of(pattern)?;
        self.heap.meter.step(STEPS_PER_PATTERN)?;
        let pattern = Pattern::compile(&text, call.method == Method::Matches)
            .map_err(|why| Trouble::template(format!("the pattern {:?}: {why}", text.as_str())))?;
        Ok(ask(&pattern))
    }
}

/// What it costs to compile a pattern while a template renders.
const STEPS_PER_PATTERN: usize = 5_000;

fn length(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

/// The byte at which a place begins, or the text's end; a place within a surrogate pair is taken back to its start.
fn byte_of(text: &str, place: usize) -> Option<usize> {
    if text.is_ascii() {
        return (place <= text.len()).then_some(place);
    }
    let mut units = 0;
    for (at, c) in text.char_indices() {
        if units + c.len_utf16() > place {
            return Some(at);
        }
        units += c.len_utf16();
    }
    (units == place).then_some(text.len())
}

fn place<'r>(text: &str, byte: Option<usize>) -> Value<'r> {
    Value::integer(byte.map_or(-1, |byte| length(&text[..byte]) as i64))
}

fn index_from<'r>(text: &str, part: &str, from: &Value<'r>, is_last: bool) -> Value<'r> {
    let from = from.as_integer().unwrap_or(0);
    let start = usize::try_from(from).ok().map_or(Some(0), |from| byte_of(text, from));
    if is_last {
        let end = start.map_or(text.len(), |start| text.len().min(start + part.len()));
        let end = (end..=text.len()).find(|end| text.is_char_boundary(*end)).unwrap_or(text.len());
        return place(text, text[..end].rfind(part));
    }
    place(text, start.and_then(|start| text[start..].find(part).map(|at| start + at)))
}

/// Java's `compareTo`: the difference of the first units that differ, or of the lengths.
fn difference(left: &str, right: &str) -> i64 {
    let mut pairs = left.encode_utf16().zip(right.encode_utf16());
    match pairs.find(|(left, right)| left != right) {
        Some((left, right)) => i64::from(left) - i64::from(right),
        None => length(left) as i64 - length(right) as i64,
    }
}

fn beyond(what: &str, text: &str) -> Trouble {
    Trouble::template(format!("{what} goes beyond a string of {} characters", length(text)))
}
