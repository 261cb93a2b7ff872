//! `$context` and `$stageVariables`: one variable is asked of the event by name; the whole is made only for templates
//! that go through it.

use super::Renderer;
use crate::template::event::{Fact, Override, Overrides, Table, Variable};
use crate::template::fault::Trouble;
use crate::template::text::Text;
use crate::template::value::{Map, MapId, Value};

/// The maps behind `requestOverride` and `responseOverride`.
#[derive(Clone, Copy, Debug)]
pub(super) struct OverrideMaps {
    pub request: MapId,
    pub response: MapId,
}

const REQUEST_OVERRIDE: &str = "requestOverride";
const RESPONSE_OVERRIDE: &str = "responseOverride";

impl<'r> Renderer<'r> {
    pub(super) fn table_entry(&mut self, table: Table, name: &str) -> Result<Value<'r>, Trouble> {
        let event = self.event;
        self.fact(event.entry(table, name))
    }

    pub(super) fn fact(&mut self, fact: Option<Fact<'r>>) -> Result<Value<'r>, Trouble> {
        self.heap.meter.step(1)?;
        Ok(fact.map_or(Value::Null, value_of))
    }

    /// A table as a map.
    pub(super) fn table(&mut self, table: Table) -> Result<Map<'r>, Trouble> {
        let event = self.event;
        let mut map = Map::default();
        event.entries(table, &mut |name, fact| {
            map.put(name.into(), value_of(fact));
        });
        self.heap.meter.step(map.len())?;
        Ok(map)
    }

    pub(super) fn stage_variables_map(&mut self) -> Result<MapId, Trouble> {
        if let Some(id) = self.stage_variables {
            return Ok(id);
        }
        let map = self.table(Table::StageVariables)?;
        let id = self.heap.keep_map(map)?;
        self.stage_variables = Some(id);
        Ok(id)
    }

    /// All of `$context`, for templates that go through it or write to it.
    pub(super) fn context_map(&mut self) -> Result<MapId, Trouble> {
        if let Some(id) = self.context {
            return Ok(id);
        }
        let context = self.heap.keep_map(Map::default())?;
        let authorizer = self.table(Table::Authorizer)?;
        let claims = self.table(Table::Claims)?;
        if authorizer.len() + claims.len() > 0 {
            let authorizer = self.heap.keep_map(authorizer)?;
            if claims.len() > 0 {
                let claims = self.heap.make_map(claims)?;
                self.heap.map_mut(authorizer, 1)?.put("claims".into(), claims);
            }
            self.heap.map_mut(context, 1)?.put("authorizer".into(), Value::Map(authorizer));
        }
        for variable in Variable::ALL {
            let value = self.fact(self.event.variable(*variable))?;
            if !value.is_null() {
                self.put_path(context, variable.path(), value)?;
            }
        }
        let maps = self.override_maps()?;
        self.heap.map_mut(context, 1)?.put(REQUEST_OVERRIDE.into(), Value::Map(maps.request));
        self.heap.map_mut(context, 1)?.put(RESPONSE_OVERRIDE.into(), Value::Map(maps.response));
        self.context = Some(context);
        Ok(context)
    }

    /// Puts a value under `a.b.c`, with maps for `a` and `b`.
    fn put_path(&mut self, mut map: MapId, path: &'static str, value: Value<'r>) -> Result<(), Trouble> {
        let mut rest = path;
        while let Some((first, after)) = rest.split_once('.') {
            map = match self.heap.map(map).get(first) {
                Some(Value::Map(inner)) => *inner,
                _ => {
                    let inner = self.heap.keep_map(Map::default())?;
                    self.heap.map_mut(map, 1)?.put(first.into(), Value::Map(inner));
                    inner
                }
            };
            rest = after;
        }
        self.heap.map_mut(map, 1)?.put(rest.into(), value);
        Ok(())
    }

    pub(super) fn override_maps(&mut self) -> Result<OverrideMaps, Trouble> {
        if let Some(maps) = self.overrides {
            return Ok(maps);
        }
        let carried = self.carried;
        let mut request = Map::with_capacity(3);
        for (name, values) in [
            ("header", &carried.request_headers),
            ("path", &carried.request_path),
            ("querystring", &carried.request_querystring),
        ] {
            request.put(name.into(), self.carried_map(values)?);
        }
        let mut response = Map::with_capacity(2);
        response.put("header".into(), self.carried_map(&carried.response_headers)?);
        if let Some(status) = carried.response_status {
            response.put("status".into(), Value::Int(i32::from(status)));
        }
        let maps = OverrideMaps { request: self.heap.keep_map(request)?, response: self.heap.keep_map(response)? };
        self.overrides = Some(maps);
        Ok(maps)
    }

    fn carried_map(&mut self, values: &'r [(String, Override)]) -> Result<Value<'r>, Trouble> {
        let mut map = Map::with_capacity(values.len());
        for (name, value) in values {
            let value = match value {
                Override::One(text) => Value::Text(text.as_str().into()),
                Override::Many(texts) => {
                    let texts = texts.iter().map(|text| Value::Text(text.as_str().into())).collect();
                    self.heap.make_list(texts, false)?
                }
            };
            map.put(name.as_str().into(), value);
        }
        self.heap.make_map(map)
    }

    /// The overrides as data: those that came, unless the template touched them.
    pub(super) fn finished_overrides(&mut self) -> Result<Overrides, Trouble> {
        let Some(OverrideMaps { request, response }) = self.overrides else { return Ok(self.carried.clone()) };
        let status = self.heap.map(response).get("status").and_then(Value::as_integer);
        Ok(Overrides {
            request_headers: self.written(request, "header")?,
            request_path: self.written(request, "path")?,
            request_querystring: self.written(request, "querystring")?,
            response_headers: self.written(response, "header")?,
            response_status: status.and_then(|status| u16::try_from(status).ok()).filter(|s| (100..=599).contains(s)),
        })
    }

    fn written(&mut self, holder: MapId, name: &str) -> Result<Vec<(String, Override)>, Trouble> {
        let Some(Value::Map(id)) = self.heap.map(holder).get(name) else { return Ok(Vec::new()) };
        let id = *id;
        let mut written = Vec::with_capacity(self.heap.map(id).len());
        let mut place = 0;
        while let Some((key, value)) = self.heap.map(id).at(place).cloned() {
            place += 1;
            let value = match &value {
                Value::Null => continue,
                Value::List(list) => {
                    let mut texts = Vec::new();
                    for item in self.heap.list(*list).items.clone() {
                        texts.push(self.owned(&item)?);
                    }
                    Override::Many(texts)
                }
                one => Override::One(self.owned(one)?),
            };
            written.push((key.to_string(), value));
        }
        Ok(written)
    }

    fn owned(&mut self, value: &Value<'r>) -> Result<String, Trouble> {
        let text: Text<'r> = self.text_of(value)?;
        self.heap.meter.make(text.len())?;
        Ok(text.to_string())
    }
}

fn value_of<'r>(fact: Fact<'r>) -> Value<'r> {
    match fact {
        Fact::Text(text) => Value::Text(text.into()),
        Fact::Number(number) => Value::integer(number),
        Fact::Flag(flag) => Value::Bool(flag),
    }
}
