/// Which entries gave way a short while ago, by the hashes of their keys: one of these that is fetched again has shown
/// that it is asked for more than once.
///
/// Each hash has one place, and what comes later takes it. So the oldest are forgotten roughly first, at four bytes each.
#[derive(Debug, Default)]
pub(super) struct Ghosts {
    marks: Box<[u32]>,
}

const PLACES_MIN: usize = 64;

impl Ghosts {
    /// Remembers `hash`, with room for as many as there are `entries`.
    pub(super) fn add(&mut self, hash: u64, entries: usize) {
        if self.marks.len() < entries.max(1) {
            let places = entries.next_power_of_two().max(PLACES_MIN);
            self.marks = vec![0; places].into_boxed_slice();
        }
        if let Some(place) = self.place(hash) {
            *place = mark(hash);
        }
    }

    /// Forgets `hash`. Whether it was remembered.
    pub(super) fn take(&mut self, hash: u64) -> bool {
        let Some(place) = self.place(hash) else { return false };
        let is_known = *place == mark(hash);
        if is_known {
            *place = 0;
        }
        is_known
    }

    fn place(&mut self, hash: u64) -> Option<&mut u32> {
        // The length is a power of two.
        let last = self.marks.len().checked_sub(1)?;
        self.marks.get_mut(hash as usize & last)
    }
}

/// Never 0, which stands for nobody.
fn mark(hash: u64) -> u32 {
    (hash >> 32) as u32 | 1
}
