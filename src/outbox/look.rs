//! What is in the queue, for whoever does not send it.

use std::{collections::BTreeMap, path::Path};

use super::{
    entry::Entry,
    keys::Seen,
    segment::{Read, paths, put_in},
};
use crate::files;

/// What waits to be sent, without changing anything.
pub(crate) fn waiting(folder: &Path) -> Result<Vec<Entry>, files::Error> {
    // In this order: what is adopted meanwhile is seen twice, and not never.
    let (mut new, mut read) = (Read::default(), Read::default());
    for path in put_in(folder) {
        new.file(&path)?;
    }
    for path in paths(folder) {
        read.file(&path)?;
    }
    new.entries.retain(|entry| read.entries.iter().all(|other| other.id != entry.id));
    read.entries.append(&mut new.entries);
    read.done.append(&mut new.done);
    Ok(read.waiting())
}

/// Whether a file of the intake only says what is not wanted any more.
pub(super) fn is_wish(path: &Path) -> bool {
    let mut read = Read::default();
    read.file(path).is_ok() && read.entries.is_empty() && !read.done.is_empty()
}

/// What commands said with keys: what waits, and what was sent lately.
pub(crate) fn said(folder: &Path) -> Result<BTreeMap<String, Before>, files::Error> {
    // Each message moves on in this order, so none is missed.
    let mut read = Read::default();
    for path in put_in(folder).into_iter().chain(paths(folder)) {
        read.file(&path)?;
    }
    let seen = Seen::load(folder);
    let lately = seen.ids.iter().filter_map(|(name, (id, _))| {
        let key = name.strip_prefix(' ')?;
        Some((key.to_owned(), (id.clone(), seen.bodies.get(name).cloned())))
    });
    let waiting = read.entries.into_iter().filter_map(|Entry { id, draft }| {
        let key = draft.key.filter(|_| draft.hook.is_none())?;
        Some((key, (id, draft.body)))
    });
    Ok(lately.chain(waiting).collect())
}

/// An id, and the hash of what was said.
pub(crate) type Before = (String, Option<String>);
