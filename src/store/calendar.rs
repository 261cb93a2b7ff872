//! Calendar periods in UTC as numbers that follow each other. Number 1 holds 1970-01-01; 0 means "never".

use std::cell::Cell;

use crate::config::Period;

const DAY_MS: u64 = 86_400_000;

/// 1970-01-01 was a Thursday: its week began three days earlier.
const DAYS_FROM_MONDAY: u64 = 3;

/// The number of the period that holds `unix_ms`.
pub(super) fn number(period: Period, unix_ms: u64) -> u32 {
    let day = unix_ms / DAY_MS;
    let index = match period {
        Period::Day => day,
        Period::Week => (day + DAYS_FROM_MONDAY) / 7,
        Period::Month => month_of(day),
    };
    u32::try_from(index + 1).unwrap_or(u32::MAX)
}

/// When the period with this number begins.
pub(super) fn start_unix_ms(period: Period, number: u32) -> u64 {
    end_unix_ms(period, number.saturating_sub(1))
}

/// When the period with this number ends and the next one begins.
pub fn end_unix_ms(period: Period, number: u32) -> u64 {
    let next = u64::from(number);
    let day = match period {
        Period::Day => next,
        Period::Week => (next * 7).saturating_sub(DAYS_FROM_MONDAY),
        Period::Month => first_day_of(next),
    };
    day * DAY_MS
}

/// The length of the period with this number, in seconds.
pub fn length_s(period: Period, number: u32) -> u64 {
    let days = match period {
        Period::Day => 1,
        Period::Week => 7,
        Period::Month => first_day_of(number.into()) - first_day_of(u64::from(number).saturating_sub(1)),
    };
    days * DAY_MS / 1_000
}

/// Years that begin in March end with their leap day; 400 of them have always the same number of days.
const ERA_DAYS: u64 = 146_097;
/// From 0000-03-01, where the first era begins, to 1970-01-01.
const EPOCH_DAY: u64 = 719_468;

thread_local! {
    /// The day that was asked about last, and its month: each request with a monthly quota asks, all day long.
    static LAST_DAY: Cell<(u64, u64)> = const { Cell::new((u64::MAX, 0)) };
}

/// Months since January 1970, of a day since 1970-01-01, in the proleptic Gregorian calendar.
fn month_of(day: u64) -> u64 {
    let (last_day, month) = LAST_DAY.get();
    if day == last_day {
        return month;
    }
    let month = count_months(day);
    LAST_DAY.set((day, month));
    month
}

fn count_months(day: u64) -> u64 {
    let since_era_0 = day + EPOCH_DAY;
    let (era, day) = (since_era_0 / ERA_DAYS, since_era_0 % ERA_DAYS);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    (era * 400 + year) * 12 + month_from_march + 2 - 1970 * 12
}

/// The first day, since 1970-01-01, of a month since January 1970.
fn first_day_of(month: u64) -> u64 {
    let from_march_0 = month + 1970 * 12 - 2;
    let (year, month_from_march) = (from_march_0 / 12, from_march_0 % 12);
    let (era, year) = (year / 400, year % 400);
    let day_of_year = (153 * month_from_march + 2) / 5;
    era * ERA_DAYS + 365 * year + year / 4 - year / 100 + day_of_year - EPOCH_DAY
}

#[cfg(test)]
mod tests {
    use jiff::{ToSpan, civil};

    use super::*;

    fn unix_ms(date: civil::Date) -> u64 {
        let days = date.since((jiff::Unit::Day, civil::date(1970, 1, 1))).unwrap().get_days();
        u64::try_from(days).unwrap() * DAY_MS
    }

    /// The period that holds `date` begins on `first` and ends before `next`.
    #[track_caller]
    fn check(period: Period, date: civil::Date, first: civil::Date, next: civil::Date) {
        let number = number(period, unix_ms(date));
        assert_eq!(number, super::number(period, unix_ms(date) + DAY_MS - 1), "{period:?} {date}");
        assert_eq!(end_unix_ms(period, number), unix_ms(next), "end of {period:?} with {date}");
        if first >= civil::date(1970, 1, 1) {
            assert_eq!(end_unix_ms(period, number - 1), unix_ms(first), "start of {period:?} with {date}");
            assert_eq!(length_s(period, number) * 1_000, unix_ms(next) - unix_ms(first), "{period:?} {date}");
        }
    }

    #[test]
    fn every_day_until_2200_lies_in_the_day_week_and_month_that_the_calendar_says() {
        let mut date = civil::date(1970, 1, 1);
        while date.year() < 2200 {
            let monday = date - i64::from(date.weekday().to_monday_zero_offset()).days();
            check(Period::Day, date, date, date.tomorrow().unwrap());
            check(Period::Week, date, monday, monday + 7.days());
            check(Period::Month, date, date.first_of_month(), date.last_of_month().tomorrow().unwrap());
            date = date.tomorrow().unwrap();
        }
    }

    #[test]
    fn periods_follow_each_other_without_a_gap_from_number_1() {
        for period in [Period::Day, Period::Week, Period::Month] {
            assert_eq!(number(period, 0), 1);
            for n in 1..3_000 {
                assert_eq!(number(period, end_unix_ms(period, n) - 1), n);
                assert_eq!(number(period, end_unix_ms(period, n)), n + 1);
            }
        }
    }
}
