//! The methods of Java's numbers and booleans, with the static ones that templates reach through any number:
//! `#set($Integer = 0)$Integer.parseInt("12")`.

use super::Renderer;
use crate::template::fault::Trouble;
use crate::template::method::Method;
use crate::template::number;
use crate::template::value::Value;

impl<'r> Renderer<'r> {
    pub(super) fn call_scalar(
        &mut self,
        value: &Value<'r>,
        method: Method,
        arguments: &[Value<'r>],
    ) -> Result<Option<Value<'r>>, Trouble> {
        if let [argument] = arguments {
            let parsed = match method {
                Method::ParseInt => self.parsed(argument, "an int", int)?,
                Method::ParseLong => self.parsed(argument, "a long", long)?,
                Method::ParseDouble | Method::ParseFloat => self.parsed(argument, "a double", double)?,
                Method::ParseBoolean => Value::Bool(self.text_of(argument)?.eq_ignore_ascii_case("true")),
                Method::ValueOf => match value {
                    Value::Long(_) => self.parsed(argument, "a long", long)?,
                    Value::Double(_) => self.parsed(argument, "a double", double)?,
                    Value::Bool(_) => Value::Bool(self.text_of(argument)?.eq_ignore_ascii_case("true")),
                    _ => self.parsed(argument, "an int", int)?,
                },
                Method::CompareTo => match number::compare(value, argument) {
                    Some(order) => Value::Int(order as i32),
                    None => return Ok(None),
                },
                _ => return self.call_any(value, method, arguments),
            };
            return Ok(Some(parsed));
        }
        let Some(number) = number::to_f64(value) else {
            return match (method, value) {
                (Method::BooleanValue, Value::Bool(_)) => Ok(Some(value.clone())),
                _ => self.call_any(value, method, arguments),
            };
        };
        // Java narrows whole numbers by dropping bits, and doubles to the nearest that fits.
        let whole = value.as_integer();
        Ok(Some(match method {
            Method::IntValue => Value::Int(whole.map_or(number as i32, |whole| whole as i32)),
            Method::LongValue => Value::Long(whole.unwrap_or(number as i64)),
            Method::DoubleValue => Value::Double(number),
            Method::FloatValue => Value::Double(f64::from(number as f32)),
            _ => return self.call_any(value, method, arguments),
        }))
    }

    fn parsed(
        &mut self,
        argument: &Value<'r>,
        what: &str,
        parse: fn(&str) -> Option<Value<'static>>,
    ) -> Result<Value<'r>, Trouble> {
        let text = self.text_of(argument)?;
        parse(&text).ok_or_else(|| Trouble::template(format!("{:?} is not {what}", text.as_str())))
    }
}

fn int(text: &str) -> Option<Value<'static>> {
    text.parse().ok().map(Value::Int)
}

fn long(text: &str) -> Option<Value<'static>> {
    text.parse().ok().map(Value::Long)
}

fn double(text: &str) -> Option<Value<'static>> {
    text.trim().parse().ok().map(Value::Double)
}
