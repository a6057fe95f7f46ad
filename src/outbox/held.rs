//! What is at the head of a room's queue and cannot be sent now, and why: written down for whoever looks at the queue.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
    rc::Rc,
};

use crate::files;

fn file(folder: &Path) -> PathBuf {
    folder.join("held.json")
}

/// By the id of the message; nothing where nobody sends.
pub(crate) fn all(folder: &Path) -> BTreeMap<String, String> {
    // It says again what the log has: one that is damaged says nothing.
    let text = files::read_if_exists(&file(folder)).ok().flatten();
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// Of the one who sends.
#[derive(Clone)]
pub(super) struct Held {
    folder: PathBuf,
    now: Rc<RefCell<BTreeMap<String, String>>>,
}

impl Held {
    /// What the last one wrote is of another life.
    pub(super) fn nothing(folder: PathBuf) -> Self {
        let held = Self { folder, now: Rc::default() };
        held.write();
        held
    }

    pub(super) fn holds(&self, id: &str, why: String) {
        self.now.borrow_mut().insert(id.to_owned(), why);
        self.write();
    }

    pub(super) fn goes_on(&self, id: &str) {
        if self.now.borrow_mut().remove(id).is_some() {
            self.write();
        }
    }

    fn write(&self) {
        let (path, now) = (file(&self.folder), self.now.borrow());
        let written = if now.is_empty() {
            files::remove(&path)
        } else {
            let text = serde_json::to_vec(&*now).unwrap_or_default();
            files::write_atomically(&path, &text, files::PRIVATE)
        };
        // A disk that is full holds up no message.
        if let Err(error) = written {
            tracing::warn!("why messages wait cannot be noted: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_looks_sees_why_a_message_waits_until_it_does_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let held = Held::nothing(folder.path().to_owned());
        held.holds("a", "the room is gone".into());
        held.holds("b", "away".into());
        held.goes_on("b");
        assert_eq!(all(folder.path()), [("a".into(), "the room is gone".into())].into());
        held.goes_on("a");
        assert!(!file(folder.path()).exists());
        held.holds("c", "away".into());
        Held::nothing(folder.path().to_owned());
        assert!(all(folder.path()).is_empty());
    }
}
