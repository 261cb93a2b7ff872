use hashbrown::HashTable;

use super::fault::Trouble;
use super::limits::Meter;
use super::text::Text;
use super::tree::Block;

/// A value of the language. Lists and maps live in the [`Heap`] and are shared by their number, as Java shares objects:
/// so nothing is counted, nothing leaks by a circle, and dropping a deep value is flat.
#[derive(Clone, Debug)]
pub(super) enum Value<'r> {
    Null,
    Bool(bool),
    Int(i32),
    Long(i64),
    Double(f64),
    /// A number too long for the others, as it was written.
    Big(Text<'r>),
    Text(Text<'r>),
    List(ListId),
    Map(MapId),
    /// A key and its value, out of `entrySet`; the list holds the two.
    Entry(ListId),
    /// What `#define` named.
    Block(&'r Block),
    Builtin(Builtin),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ListId(u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MapId(u32);

/// The objects that every template finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Builtin {
    Input,
    Util,
    Context,
    StageVariables,
    Foreach,
}

#[derive(Debug)]
pub(super) struct List<'r> {
    pub items: Vec<Value<'r>>,
    /// Came out of JSON, so it prints as JSON; a list of the template's own prints as Java's lists do.
    pub is_json: bool,
}

/// Keys and values in the order in which the keys came.
#[derive(Debug, Default)]
pub(super) struct Map<'r> {
    entries: Vec<(Text<'r>, Value<'r>)>,
    /// Only of a map that is too large to look through.
    index: Option<Box<Index>>,
}

#[derive(Debug)]
struct Index {
    hasher: ahash::RandomState,
    table: HashTable<u32>,
}

/// From how many entries on a map has an index.
const INDEXED_FROM: usize = 16;

/// Where lists and maps are while a template renders, and what has been spent on them.
#[derive(Debug)]
pub(super) struct Heap<'r> {
    lists: Vec<List<'r>>,
    maps: Vec<Map<'r>>,
    pub meter: Meter,
}

impl<'r> Heap<'r> {
    pub fn new(meter: Meter) -> Heap<'r> {
        Heap { lists: Vec::new(), maps: Vec::new(), meter }
    }

    pub fn make_list(&mut self, items: Vec<Value<'r>>, is_json: bool) -> Result<Value<'r>, Trouble> {
        Ok(Value::List(self.keep_list(items, is_json)?))
    }

    pub fn make_entry(&mut self, key: Text<'r>, value: Value<'r>) -> Result<Value<'r>, Trouble> {
        Ok(Value::Entry(self.keep_list(vec![Value::Text(key), value], false)?))
    }

    pub fn make_map(&mut self, map: Map<'r>) -> Result<Value<'r>, Trouble> {
        Ok(Value::Map(self.keep_map(map)?))
    }

    pub fn keep_map(&mut self, map: Map<'r>) -> Result<MapId, Trouble> {
        self.meter.make(size_of::<Map<'_>>() + map.len() * size_of::<(Text<'_>, Value<'_>)>())?;
        self.maps.push(map);
        Ok(MapId(self.maps.len() as u32 - 1))
    }

    fn keep_list(&mut self, items: Vec<Value<'r>>, is_json: bool) -> Result<ListId, Trouble> {
        self.meter.make(size_of::<List<'_>>() + items.len() * size_of::<Value<'_>>())?;
        self.lists.push(List { items, is_json });
        Ok(ListId(self.lists.len() as u32 - 1))
    }

    /// A string that the rendering made.
    pub fn make_text(&mut self, text: String) -> Result<Value<'r>, Trouble> {
        self.meter.make(text.len())?;
        Ok(Value::Text(text.into()))
    }

    pub fn list(&self, id: ListId) -> &List<'r> {
        &self.lists[id.0 as usize]
    }

    pub fn map(&self, id: MapId) -> &Map<'r> {
        &self.maps[id.0 as usize]
    }

    /// To change a list; `more` is how many items will be added.
    pub fn list_mut(&mut self, id: ListId, more: usize) -> Result<&mut List<'r>, Trouble> {
        self.meter.make(more * size_of::<Value<'_>>())?;
        Ok(&mut self.lists[id.0 as usize])
    }

    /// To change a map; `more` is how many entries will be added.
    pub fn map_mut(&mut self, id: MapId, more: usize) -> Result<&mut Map<'r>, Trouble> {
        self.meter.make(more * size_of::<(Text<'_>, Value<'_>)>())?;
        Ok(&mut self.maps[id.0 as usize])
    }

    /// Key and value of an entry.
    pub fn entry(&self, id: ListId) -> (&Value<'r>, &Value<'r>) {
        match self.list(id).items.as_slice() {
            [key, value, ..] => (key, value),
            _ => (&Value::Null, &Value::Null),
        }
    }
}

