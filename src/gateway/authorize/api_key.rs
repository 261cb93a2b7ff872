use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use ring::digest;

use crate::base::StageId;
use crate::config::KeyDigest;

/// A longer value is no key: `config` refuses one, so there is no use in hashing it.
const VALUE_BYTES_MAX: usize = 128;

/// One API key, without its value.
#[derive(Debug)]
pub struct Key<G> {
    name: Arc<str>,
    is_enabled: bool,
    /// Sorted by stage; a key is in few plans, so this is short.
    grants: Box<[(StageId, G)]>,
}

impl<G> Key<G> {
    pub fn new(name: impl Into<Arc<str>>, is_enabled: bool, mut grants: Vec<(StageId, G)>) -> Key<G> {
        grants.sort_by_key(|(stage, _)| *stage);
        Key { name: name.into(), is_enabled, grants: grants.into() }
    }

    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub fn is_enabled(&self) -> bool {
        self.is_enabled
    }

    /// What the key holds for `stage`.
    pub fn grant(&self, stage: StageId) -> Option<&G> {
        let at = self.grants.binary_search_by_key(&stage, |(stage, _)| *stage).ok()?;
        Some(&self.grants[at].1)
    }

    pub fn grants(&self) -> &[(StageId, G)] {
        &self.grants
    }
}

/// Every API key, by the SHA-256 of its value.
#[derive(Debug)]
pub struct Keys<G> {
    by_digest: HashMap<KeyDigest, Key<G>, BuildHasherDefault<DigestHasher>>,
}

impl<G> Default for Keys<G> {
    fn default() -> Self {
        Keys { by_digest: HashMap::default() }
    }
}

impl<G> Keys<G> {
    pub fn with_capacity(keys: usize) -> Keys<G> {
        Keys { by_digest: HashMap::with_capacity_and_hasher(keys, BuildHasherDefault::default()) }
    }

    /// Adds a key, or returns it when another has the same value.
    pub fn insert(&mut self, digest: KeyDigest, key: Key<G>) -> Option<Key<G>> {
        match self.by_digest.entry(digest) {
            std::collections::hash_map::Entry::Occupied(_) => Some(key),
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(key);
                None
            }
        }
    }

    /// The key with this value.
    pub fn find(&self, value: &[u8]) -> Option<&Key<G>> {
        if value.len() > VALUE_BYTES_MAX {
            return None;
        }
        self.by_digest.get(&digest_of(value))
    }

    pub fn get(&self, digest: &KeyDigest) -> Option<&Key<G>> {
        self.by_digest.get(digest)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&KeyDigest, &Key<G>)> {
        self.by_digest.iter()
    }
}

pub(super) fn digest_of(value: &[u8]) -> KeyDigest {
    let mut digest = KeyDigest::default();
    digest.copy_from_slice(digest::digest(&digest::SHA256, value).as_ref());
    digest
}

/// A SHA-256 is as good a hash as there is: its first eight bytes are taken as they are.
#[derive(Default)]
struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    // The length prefix of an array says nothing.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
