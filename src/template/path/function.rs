use super::find::item;
use crate::template::fault::Trouble;
use crate::template::number;
use crate::template::value::{Heap, Value};

/// What may end a path, as in `$.a.length()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Length,
    Min,
    Max,
    Average,
    Sum,
    Deviation,
    Keys,
    First,
    Last,
    Index(i64),
}

impl Function {
    pub fn named(name: &str, argument: Option<i64>) -> Option<Function> {
        Some(match (name, argument) {
            ("length" | "size", None) => Function::Length,
            ("min", None) => Function::Min,
            ("max", None) => Function::Max,
            ("avg", None) => Function::Average,
            ("sum", None) => Function::Sum,
            ("stddev", None) => Function::Deviation,
            ("keys", None) => Function::Keys,
            ("first", None) => Function::First,
            ("last", None) => Function::Last,
            ("index", Some(index)) => Function::Index(index),
            _ => return None,
        })
    }

    pub fn apply<'r>(self, value: &Value<'r>, heap: &mut Heap<'r>) -> Result<Value<'r>, Trouble> {
        Ok(match self {
            Function::Length => length(value, heap),
            Function::Keys => return keys(value, heap),
            Function::First => item(value, 0, heap).unwrap_or(Value::Null),
            Function::Last => item(value, -1, heap).unwrap_or(Value::Null),
            Function::Index(index) => item(value, index, heap).unwrap_or(Value::Null),
            Function::Min | Function::Max | Function::Average | Function::Sum | Function::Deviation => {
                self.over_numbers(value, heap)?
            }
        })
    }

    /// Over the numbers of a list; the others are left out.
    fn over_numbers<'r>(self, value: &Value<'r>, heap: &mut Heap<'r>) -> Result<Value<'r>, Trouble> {
        let Value::List(id) = value else { return Ok(Value::Null) };
        heap.meter.step(heap.list(*id).items.len())?;
        let numbers = || heap.list(*id).items.iter().filter_map(number::to_f64);
        let count = numbers().count() as f64;
        if count == 0.0 {
            return Ok(Value::Null);
        }
        let sum: f64 = numbers().sum();
        Ok(Value::Double(match self {
            Function::Min => numbers().fold(f64::INFINITY, f64::min),
            Function::Max => numbers().fold(f64::NEG_INFINITY, f64::max),
            Function::Average => sum / count,
            Function::Deviation => {
                let squares: f64 = numbers().map(|number| number * number).sum();
                (squares / count - (sum / count).powi(2)).max(0.0).sqrt()
            }
            _ => sum,
        }))
    }
}

fn length<'r>(value: &Value<'r>, heap: &Heap<'r>) -> Value<'r> {
    let length = match value {
        Value::List(id) => heap.list(*id).items.len(),
        Value::Map(id) => heap.map(*id).len(),
        Value::Text(text) => text.encode_utf16().count(),
        _ => return Value::Null,
    };
    Value::integer(length as i64)
}

fn keys<'r>(value: &Value<'r>, heap: &mut Heap<'r>) -> Result<Value<'r>, Trouble> {
    let Value::Map(id) = value else { return Ok(Value::Null) };
    let keys = heap.map(*id).iter().map(|(key, _)| Value::Text(key.clone())).collect();
    heap.make_list(keys, true)
}
