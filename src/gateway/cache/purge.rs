use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use ahash::RandomState;

use crate::base::Now;

/// Which stored answers an operator, or a change, puts out of use. Said in words that any node understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Every variant of one target: canonical path, and query where there is one.
    Target(String),
    /// All whose target begins so.
    Prefix(String),
    /// All that carry the tag.
    Tag(String),
}

/// What is to be done with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purge {
    pub what: What,
    /// They are kept as stale: validated, or served while a newer one is fetched, as far as each allows it.
    pub is_soft: bool,
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            What::Target(target) => write!(f, "is stored for {target}"),
            What::Prefix(prefix) => write!(f, "begins with {prefix:?}"),
            What::Tag(tag) => write!(f, "is tagged {tag:?}"),
        }
    }
}

/// The purges of one stage.
///
/// A purge is written down and touches no entry: it takes a microsecond, however many answers it is about. An entry is
/// held against what was purged since it was last looked at, when it is next asked for or in the background; whoever
/// asks finds the purge done at once. (The other way, an index from tags to entries, would cost every entry its places
/// in it, and a purge of a million of them a million removals.)
#[derive(Debug, Default)]
pub(super) struct Purges {
    /// The number of the last purge.
    last: AtomicU64,
    /// That of the last one by tag.
    last_by_tag: AtomicU64,
    log: RwLock<Log>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Log {
    /// By the hash of a target or a tag.
    exact: HashMap<u64, Mark, RandomState>,
    prefixes: Vec<(Box<str>, Mark)>,
}

/// The numbers of the last purges of one thing; 0 for none.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    gone: u64,
    stale: u64,
    at_ns: u64,
}

/// By what an entry can be purged, and how far it was looked at.
#[derive(Debug)]
pub(super) struct Labels {
    target: Box<str>,
    /// Of the target and the tags.
    hashes: Box<[u64]>,
    /// The number of the last purge that it was held against.
    checked: AtomicU64,
    is_stale: AtomicBool,
}

/// What purges have left of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    All,
    Stale,
    Nothing,
}

/// Past these a stage is better forgotten as a whole.
const EXACT_MAX: usize = 1 << 20;
const PREFIXES_MAX: usize = 256;

/// A purge is kept for so long for the fetches that began before it; what takes longer is not stored.
pub(super) const KEPT: Duration = Duration::from_secs(60);

impl Purges {
    /// The number of the last purge: for the labels of what is fetched from now on.
    pub(super) fn last(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// Writes a purge down. False: there are too many of them to be kept apart.
    pub(super) fn add(&self, purge: &Purge, now: Now) -> bool {
        let mut log = self.log.write().unwrap_or_else(PoisonError::into_inner);
        let number = self.last.load(Ordering::Relaxed) + 1;
        let mark = match &purge.what {
            What::Target(target) => log.exact.entry(self.hash_of_target(target)).or_default(),
            What::Tag(tag) => log.exact.entry(self.hash_of_tag(tag.as_bytes())).or_default(),
            What::Prefix(prefix) => log.mark_of_prefix(prefix),
        };
        mark.at_ns = now.mono_ns;
        if purge.is_soft {
            mark.stale = number;
        } else {
            mark.gone = number;
        }
        if matches!(purge.what, What::Tag(_)) {
            self.last_by_tag.store(number, Ordering::Relaxed);
        }
        self.last.store(number, Ordering::Release);
        log.exact.len() <= EXACT_MAX && log.prefixes.len() <= PREFIXES_MAX
    }

    /// Drops what was written down up to number `until`, which every entry has been held against, unless a fetch that
    /// began before it may still be under way.
    pub(super) fn forget(&self, until: u64, now: Now) {
        if self.last() == 0 {
            return;
        }
        let is_needed =
            |mark: &Mark| mark.gone.max(mark.stale) > until || now.mono_ns < mark.at_ns + KEPT.as_nanos() as u64;
        let mut log = self.log.write().unwrap_or_else(PoisonError::into_inner);
        log.exact.retain(|_, mark| is_needed(mark));
        log.prefixes.retain(|(_, mark)| is_needed(mark));
    }

    pub(super) fn forget_all(&self) {
        *self.log.write().unwrap_or_else(PoisonError::into_inner) = Log::default();
    }

    /// What is left of an entry. One comparison, unless there was a purge since the last time.
    pub(super) fn judge(&self, labels: &Labels) -> Left {
        let last = self.last();
        if labels.checked.load(Ordering::Relaxed) != last && self.is_gone(labels, last) {
            return Left::Nothing;
        }
        if labels.is_stale.load(Ordering::Relaxed) { Left::Stale } else { Left::All }
    }

    /// Whether a fetch of `target` that began when the last purge was number `since` may bring what was purged. Its tags
    /// are not known before its end.
    pub(super) fn outdates(&self, since: u64, target: &str) -> bool {
        self.last() != since
            && (self.last_by_tag.load(Ordering::Relaxed) > since
                || self.judge(&self.labels(target, &[], since)) != Left::All)
    }

    #[cold]
    fn is_gone(&self, labels: &Labels, last: u64) -> bool {
        let checked = labels.checked.load(Ordering::Relaxed);
        let log = self.log.read().unwrap_or_else(PoisonError::into_inner);
        let exact = labels.hashes.iter().filter_map(|hash| log.exact.get(hash));
        let prefixes = log.prefixes.iter().filter(|(prefix, _)| labels.target.starts_with(&**prefix));
        let (mut gone, mut stale) = (false, false);
        for mark in exact.chain(prefixes.map(|(_, mark)| mark)) {
            gone |= mark.gone > checked;
            stale |= mark.stale > checked;
        }
        if stale {
            labels.is_stale.store(true, Ordering::Relaxed);
        }
        if !gone {
            labels.checked.store(last, Ordering::Relaxed);
        }
        gone
    }

    /// The labels of an answer to `target` that was asked for when the last purge was number `since`.
    pub(super) fn labels(&self, target: &str, tags: &[&[u8]], since: u64) -> Labels {
        let hashes = [self.hash_of_target(target)].into_iter().chain(tags.iter().map(|tag| self.hash_of_tag(tag)));
        Labels {
            target: target.into(),
            hashes: hashes.collect(),
            checked: AtomicU64::new(since),
            is_stale: AtomicBool::new(false),
        }
    }

    fn hash_of_target(&self, target: &str) -> u64 {
        self.hasher.hash_one((0_u8, target.as_bytes()))
    }

    fn hash_of_tag(&self, tag: &[u8]) -> u64 {
        self.hasher.hash_one((1_u8, tag))
    }
}

impl Log {
    fn mark_of_prefix(&mut self, prefix: &str) -> &mut Mark {
        let at = self.prefixes.iter().position(|(other, _)| **other == *prefix).unwrap_or(self.prefixes.len());
        if at == self.prefixes.len() {
            self.prefixes.push((prefix.into(), Mark::default()));
        }
        &mut self.prefixes[at].1
    }
}

impl Labels {
    /// Those of a newer answer that takes the place of one with these: it has its tags too, unless it has others.
    pub(super) fn with_tags_of(mut self, before: &Labels) -> Labels {
        if self.hashes.len() == 1 {
            self.hashes = before.hashes.clone();
        }
        self
    }

