//! `$input`.

use super::Renderer;
use crate::template::event::Table;
use crate::template::fault::{Trouble, Why};
use crate::template::json;
use crate::template::method::Method;
use crate::template::path::JsonPath;
use crate::template::text::Text;
use crate::template::tree::{Call, Prepared};
use crate::template::value::{Map, MapId, Value};

/// In the order in which `$input.params('name')` looks.
const PLACES: [(&str, Table); 3] =
    [("path", Table::Path), ("querystring", Table::QueryString), ("header", Table::Header)];

impl<'r> Renderer<'r> {
    pub(super) fn call_input(&mut self, call: &'r Call, arguments: &[Value<'r>]) -> Result<Option<Value<'r>>, Trouble> {
        Ok(Some(match (call.method, arguments) {
            (Method::Path, [path]) => self.found(call, path)?.unwrap_or(Value::Null),
            (Method::Json, [path]) => match self.found(call, path)? {
                Some(value) => self.json_text(&value)?,
                None => Value::Text("\"\"".into()),
            },
            (Method::Params, []) => Value::Map(self.params_map()?),
            (Method::Params, [name]) => {
                let name = self.text_of(name)?;
                self.parameter(&name)?
            }
            _ => return Ok(None),
        }))
    }

    /// A parameter by name: of the path, then of the query string, then a header. An absent one is the empty string.
    fn parameter(&mut self, name: &str) -> Result<Value<'r>, Trouble> {
        for (_, table) in PLACES {
            let value = self.table_entry(table, name)?;
            if !value.is_null() {
                return Ok(value);
            }
        }
        Ok(Value::Text(Text::EMPTY))
    }

    fn params_map(&mut self) -> Result<MapId, Trouble> {
        if let Some(id) = self.params {
            return Ok(id);
        }
        let mut params = Map::with_capacity(PLACES.len());
        for (name, table) in PLACES {
            let table = self.table(table)?;
            params.put(name.into(), self.heap.make_map(table)?);
        }
        let id = self.heap.keep_map(params)?;
        self.params = Some(id);
        Ok(id)
    }

    fn found(&mut self, call: &'r Call, path: &Value<'r>) -> Result<Option<Value<'r>>, Trouble> {
        let root = self.body()?;
        if let Prepared::Path(path) = &call.prepared {
            return path.find(&root, &mut self.heap);
        }
        let text = self.text_of(path)?;
        let path = JsonPath::compile(&text)
            .map_err(|fault| Trouble::template(format!("the JSONPath {:?}: {fault}", text.as_str())))?;
        path.find(&root, &mut self.heap)
    }

    pub(super) fn json_text(&mut self, value: &Value<'r>) -> Result<Value<'r>, Trouble> {
        let mut text = String::new();
        self.printer().json(value, &mut text)?;
        self.heap.make_text(text)
    }

    /// The body as it came; an absent one prints as an empty object (recorded).
    pub(super) fn body_text(&self) -> Value<'r> {
        let body = self.event.body();
        Value::Text(if body.is_empty() { "{}" } else { body }.into())
    }

    /// The body as JSON, read at the first call.
    fn body(&mut self) -> Result<Value<'r>, Trouble> {
        if let Some(body) = &self.body {
            return Ok(body.clone());
        }
        let text = Text::Lent(self.event.body());
        let body = json::read_body(&text, &mut self.heap).map_err(|trouble| match trouble.why() {
            Why::Payload => trouble.in_words(|message| format!("the body cannot be read: {message}")),
            _ => trouble,
        })?;
        self.body = Some(body.clone());
        Ok(body)
    }
}
