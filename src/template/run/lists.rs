//! The methods of `java.util.List`.

use super::Renderer;
use crate::template::fault::Trouble;
use crate::template::method::Method;
use crate::template::value::{ListId, Value};

impl<'r> Renderer<'r> {
    pub(super) fn call_list(
        &mut self,
        id: ListId,
        method: Method,
        arguments: &[Value<'r>],
    ) -> Result<Option<Value<'r>>, Trouble> {
        let count = self.heap.list(id).items.len();
        Ok(Some(match (method, arguments) {
            (Method::Size | Method::Length, []) => Value::integer(count as i64),
            (Method::IsEmpty, []) => Value::Bool(count == 0),
            (Method::Get, [index]) => {
                let place = self.list_place(id, index)?;
                self.heap.list(id).items[place].clone()
            }
            (Method::Set, [index, value]) => {
                let place = self.list_place(id, index)?;
                std::mem::replace(&mut self.heap.list_mut(id, 0)?.items[place], value.clone())
            }
            (Method::Add, [value]) => {
                self.heap.list_mut(id, 1)?.items.push(value.clone());
                Value::Bool(true)
            }
            (Method::Add, [index, value]) => {
                self.heap.meter.step(count / 64)?;
                let place = if index.as_integer() == Some(count as i64) { count } else { self.list_place(id, index)? };
                self.heap.list_mut(id, 1)?.items.insert(place, value.clone());
                Value::Null
            }
            (Method::AddAll, [Value::List(other)]) => {
                let items = self.heap.list(*other).items.clone();
                let is_changed = !items.is_empty();
                self.heap.list_mut(id, items.len())?.items.extend(items);
                Value::Bool(is_changed)
            }
            (Method::Remove, [index]) if index.as_integer().is_some() => {
                self.heap.meter.step(count / 64)?;
                let place = self.list_place(id, index)?;
                self.heap.list_mut(id, 0)?.items.remove(place)
            }
            (Method::Remove, [value]) => match self.find_in(id, value, false)? {
                Some(place) => {
                    self.heap.list_mut(id, 0)?.items.remove(place);
                    Value::Bool(true)
                }
                None => Value::Bool(false),
            },
            (Method::Clear, []) => {
                self.heap.list_mut(id, 0)?.items.clear();
                Value::Null
            }
            (Method::Contains, [value]) => Value::Bool(self.find_in(id, value, false)?.is_some()),
            (Method::ContainsAll, [Value::List(other)]) => {
                for value in self.heap.list(*other).items.clone() {
                    if self.find_in(id, &value, false)?.is_none() {
                        return Ok(Some(Value::Bool(false)));
                    }
                }
                Value::Bool(true)
            }
            (Method::IndexOf | Method::LastIndexOf, [value]) => {
                let place = self.find_in(id, value, method == Method::LastIndexOf)?;
                Value::integer(place.map_or(-1, |place| place as i64))
            }
            (Method::SubList, [from, to]) => return self.sub_list(id, from, to).map(Some),
            (Method::Iterator | Method::ToArray, []) => Value::List(id),
            _ => return self.call_any(&Value::List(id), method, arguments),
        }))
    }

    /// Java's lists, other than Velocity's brackets, take no negative index.
    fn list_place(&self, id: ListId, index: &Value<'r>) -> Result<usize, Trouble> {
        let index = index.as_integer().ok_or_else(|| {
            Trouble::template(format!("an index that is {} where a whole number should be", index.kind()))
        })?;
        if index < 0 {
            return Err(Trouble::template(format!("index {index} of a list")));
        }
        self.place(id, index)
    }

    fn sub_list(&mut self, id: ListId, from: &Value<'r>, to: &Value<'r>) -> Result<Value<'r>, Trouble> {
        let list = self.heap.list(id);
        let ends = from.as_integer().zip(to.as_integer());
        let part = ends.and_then(|(from, to)| {
            list.items.get(usize::try_from(from).ok()?..usize::try_from(to).ok()?).map(<[Value<'_>]>::to_vec)
        });
        let is_json = list.is_json;
        let part = part.ok_or_else(|| {
            Trouble::template(format!("subList() goes beyond a list of {} items", self.heap.list(id).items.len()))
        })?;
        self.heap.make_list(part, is_json)
    }

    fn find_in(&mut self, id: ListId, value: &Value<'r>, is_from_end: bool) -> Result<Option<usize>, Trouble> {
        let count = self.heap.list(id).items.len();
        for turn in 0..count {
            let place = if is_from_end { count - 1 - turn } else { turn };
            let item = self.heap.list(id).items[place].clone();
            if super::same(&item, value, &mut self.heap)? {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }
}
