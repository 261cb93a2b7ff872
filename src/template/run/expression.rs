use std::cmp::Ordering;

use super::Renderer;
use crate::template::explain::What;
use crate::template::fault::{Limit, Span, Trouble, Why};
use crate::template::number::{self, Arithmetic};
use crate::template::tree::{Constant, Expression, ExpressionKind, Operator};
use crate::template::value::{Heap, Map, Value};

impl<'r> Renderer<'r> {
    pub(super) fn expression(&mut self, expression: &'r Expression) -> Result<Value<'r>, Trouble> {
        match &expression.kind {
            ExpressionKind::Constant(constant) => return Ok(value_of(constant)),
            ExpressionKind::Reference(reference) => return self.reference(reference),
            _ => {}
        }
        self.heap.meter.enter()?;
        self.heap.meter.step(1)?;
        let value = self.compound(expression).map_err(|trouble| trouble.at(expression.at))?;
        self.heap.meter.leave();
        Ok(value)
    }

    fn compound(&mut self, expression: &'r Expression) -> Result<Value<'r>, Trouble> {
        match &expression.kind {
            ExpressionKind::Constant(constant) => Ok(value_of(constant)),
            ExpressionKind::Reference(reference) => self.reference(reference),
            ExpressionKind::Interpolated(block) => Ok(Value::Text(self.capture(block)?)),
            ExpressionKind::List(items) => self.list(items),
            ExpressionKind::Range(ends) => self.range(&ends.0, &ends.1),
            ExpressionKind::Map(entries) => self.map(entries),
            ExpressionKind::Not(operand) => Ok(Value::Bool(!self.expression(operand)?.is_true())),
            ExpressionKind::Negate(operand) => {
                let value = self.expression(operand)?;
                Ok(number::compute(Arithmetic::Subtract, &Value::Int(0), &value).unwrap_or(Value::Null))
            }
            ExpressionKind::Any(parts) => self.joined(parts, true),
            ExpressionKind::All(parts) => self.joined(parts, false),
            ExpressionKind::Chain(first, rest) => self.chain(expression.at, first, rest),
        }
    }

    /// Up to the first part that is `decisive`.
    fn joined(&mut self, parts: &'r [Expression], decisive: bool) -> Result<Value<'r>, Trouble> {
        for part in parts {
            if self.expression(part)?.is_true() == decisive {
                return Ok(Value::Bool(decisive));
            }
        }
        Ok(Value::Bool(!decisive))
    }

    fn list(&mut self, items: &'r [Expression]) -> Result<Value<'r>, Trouble> {
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            values.push(self.expression(item)?);
        }
        self.heap.make_list(values, false)
    }

    fn map(&mut self, entries: &'r [(Expression, Expression)]) -> Result<Value<'r>, Trouble> {
        let mut map = Map::with_capacity(entries.len());
        for (key, value) in entries {
            let key = self.expression(key)?;
            let key = self.text_of(&key)?;
            map.put(key, self.expression(value)?);
        }
        self.heap.make_map(map)
    }

    fn range(&mut self, first: &'r Expression, last: &'r Expression) -> Result<Value<'r>, Trouble> {
        let (first, last) = (self.expression(first)?, self.expression(last)?);
        let (Some(first), Some(last)) = (first.as_integer(), last.as_integer()) else { return Ok(Value::Null) };
        let count = first.abs_diff(last).saturating_add(1);
        let bytes = usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(size_of::<Value<'_>>());
        self.heap.meter.make(bytes)?;
        let items = if first <= last {
            (first..=last).map(Value::integer).collect()
        } else {
            (last..=first).rev().map(Value::integer).collect()
        };
        self.heap.make_list(items, false)
    }

    fn chain(
        &mut self,
        at: Span,
        first: &'r Expression,
        rest: &'r [(Operator, Expression)],
    ) -> Result<Value<'r>, Trouble> {
        let mut left = self.expression(first)?;
        for (operator, right) in rest {
            let right = self.expression(right)?;
            self.heap.meter.step(1)?;
            left = self.operate(at, *operator, left, right)?;
        }
        Ok(left)
    }

    fn operate(
        &mut self,
        at: Span,
        operator: Operator,
        left: Value<'r>,
        right: Value<'r>,
    ) -> Result<Value<'r>, Trouble> {
        let is = match operator {
            Operator::Arithmetic(Arithmetic::Add) if is_text(&left) || is_text(&right) => {
                return self.concatenate(&left, &right);
            }
            Operator::Arithmetic(arithmetic) => {
                let result = number::compute(arithmetic, &left, &right);
                if result.is_none() {
                    self.note(at, What::NoNumber);
                }
                return Ok(result.unwrap_or(Value::Null));
            }
            Operator::Equal => self.equal(&left, &right)?,
            Operator::NotEqual => !self.equal(&left, &right)?,
            Operator::Less => self.order(at, &left, &right) == Some(Ordering::Less),
            Operator::LessOrEqual => self.order(at, &left, &right).is_some_and(Ordering::is_le),
            Operator::Greater => self.order(at, &left, &right) == Some(Ordering::Greater),
            Operator::GreaterOrEqual => self.order(at, &left, &right).is_some_and(Ordering::is_ge),
        };
        Ok(Value::Bool(is))
    }

    fn order(&mut self, at: Span, left: &Value<'r>, right: &Value<'r>) -> Option<Ordering> {
        let order = number::compare(left, right);
        if order.is_none() {
            self.note(at, What::NoNumber);
        }
        order
    }

    fn concatenate(&mut self, left: &Value<'r>, right: &Value<'r>) -> Result<Value<'r>, Trouble> {
        let (left, right) = (self.text_of(left)?, self.text_of(right)?);
        self.heap.meter.check_output(left.len() + right.len())?;
        let mut text = String::with_capacity(left.len() + right.len());
        text.push_str(&left);
        text.push_str(&right);
        self.heap.make_text(text)
    }

    /// `==`: nothing equals nothing and the empty string (recorded); unlike kinds are compared as text.
    pub(super) fn equal(&mut self, left: &Value<'r>, right: &Value<'r>) -> Result<bool, Trouble> {
        match (left, right) {
            (Value::Null, Value::Null) => return Ok(true),
            (Value::Null, Value::Text(text)) | (Value::Text(text), Value::Null) => return Ok(text.is_empty()),
            (Value::Null, Value::Block(_)) | (Value::Block(_), Value::Null) => {}
            (Value::Null, _) | (_, Value::Null) => return Ok(false),
            _ => {}
        }
        if is_alike(left, right) {
            return same(left, right, &mut self.heap);
        }
        let (left, right) = (self.text_of(left)?, self.text_of(right)?);
        Ok(left == right)
    }
}

fn is_text(value: &Value<'_>) -> bool {
    matches!(value, Value::Text(_) | Value::Block(_))
}

fn is_alike(left: &Value<'_>, right: &Value<'_>) -> bool {
    left.is_number() && right.is_number()
        || matches!(
            (left, right),
            (Value::Bool(_), Value::Bool(_))
                | (Value::Text(_), Value::Text(_))
                | (Value::List(_), Value::List(_))
                | (Value::Map(_), Value::Map(_))
                | (Value::Entry(_), Value::Entry(_))
        )
}

fn value_of<'r>(constant: &'r Constant) -> Value<'r> {
    match constant {
        Constant::Null => Value::Null,
        Constant::Bool(value) => Value::Bool(*value),
        Constant::Int(number) => Value::Int(*number),
        Constant::Long(number) => Value::Long(*number),
        Constant::Double(number) => Value::Double(*number),
        Constant::Big(text) => Value::Big(text.as_ref().into()),
        Constant::Text(text) => Value::Text(text.as_ref().into()),
    }
}

