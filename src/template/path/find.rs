use super::{JsonPath, Segment};
use crate::template::fault::Trouble;
use crate::template::value::{Heap, Map, Value};

/// Follows a path from `start`; `root` is what `$` means in filters.
pub(super) fn find<'r>(
    path: &JsonPath,
    start: &Value<'r>,
    root: &Value<'r>,
    heap: &mut Heap<'r>,
) -> Result<Option<Value<'r>>, Trouble> {
    let found = if path.is_definite {
        definite(&path.segments, start, heap)?
    } else {
        let mut found = Vec::new();
        Walk { root, heap, found: &mut found, depth: 0 }.follow(&path.segments, start)?;
        Some(heap.make_list(found, true)?)
    };
    match (&path.function, found) {
        (Some(function), Some(found)) => function.apply(&found, heap).map(Some),
        (_, found) => Ok(found),
    }
}

fn definite<'r>(segments: &[Segment], start: &Value<'r>, heap: &mut Heap<'r>) -> Result<Option<Value<'r>>, Trouble> {
    let mut value = start.clone();
    for segment in segments {
        heap.meter.step(1)?;
        let next = match segment {
            Segment::Names(names) => names_of(&value, names, heap)?,
            Segment::Indices(indices) => indices.first().and_then(|index| item(&value, *index, heap)),
            Segment::Slice(..) | Segment::Wildcard | Segment::Scan | Segment::Filter(_) => None,
        };
        let Some(next) = next else { return Ok(None) };
        value = next;
    }
    Ok(Some(value))
}

/// A member, or a smaller object of those that are there.
fn names_of<'r>(value: &Value<'r>, names: &[Box<str>], heap: &mut Heap<'r>) -> Result<Option<Value<'r>>, Trouble> {
    let Value::Map(id) = value else { return Ok(None) };
    if let [name] = names {
        return Ok(heap.map(*id).get(name).cloned());
    }
    let mut part = Map::default();
    for name in names {
        if let Some(value) = heap.map(*id).get(name).cloned() {
            heap.meter.make(name.len())?;
            part.put(name.to_string().into(), value);
        }
    }
    heap.make_map(part).map(Some)
}

/// Negative indices count from the end.
pub(super) fn item<'r>(value: &Value<'r>, index: i64, heap: &Heap<'r>) -> Option<Value<'r>> {
    let Value::List(id) = value else { return None };
    let items = &heap.list(*id).items;
    let place = if index < 0 { index.checked_add(items.len() as i64)? } else { index };
    items.get(usize::try_from(place).ok()?).cloned()
}

/// A value's part by its place: an item, or the value of an entry.
fn child<'r>(value: &Value<'r>, place: usize, heap: &Heap<'r>) -> Option<Value<'r>> {
    match value {
        Value::List(id) => heap.list(*id).items.get(place).cloned(),
        Value::Map(id) => heap.map(*id).at(place).map(|(_, value)| value.clone()),
        _ => None,
    }
}

struct Walk<'w, 'r> {
    root: &'w Value<'r>,
    heap: &'w mut Heap<'r>,
    found: &'w mut Vec<Value<'r>>,
    depth: u32,
}

impl<'r> Walk<'_, 'r> {
    fn follow(&mut self, segments: &[Segment], value: &Value<'r>) -> Result<(), Trouble> {
        self.heap.meter.step(1)?;
        self.depth += 1;
        self.heap.meter.check_depth(self.depth)?;
        let done = match segments.split_first() {
            None => {
                self.heap.meter.make(size_of::<Value<'_>>())?;
                self.found.push(value.clone());
                Ok(())
            }
            Some((segment, rest)) => self.segment(segment, rest, value),
        };
        self.depth -= 1;
        done
    }

    fn segment(&mut self, segment: &Segment, rest: &[Segment], value: &Value<'r>) -> Result<(), Trouble> {
        match segment {
            Segment::Names(names) => match names_of(value, names, self.heap)? {
                Some(found) => self.follow(rest, &found),
                None => Ok(()),
            },
            Segment::Indices(indices) => self.each(indices.iter().copied(), rest, value),
            Segment::Slice(from, to) => self.each(self.slice(*from, *to, value), rest, value),
            Segment::Wildcard => self.children(value, |walk, child| walk.follow(rest, child)),
            Segment::Scan => {
                // A scan visits the node itself, then everything below it, top down.
                self.follow(rest, value)?;
                self.children(value, |walk, child| walk.follow_scan(rest, child))
            }
            Segment::Filter(filter) => match value {
                Value::List(_) => self.children(value, |walk, child| {
                    if filter.is_true(child, walk.root, walk.heap)? { walk.follow(rest, child) } else { Ok(()) }
                }),
                Value::Map(_) if filter.is_true(value, self.root, self.heap)? => self.follow(rest, value),
                _ => Ok(()),
            },
        }
    }

    fn follow_scan(&mut self, rest: &[Segment], value: &Value<'r>) -> Result<(), Trouble> {
        self.depth += 1;
        self.heap.meter.check_depth(self.depth)?;
        let done = self.segment(&Segment::Scan, rest, value);
        self.depth -= 1;
        done
    }

    fn each(&mut self, places: impl Iterator<Item = i64>, rest: &[Segment], value: &Value<'r>) -> Result<(), Trouble> {
        for place in places {
            if let Some(found) = item(value, place, self.heap) {
                self.follow(rest, &found)?;
            }
        }
        Ok(())
    }

    fn children(
        &mut self,
        value: &Value<'r>,
        mut visit: impl FnMut(&mut Self, &Value<'r>) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let mut place = 0;
        while let Some(child) = child(value, place, self.heap) {
            self.heap.meter.step(1)?;
            visit(self, &child)?;
            place += 1;
        }
        Ok(())
    }

    fn slice(&self, from: Option<i64>, to: Option<i64>, value: &Value<'r>) -> std::ops::Range<i64> {
        let Value::List(id) = value else { return 0..0 };
        let length = self.heap.list(*id).items.len() as i64;
        let place = |index: i64| if index < 0 { index.saturating_add(length).max(0) } else { index.min(length) };
        place(from.unwrap_or(0))..place(to.unwrap_or(length))
    }
}
