//! Tree + event → text: a walk over the tree.

mod assign;
mod call;
mod context;
mod expression;
mod functions;
mod input;
mod lists;
mod maps;
mod numbers;
mod reference;
mod strings;

use super::event::{Event, Overrides};
use super::explain::{Trace, What};
use super::fault::{Failure, Span, Trouble};
use super::limits::{Budget, Meter};
use super::print::Printer;
use super::text::Text;
use super::tree::{Block, Escaped, Foreach, If, Node, NodeKind};
use super::value::{Heap, MapId, Value};
use super::{Rendered, Template};
use context::OverrideMaps;
pub(super) use expression::same;

/// One rendering.
pub(super) struct Renderer<'r> {
    template: &'r Template,
    event: &'r dyn Event,
    carried: &'r Overrides,
    heap: Heap<'r>,
    slots: Vec<Value<'r>>,
    loops: Vec<Turn>,
    out: String,
    /// A `#stop` inside a string or a `#define` was met.
    is_stopped: bool,
    body: Option<Value<'r>>,
    params: Option<MapId>,
    stage_variables: Option<MapId>,
    context: Option<MapId>,
    overrides: Option<OverrideMaps>,
    trace: Option<Trace>,
}

/// Where a loop is.
#[derive(Clone, Copy, Debug)]
struct Turn {
    index: u32,
    has_next: bool,
}

/// How a block ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Stop,
}

impl<'r> Renderer<'r> {
    pub fn new(template: &'r Template, event: &'r dyn Event, carried: &'r Overrides, budget: &Budget) -> Renderer<'r> {
        Renderer {
            template,
            event,
            carried,
            heap: Heap::new(Meter::new(budget)),
            slots: vec![Value::Null; template.variables],
            loops: Vec::new(),
            out: String::with_capacity(template.source.len()),
            is_stopped: false,
            body: None,
            params: None,
            stage_variables: None,
            context: None,
            overrides: None,
            trace: None,
        }
    }

    pub fn traced(mut self) -> Renderer<'r> {
        self.trace = Some(Trace::default());
        self
    }

    pub fn run(mut self) -> (Result<Rendered, Failure>, Option<Trace>) {
        let template = self.template;
        let rendered = self.block(&template.root).and_then(|_| self.finished_overrides());
        let trace = self.trace.take();
        let rendered = rendered.map(|overrides| Rendered { text: self.out, overrides });
        (rendered.map_err(|trouble| trouble.placed(&template.source)), trace)
    }

    fn block(&mut self, block: &'r Block) -> Result<Flow, Trouble> {
        self.heap.meter.enter()?;
        let mut flow = Flow::Next;
        for node in &block.0 {
            self.heap.meter.step(1)?;
            flow = self.node(node).map_err(|trouble| trouble.at(node.at))?;
            if self.is_stopped {
                flow = Flow::Stop;
            }
            if flow != Flow::Next {
                break;
            }
        }
        self.heap.meter.leave();
        Ok(flow)
    }

    fn node(&mut self, node: &'r Node) -> Result<Flow, Trouble> {
        match &node.kind {
            NodeKind::Text(text) => self.push(text)?,
            NodeKind::Reference(reference) => {
                let value = self.reference(reference)?;
                if value.is_null() {
                    self.note(node.at, What::Empty);
                }
                self.print(&value)?;
            }
            NodeKind::Escaped(escaped) => self.escaped(escaped)?,
            NodeKind::Set(set) => {
                let value = self.expression(&set.1)?;
                self.assign(&set.0, value)?;
            }
            NodeKind::If(branches) => return self.branches(node.at, branches),
            NodeKind::Foreach(foreach) => return self.foreach(node.at, foreach),
            NodeKind::Define { slot, block } => self.slots[usize::from(*slot)] = Value::Block(block),
            NodeKind::Break => return Ok(Flow::Break),
            NodeKind::Stop => return Ok(Flow::Stop),
        }
        Ok(Flow::Next)
    }

    fn branches(&mut self, at: Span, branches: &'r If) -> Result<Flow, Trouble> {
        for (number, (condition, block)) in branches.arms.iter().enumerate() {
            if self.expression(condition)?.is_true() {
                self.note(at, What::Branch(Some(number as u32 + 1)));
                return self.block(block);
            }
        }
        match &branches.otherwise {
            Some(block) => {
                self.note(at, What::Else);
                self.block(block)
            }
            None => {
                self.note(at, What::Branch(None));
                Ok(Flow::Next)
            }
        }
    }

