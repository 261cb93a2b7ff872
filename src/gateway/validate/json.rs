use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Reads a whole text of JSON, at most 128 levels deep. A name that an object has twice is an error (RFC 8259
/// section 4): what is checked must be what the back end reads, whichever of the two it takes.
///
/// # Errors
/// What is wrong, and where.
pub(super) fn read(text: &[u8]) -> Result<Value, String> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Strict.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| error.to_string())
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut read = Vec::new();
        while let Some(item) = items.next_element_seed(Strict)? {
            read.push(item);
        }
        Ok(Value::Array(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut properties: A) -> Result<Value, A::Error> {
        let mut read = Map::new();
        while let Some(name) = properties.next_key::<String>()? {
            if read.contains_key(&name) {
                return Err(A::Error::custom("an object has the same name twice"));
            }
            let value = properties.next_value_seed(Strict)?;
            read.insert(name, value);
        }
        Ok(Value::Object(read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_everybody_reads() {
        let text = r#"{"a": [1, -2, 1.5, "x\n", true, null, {}], "b": {"a": 18446744073709551615}}"#;
        assert_eq!(read(text.as_bytes()), Ok(serde_json::from_str(text).unwrap()));
        for (text, why) in [
            (&br#"{"a": 1, "b": {"c": 1, "c": 2}}"#[..], "the same name twice at line 1"),
            (b"{\"a\": 1,\n}", "trailing comma at line 2 column 1"),
            (b"{} x", "trailing characters at line 1 column 4"),
            (b"\"\xff\"", "invalid unicode"),
            (b"1e999", "number out of range"),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
        assert!(read("[".repeat(1000).as_bytes()).unwrap_err().contains("recursion limit"));
    }
}
