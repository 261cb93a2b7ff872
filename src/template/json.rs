//! Reads JSON the way json-smart does, which is what API Gateway reads bodies with: strictly written JSON, and also
//! single quotes, words without quotes, and commas too many. A text that begins like no JSON at all is a string.

use super::fault::{Trouble, Why};
use super::text::Text;
use super::value::{Heap, Map, Value};

struct Reader<'h, 'r> {
    source: &'h Text<'r>,
    at: usize,
    depth: u32,
    heap: &'h mut Heap<'r>,
    /// Items of the lists that are open, so that each list is made in its exact size.
    items: Vec<Value<'r>>,
    /// How many keys the last object had: the objects of a list are mostly alike.
    keys: usize,
}

/// How many keys a map is made for at most, before it is known to have them.
const KEYS_EXPECTED_MAX: usize = 16;

/// A body: nothing at all is an empty object.
pub(super) fn read_body<'r>(source: &Text<'r>, heap: &mut Heap<'r>) -> Result<Value<'r>, Trouble> {
    if source.trimmed().is_empty() {
        return heap.make_map(Map::default());
    }
    read(source, heap)
}

/// Any JSON text; an empty one is nothing.
pub(super) fn read<'r>(source: &Text<'r>, heap: &mut Heap<'r>) -> Result<Value<'r>, Trouble> {
    heap.meter.read(source.len())?;
    let mut reader = Reader { source, at: 0, depth: 0, heap, items: Vec::new(), keys: 0 };
    match reader.peek() {
        None => Ok(Value::Null),
        Some(b'{' | b'[' | b'"' | b'\'') => reader.value(),
        Some(_) => Ok(word(&source.trimmed())),
    }
}

