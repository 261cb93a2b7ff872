use std::hash::{BuildHasher, Hash, Hasher};

use ahash::RandomState;
use serde_json::Value;

use super::number::Number;

/// Whether two values are the same: numbers by their value, objects in any order (JSON Schema core section 4.2.2).
pub(super) fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => Number::of(one).compare(Number::of(other)).is_eq(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, value)| other.get(name).is_some_and(|other| is_same(value, other)))
        }
        (one, other) => one == other,
    }
}

/// The first item that was there before; with hashes, so that a long list costs no more than its length.
pub(super) fn find_repeated(items: &[Value]) -> Option<usize> {
    let state = RandomState::new();
    let mut hashes: Vec<(u64, usize)> = Vec::with_capacity(items.len());
    hashes.extend(items.iter().enumerate().map(|(at, item)| (hash_of(&state, item), at)));
    hashes.sort_unstable();
    let alike = hashes.chunk_by(|one, other| one.0 == other.0);
    let repeated = alike.filter_map(|alike| {
        alike.windows(2).find(|pair| is_same(&items[pair[0].1], &items[pair[1].1])).map(|pair| pair[1].1)
    });
    repeated.min()
}

/// Up to here a float is the same number.
const EXACT_MAX: i128 = 1 << 53;

fn hash_of(state: &RandomState, value: &Value) -> u64 {
    let mut hasher = state.build_hasher();
    match value {
        Value::Number(number) => match Number::of(number) {
            Number::Integer(integer) if integer.abs() > EXACT_MAX => integer.hash(&mut hasher),
            Number::Integer(integer) => (integer as f64).to_bits().hash(&mut hasher),
            // Both zeros are zero.
            Number::Float(float) => (float + 0.0).to_bits().hash(&mut hasher),
        },
        Value::Array(items) => items.iter().for_each(|item| hash_of(state, item).hash(&mut hasher)),
        Value::Object(properties) => {
            let of_property = |(name, value)| state.hash_one::<(&String, u64)>((name, hash_of(state, value)));
            properties.iter().map(of_property).fold(0, u64::wrapping_add).hash(&mut hasher);
        }
        value => (value.as_str(), value.as_bool()).hash(&mut hasher),
    }
    hasher.finish()
}
