//! When the next backup is due and when one has to be tried, and what an operator should know: all from the
//! settings, what was noted, and the clock.

use std::{fmt, time::Duration};

use jiff::{SignedDuration, Timestamp, ToSpan as _};

use super::record::{Known, Record};
use crate::{
    clock::Backoff,
    config::sections::backup::{Backup, Rhythm},
};

/// After one that failed: soon, then seldomer, and never later than the next one is due anyway.
const AGAIN: Backoff = Backoff::new(Duration::from_mins(10), Duration::from_hours(6));
/// So long one may take until it is missed.
const GRACE: SignedDuration = SignedDuration::from_hours(2);

/// When the next one is due by schedule; a time that is over where one was missed, however many were.
pub(crate) fn next(settings: &Backup, record: &Record, now: Timestamp) -> Option<Timestamp> {
    let cron = settings.schedule.as_ref()?;
    let since = record.schedule.as_ref().filter(|it| it.schedule == cron.to_string());
    let since = since.map_or(now, |it| it.at);
    let Some(begun) = record.begun else { return cron.after(since) };
    let regular = cron.after(begun.max(since))?;
    if record.failures == 0 {
        return Some(regular);
    }
    let pause = SignedDuration::try_from(AGAIN.nth(record.failures - 1)).ok()?;
    Some(regular.min(begun.checked_add(pause).ok()?))
}

/// Which backup is to be tried now.
pub(crate) fn to_try<'a>(
    settings: &Backup,
    record: &'a Record,
    now: Timestamp,
) -> Option<&'a Known> {
    let hours = settings.verify.hours()?;
    let newest = record.backups.iter().rfind(|it| it.scheduled && it.is_there())?;
    // What has just been found to be good or bad is not tried again.
    if newest.tried.is_some() {
        return None;
    }
    let last = record.backups.iter().filter_map(|it| Some(it.tried.as_ref()?.at)).max();
    let is_due = last.is_none_or(|last| {
        // Backups are not made on the second.
        let due = last.checked_add((hours - 1).max(0).hours()).unwrap_or(last);
        due <= now
    });
    // One that could not be tried for another reason gets its next try after a while, not at once.
    let may = record
        .trial
        .is_none_or(|at| record.untried.is_none() || at.checked_add(1.hour()).unwrap_or(at) <= now);
    (is_due && may).then_some(newest)
}

/// How the backups are, for whoever asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// The last that is there and that nothing is known against.
    pub(crate) last: Option<Known>,
    /// The last that was tried and is good.
    pub(crate) verified: Option<Known>,
    pub(crate) next: Option<Timestamp>,
    pub(crate) troubles: Vec<Trouble>,
}

/// What is wrong, and what to type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// The same for as long as nothing new is to be told.
    pub(crate) news: String,
    pub(crate) what: String,
    pub(crate) remedy: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.remedy)
    }
}

impl State {
    pub(crate) fn of(settings: &Backup, record: &Record, now: Timestamp) -> Self {
        let there = || record.backups.iter().filter(|it| it.is_there());
        let last = there().filter(|it| it.is_good()).max_by_key(|it| it.made_at).cloned();
        let verified = there().filter(|it| it.is_verified()).max_by_key(|it| it.made_at).cloned();
        let next = next(settings, record, now);
        let mut state = Self { last, verified, next, troubles: Vec::new() };
        state.troubles = state.wrong(settings, record, now);
        state
    }

