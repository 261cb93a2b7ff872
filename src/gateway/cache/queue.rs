/// A queue of slots, each of which keeps its own [`Links`], and what they weigh together.
#[derive(Debug)]
pub(super) struct Queue {
    oldest: u32,
    newest: u32,
    bytes: u64,
}

/// The neighbours of a slot in its queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    older: u32,
    newer: u32,
}

/// Where the links of a slot are found by its number.
pub(super) trait Linked {
    fn links(&mut self, at: u32) -> &mut Links;
}

/// No slot has this number.
const NONE: u32 = u32::MAX;

impl Default for Links {
    fn default() -> Links {
        Links { older: NONE, newer: NONE }
    }
}

impl Default for Queue {
    fn default() -> Queue {
        Queue { oldest: NONE, newest: NONE, bytes: 0 }
    }
}

impl Queue {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn oldest(&self) -> Option<u32> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    /// Puts the slot `at` behind all others.
    pub(super) fn push(&mut self, at: u32, weight: u32, slots: &mut impl Linked) {
        *slots.links(at) = Links { older: self.newest, newer: NONE };
        match self.newest {
            NONE => self.oldest = at,
            newest => slots.links(newest).newer = at,
        }
        self.newest = at;
        self.bytes += u64::from(weight);
    }

    /// Takes out the slot `at`, wherever it stands.
    pub(super) fn remove(&mut self, at: u32, weight: u32, slots: &mut impl Linked) {
        let Links { older, newer } = *slots.links(at);
        match older {
            NONE => self.oldest = newer,
            older => slots.links(older).newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            newer => slots.links(newer).older = older,
        }
        self.bytes -= u64::from(weight);
    }
}
