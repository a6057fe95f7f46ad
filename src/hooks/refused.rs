//! Calls that were refused: a line in the log for each, and for each webhook how many there were and
//! what was the last.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::writer;
use crate::{clock, data_dir::DataDir, files};

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
    /// One at a time.
    turn: Mutex<()>,
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
        Self { data: data.clone(), turn: Mutex::new(()) }
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
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = self.data.hook_journal();
        let mut counts = all(&folder).unwrap_or_default();
        let calls = counts.get(hook).map_or(0, |count| count.calls) + 1;
        let count =
            Count { calls, at: clock::of_ms(writer::now()), status, reason: reason.to_owned() };
        counts.insert(hook.to_owned(), count);
        if let Err(error) = write(&file(&folder), &counts) {
            tracing::warn!("how many calls were refused cannot be noted: {error}");
        }
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
