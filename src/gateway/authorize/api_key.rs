use std::fmt;
use std::sync::Arc;

use ring::digest;

use super::Seat;
use super::slot::{Slot, Slots};
use crate::base::StageId;
use crate::config::KeyDigest;

/// A longer value is no key: `config` refuses one, so there is no use in hashing it.
const VALUE_BYTES_MAX: usize = 128;

/// Every API key, by the SHA-256 of its value.
///
/// `T` is what a usage plan means at a stage, the same for all its keys; `S` is what one key has of its own there.
pub struct Keys<T, S> {
    slots: Slots<S>,
    places: Box<[(StageId, T)]>,
}

/// A usage plan at a stage, by its number in [`Keys`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaceId(pub u32);

/// An API key, by its number in [`Keys`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyId(pub(super) u32);

/// An API key, without its value.
pub struct Key<'s, T, S> {
    keys: &'s Keys<T, S>,
    id: KeyId,
    slot: &'s Slot<S>,
}

/// What an API key holds at one stage.
#[derive(Debug)]
pub struct Member<'s, T, S> {
    pub place: PlaceId,
    pub stage: StageId,
    pub terms: &'s T,
    pub seat: &'s Arc<Seat<S>>,
}

impl<T, S> Keys<T, S> {
    /// Room for `keys` of them.
    pub fn with_room(keys: usize) -> Keys<T, S> {
        Keys { slots: Slots::with_room(keys), places: Box::default() }
    }

    /// The same keys, with the terms of the places that their seats name.
    pub fn under(self, places: impl IntoIterator<Item = (StageId, T)>) -> Keys<T, S> {
        Keys { places: places.into_iter().collect(), ..self }
    }

    /// Adds a key, or returns the name of the one that has the same value.
    pub fn insert(
        &mut self,
        digest: KeyDigest,
        name: &Arc<str>,
        is_enabled: bool,
        seats: impl IntoIterator<Item = (PlaceId, Arc<Seat<S>>)>,
    ) -> Result<(), &Arc<str>> {
        self.slots.insert(Slot::of(digest, name, is_enabled, seats))
    }

    /// The key with this value.
    pub fn find(&self, value: &[u8]) -> Option<Key<'_, T, S>> {
        if value.len() > VALUE_BYTES_MAX {
            return None;
        }
        self.get(&digest_of(value))
    }

    pub fn get(&self, digest: &KeyDigest) -> Option<Key<'_, T, S>> {
        let (id, slot) = self.slots.find(digest)?;
        Some(Key { keys: self, id, slot })
    }

    /// The key that [`Key::id`] named in this very table.
    pub fn key(&self, id: KeyId) -> Option<Key<'_, T, S>> {
        Some(Key { keys: self, id, slot: self.slots.get(id)? })
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Key<'_, T, S>> {
        self.slots.iter().map(|(id, slot)| Key { keys: self, id, slot })
    }

    /// Every usage plan at every stage, in the order of [`PlaceId`].
    pub fn places(&self) -> &[(StageId, T)] {
        &self.places
    }
}

impl<T, S> Default for Keys<T, S> {
    fn default() -> Keys<T, S> {
        Keys::with_room(0)
    }
}

impl<T, S> fmt::Debug for Keys<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("keys", &self.slots.len()).field("places", &self.places.len()).finish()
    }
}

impl<'s, T, S> Key<'s, T, S> {
    pub fn id(self) -> KeyId {
        self.id
    }

    pub fn name(self) -> &'s Arc<str> {
        self.slot.name()
    }

    pub fn digest(self) -> &'s KeyDigest {
        self.slot.digest()
    }

    pub fn is_enabled(self) -> bool {
        self.slot.is_enabled()
    }

    /// What the key holds for `stage`.
    pub fn member(self, stage: StageId) -> Option<Member<'s, T, S>> {
        self.members().find(|member| member.stage == stage)
    }

    /// What the key holds, stage by stage. A key is in few plans, so there are few.
    pub fn members(self) -> impl Iterator<Item = Member<'s, T, S>> {
        let keys = self.keys;
        self.slot.seats().filter_map(move |(place, seat)| {
            let (stage, terms) = keys.places.get(place.0 as usize)?;
            Some(Member { place, stage: *stage, terms, seat })
        })
    }
}

// References, whatever they refer to.
impl<T, S> Clone for Key<'_, T, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, S> Copy for Key<'_, T, S> {}

impl<T, S> Clone for Member<'_, T, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, S> Copy for Member<'_, T, S> {}

pub(super) fn digest_of(value: &[u8]) -> KeyDigest {
    let mut digest = KeyDigest::default();
    digest.copy_from_slice(digest::digest(&digest::SHA256, value).as_ref());
    digest
}