impl<'r> Map<'r> {
    pub fn with_capacity(count: usize) -> Map<'r> {
        Map { entries: Vec::with_capacity(count), index: None }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &(Text<'r>, Value<'r>)> {
        self.entries.iter()
    }

    /// The entry at a place in the order of keys.
    pub fn at(&self, place: usize) -> Option<&(Text<'r>, Value<'r>)> {
        self.entries.get(place)
    }

    pub fn get(&self, key: &str) -> Option<&Value<'r>> {
        self.find(key).map(|at| &self.entries[at].1)
    }

    /// Returns the old value. A key that was there keeps its place.
    pub fn put(&mut self, key: Text<'r>, value: Value<'r>) -> Option<Value<'r>> {
        if let Some(at) = self.find(&key) {
            return Some(std::mem::replace(&mut self.entries[at].1, value));
        }
        self.entries.push((key, value));
        self.index_last();
        None
    }

    pub fn remove(&mut self, key: &str) -> Option<Value<'r>> {
        let at = self.find(key)?;
        let (_, value) = self.entries.remove(at);
        self.index = None;
        self.index_last();
        Some(value)
    }

    pub fn clear(&mut self) {
        *self = Map::default();
    }

    fn find(&self, key: &str) -> Option<usize> {
        match &self.index {
            None => self.entries.iter().position(|(own, _)| own.as_str() == key),
            Some(index) => {
                let is_key = |at: &u32| self.entries[*at as usize].0.as_str() == key;
                index.table.find(index.hasher.hash_one(key), is_key).map(|at| *at as usize)
            }
        }
    }

    fn index_last(&mut self) {
        let entries = &self.entries;
        let first = match &self.index {
            _ if entries.len() < INDEXED_FROM => return,
            Some(_) => entries.len() - 1,
            None => 0,
        };
        let index = self.index.get_or_insert_with(|| {
            Box::new(Index { hasher: ahash::RandomState::new(), table: HashTable::with_capacity(entries.len()) })
        });
        let hash = |at: u32| index.hasher.hash_one(entries[at as usize].0.as_str());
        for at in first as u32..entries.len() as u32 {
            index.table.insert_unique(hash(at), at, |at| hash(*at));
        }
    }
}

impl<'r> Value<'r> {
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// API Gateway: only the Boolean false is false, and nothing, too, is true.
    pub fn is_true(&self) -> bool {
        !matches!(self, Value::Bool(false))
    }

    pub fn is_number(&self) -> bool {
        matches!(self, Value::Int(_) | Value::Long(_) | Value::Double(_) | Value::Big(_))
    }

    /// The narrowest of Java's integers that holds it.
    pub fn integer(number: i64) -> Value<'r> {
        i32::try_from(number).map_or(Value::Long(number), Value::Int)
    }

    /// As a Java `int` or `long`; `None` for what is no whole number.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(i64::from(*number)),
            Value::Long(number) => Some(*number),
            _ => None,
        }
    }

    /// What Java calls it, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Int(_) | Value::Long(_) | Value::Double(_) | Value::Big(_) => "a number",
            Value::Text(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
            Value::Entry(_) => "a map's entry",
            Value::Block(_) => "a block of #define",
            Value::Builtin(_) => "a variable of the service",
        }
    }
}
