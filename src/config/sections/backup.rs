//! Backups: where they go, for whom they are encrypted, when they are made and how they are tried.

use std::{fmt, path::PathBuf};

use cronexpr::{Crontab, FallbackTimezoneOption, ParseOptions};
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::{database::Password, media::Bucket};
use crate::config::values::{
    setting::section,
    shape::{HttpUrl, Shape, Span, words},
};

/// Where backups go: a folder, or a place in a bucket, `s3://bucket/prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Folder(PathBuf),
    Bucket {
        bucket: String,
        /// Without slashes at its ends; empty where there is none.
        prefix: String,
    },
}

/// What the address of a bucket begins with.
const SCHEME: &str = "s3://";

impl Place {
    /// What a person typed; the error completes "it …".
    pub(crate) fn typed(text: &str) -> Result<Self, String> {
        let Some(address) = text.strip_prefix(SCHEME) else {
            return Ok(Self::Folder(text.into()));
        };
        let (bucket, prefix) = address.split_once('/').unwrap_or((address, ""));
        Bucket::read(&bucket.into())
            .map_err(|_| "must name a bucket: s3://bucket/prefix".to_owned())?;
        let prefix = prefix.trim_matches('/');
        // Whoever reads the address as a path would go elsewhere.
        let is_plain = |part: &str| !["", ".", ".."].contains(&part);
        if !prefix.is_empty() && !prefix.split('/').all(is_plain) {
            return Err(
                "must have a prefix without empty parts and dots: s3://bucket/prefix".into()
            );
        }
        Ok(Self::Bucket { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Bucket { bucket, prefix } if prefix.is_empty() => write!(f, "{SCHEME}{bucket}"),
            Self::Bucket { bucket, prefix } => write!(f, "{SCHEME}{bucket}/{prefix}"),
        }
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Shape for Place {
    fn read(value: &Value) -> Result<Self, String> {
        match Self::typed(&String::read(value)?)? {
            Self::Folder(path) if !path.is_absolute() => {
                Err("must be an absolute path, or s3://bucket/prefix".into())
            }
            place => Ok(place),
        }
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^(/|s3://[A-Za-z0-9._-]{3,63}(/|$))" })
    }
}

/// Whom a backup is encrypted for: the public key of [age].
///
/// [age]: https://age-encryption.org
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Recipient(pub(crate) String);

impl Shape for Recipient {
    fn read(value: &Value) -> Result<Self, String> {
        let text = String::read(value)?;
        if text.starts_with("AGE-SECRET-KEY-") {
            return Err(
                "must be the public key, which begins with `age1`, not the secret one".into()
            );
        }
        let is_word = text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        if !text.starts_with("age1") || !is_word {
            return Err("must be a public key of age, as `age-keygen` prints it: age1…".into());
        }
        Ok(Self(text))
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^age1[a-z0-9]+$" })
    }
}

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
    /// Backups: where they go, for whom they are encrypted, when they are made and how they are tried.
    Backup "backup" {
        /// Where backups go: a folder, or a place in a bucket such as `s3://backups/chat`. Default: `backups` in the data folder.
        to: Option<Place> = "" ["MATRIX_SYNAPSE_BACKUP_TO"];
        /// Store each media file once in that place, so that a backup costs what is new.
        incremental: bool = "false" ["MATRIX_SYNAPSE_BACKUP_INCREMENTAL"];
        /// Public keys of [age](https://age-encryption.org) that backups are encrypted for; who has the secret key of one of them can restore.
        recipients: Vec<Recipient> = "" ["MATRIX_SYNAPSE_BACKUP_RECIPIENTS"];
        /// File with the passphrase that backups are encrypted with, instead of keys.
        passphrase_file: Option<PathBuf> = "" ["MATRIX_SYNAPSE_BACKUP_PASSPHRASE_FILE"];
        /// File with the secret keys that encrypted backups are opened with where none is named. A machine that only makes backups does better without.
        identity_file: Option<PathBuf> = "" ["MATRIX_SYNAPSE_BACKUP_IDENTITY_FILE"];
        /// URL of the object store for backups; default: that of the media.
        s3_endpoint: Option<HttpUrl> = "" ["MATRIX_SYNAPSE_BACKUP_S3_ENDPOINT"];
        /// Region of the bucket for backups; default: that of the media.
        s3_region: Option<String> = "" ["MATRIX_SYNAPSE_BACKUP_S3_REGION"];
        /// Access key id of a key that may list, read, write and delete in that bucket; default: the one for the media.
        s3_access_key: Option<String> = "" ["MATRIX_SYNAPSE_BACKUP_S3_ACCESS_KEY"];
        /// Secret access key; default: the one for the media.
        #[secret] s3_secret_key: Option<Password> = "" ["MATRIX_SYNAPSE_BACKUP_S3_SECRET_KEY"];
        /// When a backup is made: minute, hour, day, month and weekday as cron has them, in the time zone of this machine, such as `0 3 * * *`. Empty: only by hand.
        schedule: Option<Cron> = "" ["MATRIX_SYNAPSE_BACKUP_SCHEDULE"];
        /// How many of the scheduled backups are kept, such as `daily=7,weekly=4,monthly=12`: the newest of so many days, weeks and months. Empty: all.
        keep: Option<Keep> = "" ["MATRIX_SYNAPSE_BACKUP_KEEP"];
        /// How often the newest scheduled backup is restored beside the homeserver and compared.
        verify: Rhythm = "weekly" ["MATRIX_SYNAPSE_BACKUP_VERIFY"];
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
    fn a_place_is_a_folder_or_in_a_bucket() {
        let place = |text: &str| Place::read(&text.into()).map(|it| it.to_string());
        for (typed, meant) in [
            ("/mnt/backups", "/mnt/backups"),
            ("s3://backups", "s3://backups"),
            ("s3://backups/", "s3://backups"),
            ("s3://backups/chat/old/", "s3://backups/chat/old"),
        ] {
            assert_eq!(place(typed).unwrap(), meant);
        }
        for wrong in [
            "backups",
            "s3://",
            "s3://a",
            "s3://back ups/x",
            "s3://backups/a/../b",
            "s3://backups/a//b",
        ] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_secret_key_is_no_recipient() {
        let read = |text: &str| Recipient::read(&text.into());
        assert!(read("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p").is_ok());
        assert!(read("AGE-SECRET-KEY-1QQQ").unwrap_err().contains("not the secret one"));
        assert!(read("ssh-ed25519 AAAA").is_err());
    }

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
