//! When backups are made, how many are kept, and how they are tried.

use std::fmt;

use cronexpr::{Crontab, FallbackTimezoneOption, ParseOptions};
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::config::values::{
    setting::section,
    shape::{Shape, Span, words},
};

/// Five fields as cron has them, in the time zone of the machine, unless a sixth names another one.
#[derive(Clone, Debug)]
pub(crate) struct Cron {
    text: String,
    table: Crontab,
}

impl Cron {
    /// The first time after that moment; none where there is none, as on a 30th of February.
    pub(crate) fn after(&self, at: Timestamp) -> Option<Timestamp> {
        Some(self.table.find_next(at).ok()?.timestamp())
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Cron {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Shape for Cron {
    fn read(value: &Value) -> Result<Self, String> {
        let text = String::read(value)?.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut options = ParseOptions::default();
        options.fallback_timezone_option = FallbackTimezoneOption::System;
        let table = cronexpr::parse_crontab_with(&text, options).map_err(|error| {
            // It draws the expression with an arrow below, then says what is wrong.
            let said = error.to_string();
            let why = said.rsplit_once("^ ").map(|(_, why)| format!(" ({why})"));
            format!(
                "must be minute, hour, day, month and weekday, such as `0 3 * * *` for every night at three{}",
                why.unwrap_or_default()
            )
        })?;
        Ok(Self { text, table })
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^\\S+( \\S+){4,5}$" })
    }
}

/// How many backups are kept: of that many days, weeks, … the newest each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Keep {
    /// So many of the newest, whenever they were made.
    pub(crate) last: u32,
    pub(crate) daily: u32,
    pub(crate) weekly: u32,
    pub(crate) monthly: u32,
    pub(crate) yearly: u32,
}

impl Keep {
    fn fields(&self) -> [(&'static str, u32); 5] {
        let Self { last, daily, weekly, monthly, yearly } = *self;
        [
            ("last", last),
            ("daily", daily),
            ("weekly", weekly),
            ("monthly", monthly),
            ("yearly", yearly),
        ]
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let some = self.fields().into_iter().filter(|(_, number)| *number > 0);
        let pairs: Vec<String> = some.map(|(word, number)| format!("{word}={number}")).collect();
        f.write_str(&pairs.join(","))
    }
}

impl Serialize for Keep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Shape for Keep {
    fn read(value: &Value) -> Result<Self, String> {
        const WRONG: &str = "must be numbers of last, daily, weekly, monthly or yearly ones, such as daily=7,weekly=4,monthly=12";
        let mut keep = Self::default();
        let text = String::read(value)?;
        for pair in text.split([',', ' ']).filter(|pair| !pair.is_empty()) {
            let (word, number) = pair.split_once('=').ok_or(WRONG)?;
            let number: u32 = number.parse().map_err(|_| WRONG)?;
            let field = match word {
                "last" => &mut keep.last,
                "daily" => &mut keep.daily,
                "weekly" => &mut keep.weekly,
                "monthly" => &mut keep.monthly,
                "yearly" => &mut keep.yearly,
                _ => return Err(WRONG.into()),
            };
            *field = number;
        }
        if keep == Self::default() {
            return Err("must keep at least one backup, such as daily=7".into());
        }
        Ok(keep)
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^((last|daily|weekly|monthly|yearly)=[0-9]+[, ]*)+$" })
    }
}

words! {
    /// How often a backup is tried.
    Rhythm {
        Never = "never",
        /// Each one that is made.
        Always = "always",
        Daily = "daily",
        Weekly = "weekly",
        Monthly = "monthly",
    }
}

impl Rhythm {
    /// After how many hours the next one is due; none where none ever is.
    pub(crate) fn hours(self) -> Option<i64> {
        match self {
            Self::Never => None,
            Self::Always => Some(0),
            Self::Daily => Some(24),
            Self::Weekly => Some(7 * 24),
            Self::Monthly => Some(30 * 24),
        }
    }
}

section! {
    /// When backups are made, how many are kept, and how they are tried.
    Backup "backup" {
        /// When a backup is made: minute, hour, day, month and weekday as cron has them, in the time zone of this machine, such as `0 3 * * *`. Empty: only by hand.
        schedule: Option<Cron> = "" ["MATRIX_SYNAPSE_BACKUP_SCHEDULE"];
        /// How many of the scheduled backups are kept, such as `daily=7,weekly=4,monthly=12`: the newest of so many days, weeks and months. Empty: all.
        keep: Option<Keep> = "" ["MATRIX_SYNAPSE_BACKUP_KEEP"];
        /// How often the newest scheduled backup is restored beside the homeserver and compared.
        verify: Rhythm = "weekly" ["MATRIX_SYNAPSE_BACKUP_VERIFY"];
        /// Where backups go unless another place is named. Empty: `backups` in the data folder.
        to: String = "" ["MATRIX_SYNAPSE_BACKUP_TO"];
        /// Keep what is needed to bring our own PostgreSQL back to any second: base backups, and all that is written between them.
        point_in_time: bool = "false" ["MATRIX_SYNAPSE_BACKUP_POINT_IN_TIME"];
        /// How far back a point in time can be.
        point_in_time_window: Span = "7d" ["MATRIX_SYNAPSE_BACKUP_POINT_IN_TIME_WINDOW"];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_five_fields_and_what_is_wrong_is_said_with_one_that_is_right() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let cron = Cron::read(&"0  3 * * * UTC".into()).unwrap();
        assert_eq!(cron.to_string(), "0 3 * * * UTC");
        assert_eq!(cron.after(at("2026-11-28T02:59:59Z")), Some(at("2026-11-28T03:00:00Z")));
        assert_eq!(cron.after(at("2026-11-28T03:00:00Z")), Some(at("2026-11-29T03:00:00Z")));
        let zone = Cron::read(&"30 2 * * SUN Europe/Berlin".into()).unwrap();
        // The hour that there is not in the night to summer time.
        assert!(zone.after(at("2026-03-28T12:00:00Z")).is_some());
        for wrong in
            ["3 am", "0 3 * *", "61 3 * * *", "0 25 * * *", "0 3 * * * Nowhere/City", "H 3 * * *"]
        {
            let why = Cron::read(&wrong.into()).unwrap_err();
            assert!(why.contains("such as `0 3 * * *`") && !why.contains('\n'), "{wrong}: {why}");
        }
    }

    #[test]
    fn what_is_kept_is_said_in_words_and_is_never_nothing() {
        let keep = Keep::read(&"monthly=12, daily=7,weekly=4".into()).unwrap();
        assert_eq!(keep.to_string(), "daily=7,weekly=4,monthly=12");
        for wrong in ["daily", "7", "dayly=7", "daily=x", "daily=-1", "daily=0", ","] {
            Keep::read(&wrong.into()).unwrap_err();
        }
    }
}
