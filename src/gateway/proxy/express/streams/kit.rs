use std::sync::{Mutex, PoisonError};

use http::HeaderValue;

use crate::base::Now;
use crate::gateway::proxy::express::alarm::Alarm;
use crate::gateway::proxy::express::desk::{Bench, DateStamp};

/// More free kits than this are given up, so that a burst does not hold its memory for ever.
const FREE_MAX: usize = 64;

/// What one stream needs while it is answered: lent by the worker, since a connection has many streams and few are
/// at work at once. Its alarm keeps its timer: deadlines that are met, as nearly all are, cost none.
#[derive(Debug, Default)]
pub(super) struct Kit {
    pub(super) bench: Bench,
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
        let text = self.stamp.at(now);
        if self.value.as_ref().is_none_or(|value| value != text) {
            self.value = HeaderValue::from_str(text).ok();
        }
        self.value.clone()
    }
}

/// Free kits; the one used last is used next, since it is warm.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "a kit is lent for as long as a stream, and a pointer moves more cheaply")]
pub(in crate::gateway::proxy::express) struct Kits(Mutex<Vec<Box<Kit>>>);

impl Kits {
    pub(super) fn borrow(&self) -> Box<Kit> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    pub(super) fn give_back(&self, kit: Box<Kit>) {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < FREE_MAX {
            free.push(kit);
        }
    }
}
