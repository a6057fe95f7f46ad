//! Calls that were refused: a line in the log for each, and for each webhook how many there were and
//! what was the last.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    mem,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{clock, data_dir::DataDir, files, outbox};

/// What was refused of one webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Count {
    /// How many there were.
    pub(crate) calls: usize,
    /// When it was last.
    pub(crate) at: String,
    /// The status that was answered.
    pub(crate) status: u16,
    pub(crate) reason: String,
}

type Counts = BTreeMap<String, Count>;

/// The one that counts.
#[derive(Debug)]
pub(super) struct Refused {
    data: DataDir,
    /// What is not written yet, as on a full disk: one at a time, who notes it.
    unwritten: Mutex<Counts>,
}

fn file(folder: &Path) -> PathBuf {
    folder.join("refused.json")
}

/// How many there were, by webhook.
pub(crate) fn all(folder: &Path) -> Result<Counts, files::Error> {
    // One that is damaged is begun anew: the log has them all.
    let text = files::read_if_exists(&file(folder))?.unwrap_or_default();
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

/// Forgets those of a webhook that is taken away: another one of its name begins anew.
pub(super) fn forget(folder: &Path, hook: &str) -> Result<(), files::Error> {
    let mut counts = all(folder)?;
    if counts.remove(hook).is_some() {
        let text = serde_json::to_vec(&counts).unwrap_or_default();
        files::write_atomically(&file(folder), &text, files::PRIVATE)?;
    }
    Ok(())
}

impl Refused {
    pub(super) fn of(data: &DataDir) -> Self {
        Self { data: data.clone(), unwritten: Mutex::default() }
    }

    /// Notes one; the reason is what the client is told, never its body or a token.
    pub(super) fn note(&self, hook: &str, is_there: bool, status: u16, reason: &str) {
        let shown: String = hook.chars().take(64).collect();
        tracing::warn!(
            "a call of the webhook `{}` was refused with {status}: {reason}",
            shown.escape_debug()
        );
        // What is no webhook has no count, or strangers could fill it.
        if !is_there {
            return;
        }
        let mut unwritten = self.unwritten();
        let late = !unwritten.is_empty();
        let calls = unwritten.get(hook).map_or(0, |count| count.calls) + 1;
        let count =
            Count { calls, at: clock::of_ms(outbox::now()), status, reason: reason.to_owned() };
        unwritten.insert(hook.to_owned(), count);
        match self.write(&unwritten) {
            Ok(()) if late => tell(mem::take(&mut unwritten)),
            Ok(()) => unwritten.clear(),
            Err(error) => {
                tracing::warn!("how many calls were refused cannot be noted yet: {error}");
            }
        }
    }

    /// Writes down what could not be written before, and says it again: the log may have had no place for
    /// it either.
    pub(super) fn catch_up(&self) {
        let mut unwritten = self.unwritten();
        if !unwritten.is_empty() && self.write(&unwritten).is_ok() {
            tell(mem::take(&mut unwritten));
        }
    }

    fn unwritten(&self) -> MutexGuard<'_, Counts> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds these to those that are written.
    fn write(&self, more: &Counts) -> io::Result<()> {
        let folder = self.data.outbox();
        let mut counts = all(&folder).unwrap_or_default();
        for (hook, count) in more {
            let calls = counts.get(hook).map_or(0, |count| count.calls) + count.calls;
            counts.insert(hook.clone(), Count { calls, ..count.clone() });
        }
        write(&file(&folder), &counts)
    }
}

fn tell(unwritten: Counts) {
    for (hook, Count { calls, at, status, reason }) in unwritten {
        let calls = if calls == 1 { "1 call".to_owned() } else { format!("{calls} calls") };
        tracing::warn!(
            "{calls} of the webhook `{hook}` were refused while nothing could be written, the last at {at} with {status}: {reason}"
        );
    }
}

/// Whole or not at all for who reads it, without waiting for the disk: nothing is lost with it but a
/// count, and refusals may be many.
fn write(path: &Path, counts: &Counts) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(files::PRIVATE);
    options.open(&beside)?.write_all(&serde_json::to_vec(counts)?)?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_is_kept_until_there_is_room_again() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        let journal = data.outbox();
        let refused = Refused::of(&data);
        // No folder, no file.
        refused.note("ci", true, 507, "nothing was accepted: the disk of the server is full");
        refused.note("ci", true, 507, "nothing was accepted: the disk of the server is full");
        refused.note("ci", false, 404, "there is no such webhook");
        refused.catch_up();
        assert!(all(&journal).unwrap().is_empty());
        files::private_folder(&journal).unwrap();
        refused.catch_up();
        refused.catch_up();
        let counts = all(&journal).unwrap();
        assert_eq!((counts["ci"].calls, counts["ci"].status), (2, 507), "{counts:?}");
        refused.note("ci", true, 401, "this is not the token");
        let counts = all(&journal).unwrap();
        assert_eq!((counts["ci"].calls, counts["ci"].status), (3, 401), "{counts:?}");
    }
}
