use std::sync::{Mutex, PoisonError};

use http::HeaderValue;

use crate::base::Now;
use crate::gateway::proxy::express::alarm::Alarm;
use crate::gateway::proxy::express::desk::{DateStamp, Paper};
use crate::gateway::snapshot::Live;

/// More free kits than this are given up, so that a burst does not hold its memory for ever.
const FREE_MAX: usize = 64;

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

/// Free kits; the one used last is used next, since it is warm.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "a kit is lent for as long as a stream, and a pointer moves more cheaply")]
pub(in crate::gateway::proxy::express) struct Kits(Mutex<Vec<Box<Kit>>>);

impl Kits {
    pub(super) fn borrow(&self, live: &Live) -> Box<Kit> {
        let free = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let new = || Kit { paper: Paper::new(live, Vec::new()), alarm: Alarm::default(), date: Date::default() };
        free.unwrap_or_else(|| Box::new(new()))
    }

    pub(super) fn give_back(&self, kit: Box<Kit>) {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < FREE_MAX {
            free.push(kit);
        }
    }

    /// Lets go of snapshots that are no longer served, which a kit that nobody borrows would keep.
    pub(in crate::gateway::proxy::express) fn tend(&self, live: &Live) {
        let current = live.snapshot();
        for kit in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            kit.paper.tend(&current);
        }
    }
}
