use http::HeaderValue;

use crate::base::Now;
use crate::gateway::proxy::express::alarm::Alarm;
use crate::gateway::proxy::express::desk::{DateStamp, Paper};
use crate::gateway::proxy::express::shelf::Shelf;
use crate::gateway::snapshot::Live;

/// What one stream needs while it is answered: lent by the worker, since a connection has many streams and few are
/// at work at once. Its alarm keeps its timer: deadlines that are met, as nearly all are, cost none.
#[derive(Debug)]
pub(super) struct Kit {
    pub(super) paper: Paper,
    pub(super) alarm: Alarm,
    pub(super) date: Date,
}

/// The value of `Date` for a list of fields.
#[derive(Debug, Default)]
pub(super) struct Date {
    stamp: DateStamp,
    value: Option<HeaderValue>,
}

impl Date {
    pub(super) fn at(&mut self, now: Now) -> Option<HeaderValue> {
        let text = self.stamp.value(now);
        if self.value.as_ref().is_none_or(|value| value != text) {
            self.value = HeaderValue::from_bytes(text).ok();
        }
        self.value.clone()
    }
}

/// A worker's free kits.
#[derive(Debug, Default)]
pub(in crate::gateway::proxy::express) struct Kits(Shelf<Kit>);

impl Kits {
    pub(super) fn borrow(&self, live: &Live) -> Box<Kit> {
        let paper = || Paper::new(live, Vec::new());
        self.0.borrow(|| Kit { paper: paper(), alarm: Alarm::default(), date: Date::default() })
    }

    pub(super) fn give_back(&self, kit: Box<Kit>) {
        self.0.give_back(kit);
    }

    /// Lets go of snapshots that are no longer served, which a kit that nobody borrows would keep.
    pub(in crate::gateway::proxy::express) fn tend(&self, live: &Live) {
        let current = live.snapshot();
        self.0.tend(|kit| kit.paper.tend(&current));
    }
}
