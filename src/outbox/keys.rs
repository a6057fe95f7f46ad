//! The keys of requests: what comes with one again is the same message.

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{entry::Entry, segment::DAMAGED};
use crate::files;

/// How long a key of a request is remembered, in milliseconds: as long as Synapse knows a transaction.
pub(super) const REMEMBERED: u64 = 24 * 60 * 60 * 1000;
/// How many keys are remembered at most.
const MOST_KEYS: usize = 100_000;

/// The keys of requests that were accepted lately.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Seen {
    /// By webhook, or nothing for a command, and hash.
    pub(super) ids: BTreeMap<String, (String, u64)>,
    /// The hashes of what they said.
    #[serde(default)]
    pub(super) bodies: BTreeMap<String, String>,
    /// Oldest first.
    #[serde(skip)]
    order: VecDeque<(u64, String)>,
}

impl Seen {
    fn file(folder: &Path) -> PathBuf {
        folder.join("seen.json")
    }

    pub(super) fn load(folder: &Path) -> Self {
        let file = Self::file(folder);
        let text = fs::read(&file).unwrap_or_default();
        let mut seen: Self = serde_json::from_slice(&text).unwrap_or_else(|error| {
            if !text.is_empty() {
                let kept = file.with_extension(DAMAGED);
                drop(fs::rename(&file, &kept));
                tracing::warn!(
                    "a repeat of what came before may be taken for something new: `{}` is damaged ({error})",
                    kept.display()
                );
            }
            Self::default()
        });
        let mut order: Vec<(u64, String)> =
            seen.ids.iter().map(|(name, (_, at))| (*at, name.clone())).collect();
        order.sort();
        seen.order = order.into();
        seen
    }

    pub(super) fn save(&self, folder: &Path) -> Result<(), files::Error> {
        let path = Self::file(folder);
        if self.ids.is_empty() {
            return files::remove(&path);
        }
        let text = serde_json::to_vec(self).unwrap_or_default();
        files::write_atomically(&path, &text, files::PRIVATE)
    }

    pub(super) fn find(&self, hook: &str, key: &str) -> Option<(&str, Option<&str>)> {
        let name = format!("{hook} {key}");
        let body = self.bodies.get(&name).map(String::as_str);
        self.ids.get(&name).map(|(id, _)| (id.as_str(), body))
    }

    pub(super) fn add(&mut self, key: &str, entry: &Entry) {
        let Entry { id, draft } = entry;
        let (at, body) = (&draft.at, &draft.body);
        let name = format!("{} {key}", draft.hook.as_deref().unwrap_or_default());
        if let Some(body) = body {
            self.bodies.insert(name.clone(), body.clone());
        }
        if self.ids.insert(name.clone(), (id.clone(), *at)).is_none() {
            self.order.push_back((*at, name));
        }
        if self.order.len() > MOST_KEYS {
            self.drop_oldest();
        }
    }

    pub(super) fn forget(&mut self, now: u64) {
        while self.order.front().is_some_and(|(at, _)| at + REMEMBERED < now) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, name)) = self.order.pop_front() {
            self.ids.remove(&name);
            self.bodies.remove(&name);
        }
    }
}
