use std::cmp::Ordering;
use std::fmt;

/// A number of JSON, compared by its value: `1` and `1.0` are the same.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Integer(i128),
    Float(f64),
}

impl Number {
    pub(super) fn of(number: &serde_json::Number) -> Number {
        match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => Number::Integer(integer.into()),
            (None, Some(integer)) => Number::Integer(integer.into()),
            (None, None) => Number::Float(number.as_f64().unwrap_or(f64::NAN)),
        }
    }

    fn float(self) -> f64 {
        match self {
            Number::Integer(integer) => integer as f64,
            Number::Float(float) => float,
        }
    }

    pub(super) fn compare(self, other: Number) -> Ordering {
        match (self, other) {
            (Number::Integer(one), Number::Integer(other)) => one.cmp(&other),
            // JSON has no number that is none.
            (one, other) => one.float().partial_cmp(&other.float()).unwrap_or(Ordering::Equal),
        }
    }

    pub(super) fn is_positive(self) -> bool {
        self.compare(Number::Integer(0)) == Ordering::Greater
    }

    /// Whether it is a whole number of times `step`, which is positive. Decimal fractions have no exact binary form, so
    /// what is within a millionth of a millionth counts.
    pub(super) fn is_multiple_of(self, step: Number) -> bool {
        if let (Number::Integer(value), Number::Integer(step)) = (self, step) {
            return value % step == 0;
        }
        let times = self.float() / step.float();
        // Where the quotient overflows, the remainder is still exact.
        if times.is_infinite() {
            return self.float() % step.float() == 0.0;
        }
        (times - times.round()).abs() <= 1e-12 * times.abs().max(1.0)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Integer(integer) => integer.fmt(f),
            Number::Float(float) => float.fmt(f),
        }
    }
}