impl<'r> Reader<'_, 'r> {
    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.source.as_bytes()[self.at..];
        self.at += rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))?;
        Some(self.source.as_bytes()[self.at])
    }

    fn value(&mut self) -> Result<Value<'r>, Trouble> {
        match self.peek() {
            Some(b'{') => self.nested(Self::map),
            Some(b'[') => self.nested(Self::list),
            Some(quote @ (b'"' | b'\'')) => Ok(Value::Text(self.string(quote)?)),
            Some(b'}' | b']' | b':' | b',') => Err(self.unexpected()),
            Some(_) => Ok(self.bare()),
            None => Err(self.end_of_file()),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value<'r>, Trouble>) -> Result<Value<'r>, Trouble> {
        self.depth += 1;
        self.heap.meter.check_depth(self.depth)?;
        self.at += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn list(&mut self) -> Result<Value<'r>, Trouble> {
        let first = self.items.len();
        loop {
            match self.peek() {
                Some(b']') => break self.at += 1,
                Some(b',') => self.at += 1,
                Some(_) => {
                    let item = self.value()?;
                    self.items.push(item);
                    self.separator(b']')?;
                }
                None => return Err(self.end_of_file()),
            }
        }
        let items = self.items.drain(first..).collect();
        self.heap.make_list(items, true)
    }

    fn map(&mut self) -> Result<Value<'r>, Trouble> {
        let mut map = Map::with_capacity(self.keys.min(KEYS_EXPECTED_MAX));
        loop {
            match self.peek() {
                Some(b'}') => break self.at += 1,
                Some(b',') => self.at += 1,
                Some(_) => {
                    let (key, value) = self.member()?;
                    map.put(key, value);
                    self.separator(b'}')?;
                }
                None => return Err(self.end_of_file()),
            }
        }
        self.keys = map.len();
        self.heap.make_map(map)
    }

    fn member(&mut self) -> Result<(Text<'r>, Value<'r>), Trouble> {
        let key = match self.peek() {
            Some(quote @ (b'"' | b'\'')) => self.string(quote)?,
            Some(b'{' | b'[' | b']' | b':') => return Err(self.unexpected()),
            _ => self.bare_text(),
        };
        match self.peek() {
            Some(b':') => self.at += 1,
            Some(_) => return Err(self.unexpected()),
            None => return Err(self.end_of_file()),
        }
        Ok((key, self.value()?))
    }

    fn separator(&mut self, close: u8) -> Result<(), Trouble> {
        match self.peek() {
            Some(b',') => self.at += 1,
            Some(byte) if byte == close => {}
            Some(_) => return Err(self.unexpected()),
            None => return Err(self.end_of_file()),
        }
        Ok(())
    }

    fn bare_text(&mut self) -> Text<'r> {
        let rest = &self.source.as_bytes()[self.at..];
        let is_end = |byte: &u8| matches!(byte, b',' | b':' | b'{' | b'}' | b'[' | b']' | b'\n' | b'\r');
        let length = rest.iter().position(is_end).unwrap_or(rest.len());
        let text = self.source.slice(self.at..self.at + length).trimmed();
        self.at += length;
        text
    }

    fn bare(&mut self) -> Value<'r> {
        word(&self.bare_text())
    }

    /// A quoted string: a part of the source where nothing in it is escaped.
    fn string(&mut self, quote: u8) -> Result<Text<'r>, Trouble> {
        self.at += 1;
        let rest = &self.source.as_bytes()[self.at..];
        let Some(length) = memchr::memchr2(quote, b'\\', rest) else { return Err(self.end_of_file()) };
        let start = self.at;
        if rest[length] == quote {
            self.at += length + 1;
            return Ok(self.source.slice(start..start + length));
        }
        self.escaped(quote, length)
    }

    fn escaped(&mut self, quote: u8, mut plain: usize) -> Result<Text<'r>, Trouble> {
        let mut text = String::new();
        loop {
            text.push_str(&self.source[self.at..self.at + plain]);
            self.at += plain + 1;
            if self.source.as_bytes()[self.at - 1] == quote {
                break;
            }
            self.escape(&mut text)?;
            let rest = &self.source.as_bytes()[self.at..];
            plain = memchr::memchr2(quote, b'\\', rest).ok_or_else(|| self.end_of_file())?;
        }
        self.heap.meter.make(text.len())?;
        Ok(text.into())
    }

    fn escape(&mut self, text: &mut String) -> Result<(), Trouble> {
        let Some(escaped) = self.source[self.at..].chars().next() else { return Err(self.end_of_file()) };
        self.at += escaped.len_utf8();
        text.push(match escaped {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => self.unicode()?,
            other => other,
        });
        Ok(())
    }

    fn unicode(&mut self) -> Result<char, Trouble> {
        let high = self.unit().ok_or_else(|| self.unexpected())?;
        if !(0xd800..0xdc00).contains(&high) {
            return Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let mark = self.at;
        if self.source[self.at..].starts_with("\\u") {
            self.at += 2;
            if let Some(low @ 0xdc00..0xe000) = self.unit() {
                let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = mark;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn unit(&mut self) -> Option<u32> {
        let digits = self.source.as_str().get(self.at..self.at + 4)?;
        let unit = digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?;
        self.at += 4;
        unit
    }

    fn unexpected(&self) -> Trouble {
        let found = self.source[self.at.min(self.source.len())..].chars().next().unwrap_or(' ');
        Trouble::new(Why::Payload, format!("the JSON has an unexpected {found:?} at position {}", self.at))
    }

    fn end_of_file(&self) -> Trouble {
        Trouble::new(Why::Payload, format!("the JSON ends too early, at position {}", self.source.len()))
    }
}

/// A word without quotes: a constant, a number, or else a string.
fn word<'r>(text: &Text<'r>) -> Value<'r> {
    match text.as_str() {
        "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => number(text).unwrap_or_else(|| Value::Text(text.clone())),
    }
}

/// How many characters a decimal fraction may have to become a double; longer ones keep their text, as in json-smart.
const DOUBLE_CHARS_MAX: usize = 18;

/// A number by JSON's grammar, or `None`.
pub(super) fn number<'r>(text: &Text<'r>) -> Option<Value<'r>> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text.parse::<i64>().map_or_else(|_| Value::Big(text.clone()), Value::integer));
    }
    let is_of_numbers = |byte: u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
    if !digits.bytes().all(is_of_numbers) || digits.ends_with(['.', 'e', 'E', '+', '-']) {
        return None;
    }
    let double = text.parse::<f64>().ok()?;
    Some(if text.len() > DOUBLE_CHARS_MAX { Value::Big(text.clone()) } else { Value::Double(double) })
}
