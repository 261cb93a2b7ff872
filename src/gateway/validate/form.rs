use serde_json::{Map, Value};

use super::encoding::insert;
use super::sent::decode_query;
use crate::schema::{SchemaId, Schemas};

/// Reads a body of `application/x-www-form-urlencoded` as the object that `schema` has in mind.
pub(super) fn read(schemas: &Schemas, schema: SchemaId, body: &[u8]) -> Value {
    let text = String::from_utf8_lossy(body);
    let mut object = Map::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode_query(name);
        insert(schemas, &mut object, &name, schemas.property(schema, &name), &decode_query(value));
    }
    Value::Object(object)
}
