use smallvec::SmallVec;

use super::Renderer;
use crate::template::fault::Trouble;
use crate::template::method::Method;
use crate::template::tree::Call;
use crate::template::value::{Builtin, Value};

impl<'r> Renderer<'r> {
    /// What a method gives; `None` if values of this kind have no such method.
    pub(super) fn call(&mut self, receiver: Value<'r>, call: &'r Call) -> Result<Option<Value<'r>>, Trouble> {
        let mut arguments: SmallVec<[Value<'r>; 3]> = SmallVec::new();
        for argument in &call.arguments {
            arguments.push(self.expression(argument)?);
        }
        match self.opened(receiver)? {
            Value::Builtin(Builtin::Input) => self.call_input(call, &arguments),
            Value::Builtin(Builtin::Util) => self.call_util(call.method, &arguments),
            Value::Builtin(Builtin::Foreach) => self.call_loop(call.method),
            Value::Text(text) => self.call_text(&text, call, &arguments),
            Value::Block(block) => {
                let text = self.capture(block)?;
                self.call_text(&text, call, &arguments)
            }
            Value::List(id) => self.call_list(id, call.method, &arguments),
            Value::Map(id) => self.call_map(id, call.method, &arguments),
            Value::Entry(id) => match call.method {
                Method::GetKey => Ok(Some(self.heap.entry(id).0.clone())),
                Method::GetValue => Ok(Some(self.heap.entry(id).1.clone())),
                _ => self.call_any(&Value::Entry(id), call.method, &arguments),
            },
            other => self.call_scalar(&other, call.method, &arguments),
        }
    }

    fn call_loop(&mut self, method: Method) -> Result<Option<Value<'r>>, Trouble> {
        let name = match method {
            Method::GetCount => "count",
            Method::GetIndex => "index",
            Method::HasNext => "hasNext",
            Method::IsFirst => "first",
            Method::IsLast => "last",
            _ => return Ok(None),
        };
        self.loop_property(name).map(Some)
    }

    /// What every object of Java has.
    pub(super) fn call_any(
        &mut self,
        receiver: &Value<'r>,
        method: Method,
        arguments: &[Value<'r>],
    ) -> Result<Option<Value<'r>>, Trouble> {
        Ok(Some(match (method, arguments) {
            (Method::ToString, []) => Value::Text(self.text_of(receiver)?),
            (Method::Equals, [other]) => Value::Bool(super::same(receiver, other, &mut self.heap)?),
            _ => return Ok(None),
        }))
    }
}
