//! What is known of the backups of a homeserver: which were made and when, which were tried, and what went
//! wrong last. One small file in the run folder, which a restore leaves where it is.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{clock, data_dir::DataDir, files, process::Lock};

/// So many backups are remembered.
const MOST: usize = 1000;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Record {
    /// Oldest first.
    pub(crate) backups: Vec<Known>,
    /// Why the last one could not be made; nothing after one that could.
    pub(crate) failed: Option<Mishap>,
    /// Why the last one could not be tried, whatever it is worth.
    pub(crate) untried: Option<Mishap>,
    /// The schedule that was looked at last, and since when it has been that one.
    pub(crate) schedule: Option<Since>,
    /// When the last one was begun by schedule.
    pub(crate) begun: Option<Timestamp>,
    /// How many of these have failed in a row.
    pub(crate) failures: u32,
    /// When one was last tried by schedule, with whatever result.
    pub(crate) trial: Option<Timestamp>,
}

/// One that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    /// A path, or the name that it has elsewhere.
    pub(crate) place: String,
    /// When its database was as it is in there.
    pub(crate) made_at: Timestamp,
    /// In bytes.
    pub(crate) size: u64,
    /// Only these are ever removed unasked.
    #[serde(default)]
    pub(crate) scheduled: bool,
    /// What came out of it when it was last tried.
    #[serde(default)]
    pub(crate) tried: Option<Tried>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tried {
    pub(crate) at: Timestamp,
    /// What is wrong with it; nothing where it is good.
    pub(crate) fault: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mishap {
    pub(crate) at: Timestamp,
    pub(crate) why: String,
}

impl Mishap {
    pub(crate) fn now(why: impl Into<String>) -> Self {
        Self { at: clock::now(), why: why.into() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Since {
    pub(crate) schedule: String,
    pub(crate) at: Timestamp,
}

impl Known {
    /// Whether nothing is known against it.
    pub(crate) fn is_good(&self) -> bool {
        self.tried.as_ref().is_none_or(|tried| tried.fault.is_none())
    }

    /// Whether it was tried, and is what it should be.
    pub(crate) fn is_verified(&self) -> bool {
        self.tried.as_ref().is_some_and(|tried| tried.fault.is_none())
    }

    /// Whether it is where it was made, as far as can be seen from here.
    pub(crate) fn is_there(&self) -> bool {
        let path = Path::new(&self.place);
        !path.is_absolute() || path.exists()
    }

    /// Whether the file of that name is the one that was made.
    pub(crate) fn is_untouched(&self) -> bool {
        let is_elsewhere = self.place.contains("://");
        is_elsewhere
            || std::fs::metadata(&self.place).is_ok_and(|it| it.is_file() && it.len() == self.size)
    }
}

fn file(data: &DataDir) -> PathBuf {
    data.run().join("backups.json")
}

impl Record {
    /// What is known; nothing where it cannot be read.
    pub(crate) fn read(data: &DataDir) -> Result<Self, files::Error> {
        Ok(files::read_note(&file(data))?.unwrap_or_default())
    }

    /// Notes something, one after the other.
    pub(crate) fn change(
        data: &DataDir,
        change: impl FnOnce(&mut Self),
    ) -> Result<(), files::Error> {
        /// It is held for as long as it takes to write a small file.
        const TRIES: u32 = 200;
        files::private_folder(&data.run())?;
        let path = data.run().join("backups.lock");
        let mut tries = 0;
        let _lock = loop {
            match Lock::try_acquire(&path, "manage backup") {
                Err(files::Error::Held { .. }) if tries < TRIES => tries += 1,
                lock => break lock?,
            }
        };
        let mut record = Self::read(data)?;
        change(&mut record);
        let over = record.backups.len().saturating_sub(MOST);
        record.backups.drain(..over);
        files::write_note(&file(data), &record)
    }

    /// One was made.
    pub(crate) fn made(&mut self, known: Known) {
        self.backups.retain(|other| other.place != known.place);
        self.backups.push(known);
        self.failed = None;
        self.failures = 0;
    }

    /// One was tried.
    pub(crate) fn tried(&mut self, place: &str, fault: Option<String>) {
        if let Some(known) = self.backups.iter_mut().find(|known| known.place == place) {
            known.tried = Some(Tried { at: clock::now(), fault });
        }
        self.untried = None;
    }

    pub(crate) fn removed(&mut self, place: &str) {
        self.backups.retain(|known| known.place != place);
    }

    pub(crate) fn of(&self, place: &str) -> Option<&Known> {
        self.backups.iter().find(|known| known.place == place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(place: &str) -> Known {
        let made_at = "2026-11-28T03:00:00Z".parse().unwrap();
        Known { place: place.into(), made_at, size: 1, scheduled: false, tried: None }
    }

    #[test]
    fn what_is_noted_is_there_for_the_next_and_what_cannot_be_read_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        assert_eq!(Record::read(&data).unwrap(), Record::default());
        Record::change(&data, |it| it.failed = Some(Mishap::now("the disk is full"))).unwrap();
        Record::change(&data, |it| it.made(known("/b/1"))).unwrap();
        Record::change(&data, |it| it.tried("/b/1", None)).unwrap();
        let record = Record::read(&data).unwrap();
        assert!(record.failed.is_none() && record.backups[0].is_verified());
        Record::change(&data, |it| it.tried("/b/1", Some("cut off".into()))).unwrap();
        assert!(!Record::read(&data).unwrap().of("/b/1").unwrap().is_good());
        Record::change(&data, |it| it.removed("/b/1")).unwrap();
        assert!(Record::read(&data).unwrap().backups.is_empty());
        files::write_atomically(&file(&data), b"{\"back", files::PRIVATE).unwrap();
        assert_eq!(Record::read(&data).unwrap(), Record::default());
    }
}