/// Java's `equals`, but that numbers of unlike types are equal by value.
pub(crate) fn same<'r>(left: &Value<'r>, right: &Value<'r>, heap: &mut Heap<'r>) -> Result<bool, Trouble> {
    same_within(left, right, heap, heap.meter.budget.nesting)
}

fn same_within<'r>(left: &Value<'r>, right: &Value<'r>, heap: &mut Heap<'r>, depth: u32) -> Result<bool, Trouble> {
    heap.meter.step(1)?;
    let Some(depth) = depth.checked_sub(1) else {
        let message = "a value that is nested too deep to compare: perhaps it holds itself";
        return Err(Trouble::new(Why::Limit(Limit::Nesting), message));
    };
    match (left, right) {
        (Value::Null, Value::Null) => Ok(true),
        (Value::Bool(left), Value::Bool(right)) => Ok(left == right),
        (Value::Text(left), Value::Text(right)) => {
            heap.meter.read(left.len().min(right.len()))?;
            Ok(left == right)
        }
        (Value::Builtin(left), Value::Builtin(right)) => Ok(left == right),
        (Value::Block(left), Value::Block(right)) => Ok(std::ptr::eq(*left, *right)),
        (Value::List(left), Value::List(right)) | (Value::Entry(left), Value::Entry(right)) => {
            same_items(*left, *right, heap, depth)
        }
        (Value::Map(left), Value::Map(right)) if left == right => Ok(true),
        (Value::Map(left), Value::Map(right)) => {
            if heap.map(*left).len() != heap.map(*right).len() {
                return Ok(false);
            }
            let mut place = 0;
            while let Some((key, own)) = heap.map(*left).at(place).cloned() {
                let Some(other) = heap.map(*right).get(&key).cloned() else { return Ok(false) };
                if !same_within(&own, &other, heap, depth)? {
                    return Ok(false);
                }
                place += 1;
            }
            Ok(true)
        }
        _ => Ok(number::compare(left, right) == Some(Ordering::Equal)),
    }
}

fn same_items<'r>(
    left: crate::template::value::ListId,
    right: crate::template::value::ListId,
    heap: &mut Heap<'r>,
    depth: u32,
) -> Result<bool, Trouble> {
    if left == right {
        return Ok(true);
    }
    if heap.list(left).items.len() != heap.list(right).items.len() {
        return Ok(false);
    }
    let mut place = 0;
    while let (Some(own), Some(other)) =
        (heap.list(left).items.get(place).cloned(), heap.list(right).items.get(place).cloned())
    {
        if !same_within(&own, &other, heap, depth)? {
            return Ok(false);
        }
        place += 1;
    }
    Ok(true)
}
