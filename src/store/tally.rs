use std::sync::atomic::{AtomicU64, Ordering};

/// How many were counted in which period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// See [`super::calendar`]; 0 means "never", [`Tally::NUMBER_MAX`] is in the year 4840.
    pub number: u32,
    /// At most [`Tally::COUNT_MAX`].
    pub count: u64,
}

const COUNT_BITS: u32 = 40;
const NUMBER_BITS: u32 = 20;
const ERA: u64 = 1 << (COUNT_BITS + NUMBER_BITS);

impl Tally {
    pub const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;
    pub const NUMBER_MAX: u32 = (1 << NUMBER_BITS) - 1;

    pub fn new(number: u32, count: u64) -> Tally {
        Tally { number: number.min(Self::NUMBER_MAX), count: count.min(Self::COUNT_MAX) }
    }

    /// The count, if it is of this period; nothing was counted in any other.
    pub fn count_in(self, number: u32) -> u64 {
        if self.number == number { self.count } else { 0 }
    }

    fn from_bits(bits: u64) -> Tally {
        Tally { number: (bits >> COUNT_BITS) as u32 & Self::NUMBER_MAX, count: bits & Self::COUNT_MAX }
    }

    fn to_bits(self) -> u64 {
        (u64::from(self.number) << COUNT_BITS) | self.count
    }
}

/// A [`Tally`] in one atomic word: 4 bits of era, 20 of period, 40 of count.
///
/// The era changes when a promise that readers may have relied on is withdrawn ([`TallyCell::end_era`]): whoever
/// looked before cannot [`TallyCell::replace`] after. A cell that needs no eras has a flag in their place.
#[derive(Debug, Default)]
pub(super) struct TallyCell(AtomicU64);

/// What was read, era included.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen(u64);

impl Seen {
    pub fn tally(self) -> Tally {
        Tally::from_bits(self.0)
    }
}

impl TallyCell {
    pub fn seen(&self) -> Seen {
        Seen(self.0.load(Ordering::Acquire))
    }

    pub fn load(&self) -> Tally {
        self.seen().tally()
    }

    /// Puts `tally` in, whatever was there. What stands in the era's place stays.
    pub fn store(&self, tally: Tally) {
        let with = |bits: u64| Some((bits & !(ERA - 1)) | tally.to_bits());
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, with);
    }

    /// Raises the flag of a cell that has no eras; says whether it was down.
    pub fn raise_flag(&self) -> bool {
        self.0.fetch_or(ERA, Ordering::AcqRel) & ERA == 0
    }

    pub fn lower_flag(&self) {
        self.0.fetch_and(!ERA, Ordering::AcqRel);
    }

    /// Puts `tally` in the place of what was seen, or says what is there instead.
    pub fn replace(&self, seen: Seen, tally: Tally) -> Result<(), Seen> {
        let bits = (seen.0 & !(ERA - 1)) | tally.to_bits();
        self.0.compare_exchange_weak(seen.0, bits, Ordering::AcqRel, Ordering::Acquire).map(drop).map_err(Seen)
    }

    /// Begins the next era: every later `replace` has seen what was written before this call.
    pub fn end_era(&self) -> Tally {
        // The era is in the highest bits, so it wraps without touching the rest.
        Tally::from_bits(self.0.fetch_add(ERA, Ordering::AcqRel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_survives_its_word_and_its_eras() {
        let tally = Tally::new(Tally::NUMBER_MAX, Tally::COUNT_MAX);
        let cell = TallyCell::default();
        cell.store(tally);
        for _ in 0..20 {
            assert_eq!(cell.end_era(), tally);
        }
        assert_eq!(cell.load(), tally);
    }

    #[test]
    fn a_flag_is_raised_once_and_stays_while_tallies_change() {
        let cell = TallyCell::default();
        assert!(cell.raise_flag() && !cell.raise_flag());
        cell.store(Tally::new(7, Tally::COUNT_MAX));
        assert!(!cell.raise_flag());
        assert_eq!(cell.load(), Tally::new(7, Tally::COUNT_MAX));
        cell.lower_flag();
        assert!(cell.raise_flag());
        assert_eq!(cell.load(), Tally::new(7, Tally::COUNT_MAX));
    }

    #[test]
    fn what_was_seen_in_an_earlier_era_replaces_nothing() {
        let cell = TallyCell::default();
        cell.store(Tally::new(7, 1));
        let seen = cell.seen();
        cell.end_era();
        assert!(cell.replace(seen, Tally::new(7, 2)).is_err());
        assert_eq!(cell.load(), Tally::new(7, 1));
    }
}
