//! What became of a message, for a command that waits for it.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::files;

/// How long an answer is kept that nobody asked for, in seconds.
const KEPT: u64 = 24 * 60 * 60;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Became {
    /// The event that it is.
    Sent(String),
    /// Why it was refused for good.
    Refused(String),
    /// Somebody did not want it any more.
    Dropped,
}

fn folder(outbox: &Path) -> PathBuf {
    outbox.join("answers")
}

/// Says it.
pub(super) fn put(outbox: &Path, id: &str, became: &Became) -> Result<(), files::Error> {
    let folder = folder(outbox);
    files::private_folder(&folder)?;
    let (path, beside) = (folder.join(id), folder.join(".new"));
    // Whole for who reads it; nobody waits for it any more where the machine has failed.
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(files::PRIVATE);
    let written = options
        .open(&beside)
        .and_then(|mut file| file.write_all(&serde_json::to_vec(became)?))
        .and_then(|()| fs::rename(&beside, &path));
    written.map_err(files::Error::io("write", &path))
}

/// Takes it away, if it is known yet.
pub(crate) fn take(outbox: &Path, id: &str) -> Result<Option<Became>, files::Error> {
    let path = folder(outbox).join(id);
    let Some(text) = files::read_if_exists(&path)? else { return Ok(None) };
    let became = serde_json::from_str(&text).ok();
    files::remove(&path)?;
    Ok(became)
}

/// Forgets those that nobody came for.
pub(super) fn sweep(outbox: &Path) {
    for path in files::entries(&folder(outbox)).unwrap_or_default() {
        let written = fs::metadata(&path).and_then(|file| file.modified());
        let age = written.ok().and_then(|at| at.elapsed().ok()).map(|age| age.as_secs());
        if age.is_some_and(|age| age > KEPT) {
            // It is in nobody's way.
            drop(files::remove(&path));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn an_answer_waits_a_day_for_whoever_asked() {
        let outbox = tempfile::tempdir().unwrap();
        for id in ["old", "new"] {
            put(outbox.path(), id, &Became::Dropped).unwrap();
        }
        let old = fs::File::options().write(true).open(folder(outbox.path()).join("old")).unwrap();
        old.set_modified(SystemTime::now() - Duration::from_secs(KEPT + 60)).unwrap();
        sweep(outbox.path());
        assert!(take(outbox.path(), "old").unwrap().is_none());
        assert!(matches!(take(outbox.path(), "new").unwrap(), Some(Became::Dropped)));
    }
}
