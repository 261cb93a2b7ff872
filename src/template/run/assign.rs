use super::Renderer;
use crate::template::explain::What;
use crate::template::fault::Trouble;
use crate::template::tree::{Reference, Root, StepKind};
use crate::template::value::{ListId, Value};

impl<'r> Renderer<'r> {
    /// `#set`: of a variable, an entry of a map, or an item of a list.
    pub(super) fn assign(&mut self, target: &'r Reference, value: Value<'r>) -> Result<(), Trouble> {
        let Some((last, _)) = target.steps.split_last() else {
            if let Root::Variable(slot) = target.root {
                self.slots[usize::from(slot)] = value;
            }
            return Ok(());
        };
        let holder = self.follow(target, target.steps.len() - 1)?;
        let holder = self.opened(holder)?;
        let is_set = match &last.kind {
            StepKind::Property(name) => self.put(&holder, Value::Text(name.as_ref().into()), value)?,
            StepKind::Index(index) => {
                let index = self.expression(index)?;
                self.put(&holder, index, value)?
            }
            StepKind::Call(_) => false,
        };
        if !is_set {
            self.note(target.at, What::NotSet);
        }
        Ok(())
    }

    fn put(&mut self, holder: &Value<'r>, key: Value<'r>, value: Value<'r>) -> Result<bool, Trouble> {
        match holder {
            Value::Map(id) => {
                let key = self.text_of(&key)?;
                self.heap.map_mut(*id, 1)?.put(key, value);
            }
            Value::List(id) => {
                let Some(index) = key.as_integer() else { return Ok(false) };
                let place = self.place(*id, index)?;
                self.heap.list_mut(*id, 0)?.items[place] = value;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The place of an index that must be there; negative ones count from the end.
    pub(super) fn place(&self, list: ListId, index: i64) -> Result<usize, Trouble> {
        let count = self.heap.list(list).items.len();
        let place = if index < 0 { index.saturating_add(count as i64) } else { index };
        usize::try_from(place).ok().filter(|place| *place < count).ok_or_else(|| {
            let items = if count == 1 { "item" } else { "items" };
            Trouble::template(format!("index {index} of a list of {count} {items}"))
        })
    }
}
