use super::Renderer;
use crate::template::asked::{Asked, What};
use crate::template::event::Table;
use crate::template::explain;
use crate::template::fault::Trouble;
use crate::template::tree::{Reference, Root, Step, StepKind};
use crate::template::value::{Builtin, Map, Value};

impl<'r> Renderer<'r> {
    pub(super) fn reference(&mut self, reference: &'r Reference) -> Result<Value<'r>, Trouble> {
        let value = self.follow(reference, reference.steps.len());
        match (value.map_err(|trouble| trouble.at(reference.at))?, &reference.alternate) {
            (Value::Null, Some(alternate)) => self.expression(alternate),
            (value, _) => Ok(value),
        }
    }

    /// The value after the first `count` steps.
    pub(super) fn follow(&mut self, reference: &'r Reference, count: usize) -> Result<Value<'r>, Trouble> {
        let (mut value, taken) = self.start(reference, count)?;
        for step in &reference.steps[taken..count] {
            if value.is_null() {
                break;
            }
            self.heap.meter.step(1)?;
            value = self.step(value, step).map_err(|trouble| trouble.at(step.at))?;
        }
        Ok(value)
    }

    /// The root's value, or that of its first steps where the event answers these at once.
    fn start(&mut self, reference: &'r Reference, count: usize) -> Result<(Value<'r>, usize), Trouble> {
        if let Some(asked) = reference.asked.filter(|asked| asked.steps <= count)
            && let Some(value) = self.ask(asked, &reference.steps)?
        {
            return Ok((value, asked.steps));
        }
        let value = match reference.root {
            Root::Variable(slot) => self.slots[usize::from(slot)].clone(),
            Root::Count => self.counter(),
            Root::HasNext => self.loops.last().map_or(Value::Null, |turn| Value::Bool(turn.has_next)),
            Root::Builtin(Builtin::Foreach) if self.loops.is_empty() => Value::Null,
            Root::Builtin(builtin) => Value::Builtin(builtin),
        };
        Ok((value, 0))
    }

    /// `None` where the whole has been made a map, which the template may have changed.
    fn ask(&mut self, asked: Asked, steps: &'r [Step]) -> Result<Option<Value<'r>>, Trouble> {
        let is_mapped = match asked.what {
            What::Entry(Table::Path | Table::QueryString | Table::Header) => self.params.is_some(),
            What::Entry(Table::StageVariables) => self.stage_variables.is_some(),
            _ => self.context.is_some(),
        };
        if is_mapped {
            return Ok(None);
        }
        Ok(Some(match asked.what {
            What::Variable(variable) => self.fact(self.event.variable(variable))?,
            What::Entry(table) => match steps[asked.steps - 1].name() {
                Some(name) => self.table_entry(table, name)?,
                None => Value::Null,
            },
            What::RequestOverride => Value::Map(self.override_maps()?.request),
            What::ResponseOverride => Value::Map(self.override_maps()?.response),
        }))
    }

    fn counter(&self) -> Value<'r> {
        self.loops.last().map_or(Value::Null, |turn| Value::integer(i64::from(turn.index) + 1))
    }

    fn step(&mut self, value: Value<'r>, step: &'r Step) -> Result<Value<'r>, Trouble> {
        match &step.kind {
            StepKind::Property(name) => self.property(value, name),
            StepKind::Index(index) => {
                let index = self.expression(index)?;
                self.index(value, &index)
            }
            StepKind::Call(call) => {
                let result = self.call(value, call)?;
                Ok(result.unwrap_or_else(|| {
                    self.note(step.at, explain::What::NoMethod(call.method.name()));
                    Value::Null
                }))
            }
        }
    }

    fn property(&mut self, value: Value<'r>, name: &'r str) -> Result<Value<'r>, Trouble> {
        Ok(match (self.opened(value)?, name) {
            (Value::Map(id), _) => match self.heap.map(id).get(name) {
                Some(value) => value.clone(),
                None if name == "empty" => Value::Bool(self.heap.map(id).len() == 0),
                None => Value::Null,
            },
            (Value::Entry(id), "key") => self.heap.entry(id).0.clone(),
            (Value::Entry(id), "value") => self.heap.entry(id).1.clone(),
            (Value::List(id), "empty") => Value::Bool(self.heap.list(id).items.is_empty()),
            (Value::Text(text), "empty") => Value::Bool(text.is_empty()),
            (Value::Builtin(Builtin::Input), "body") => self.body_text(),
            (Value::Builtin(Builtin::Foreach), _) => return self.loop_property(name),
            _ => Value::Null,
        })
    }

    /// `$context` and `$stageVariables` as the maps that they are where they are not asked for one entry.
    pub(super) fn opened(&mut self, value: Value<'r>) -> Result<Value<'r>, Trouble> {
        match value {
            Value::Builtin(Builtin::Context) => self.context_map().map(Value::Map),
            Value::Builtin(Builtin::StageVariables) => self.stage_variables_map().map(Value::Map),
            other => Ok(other),
        }
    }

    fn index(&mut self, value: Value<'r>, index: &Value<'r>) -> Result<Value<'r>, Trouble> {
        match self.opened(value)? {
            Value::List(id) => match index.as_integer() {
                Some(index) => {
                    let place = self.place(id, index)?;
                    Ok(self.heap.list(id).items[place].clone())
                }
                None => Ok(Value::Null),
            },
            Value::Map(id) => {
                let key = self.text_of(index)?;
                Ok(self.heap.map(id).get(&key).cloned().unwrap_or(Value::Null))
            }
            _ => Ok(Value::Null),
        }
    }

    pub(super) fn loop_property(&mut self, name: &str) -> Result<Value<'r>, Trouble> {
        let Some(turn) = self.loops.last().copied() else { return Ok(Value::Null) };
        Ok(match name {
            "count" => self.counter(),
            "index" => Value::integer(i64::from(turn.index)),
            "hasNext" => Value::Bool(turn.has_next),
            "first" => Value::Bool(turn.index == 0),
            "last" => Value::Bool(!turn.has_next),
            "parent" => return self.outer_loop(),
            _ => Value::Null,
        })
    }

    /// Where the loop around this one is.
    fn outer_loop(&mut self) -> Result<Value<'r>, Trouble> {
        let Some(inner) = self.loops.pop() else { return Ok(Value::Null) };
        let mut map = Map::default();
        if !self.loops.is_empty() {
            for name in ["count", "index", "hasNext", "first", "last", "parent"] {
                let value = self.loop_property(name)?;
                map.put(name.into(), value);
            }
        }
        self.loops.push(inner);
        if map.len() == 0 { Ok(Value::Null) } else { self.heap.make_map(map) }
    }
}