    /// The loop's variable has its former value again after the loop (recorded).
    fn foreach(&mut self, at: Span, foreach: &'r Foreach) -> Result<Flow, Trouble> {
        let list = self.expression(&foreach.list)?;
        let slot = usize::from(foreach.slot);
        let former = self.slots[slot].clone();
        let mut flow = Flow::Next;
        let mut turns = 0;
        while let Some((item, has_next)) = self.item(&list, turns as usize) {
            self.heap.meter.check_iterations(turns + 1)?;
            self.heap.meter.step(1)?;
            self.slots[slot] = item;
            self.loops.push(Turn { index: turns, has_next });
            flow = self.block(&foreach.body)?;
            self.loops.pop();
            turns += 1;
            if flow != Flow::Next {
                break;
            }
        }
        self.slots[slot] = former;
        self.note(at, if turns == 0 { not_iterable(&list) } else { What::Turns(turns) });
        Ok(if flow == Flow::Stop { Flow::Stop } else { Flow::Next })
    }

    /// The item of a turn, and whether one follows: of a list its items, of a map its values.
    fn item(&self, list: &Value<'r>, place: usize) -> Option<(Value<'r>, bool)> {
        match list {
            Value::List(id) => {
                let items = &self.heap.list(*id).items;
                Some((items.get(place)?.clone(), place + 1 < items.len()))
            }
            Value::Map(id) => {
                let map = self.heap.map(*id);
                Some((map.at(place)?.1.clone(), place + 1 < map.len()))
            }
            _ => None,
        }
    }

    /// What Velocity does with `\$x`: the backslash goes if there is something that it kept from being printed.
    fn escaped(&mut self, escaped: &'r Escaped) -> Result<(), Trouble> {
        let is_defined = !self.reference(&escaped.reference)?.is_null();
        let slashes = if is_defined { escaped.slashes / 2 } else { escaped.slashes };
        for _ in 0..slashes {
            self.push("\\")?;
        }
        self.push(&escaped.written)
    }

    fn print(&mut self, value: &Value<'r>) -> Result<(), Trouble> {
        match value {
            Value::Null => Ok(()),
            Value::Text(text) => self.push(text),
            Value::Block(block) => {
                if self.block(block)? == Flow::Stop {
                    self.is_stopped = true;
                }
                Ok(())
            }
            other => {
                let from = self.out.len();
                let mut out = std::mem::take(&mut self.out);
                self.printer().java(other, &mut out)?;
                self.out = out;
                self.heap.meter.read(self.out.len() - from)
            }
        }
    }

    fn push(&mut self, text: &str) -> Result<(), Trouble> {
        self.heap.meter.check_output(self.out.len() + text.len())?;
        self.heap.meter.read(text.len())?;
        self.out.push_str(text);
        Ok(())
    }

    fn printer(&self) -> Printer<'_, 'r> {
        let budget = &self.heap.meter.budget;
        Printer { heap: &self.heap, most: budget.output_bytes, depth: budget.nesting }
    }

    /// A block as a string of its own.
    fn capture(&mut self, block: &'r Block) -> Result<Text<'r>, Trouble> {
        let outer = std::mem::take(&mut self.out);
        let flow = self.block(block)?;
        self.is_stopped |= flow == Flow::Stop;
        let text = std::mem::replace(&mut self.out, outer);
        self.heap.meter.make(text.len())?;
        Ok(text.into())
    }

    /// A value as a string: what printing it would give.
    fn text_of(&mut self, value: &Value<'r>) -> Result<Text<'r>, Trouble> {
        match value {
            Value::Text(text) | Value::Big(text) => Ok(text.clone()),
            Value::Null => Ok(Text::EMPTY),
            Value::Block(block) => self.capture(block),
            other => {
                let mut text = String::new();
                self.printer().java(other, &mut text)?;
                self.heap.meter.make(text.len())?;
                Ok(text.into())
            }
        }
    }

    fn note(&mut self, at: Span, what: What) {
        if let Some(trace) = &mut self.trace {
            trace.note(at, what);
        }
    }
}

fn not_iterable(list: &Value<'_>) -> What {
    match list {
        Value::List(_) | Value::Map(_) => What::Turns(0),
        other => What::NotIterable(other.kind()),
    }
}

#[cfg(test)]
mod tests;
