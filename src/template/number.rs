//! Arithmetic and comparison as Velocity does them on Java's numbers: whole numbers widen from int to long and beyond
//! instead of wrapping round, division of whole numbers truncates, and a double makes everything double.

use std::cmp::Ordering;

use super::value::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

enum Number {
    Whole(i128),
    Real(f64),
}

/// `None` where a side is no number, and for a division by zero: both make nothing.
pub(super) fn compute<'r>(op: Arithmetic, left: &Value<'_>, right: &Value<'_>) -> Option<Value<'r>> {
    match (read(left)?, read(right)?) {
        (Number::Whole(left), Number::Whole(right)) => whole(op, left, right),
        (left, right) => {
            let (left, right) = (left.to_f64(), right.to_f64());
            if right == 0.0 && matches!(op, Arithmetic::Divide | Arithmetic::Remainder) {
                return None;
            }
            Some(Value::Double(match op {
                Arithmetic::Add => left + right,
                Arithmetic::Subtract => left - right,
                Arithmetic::Multiply => left * right,
                Arithmetic::Divide => left / right,
                Arithmetic::Remainder => left % right,
            }))
        }
    }
}

fn whole<'r>(op: Arithmetic, left: i128, right: i128) -> Option<Value<'r>> {
    let result = match op {
        Arithmetic::Add => left.checked_add(right),
        Arithmetic::Subtract => left.checked_sub(right),
        Arithmetic::Multiply => left.checked_mul(right),
        Arithmetic::Divide => Some(left.checked_div(right)?),
        Arithmetic::Remainder => Some(left.checked_rem(right)?),
    };
    let Some(result) = result else {
        return compute(op, &Value::Double(left as f64), &Value::Double(right as f64));
    };
    Some(i64::try_from(result).map_or_else(|_| Value::Big(result.to_string().into()), Value::integer))
}

/// `None` where a side is no number.
pub(super) fn compare(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    match (read(left)?, read(right)?) {
        (Number::Whole(left), Number::Whole(right)) => Some(left.cmp(&right)),
        (left, right) => left.to_f64().partial_cmp(&right.to_f64()),
    }
}

pub(super) fn to_f64(value: &Value<'_>) -> Option<f64> {
    read(value).map(|number| number.to_f64())
}

fn read(value: &Value<'_>) -> Option<Number> {
    Some(match value {
        Value::Int(number) => Number::Whole(i128::from(*number)),
        Value::Long(number) => Number::Whole(i128::from(*number)),
        Value::Double(number) => Number::Real(*number),
        Value::Big(text) => match text.parse() {
            Ok(number) => Number::Whole(number),
            Err(_) => Number::Real(text.parse().unwrap_or(f64::NAN)),
        },
        _ => return None,
    })
}

impl Number {
    fn to_f64(&self) -> f64 {
        match self {
            Number::Whole(number) => *number as f64,
            Number::Real(number) => *number,
        }
    }
}
