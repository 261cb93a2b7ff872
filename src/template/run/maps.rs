//! The methods of `java.util.Map`. Keys are strings: another key stands for the text that it prints.

use super::Renderer;
use crate::template::fault::Trouble;
use crate::template::method::Method;
use crate::template::text::Text;
use crate::template::value::{MapId, Value};

impl<'r> Renderer<'r> {
    pub(super) fn call_map(
        &mut self,
        id: MapId,
        method: Method,
        arguments: &[Value<'r>],
    ) -> Result<Option<Value<'r>>, Trouble> {
        Ok(Some(match (method, arguments) {
            (Method::Size, []) => Value::integer(self.heap.map(id).len() as i64),
            (Method::IsEmpty, []) => Value::Bool(self.heap.map(id).len() == 0),
            (Method::KeySet, []) => self.collect(id, |key, _| Value::Text(key.clone()))?,
            (Method::Values, []) => self.collect(id, |_, value| value.clone())?,
            (Method::EntrySet, []) => self.entries(id)?,
            (Method::Clear, []) => {
                self.heap.map_mut(id, 0)?.clear();
                Value::Null
            }
            (Method::PutAll, [Value::Map(other)]) => {
                let mut place = 0;
                while let Some((key, value)) = self.heap.map(*other).at(place).cloned() {
                    self.heap.map_mut(id, 1)?.put(key, value);
                    place += 1;
                }
                Value::Null
            }
            (Method::ContainsValue, [value]) => {
                let mut place = 0;
                while let Some((_, own)) = self.heap.map(id).at(place).cloned() {
                    if super::same(&own, value, &mut self.heap)? {
                        return Ok(Some(Value::Bool(true)));
                    }
                    place += 1;
                }
                Value::Bool(false)
            }
            (
                Method::Get
                | Method::GetOrDefault
                | Method::ContainsKey
                | Method::Put
                | Method::PutIfAbsent
                | Method::Remove,
                [key, rest @ ..],
            ) => {
                let key = self.text_of(key)?;
                return self.call_map_key(id, method, key, rest);
            }
            _ => return self.call_any(&Value::Map(id), method, arguments),
        }))
    }

    /// The methods that begin with a key.
    fn call_map_key(
        &mut self,
        id: MapId,
        method: Method,
        key: Text<'r>,
        rest: &[Value<'r>],
    ) -> Result<Option<Value<'r>>, Trouble> {
        self.heap.meter.step(1)?;
        let found = self.heap.map(id).get(&key).cloned();
        Ok(Some(match (method, rest) {
            (Method::Get, []) => found.unwrap_or(Value::Null),
            (Method::GetOrDefault, [default]) => found.unwrap_or_else(|| default.clone()),
            (Method::ContainsKey, []) => Value::Bool(found.is_some()),
            (Method::PutIfAbsent, [_]) if found.is_some_and(|found| !found.is_null()) => {
                self.heap.map(id).get(&key).cloned().unwrap_or(Value::Null)
            }
            (Method::Put | Method::PutIfAbsent, [value]) => {
                self.heap.map_mut(id, 1)?.put(key, value.clone()).unwrap_or(Value::Null)
            }
            (Method::Remove, []) => {
                self.heap.meter.step(self.heap.map(id).len())?;
                self.heap.map_mut(id, 0)?.remove(&key).unwrap_or(Value::Null)
            }
            _ => return Ok(None),
        }))
    }

    fn collect(&mut self, id: MapId, part: impl Fn(&Text<'r>, &Value<'r>) -> Value<'r>) -> Result<Value<'r>, Trouble> {
        let parts = self.heap.map(id).iter().map(|(key, value)| part(key, value)).collect();
        self.heap.make_list(parts, false)
    }

    fn entries(&mut self, id: MapId) -> Result<Value<'r>, Trouble> {
        let mut entries = Vec::with_capacity(self.heap.map(id).len());
        let mut place = 0;
        while let Some((key, value)) = self.heap.map(id).at(place).cloned() {
            entries.push(self.heap.make_entry(key, value)?);
            place += 1;
        }
        self.heap.make_list(entries, false)
    }
}
