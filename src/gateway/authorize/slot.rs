use std::sync::Arc;

use smallvec::SmallVec;

use super::{KeyId, PlaceId, Seat};
use crate::config::KeyDigest;

/// What the table has of one API key. A key with one seat, as most have, is all in it.
#[derive(Debug)]
pub(super) enum Slot<S> {
    One { is_enabled: bool, tag: Tag, place: PlaceId, seat: Arc<Seat<S>> },
    Many { is_enabled: bool, tag: Tag, key: Box<Several<S>> },
}

/// A key in no plan, or at more than one stage.
#[derive(Debug)]
pub(super) struct Several<S> {
    digest: KeyDigest,
    name: Arc<str>,
    seats: Box<[(PlaceId, Arc<Seat<S>>)]>,
}

/// Bits of a digest that do not tell where its slot is: a slot with others is somebody else's, and is not followed.
type Tag = u16;

impl<S> Slot<S> {
    pub fn of(
        digest: KeyDigest,
        name: &Arc<str>,
        is_enabled: bool,
        seats: impl IntoIterator<Item = (PlaceId, Arc<Seat<S>>)>,
    ) -> Slot<S> {
        let mut seats: SmallVec<[_; 1]> = seats.into_iter().collect();
        let tag = tag_of(&digest);
        if seats.len() == 1
            && let Some((place, seat)) = seats.pop()
        {
            return Slot::One { is_enabled, tag, place, seat };
        }
        let seats = seats.into_iter().collect();
        Slot::Many { is_enabled, tag, key: Box::new(Several { digest, name: Arc::clone(name), seats }) }
    }

    pub fn digest(&self) -> &KeyDigest {
        match self {
            Slot::One { seat, .. } => seat.digest(),
            Slot::Many { key, .. } => &key.digest,
        }
    }

    pub fn name(&self) -> &Arc<str> {
        match self {
            Slot::One { seat, .. } => seat.name(),
            Slot::Many { key, .. } => &key.name,
        }
    }

    pub fn is_enabled(&self) -> bool {
        let (Slot::One { is_enabled, .. } | Slot::Many { is_enabled, .. }) = self;
        *is_enabled
    }

    pub fn seats(&self) -> impl Iterator<Item = (PlaceId, &Arc<Seat<S>>)> {
        let (one, many) = match self {
            Slot::One { place, seat, .. } => (Some((*place, seat)), &[][..]),
            Slot::Many { key, .. } => (None, &key.seats[..]),
        };
        one.into_iter().chain(many.iter().map(|(place, seat)| (*place, seat)))
    }

    fn is_of(&self, digest: &KeyDigest) -> bool {
        let (Slot::One { tag, .. } | Slot::Many { tag, .. }) = self;
        *tag == tag_of(digest) && is_same(self.digest(), digest)
    }
}

/// How long it takes does not tell how much of a digest is right. `subtle` does it byte by byte, in 300 instructions.
fn is_same(one: &KeyDigest, other: &KeyDigest) -> bool {
    let differs = one.iter().zip(other).fold(0, |differs, (one, other)| differs | (one ^ other));
    std::hint::black_box(differs) == 0
}

fn tag_of(digest: &KeyDigest) -> Tag {
    Tag::from_le_bytes([digest[8], digest[9]])
}

/// A table with open addressing: four slots lie in a cache line, and a key is in the first free one from where its
/// digest points. A SHA-256 is as good a hash as there is, so its first bytes point as they are.
#[derive(Debug)]
pub(super) struct Slots<S> {
    slots: Box<[Option<Slot<S>>]>,
    len: usize,
}

impl<S> Slots<S> {
    pub fn with_room(keys: usize) -> Slots<S> {
        // A third stays free, and one at least, where every search ends.
        let slots = std::iter::repeat_with(|| None).take(keys + keys / 2 + 1).collect();
        Slots { slots, len: 0 }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn get(&self, id: KeyId) -> Option<&Slot<S>> {
        self.slots.get(id.0 as usize)?.as_ref()
    }

    pub fn iter(&self) -> impl Iterator<Item = (KeyId, &Slot<S>)> {
        (0..).map(KeyId).zip(&self.slots).filter_map(|(id, slot)| Some((id, slot.as_ref()?)))
    }

    pub fn find(&self, digest: &KeyDigest) -> Option<(KeyId, &Slot<S>)> {
        let at = self.place_of(digest);
        Some((KeyId(at as u32), self.slots[at].as_ref()?))
    }

    /// Adds a key, or returns the name of the one with the same digest.
    pub fn insert(&mut self, slot: Slot<S>) -> Result<(), &Arc<str>> {
        if 3 * (self.len + 1) > 2 * self.slots.len() {
            self.grow();
        }
        match &mut self.slots[self.place_of(slot.digest())] {
            Some(taken) => Err(taken.name()),
            free => {
                *free = Some(slot);
                self.len += 1;
                Ok(())
            }
        }
    }

    /// Where the key with this digest is, or would be.
    fn place_of(&self, digest: &KeyDigest) -> usize {
        let mut at = self.first_of(digest);
        while self.slots[at].as_ref().is_some_and(|slot| !slot.is_of(digest)) {
            at = if at + 1 == self.slots.len() { 0 } else { at + 1 };
        }
        at
    }

    /// The digest's first bytes as a fraction of the table.
    fn first_of(&self, digest: &KeyDigest) -> usize {
        let bits = digest.first_chunk::<8>().map_or(0, |first| u64::from_le_bytes(*first));
        ((u128::from(bits) * self.slots.len() as u128) >> 64) as usize
    }

    fn grow(&mut self) {
        let grown = Slots::with_room(2 * self.len + 8);
        for slot in std::mem::replace(self, grown).slots.into_iter().flatten() {
            let at = self.place_of(slot.digest());
            self.slots[at] = Some(slot);
            self.len += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(of: u32) -> Arc<str> {
        of.to_string().into()
    }

    /// Digests that all point to the table's end, so that every search goes around it; every other one has the same tag.
    fn digest(of: u32) -> KeyDigest {
        let mut digest = [0xff; 32];
        digest[9] = (of % 2) as u8;
        digest[28..].copy_from_slice(&of.to_le_bytes());
        digest
    }

    fn slot(of: u32) -> Slot<()> {
        let seat = |place| (PlaceId(place), Arc::new(Seat::new(digest(of), name(of), ())));
        Slot::of(digest(of), &name(of), true, (0..of % 3).map(seat))
    }

    #[test]
    fn every_key_is_found_and_no_other_however_the_table_grew() {
        for room in [0, 7, 300] {
            let mut slots = Slots::with_room(room);
            for of in 0..200 {
                assert_eq!(slots.insert(slot(of)), Ok(()));
            }
            assert_eq!(slots.insert(slot(7)), Err(&name(7)));
            assert_eq!((slots.len(), slots.iter().count()), (200, 200));
            for of in 0..200 {
                let (id, found) = slots.find(&digest(of)).unwrap();
                assert_eq!((found.name(), found.seats().count()), (&name(of), of as usize % 3));
                assert_eq!(slots.get(id).map(Slot::name), Some(found.name()));
            }
            assert!(slots.find(&digest(200)).is_none());
        }
        assert!(Slots::<()>::with_room(0).find(&digest(1)).is_none());
    }

    #[test]
    fn four_slots_lie_in_a_cache_line() {
        assert_eq!(size_of::<Option<Slot<()>>>(), 16);
    }
}
