//! Copies of the files that wait to be sent.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    dead,
    entry::{Entry, What},
    look,
};
use crate::{data_dir::DataDir, files};

/// Where they wait.
pub(super) fn folder(outbox: &Path) -> PathBuf {
    outbox.join("files")
}

/// Removes copies of files that no message shows: whoever made them was killed before it left the message.
pub(super) fn sweep(outbox: &Path) -> Result<(), files::Error> {
    /// Younger ones may be those of a command at work.
    const OLD: Duration = Duration::from_hours(24);
    let all = files::entries(&folder(outbox))?;
    if all.is_empty() {
        return Ok(());
    }
    let letters = dead::all(outbox)?.into_iter().map(|letter| letter.entry);
    let stored = |entry: Entry| match entry.draft.what {
        What::File(file) => Some(file.stored),
        _ => None,
    };
    let needed: BTreeSet<String> =
        look::waiting(outbox)?.into_iter().chain(letters).filter_map(stored).collect();
    for path in all {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let age = fs::metadata(&path).and_then(|file| file.modified()).ok();
        let age = age.and_then(|made| made.elapsed().ok());
        if !needed.contains(name.as_ref()) && age.is_some_and(|age| age > OLD) {
            files::remove(&path)?;
        }
    }
    Ok(())
}

/// Removes the copies of files that messages were to show.
pub(crate) fn forget<'a>(data: &DataDir, entries: impl Iterator<Item = &'a Entry>) {
    let folder = folder(&data.outbox());
    for entry in entries {
        if let What::File(file) = &entry.draft.what {
            // One that stays is in nobody's way, and is swept away later.
            drop(files::remove(&folder.join(&file.stored)));
        }
    }
}
