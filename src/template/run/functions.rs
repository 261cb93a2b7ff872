//! `$util`.

use base64::prelude::{BASE64_STANDARD, Engine};

use super::Renderer;
use crate::template::fault::{Trouble, Why};
use crate::template::json;
use crate::template::method::Method;
use crate::template::text::Text;
use crate::template::value::Value;
use crate::template::xml;

impl<'r> Renderer<'r> {
    pub(super) fn call_util(&mut self, method: Method, arguments: &[Value<'r>]) -> Result<Option<Value<'r>>, Trouble> {
        let (argument, more) = match arguments {
            [argument] => (argument, None),
            [argument, more] if method == Method::ParseXml => (argument, Some(more)),
            _ => return Ok(None),
        };
        let text = self.text_of(argument)?;
        self.heap.meter.read(text.len())?;
        let made = match method {
            Method::EscapeJavaScript if is_plain(&text) => return Ok(Some(Value::Text(text))),
            Method::EscapeJavaScript => escape_java_script(&text),
            Method::UrlEncode => url_encode(&text),
            Method::UrlDecode => url_decode(&text)?,
            Method::EscapeXml => xml::escape(&text),
            Method::Base64Encode => BASE64_STANDARD.encode(text.as_bytes()),
            Method::Base64Decode => String::from_utf8_lossy(&base64_decode(&text)).into_owned(),
            Method::ParseJson => return self.parse_json(&text).map(Some),
            Method::ParseXml => return self.parse_xml(&text, more).map(Some),
            _ => return Ok(None),
        };
        self.heap.make_text(made).map(Some)
    }

    fn parse_json(&mut self, text: &Text<'r>) -> Result<Value<'r>, Trouble> {
        json::read(text, &mut self.heap).map_err(|trouble| match trouble.why() {
            Why::Payload => {
                Trouble::template(trouble.in_words(|message| format!("$util.parseJson: {message}")).message())
            }
            _ => trouble,
        })
    }
}

impl<'r> Renderer<'r> {
    /// `lists` names elements that are lists even when they come once.
    fn parse_xml(&mut self, text: &Text<'r>, lists: Option<&Value<'r>>) -> Result<Value<'r>, Trouble> {
        let names: Vec<Value<'r>> = match lists {
            Some(Value::List(list)) => self.heap.list(*list).items.clone(),
            Some(one) => vec![one.clone()],
            None => Vec::new(),
        };
        let names = names.iter().map(|name| self.text_of(name)).collect::<Result<Vec<_>, _>>()?;
        xml::read(text, &names, &mut self.heap)
    }
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\'' | b'\\' | b'/'))
}

/// As Apache's commons-lang escapes: quotes of both kinds, slashes of both kinds, and everything outside ASCII's print.
fn escape_java_script(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '"' | '\'' | '\\' | '/' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    out.push_str("\\u");
                    out.extend([12, 8, 4, 0].map(|shift| hex_digit((*unit >> shift) as u8 & 15)));
                }
            }
        }
    }
    out
}

fn hex_digit(nibble: u8) -> char {
    char::from(b"0123456789ABCDEF"[usize::from(nibble)])
}

/// As Java's `URLEncoder`.
fn url_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            other => out.extend(['%', hex_digit(other >> 4), hex_digit(other & 15)]),
        }
    }
    out
}

/// As Java's `URLDecoder`, which wants two digits after each `%`.
fn url_decode(text: &str) -> Result<String, Trouble> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16).map(|digit| digit as u8);
                match (digit(), digit()) {
                    (Some(high), Some(low)) => high << 4 | low,
                    _ => return Err(Trouble::template("$util.urlDecode: a % without two hexadecimal digits")),
                }
            }
            other => other,
        });
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Takes both alphabets and passes over what is in neither, as commons-codec does.
fn base64_decode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.bytes().take_while(|byte| *byte != b'=') {
        let Some(value) = base64_value(byte) else { continue };
        bits = bits << 6 | value;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

fn base64_value(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    }))
}
