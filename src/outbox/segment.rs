//! Files of the queue: a line of JSON for what was accepted, is done with or is not wanted any more.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use rand::RngExt as _;
use serde::{Deserialize, Serialize};

use super::entry::Entry;
use crate::files;

pub(super) const END: &str = ".jsonl";
/// What a damaged segment is kept as.
pub(super) const DAMAGED: &str = "damaged";

/// What the epochs of commands begin with; those of the journal are in small letters.
pub(super) const MARK: char = 'Q';

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Line {
    Accepted(Box<Entry>),
    Done(String),
    /// Somebody does not want it to be sent any more.
    Dropped(String),
}

/// The segments, oldest first.
pub(super) fn paths(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_file = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_file());
    let mut paths: Vec<PathBuf> = entries
        .filter(is_file)
        .map(|entry| entry.path())
        .filter(|path| named(path).is_some())
        .collect();
    paths.sort();
    paths
}

/// Where commands put what is to be sent.
pub(super) fn intake_of(outbox: &Path) -> PathBuf {
    outbox.join("intake")
}

/// What commands have put in, oldest first.
pub(super) fn put_in(outbox: &Path) -> Vec<PathBuf> {
    paths(&intake_of(outbox))
}

/// Number and epoch out of `00000001-k3j9x2mq7a.jsonl`.
pub(super) fn named(path: &Path) -> Option<(u64, String)> {
    let (number, epoch) = path.file_name()?.to_str()?.strip_suffix(END)?.split_once('-')?;
    Some((number.parse().ok()?, epoch.to_owned()))
}

/// What lines say.
#[derive(Default)]
pub(super) struct Read {
    pub(super) entries: Vec<Entry>,
    /// The ids of what is not to be sent any more.
    pub(super) done: BTreeSet<String>,
    /// How many lines cannot be read.
    pub(super) skipped: usize,
}

impl Read {
    pub(super) fn file(&mut self, path: &Path) -> Result<(), files::Error> {
        match fs::read(path) {
            Ok(bytes) => self.lines(&String::from_utf8_lossy(&bytes)),
            // One that is removed at this moment has nothing that waits.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(files::Error::io("read", path)(error)),
        }
        Ok(())
    }

    /// Takes up whole lines; what stands behind the last line end was not finished.
    pub(super) fn lines(&mut self, text: &str) {
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines() {
            match serde_json::from_str(line) {
                Ok(Line::Accepted(entry)) => self.entries.push(*entry),
                Ok(Line::Done(id) | Line::Dropped(id)) => drop(self.done.insert(id)),
                Err(_) => self.skipped += 1,
            }
        }
    }

    pub(super) fn waiting(self) -> Vec<Entry> {
        let Self { mut entries, done, .. } = self;
        entries.retain(|entry| !done.contains(&entry.id));
        entries
    }
}

/// What the ids of a segment begin with.
pub(super) fn epoch() -> String {
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = rand::rng();
    let letter = |_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())]);
    (0..12).map(letter).collect()
}

/// The start of an id.
pub(super) fn epoch_of(id: &str) -> Option<&str> {
    id.rsplit_once('-').map(|(epoch, _)| epoch)
}

pub(super) fn append(text: &mut Vec<u8>, line: &Line) {
    // A structure of texts and numbers always has a JSON.
    text.extend(serde_json::to_vec(line).unwrap_or_default());
    text.push(b'\n');
}

/// Whether a command made these ids.
pub(super) fn is_of_command(epoch: &str) -> bool {
    epoch.starts_with(MARK)
}
