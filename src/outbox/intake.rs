//! Where commands put what is to be sent later: a file for all that one of them accepts at once.
//!
//! Theory of operation. A file is written whole, flushed and renamed, under a lock that also numbers it:
//! what one command has put before another begins is sent before. Its lines are those of the
//! [`journal`](super::journal), which adopts it by another rename. So a command that is killed has put all
//! or nothing, and what it has put is there whoever runs meanwhile.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::{
    Error, attachments,
    entry::{Draft, Entry},
    folder, look,
    segment::{END, Line, MARK, append, epoch, intake_of},
};
use crate::{clock, data_dir::DataDir, files};

fn lock_of(outbox: &Path) -> PathBuf {
    outbox.join("intake.lock")
}

/// Whether a command has ever put something in: only those make the lock.
pub(super) fn is_used(outbox: &Path) -> bool {
    lock_of(outbox).exists()
}

/// The one command that puts something in now.
pub(crate) struct Intake {
    outbox: PathBuf,
    /// Held, and it says the last number.
    lock: File,
}

impl Intake {
    /// Waits for others, who take no longer than the disk.
    pub(crate) fn open(data: &DataDir) -> Result<Self, Error> {
        let outbox = folder(data)?;
        let folder = intake_of(&outbox);
        files::private_folder(&folder)?;
        let path = lock_of(&outbox);
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(files::PRIVATE)
            .open(&path)
            .and_then(|lock| lock.lock().map(|()| lock));
        let lock = opened.map_err(files::Error::io("lock", &path))?;
        Ok(Self { outbox, lock })
    }

    /// What was said with keys within a day: by the key its id, and the hash of its text.
    pub(crate) fn said(&self) -> Result<BTreeMap<String, look::Before>, Error> {
        Ok(look::said(&self.outbox)?)
    }

    /// Has all of them on the disk, or none.
    pub(crate) fn put(&mut self, drafts: Vec<Draft>) -> Result<Vec<Entry>, Error> {
        let epoch = format!("{MARK}{}", epoch());
        let mut entries = Vec::with_capacity(drafts.len());
        let mut text = Vec::new();
        for (number, draft) in (1..).zip(drafts) {
            let line = Line::Accepted(Box::new(Entry { id: format!("{epoch}-{number}"), draft }));
            append(&mut text, &line);
            if let Line::Accepted(entry) = line {
                entries.push(*entry);
            }
        }
        self.write(&epoch, &text)?;
        Ok(entries)
    }

    /// Asks that these are not sent any more.
    pub(crate) fn drop(&mut self, ids: &[String]) -> Result<(), Error> {
        let mut text = Vec::new();
        for id in ids {
            append(&mut text, &Line::Dropped(id.clone()));
        }
        self.write(&format!("{MARK}{}", epoch()), &text)
    }

    /// Keeps a copy of a file until it is sent; what it is called there.
    pub(crate) fn attach(&self, bytes: &[u8]) -> Result<String, Error> {
        let folder = attachments::folder(&self.outbox);
        files::private_folder(&folder)?;
        files::has_space(&folder)?;
        let name = epoch();
        files::write_atomically(&folder.join(&name), bytes, files::PRIVATE)?;
        Ok(name)
    }

    fn write(&mut self, epoch: &str, text: &[u8]) -> Result<(), Error> {
        let folder = intake_of(&self.outbox);
        files::has_space(&folder)?;
        let number = self.number().map_err(files::Error::io("write", &lock_of(&self.outbox)))?;
        let name = format!("{number:020}-{epoch}{END}");
        let path = folder.join(&name);
        // The lock is ours: what has this name was left by whoever had it.
        let beside = folder.join(".new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(files::PRIVATE);
        let written = (|| {
            let mut file = options.open(&beside)?;
            file.write_all(text)?;
            file.sync_data()?;
            fs::rename(&beside, &path)?;
            File::open(&folder)?.sync_all()
        })();
        Ok(written.map_err(files::Error::io("write", &path))?)
    }

    /// One more than the last, and never before the time: the file may be an old one after a crash.
    fn number(&mut self) -> std::io::Result<u64> {
        let mut text = String::new();
        self.lock.seek(SeekFrom::Start(0))?;
        (&self.lock).take(32).read_to_string(&mut text)?;
        let last: u64 = text.trim().parse().unwrap_or_default();
        let now = u64::try_from(clock::now().as_microsecond()).unwrap_or_default();
        let number = now.max(last + 1);
        self.lock.seek(SeekFrom::Start(0))?;
        self.lock.write_all(format!("{number:020}\n").as_bytes())?;
        Ok(number)
    }
}
