//! From one period to another: forwards with the calendar, and any way with a clock that is wrong and set right.

use std::cmp::Ordering;

use super::{Counter, Quota};
use crate::base::Now;
use crate::store::calendar;
use crate::store::file::Row;
use crate::store::tally::Tally;

/// The writer's side.
impl Counter {
    /// Whether the next row would be of another period than the last.
    pub(in crate::store) fn is_turning(&self, quota: &Quota, now: Now) -> bool {
        let reserved = self.reserved.load();
        reserved.number != 0 && self.standing(self.used.seen(), quota, now).number != reserved.number
    }

    /// Goes to the period of `now` with what is carried into it. `left` is the row of the period before the present one.
    pub(in crate::store) fn turn(&self, left: Row, quota: &Quota, now: Now) {
        let mut seen = self.used.seen();
        let number = loop {
            let Tally { number, count } = self.standing(seen, quota, now);
            let carried = carried(left, seen.tally(), number);
            // While the disk fails a counter turns by itself, and may be there already.
            if carried <= count {
                break number;
            }
            match self.used.replace(seen, Tally::new(number, carried)) {
                Ok(()) => break number,
                Err(other) => seen = other,
            }
        };
        if left.number == number && self.extension.load().number != number {
            self.extension.store(Tally::new(number, left.extension));
        }
    }

    /// `now`, or the beginning of the latest period that was counted in: for what was asked long ago, whose time may lie
    /// before that although no clock was set back.
    pub(in crate::store) fn no_earlier(&self, now: Now) -> Now {
        let latest = self.used.load().number.max(self.reserved.load().number);
        Now { unix_ms: now.unix_ms.max(calendar::start_unix_ms(self.scope.period, latest)), ..now }
    }
}

/// What counts as used when a counter that has `used` so much goes to the period `number`.
///
/// The period that follows begins unused. When the clock was set back, the earlier period goes on, with what was counted
/// ahead of it on top. When it is set right again, what was counted meanwhile is no gain.
fn carried(left: Row, used: Tally, number: u32) -> u64 {
    let is_back = number < used.number;
    let is_next = number == used.number + 1;
    match left.number.cmp(&number) {
        Ordering::Less if is_back => used.count,
        // Of a period that is passed over on the way back nobody knows when its requests really came.
        _ if is_back => left.mark.saturating_add(used.count),
        Ordering::Equal if is_next => left.mark,
        Ordering::Equal => left.mark.max(used.count),
        _ => 0,
    }
}
