//! Values as text: the way Java prints them, and as JSON.

use std::fmt::Write as _;

use super::fault::{Limit, Trouble, Why};
use super::value::{Heap, Value};

/// Writes a value into a text that may not grow over `most` bytes and may not be nested deeper than `depth`.
pub(super) struct Printer<'h, 'r> {
    pub heap: &'h Heap<'r>,
    pub most: usize,
    pub depth: u32,
}

impl Printer<'_, '_> {
    /// As Java's `toString`: maps as `{a=1, b=x}`; lists that came out of JSON as JSON, others as `[1, x]`. Nothing is
    /// nothing at the top, and `null` inside.
    pub fn java(&mut self, value: &Value<'_>, out: &mut String) -> Result<(), Trouble> {
        match value {
            Value::Null | Value::Block(_) | Value::Builtin(_) => {}
            Value::List(id) if self.heap.list(*id).is_json => return self.json(value, out),
            Value::List(id) => self.java_list(&self.heap.list(*id).items, out)?,
            Value::Map(id) => {
                let map = self.heap.map(*id);
                self.nested(out, "{", "}", map.iter(), |printer, (key, value), out| {
                    out.push_str(key);
                    out.push('=');
                    printer.java_item(value, out)
                })?;
            }
            Value::Entry(id) => {
                let (key, value) = self.heap.entry(*id);
                self.java_item(key, out)?;
                out.push('=');
                self.java_item(value, out)?;
            }
            plain => push_plain(plain, out),
        }
        self.check(out)
    }

    fn java_list(&mut self, items: &[Value<'_>], out: &mut String) -> Result<(), Trouble> {
        self.nested(out, "[", "]", items.iter(), |printer, item, out| printer.java_item(item, out))
    }

    fn java_item(&mut self, value: &Value<'_>, out: &mut String) -> Result<(), Trouble> {
        if value.is_null() {
            out.push_str("null");
            return Ok(());
        }
        self.java(value, out)
    }

    /// As compact JSON, keys in their order.
    pub fn json(&mut self, value: &Value<'_>, out: &mut String) -> Result<(), Trouble> {
        match value {
            Value::Null | Value::Block(_) | Value::Builtin(_) => out.push_str("null"),
            Value::Text(text) => push_json_string(text, out),
            Value::List(id) => {
                let items = self.heap.list(*id).items.iter();
                self.json_nested(out, ("[", "]"), items, |printer, item, out| printer.json(item, out))?;
            }
            Value::Map(id) => {
                let entries = self.heap.map(*id).iter();
                self.json_nested(out, ("{", "}"), entries, |printer, (key, value), out| {
                    push_json_string(key, out);
                    out.push(':');
                    printer.json(value, out)
                })?;
            }
            Value::Entry(id) => {
                let (key, value) = self.heap.entry(*id);
                let parts = [("{\"key\":", key), (",\"value\":", value)];
                for (name, part) in parts {
                    out.push_str(name);
                    self.json(part, out)?;
                }
                out.push('}');
            }
            Value::Double(number) if !number.is_finite() => out.push_str("null"),
            plain => push_plain(plain, out),
        }
        self.check(out)
    }

    fn nested<T>(
        &mut self,
        out: &mut String,
        open: &str,
        close: &str,
        items: impl Iterator<Item = T>,
        write: impl FnMut(&mut Self, T, &mut String) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        self.separated(out, [open, ", ", close], items, write)
    }

    fn json_nested<T>(
        &mut self,
        out: &mut String,
        (open, close): (&str, &str),
        items: impl Iterator<Item = T>,
        write: impl FnMut(&mut Self, T, &mut String) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        self.separated(out, [open, ",", close], items, write)
    }

    fn separated<T>(
        &mut self,
        out: &mut String,
        [open, between, close]: [&str; 3],
        items: impl Iterator<Item = T>,
        mut write: impl FnMut(&mut Self, T, &mut String) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let Some(depth) = self.depth.checked_sub(1) else {
            let message = "a value that is nested too deep to print: perhaps it holds itself";
            return Err(Trouble::new(Why::Limit(Limit::Nesting), message));
        };
        self.depth = depth;
        out.push_str(open);
        for (place, item) in items.enumerate() {
            if place > 0 {
                out.push_str(between);
            }
            write(self, item, out)?;
            self.check(out)?;
        }
        out.push_str(close);
        self.depth += 1;
        Ok(())
    }

    fn check(&self, out: &str) -> Result<(), Trouble> {
        if out.len() <= self.most {
            return Ok(());
        }
        let message = format!("a text of more than {} bytes", self.most);
        Err(Trouble::new(Why::Limit(Limit::Output), message))
    }
}

/// A value without parts, as it prints everywhere.
pub(super) fn push_plain(value: &Value<'_>, out: &mut String) {
    match value {
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Int(number) => out.push_str(itoa::Buffer::new().format(*number)),
        Value::Long(number) => out.push_str(itoa::Buffer::new().format(*number)),
        Value::Double(number) => push_double(*number, out),
        Value::Big(text) | Value::Text(text) => out.push_str(text),
        _ => {}
    }
}

/// As Java's `Double.toString`: with a point always, and with an exponent below 0.001 and from ten million on.
pub(super) fn push_double(number: f64, out: &mut String) {
    if !number.is_finite() {
        out.push_str(if number.is_nan() { "NaN" } else { ["Infinity", "-Infinity"][usize::from(number < 0.0)] });
        return;
    }
    if number == 0.0 || (1e-3..1e7).contains(&number.abs()) {
        // A string takes whatever is written to it.
        let _ = write!(out, "{number:?}");
        return;
    }
    let text = format!("{number:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    out.push_str(digits);
    if !digits.contains('.') {
        out.push_str(".0");
    }
    out.push('E');
    out.push_str(exponent);
}

/// A JSON string with its quotes; only what JSON wants escaped is.
pub(super) fn push_json_string(text: &str, out: &mut String) {
    out.push('"');
    let mut done = 0;
    for (at, byte) in text.bytes().enumerate().filter(|(_, byte)| matches!(byte, 0..0x20 | b'"' | b'\\')) {
        out.push_str(&text[done..at]);
        done = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            control => {
                out.push_str("\\u00");
                out.push(char::from(b'0' + (control >> 4)));
                out.push(char::from(b"0123456789ABCDEF"[usize::from(control & 15)]));
            }
        }
    }
    out.push_str(&text[done..]);
    out.push('"');
}
