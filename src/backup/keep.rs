//! Which of the scheduled backups are no longer needed: of each day, week, month and year the newest one is
//! kept, so many of each. The last good one stays in any case, and so does the last that was verified.

use std::collections::BTreeSet;

use jiff::{Zoned, tz::TimeZone};

use super::record::Known;
use crate::config::sections::backup::Keep;

/// What all those of one day, say, have in common.
type Period<'a> = &'a dyn Fn(&Zoned) -> String;

/// The places of those that may go, oldest first. What a person made by hand is never among them.
pub(crate) fn surplus(backups: &[Known], keep: &Keep, zone: &TimeZone) -> Vec<String> {
    let mut scheduled: Vec<&Known> = backups.iter().filter(|it| it.scheduled).collect();
    scheduled.sort_by_key(|it| it.made_at);
    let newest_first = || scheduled.iter().rev().copied();
    let mut kept: BTreeSet<&str> = BTreeSet::new();
    let day = |it: &Zoned| it.date().to_string();
    let week = |it: &Zoned| {
        let week = it.date().iso_week_date();
        format!("{} {}", week.year(), week.week())
    };
    let month = |it: &Zoned| format!("{} {}", it.year(), it.month());
    let year = |it: &Zoned| it.year().to_string();
    let each = |it: &Zoned| it.timestamp().to_string();
    let rules: [(u32, Period<'_>); 5] = [
        (keep.last, &each),
        (keep.daily, &day),
        (keep.weekly, &week),
        (keep.monthly, &month),
        (keep.yearly, &year),
    ];
    for (most, period) in rules {
        let mut seen = BTreeSet::new();
        // One that is known to be bad takes no other's place.
        for known in newest_first().filter(|it| it.is_good()) {
            let period = period(&known.made_at.to_zoned(zone.clone()));
            if seen.len() < usize::try_from(most).unwrap_or(usize::MAX) && seen.insert(period) {
                kept.insert(&known.place);
            }
        }
    }
    kept.extend(newest_first().find(|it| it.is_good()).map(|it| it.place.as_str()));
    let verified = newest_first().find(|it| it.is_verified());
    kept.extend(verified.map(|it| it.place.as_str()));
    let last_verified = verified.map(|it| it.made_at);
    // A bad one is of no use as soon as there is a newer one that is known to be good.
    let may_go = |it: &&&Known| it.is_good() || last_verified.is_some_and(|at| at > it.made_at);
    let gone = scheduled.iter().filter(may_go).filter(|it| !kept.contains(it.place.as_str()));
    gone.map(|it| it.place.clone()).collect()
}

#[cfg(test)]
mod tests {
    use jiff::{Timestamp, ToSpan as _};

    use super::*;
    use crate::{backup::record::Tried, config::values::shape::Shape as _};

    fn keep(text: &str) -> Keep {
        Keep::read(&text.into()).unwrap()
    }

    /// One each day at three, so many days long, the oldest first.
    fn daily(days: i64) -> Vec<Known> {
        let first: Timestamp = "2025-01-01T03:00:00Z".parse().unwrap();
        let known = |day: i64| Known {
            place: format!("/b/{day}"),
            made_at: first.checked_add((day * 24).hours()).unwrap(),
            size: 1,
            scheduled: true,
            tried: None,
        };
        (0..days).map(known).collect()
    }

    fn left(backups: &[Known], keep: &Keep) -> Vec<String> {
        let gone = surplus(backups, keep, &TimeZone::UTC);
        let left = backups.iter().filter(|it| !gone.contains(&it.place));
        left.map(|it| it.made_at.strftime("%m-%d").to_string()).collect()
    }

    #[test]
    fn of_each_day_week_and_month_the_newest_is_kept() {
        // Until the 10th of April, a Thursday.
        let backups = daily(100);
        assert_eq!(
            left(&backups, &keep("daily=3,weekly=3,monthly=3")).join(" "),
            "02-28 03-30 03-31 04-06 04-08 04-09 04-10"
        );
        assert_eq!(left(&backups, &keep("last=2")).join(" "), "04-09 04-10");
        assert_eq!(left(&backups, &keep("yearly=5")).join(" "), "04-10");
        assert_eq!(left(&daily(2), &keep("daily=7,weekly=4,monthly=12")).len(), 2);
    }

    #[test]
    fn what_is_left_after_each_day_is_the_same_as_at_once() {
        let all = daily(200);
        let keep = keep("daily=7,weekly=4,monthly=12");
        let mut there: Vec<Known> = Vec::new();
        for known in &all {
            there.push(known.clone());
            let gone = surplus(&there, &keep, &TimeZone::UTC);
            there.retain(|it| !gone.contains(&it.place));
        }
        let days: Vec<String> =
            there.iter().map(|it| it.made_at.strftime("%m-%d").to_string()).collect();
        assert_eq!(days, left(&all, &keep));
    }

    #[test]
    fn the_last_good_one_and_the_last_verified_one_stay_whatever_is_kept() {
        let mut backups = daily(10);
        let tried = |fault: Option<&str>| {
            let at = "2025-02-01T00:00:00Z".parse().unwrap();
            Some(Tried { at, fault: fault.map(str::to_owned) })
        };
        backups[2].tried = tried(None);
        backups[8].tried = tried(Some("cut off"));
        backups[9].tried = tried(Some("cut off"));
        // The bad ones are newer than the one that is known to be good: they may be all that there is of those days.
        assert_eq!(left(&backups, &keep("last=1")).join(" "), "01-03 01-08 01-09 01-10");
        // A bad one counts for no day, and goes when a newer one was verified.
        backups.extend(daily(11).pop());
        backups[10].tried = tried(None);
        assert_eq!(left(&backups, &keep("last=1")).join(" "), "01-11");
    }

    #[test]
    fn what_was_made_by_hand_is_never_removed() {
        let mut backups = daily(10);
        backups[0].scheduled = false;
        assert_eq!(left(&backups, &keep("last=1")).join(" "), "01-01 01-10");
        for known in &mut backups {
            known.scheduled = false;
        }
        assert_eq!(left(&backups, &keep("last=1")).len(), 10);
    }

    #[test]
    fn a_day_ends_when_it_does_where_the_machine_is() {
        let mut backups = daily(2);
        backups[0].made_at = "2025-01-01T22:30:00Z".parse().unwrap();
        backups[1].made_at = "2025-01-01T23:30:00Z".parse().unwrap();
        let keep = keep("daily=7");
        assert_eq!(surplus(&backups, &keep, &TimeZone::UTC), ["/b/0"]);
        let berlin = TimeZone::fixed(jiff::tz::offset(1));
        assert!(surplus(&backups, &keep, &berlin).is_empty());
    }
}