    fn wrong(&self, settings: &Backup, record: &Record, now: Timestamp) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        let mut is_wrong = |news: &str, what: String, remedy: &str| {
            let (news, remedy) = (news.to_owned(), remedy.to_owned());
            troubles.push(Trouble { news, what, remedy });
        };
        if let Some(failed) = &record.failed {
            is_wrong(
                // Once a day, however often it is tried.
                &format!("failed {}", failed.at.strftime("%F")),
                format!("the backup of {} failed: {}", short(failed.at), failed.why),
                "`logs backups` says more, and `manage backup` tries it again",
            );
        }
        let newest = record.backups.iter().filter(|it| it.is_there()).max_by_key(|it| it.made_at);
        let fault = |it: &Known| it.tried.as_ref()?.fault.clone();
        if let Some((bad, fault)) = newest.and_then(|it| Some((it, fault(it)?))) {
            is_wrong(
                &format!("bad {}", bad.place),
                format!("the newest backup, `{}`, is not good: {fault}", bad.place),
                "`manage backup` makes another one; `manage backup verify FILE` tries that",
            );
        }
        let Some(cron) = &settings.schedule else { return troubles };
        let since = record.schedule.as_ref().map_or(now, |it| it.at);
        let begins = self.last.as_ref().map_or(since, |it| it.made_at.max(since));
        let is_over = |at: Timestamp| at.checked_add(GRACE).is_ok_and(|end| end < now);
        let may_be = record.failed.is_none() && fault_of(newest).is_none();
        if may_be && cron.after(begins).is_some_and(is_over) {
            let what = match &self.last {
                Some(last) => {
                    format!("a backup is overdue: the last good one is of {}", short(last.made_at))
                }
                None => "a backup is overdue: there is no good one".to_owned(),
            };
            is_wrong("overdue", what, "`logs backups` says why; `manage backup` makes one now");
        }
        if let Some(untried) = &record.untried {
            is_wrong(
                &format!("untried {}", untried.at.strftime("%F")),
                format!("a backup could not be verified at {}: {}", short(untried.at), untried.why),
                "`manage backup verify FILE` tries one, with `--identity` or `--passphrase-file` where it is encrypted",
            );
        } else if let Some(hours) = limit(settings.verify) {
            // Of those that are scheduled: who makes one by hand tries it by hand.
            let first = record.backups.iter().filter(|it| it.scheduled).map(|it| it.made_at).min();
            let last = self.verified.as_ref().and_then(|it| Some(it.tried.as_ref()?.at));
            let from = last.or(first);
            let is_late =
                |from: Timestamp| from.checked_add(hours.hours()).is_ok_and(|at| at < now);
            if from.is_some_and(is_late) && fault_of(newest).is_none() {
                let what = match last {
                    Some(at) => format!("no backup has been verified since {}", short(at)),
                    None => "no backup was ever verified".to_owned(),
                };
                is_wrong("unverified", what, "`manage backup verify FILE` tries one");
            }
        }
        troubles
    }
}

fn fault_of(known: Option<&Known>) -> Option<&str> {
    known?.tried.as_ref()?.fault.as_deref()
}

/// After how many hours without a trial something is wrong.
fn limit(rhythm: Rhythm) -> Option<i64> {
    Some(rhythm.hours()?.max(24) * 2)
}

