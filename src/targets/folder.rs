//! The files of a target in their folder. Each carries the hash of what was written, by which one is known that
//! a person has changed since: that is not overwritten unasked.

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::{Error, Written};
use crate::files;

/// What the first line says before the hash of all others.
const MARK: &str = "# made by resource-matrix-synapse, sha256 ";

impl Written {
    /// One with the mark, for everybody to read.
    pub(super) fn marked(path: impl Into<PathBuf>, text: &str) -> Self {
        Self::plain(path, format!("{MARK}{}\n{text}", hash(text)))
    }

    /// One whose form has no comments, and so no mark.
    pub(super) fn plain(path: impl Into<PathBuf>, text: String) -> Self {
        Self { path: path.into(), text, mode: files::PUBLIC }
    }
}

fn hash(text: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(text)[..16])
}

/// What stands there.
#[derive(Debug, PartialEq, Eq)]
enum There {
    Nothing,
    /// As it was written, by this text or an earlier one.
    Ours,
    Edited,
    Foreign,
}

fn there(path: &Path, wanted: &str) -> Result<There, files::Error> {
    let Some(text) = files::read_if_exists(path)? else { return Ok(There::Nothing) };
    if text == wanted {
        return Ok(There::Ours);
    }
    let Some((first, rest)) = text.split_once('\n') else { return Ok(There::Foreign) };
    Ok(match first.strip_prefix(MARK) {
        Some(was) if was == hash(rest) => There::Ours,
        Some(_) => There::Edited,
        None => There::Foreign,
    })
}

/// A file that is not as it would be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) path: PathBuf,
    /// What stands there; none where nothing does.
    pub(crate) old: Option<String>,
    /// What would be written; none where it would be removed.
    pub(crate) new: Option<String>,
}

/// What a write would change, in the order of the names.
pub(crate) fn differences(
    folder: &Path,
    prefix: &str,
    wanted: &[Written],
) -> Result<Vec<Difference>, files::Error> {
    let mut found = Vec::new();
    for Written { path, text, .. } in wanted {
        let old = files::read_if_exists(&folder.join(path))?;
        if old.as_ref() != Some(text) {
            found.push(Difference { path: path.clone(), old, new: Some(text.clone()) });
        }
    }
    for path in left(folder, prefix, wanted)? {
        let old = files::read_if_exists(&folder.join(&path))?;
        found.push(Difference { path, old, new: None });
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Files that an earlier write made and that no longer belong to it: they begin with the name of the homeserver, carry
/// our mark and nobody has changed them.
fn left(folder: &Path, prefix: &str, wanted: &[Written]) -> Result<Vec<PathBuf>, files::Error> {
    let prefix = format!("{prefix}-");
    let mut found = Vec::new();
    for path in files::entries(folder)? {
        let Some(name) = path.file_name().map(PathBuf::from) else { continue };
        let is_wanted = wanted.iter().any(|it| it.path == name);
        if is_wanted || !name.to_string_lossy().starts_with(&prefix) || !path.is_file() {
            continue;
        }
        if there(&path, "")? == There::Ours {
            found.push(name);
        }
    }
    Ok(found)
}

/// Writes them, and removes what no longer belongs to them; the names of what changed. Nothing is written where a
/// person has changed one, unless that is asked for.
pub(super) fn write(
    folder: &Path,
    prefix: &str,
    wanted: &[Written],
    force: bool,
) -> Result<Vec<PathBuf>, Error> {
    let (mut edited, mut foreign) = (Vec::new(), Vec::new());
    for Written { path, text, .. } in wanted {
        let path = folder.join(path);
        match there(&path, text)? {
            There::Nothing | There::Ours => {}
            There::Edited => edited.push(path),
            There::Foreign => foreign.push(path),
        }
    }
    if !force && !edited.is_empty() {
        return Err(Error::Edited(edited));
    }
    if !force && !foreign.is_empty() {
        return Err(Error::Foreign(foreign));
    }
    let mut changed = Vec::new();
    for Written { path, text, mode } in wanted {
        let whole = folder.join(path);
        if let Some(parent) = whole.parent() {
            std::fs::create_dir_all(parent).map_err(files::Error::io("make", parent))?;
        }
        if files::write_if_changed(&whole, text.as_bytes(), *mode)? {
            changed.push(path.clone());
        }
    }
    for path in left(folder, prefix, wanted)? {
        files::remove(&folder.join(&path))?;
        changed.push(path);
    }
    Ok(changed)
}

/// Removes what was written; what a person has changed stays.
pub(super) fn remove(folder: &Path, names: &[String]) -> Result<(), files::Error> {
    for name in names {
        let path = folder.join(name);
        if there(&path, "")? == There::Ours {
            files::remove(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, text: &str) -> Written {
        Written::marked(name, text)
    }

    #[test]
    fn a_second_write_changes_nothing_and_what_no_longer_belongs_there_goes() {
        let folder = tempfile::tempdir().unwrap();
        let two = [written("a.target", "1\n"), written("a-b.service", "2\n")];
        assert_eq!(write(folder.path(), "a", &two, false).unwrap().len(), 2);
        assert!(write(folder.path(), "a", &two, false).unwrap().is_empty());
        assert!(differences(folder.path(), "a", &two).unwrap().is_empty());
        let one = [written("a.target", "1\n"), written("a-c.service", "3\n")];
        let gone = PathBuf::from("a-b.service");
        let difference = differences(folder.path(), "a", &one).unwrap();
        assert!(difference.iter().any(|it| it.path == gone && it.new.is_none()));
        write(folder.path(), "a", &one, false).unwrap();
        assert!(!folder.path().join(gone).exists());
    }

    #[test]
    fn what_a_person_changed_is_not_overwritten_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let files = [written("a.target", "1\n"), written("a-b.service", "2\n")];
        write(folder.path(), "a", &files, false).unwrap();
        let path = folder.path().join("a-b.service");
        let mine = files::read(&path).unwrap() + "Nice=5\n";
        files::write_atomically(&path, mine.as_bytes(), 0o644).unwrap();
        let newer = [written("a.target", "9\n"), written("a-b.service", "3\n")];
        let error = write(folder.path(), "a", &newer, false).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("`{}` was changed by hand since it was written", path.display())
        );
        assert_eq!(files::read(&path).unwrap(), mine);
        assert_eq!(files::read(&folder.path().join("a.target")).unwrap(), files[0].text);
        write(folder.path(), "a", &newer, true).unwrap();
        assert_eq!(files::read(&path).unwrap(), newer[1].text);
    }

    #[test]
    fn a_file_of_somebody_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.target");
        files::write_atomically(&path, b"[Unit]\n", 0o644).unwrap();
        let error = write(folder.path(), "a", &[written("a.target", "1\n")], false).unwrap_err();
        assert!(matches!(error, Error::Foreign(_)), "{error}");
    }
}