    /// Whether a soft purge has made the entry stale.
    pub(super) fn is_stale(&self) -> bool {
        self.is_stale.load(Ordering::Relaxed)
    }

    /// The bytes that they take.
    pub(super) fn weight(&self) -> usize {
        size_of::<Labels>() + self.target.len() + self.hashes.len() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now { mono_ns: 1, unix_ms: 0 };

    fn target(target: &str) -> What {
        What::Target(target.to_owned())
    }

    fn tag(tag: &str) -> What {
        What::Tag(tag.to_owned())
    }

    fn prefix(prefix: &str) -> What {
        What::Prefix(prefix.to_owned())
    }

    /// What is left of an entry at `/a/b?c` with the tags `x` and `y` after these purges.
    fn check(purges: &[(What, bool)], expected: Left) {
        let all = Purges::default();
        let labels = all.labels("/a/b?c", &[b"x", b"y"], all.last());
        for (what, is_soft) in purges {
            assert!(all.add(&Purge { what: what.clone(), is_soft: *is_soft }, NOW));
        }
        assert_eq!((all.judge(&labels), all.judge(&labels)), (expected, expected), "{purges:?}");
    }

    #[test]
    fn an_entry_is_purged_by_its_target_a_prefix_of_it_or_a_tag() {
        check(&[], Left::All);
        check(&[(target("/a/b?c"), false)], Left::Nothing);
        check(&[(tag("y"), false)], Left::Nothing);
        check(&[(prefix("/a/"), false)], Left::Nothing);
        check(&[(prefix(""), false)], Left::Nothing);
        check(&[(target("/a/b"), false), (tag("X"), false), (tag("/a/b?c"), false), (prefix("/b"), false)], Left::All);
    }

    #[test]
    fn a_soft_purge_makes_stale_and_a_hard_one_after_it_ends_it() {
        check(&[(tag("x"), true)], Left::Stale);
        check(&[(tag("x"), true), (tag("other"), false)], Left::Stale);
        check(&[(tag("x"), true), (tag("x"), false)], Left::Nothing);
        check(&[(tag("x"), false), (tag("x"), true)], Left::Nothing);
    }

    #[test]
    fn what_was_asked_for_before_a_purge_is_purged_and_what_after_it_is_not() {
        let all = Purges::default();
        let before = all.last();
        assert!(all.add(&Purge { what: tag("x"), is_soft: false }, NOW));
        assert_eq!(all.judge(&all.labels("/", &[b"x"], before)), Left::Nothing);
        assert_eq!(all.judge(&all.labels("/", &[b"x"], all.last())), Left::All);
    }

    #[test]
    fn a_purge_is_forgotten_when_every_entry_and_every_fetch_has_seen_it() {
        let all = Purges::default();
        let before = all.last();
        assert!(all.add(&Purge { what: tag("x"), is_soft: false }, NOW));
        let old = all.labels("/", &[b"x"], before);
        all.forget(all.last(), NOW);
        assert_eq!(all.judge(&old), Left::Nothing);
        let later = Now { mono_ns: 2 * KEPT.as_nanos() as u64, unix_ms: 0 };
        all.forget(before, later);
        assert_eq!(all.judge(&old), Left::Nothing);
        all.forget(all.last(), later);
        assert_eq!(all.judge(&old), Left::All);
    }

    #[test]
    fn too_many_prefixes_are_no_longer_kept_apart() {
        let all = Purges::default();
        let add = |at: usize| all.add(&Purge { what: prefix(&format!("/{at}")), is_soft: false }, NOW);
        assert!((0..PREFIXES_MAX).all(add) && add(0) && !add(PREFIXES_MAX));
    }
}
