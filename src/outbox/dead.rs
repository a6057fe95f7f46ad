//! Messages that the homeserver refused for good: kept as they were, with the reason.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::entry::Entry;
use crate::files;

/// A file that is as long as this is put aside in the place of an older one.
const LONGEST: u64 = 8 << 20;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Letter {
    pub(crate) reason: String,
    #[serde(flatten)]
    pub(crate) entry: Entry,
}

/// A line of JSON a message.
pub(crate) fn file(folder: &Path) -> PathBuf {
    folder.join("dead.jsonl")
}

fn older(folder: &Path) -> PathBuf {
    folder.join("dead.1.jsonl")
}

/// Who reads all to write it anew keeps others from adding meanwhile.
fn locked(folder: &Path) -> Result<File, files::Error> {
    let path = folder.join("dead.lock");
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(files::PRIVATE);
    let lock = options.open(&path).and_then(|lock| lock.lock().map(|()| lock));
    lock.map_err(files::Error::io("lock", &path))
}

/// Has it on the disk.
pub(super) fn keep(folder: &Path, letters: &[Letter]) -> Result<(), files::Error> {
    let _lock = locked(folder)?;
    let path = file(folder);
    if fs::metadata(&path).is_ok_and(|file| file.len() > LONGEST) {
        fs::rename(&path, older(folder)).map_err(files::Error::io("put aside", &path))?;
    }
    // A line that a crash tore is ended first.
    let torn = fs::read(&path).is_ok_and(|bytes| bytes.last().is_some_and(|end| *end != b'\n'));
    let mut text = if torn { vec![b'\n'] } else { Vec::new() };
    text.extend(lines(letters));
    let written = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(files::PRIVATE)
        .open(&path)
        .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()));
    written.map_err(files::Error::io("write", &path))
}

fn lines(letters: &[Letter]) -> Vec<u8> {
    let mut text = Vec::new();
    for letter in letters {
        text.extend(serde_json::to_vec(letter).unwrap_or_default());
        text.push(b'\n');
    }
    text
}

/// All that are kept, oldest first.
pub(crate) fn all(folder: &Path) -> Result<Vec<Letter>, files::Error> {
    let mut letters = of(&older(folder))?;
    letters.extend(of(&file(folder))?);
    Ok(letters)
}

fn of(path: &Path) -> Result<Vec<Letter>, files::Error> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        read => read.map_err(files::Error::io("read", path))?,
    };
    // A line that a crash tore spoils no other.
    let lines = bytes.split(|byte| *byte == b'\n');
    Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

/// Takes those away that are `wanted`, after `act` has done with them what is to be done.
pub(crate) fn take<E: From<files::Error>>(
    folder: &Path,
    wanted: impl Fn(&Letter) -> bool,
    act: impl FnOnce(Vec<Letter>) -> Result<(), E>,
) -> Result<(), E> {
    let _lock = locked(folder)?;
    let mut taken = Vec::new();
    let mut left = Vec::new();
    for path in [older(folder), file(folder)] {
        let (out, stays): (Vec<_>, Vec<_>) = of(&path)?.into_iter().partition(&wanted);
        if !out.is_empty() {
            left.push((path, stays));
        }
        taken.extend(out);
    }
    act(taken)?;
    for (path, stays) in left {
        if stays.is_empty() {
            files::remove(&path)?;
        } else {
            files::write_atomically(&path, &lines(&stays), files::PRIVATE)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        matrix::thread::Place,
        outbox::entry::{Draft, What},
    };

    #[test]
    fn letters_are_kept_behind_each_other_and_a_torn_one_spoils_none() {
        let folder = tempfile::tempdir().unwrap();
        let letter = |id: &str| Letter {
            reason: "M_FORBIDDEN".into(),
            entry: Entry {
                id: id.into(),
                draft: Draft {
                    hook: Some("ci".into()),
                    user: "@ci:x.org".try_into().unwrap(),
                    room: "!r:x.org".into(),
                    what: What::Content(serde_json::json!({ "body": "a" })),
                    place: Place::default(),
                    transaction: None,
                    key: None,
                    body: None,
                    waited: false,
                    at: 1,
                },
            },
        };
        keep(folder.path(), &[letter("a-1"), letter("a-2")]).unwrap();
        let text = fs::read(file(folder.path())).unwrap();
        let torn = &text[..text.len() - 5];
        files::write_atomically(&file(folder.path()), torn, files::PRIVATE).unwrap();
        keep(folder.path(), &[letter("a-3")]).unwrap();
        let ids: Vec<String> =
            all(folder.path()).unwrap().into_iter().map(|letter| letter.entry.id).collect();
        assert_eq!(ids, ["a-1", "a-3"]);
    }
}
