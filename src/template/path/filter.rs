use std::cmp::Ordering;

use super::JsonPath;
use super::find;
use crate::template::fault::Trouble;
use crate::template::number;
use crate::template::pattern::Pattern;
use crate::template::print::push_plain;
use crate::template::run::same;
use crate::template::text::Text;
use crate::template::value::{Heap, Value};

/// What stands between `[?(` and `)]`.
#[derive(Clone, Debug)]
pub(super) enum Filter {
    Any(Box<[Filter]>),
    All(Box<[Filter]>),
    Not(Box<Filter>),
    Exists(Operand),
    Compare(Operand, Comparison, Operand),
}

#[derive(Clone, Debug)]
pub(super) enum Operand {
    Null,
    Bool(bool),
    Number(f64),
    Text(Box<str>),
    List(Box<[Operand]>),
    Pattern(Box<Pattern>),
    Path { path: JsonPath, is_root: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Matches,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
    SubsetOf,
    AnyOf,
    NoneOf,
    Size,
    Empty,
    Contains,
}

impl Filter {
    pub fn is_true<'r>(&self, node: &Value<'r>, root: &Value<'r>, heap: &mut Heap<'r>) -> Result<bool, Trouble> {
        heap.meter.step(1)?;
        Ok(match self {
            Filter::Any(parts) => {
                for part in parts {
                    if part.is_true(node, root, heap)? {
                        return Ok(true);
                    }
                }
                false
            }
            Filter::All(parts) => {
                for part in parts {
                    if !part.is_true(node, root, heap)? {
                        return Ok(false);
                    }
                }
                true
            }
            Filter::Not(part) => !part.is_true(node, root, heap)?,
            Filter::Exists(operand) => match operand {
                Operand::Path { path, .. } => match operand.value(node, root, heap)? {
                    Some(Value::List(id)) if !path.is_definite => !heap.list(id).items.is_empty(),
                    found => found.is_some(),
                },
                other => !matches!(other, Operand::Null | Operand::Bool(false)),
            },
            Filter::Compare(left, Comparison::Matches, right) => matches(left, right, node, root, heap)?,
            Filter::Compare(left, comparison, right) => {
                let (left, right) = (left.value(node, root, heap)?, right.value(node, root, heap)?);
                compare(left, *comparison, right, heap)?
            }
        })
    }
}

impl Operand {
    /// `None` where a path leads nowhere.
    fn value<'r>(&self, node: &Value<'r>, root: &Value<'r>, heap: &mut Heap<'r>) -> Result<Option<Value<'r>>, Trouble> {
        Ok(Some(match self {
            Operand::Null | Operand::Pattern(_) => Value::Null,
            Operand::Bool(value) => Value::Bool(*value),
            Operand::Number(number) => Value::Double(*number),
            Operand::Text(text) => heap.make_text(text.to_string())?,
            Operand::List(items) => {
                let mut values = Vec::with_capacity(items.len());
                for item in items {
                    values.push(item.value(node, root, heap)?.unwrap_or(Value::Null));
                }
                heap.make_list(values, true)?
            }
            Operand::Path { path, is_root } => {
                let start = if *is_root { root } else { node };
                return find::find(path, start, root, heap);
            }
        }))
    }
}

fn matches<'r>(
    left: &Operand,
    right: &Operand,
    node: &Value<'r>,
    root: &Value<'r>,
    heap: &mut Heap<'r>,
) -> Result<bool, Trouble> {
    let (text, pattern) = match (left, right) {
        (text, Operand::Pattern(pattern)) | (Operand::Pattern(pattern), text) => (text, pattern),
        _ => return Ok(false),
    };
    let Some(value) = text.value(node, root, heap)? else { return Ok(false) };
    let text = plain_text(&value);
    heap.meter.read(text.len())?;
    Ok(!value.is_null() && pattern.is_match(&text))
}

fn compare<'r>(
    left: Option<Value<'r>>,
    comparison: Comparison,
    right: Option<Value<'r>>,
    heap: &mut Heap<'r>,
) -> Result<bool, Trouble> {
    let (Some(left), Some(right)) = (left, right) else { return Ok(comparison == Comparison::NotEqual) };
    let order = || match (&left, &right) {
        (Value::Text(left), Value::Text(right)) => Some(left.as_str().cmp(right.as_str())),
        _ => number::compare(&left, &right),
    };
    Ok(match comparison {
        Comparison::Equal => same(&left, &right, heap)?,
        Comparison::NotEqual => !same(&left, &right, heap)?,
        Comparison::Less => order() == Some(Ordering::Less),
        Comparison::LessOrEqual => order().is_some_and(Ordering::is_le),
        Comparison::Greater => order() == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => order().is_some_and(Ordering::is_ge),
        Comparison::In => holds(&right, &left, heap)?,
        Comparison::NotIn => !holds(&right, &left, heap)?,
        Comparison::Contains => holds(&left, &right, heap)?,
        Comparison::SubsetOf => shared(&left, &right, heap)? == length(&left, heap),
        Comparison::AnyOf => shared(&left, &right, heap)? > Some(0),
        Comparison::NoneOf => shared(&left, &right, heap)? == Some(0),
        Comparison::Size => length(&left, heap).map(|length| length as f64) == number::to_f64(&right),
        Comparison::Empty => {
            length(&left, heap).is_some_and(|length| Value::Bool(length == 0).is_true() == right.is_true())
        }
        Comparison::Matches => false,
    })
}

/// A list that has an item, or a text that has a part.
fn holds<'r>(whole: &Value<'r>, part: &Value<'r>, heap: &mut Heap<'r>) -> Result<bool, Trouble> {
    match (whole, part) {
        (Value::List(id), _) => {
            let mut place = 0;
            while let Some(item) = heap.list(*id).items.get(place).cloned() {
                if same(&item, part, heap)? {
                    return Ok(true);
                }
                place += 1;
            }
            Ok(false)
        }
        (Value::Text(whole), Value::Text(part)) => {
            heap.meter.read(whole.len())?;
            Ok(whole.contains(part.as_str()))
        }
        _ => Ok(false),
    }
}

/// How many items of one list are in the other; `None` if one of them is no list.
fn shared<'r>(left: &Value<'r>, right: &Value<'r>, heap: &mut Heap<'r>) -> Result<Option<usize>, Trouble> {
    let (Value::List(id), Value::List(_)) = (left, right) else { return Ok(None) };
    let (mut place, mut count) = (0, 0);
    while let Some(item) = heap.list(*id).items.get(place).cloned() {
        count += usize::from(holds(right, &item, heap)?);
        place += 1;
    }
    Ok(Some(count))
}

fn length(value: &Value<'_>, heap: &Heap<'_>) -> Option<usize> {
    match value {
        Value::List(id) => Some(heap.list(*id).items.len()),
        Value::Map(id) => Some(heap.map(*id).len()),
        Value::Text(text) => Some(text.chars().count()),
        _ => None,
    }
}

fn plain_text<'r>(value: &Value<'r>) -> Text<'r> {
    if let Value::Text(text) = value {
        return text.clone();
    }
    let mut text = String::new();
    push_plain(value, &mut text);
    text.into()
}