/// As people read it.
fn short(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backup::record::{Mishap, Since, Tried},
        config::{Config, sources::environment::Environment},
        data_dir::DataDir,
    };

    const CRON: &str = "0 3 * * * UTC";

    fn settings(more: &[&str]) -> Backup {
        let mut flags = vec![format!("backup.schedule={CRON}")];
        flags.extend(more.iter().map(|flag| (*flag).to_owned()));
        let data = DataDir::new("/nowhere".into());
        Config::load(data, &flags, &Environment::default()).unwrap().backup
    }

    fn at(text: &str) -> Timestamp {
        format!("2026-11-{text}:00Z").parse().unwrap()
    }

    /// Set on the 20th at noon.
    fn set() -> Record {
        let schedule = Some(Since { schedule: CRON.into(), at: at("20T12:00") });
        Record { schedule, ..Record::default() }
    }

    /// Elsewhere, so that it is there as far as can be seen.
    fn made(day: &str) -> Known {
        let made_at = at(day);
        Known { place: format!("x/{day}"), made_at, size: 1, scheduled: true, tried: None }
    }

    fn wrong(settings: &Backup, record: &Record, now: &str) -> String {
        let state = State::of(settings, record, at(now));
        state.troubles.into_iter().map(|it| it.what).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn many_missed_ones_are_made_up_for_once() {
        let settings = settings(&[]);
        let next = |record: &Record, now: &str| next(&settings, record, at(now)).unwrap();
        assert_eq!(next(&Record::default(), "20T12:00"), at("21T03:00"));
        assert_eq!(next(&set(), "20T13:00"), at("21T03:00"));
        // The machine was down for days.
        let down = Record { begun: Some(at("21T03:00")), ..set() };
        assert_eq!(next(&down, "25T12:00"), at("22T03:00"));
        let again = Record { begun: Some(at("25T12:00")), ..set() };
        assert_eq!(next(&again, "25T12:01"), at("26T03:00"));
        // Another schedule begins when it was set.
        let mut other = again.clone();
        other.schedule = Some(Since { schedule: "0 4 * * * UTC".into(), at: at("20T12:00") });
        assert_eq!(next(&other, "25T12:01"), at("26T03:00"));
    }

    #[test]
    fn one_that_failed_is_tried_again_ever_later_but_not_after_the_next() {
        let settings = settings(&[]);
        let after = |failures| {
            let record = Record { begun: Some(at("25T03:00")), failures, ..set() };
            next(&settings, &record, at("25T03:01")).unwrap()
        };
        assert_eq!(
            [0, 1, 2, 3].map(after),
            ["26T03:00", "25T03:10", "25T03:20", "25T03:40"].map(at)
        );
        assert_eq!(after(40), at("25T09:00"));
    }

    #[test]
    fn the_newest_is_tried_as_often_as_was_said() {
        let weekly = settings(&["backup.verify=weekly"]);
        let place = |settings: &Backup, record: &Record, now| {
            to_try(settings, record, at(now)).map(|it| it.place.clone())
        };
        let mut record = set();
        assert_eq!(place(&weekly, &record, "21T03:10"), None);
        record.backups = vec![made("21T03:00"), made("22T03:00")];
        assert_eq!(place(&weekly, &record, "22T03:10").unwrap(), "x/22T03:00");
        assert_eq!(place(&settings(&["backup.verify=never"]), &record, "22T03:10"), None);
        record.backups[1].tried = Some(Tried { at: at("22T03:05"), fault: None });
        record.backups.push(made("23T03:00"));
        assert_eq!(place(&weekly, &record, "23T03:10"), None);
        assert_eq!(
            place(&settings(&["backup.verify=daily"]), &record, "23T03:10").unwrap(),
            "x/23T03:00"
        );
        record.backups.push(made("29T03:00"));
        assert_eq!(place(&weekly, &record, "29T03:10").unwrap(), "x/29T03:00");
        // One that could not be tried is tried again, but not at once.
        record.untried = Some(Mishap { at: at("29T03:11"), why: "no room".into() });
        record.trial = Some(at("29T03:10"));
        assert_eq!(place(&weekly, &record, "29T03:12"), None);
        assert!(place(&weekly, &record, "29T04:12").is_some());
    }

    #[test]
    fn one_that_failed_is_overdue_or_was_never_verified_is_said() {
        let weekly = settings(&[]);
        assert_eq!(wrong(&weekly, &set(), "20T13:00"), "");
        assert_eq!(wrong(&weekly, &set(), "21T04:00"), "");
        assert_eq!(wrong(&weekly, &set(), "21T06:00"), "a backup is overdue: there is no good one");
        let mut record = Record { backups: vec![made("21T03:00")], ..set() };
        assert_eq!(wrong(&weekly, &record, "22T04:00"), "");
        assert_eq!(
            wrong(&weekly, &record, "22T06:00"),
            "a backup is overdue: the last good one is of 2026-11-21 03:00 UTC"
        );
        record.failed = Some(Mishap { at: at("22T03:00"), why: "the disk is full".into() });
        assert_eq!(
            wrong(&weekly, &record, "22T06:00"),
            "the backup of 2026-11-22 03:00 UTC failed: the disk is full"
        );
        record.failed = None;
        record.backups = ["01T03:00", "15T03:00", "22T03:00"].map(made).into();
        assert_eq!(wrong(&weekly, &record, "22T04:00"), "no backup was ever verified");
        assert_eq!(wrong(&settings(&["backup.verify=never"]), &record, "22T04:00"), "");
        record.backups[0].tried = Some(Tried { at: at("01T04:00"), fault: None });
        assert_eq!(
            wrong(&weekly, &record, "22T04:00"),
            "no backup has been verified since 2026-11-01 04:00 UTC"
        );
        record.backups[2].tried = Some(Tried { at: at("22T03:10"), fault: Some("cut off".into()) });
        assert_eq!(
            wrong(&weekly, &record, "22T04:00"),
            "the newest backup, `x/22T03:00`, is not good: cut off"
        );
        let state = State::of(&weekly, &record, at("22T04:00"));
        assert_eq!(state.last.unwrap().place, "x/15T03:00");
        assert_eq!(state.verified.unwrap().place, "x/01T03:00");
    }

    #[test]
    fn without_a_schedule_nothing_is_overdue() {
        let data = DataDir::new("/nowhere".into());
        let none = Config::load(data, &[], &Environment::default()).unwrap().backup;
        let record = Record { backups: vec![made("01T03:00")], ..set() };
        assert_eq!(wrong(&none, &record, "29T03:00"), "");
        assert_eq!(next(&none, &record, at("29T03:00")), None);
    }
}
