//! The files of a target in their folder. Each carries the hash of what was written, by which one is known that
//! a person has changed since: that is not overwritten unasked. In a folder that several homeservers share it says whose it
//! is, too.

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::{Error, Written};
use crate::files;

/// What the first line says before the hash of all others.
const MARK: &str = "# made by resource-matrix-synapse, sha256 ";
/// What stands between the hash and the data folder.
const OF: &str = " of ";
/// What a file says that has no comments.
const NAME: &str = "made by resource-matrix-synapse";

impl Written {
    /// One with the mark, for everybody to read.
    pub(super) fn marked(path: impl Into<PathBuf>, text: &str) -> Self {
        Self::plain(path, format!("{MARK}{}\n{text}", hash(text)))
    }

    /// The same, said to be of the homeserver in this data folder.
    pub(super) fn of(mut self, data: &Path) -> Self {
        if let Some((first, rest)) = self.text.split_once('\n')
            && first.starts_with(MARK)
        {
            self.text = format!("{first}{OF}{}\n{rest}", data.display().to_string().escape_debug());
        }
        self
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
    /// Of the homeserver in that data folder.
    Others(String),
    Foreign,
}

/// The hash and the data folder in the first line of a file that has a mark.
fn marks(text: &str) -> Option<(&str, Option<&str>, &str)> {
    let (first, rest) = text.split_once('\n')?;
    let mark = first.strip_prefix(MARK)?;
    Some(match mark.split_once(OF) {
        Some((hash, data)) => (hash, Some(data), rest),
        None => (mark, None, rest),
    })
}

fn there(path: &Path, wanted: &str, data: &Path) -> Result<There, files::Error> {
    let text = match files::read_if_exists(path) {
        Ok(None) => return Ok(There::Nothing),
        Err(files::Error::NotText(_)) => return Ok(There::Foreign),
        text => text?.unwrap_or_default(),
    };
    if text == wanted {
        return Ok(There::Ours);
    }
    Ok(match marks(&text) {
        Some((_, Some(of), _)) if of != data.display().to_string().escape_debug().to_string() => {
            There::Others(of.to_owned())
        }
        Some((was, _, rest)) if was == hash(rest) => There::Ours,
        Some(_) => There::Edited,
        // Only what is written without a mark is known by that alone.
        None if marks(wanted).is_none() && !wanted.is_empty() && text.contains(NAME) => There::Ours,
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
    (prefix, data): (&str, &Path),
    wanted: &[Written],
) -> Result<Vec<Difference>, files::Error> {
    let mut found = Vec::new();
    for Written { path, text, .. } in wanted {
        let old = files::read_if_exists(&folder.join(path))?;
        if old.as_ref() != Some(text) {
            found.push(Difference { path: path.clone(), old, new: Some(text.clone()) });
        }
    }
    for path in left(folder, (prefix, data), wanted)? {
        let old = files::read_if_exists(&folder.join(&path))?;
        found.push(Difference { path, old, new: None });
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Files that an earlier write made and that no longer belong to it: they begin with the name of the homeserver, carry
/// our mark and nobody has changed them.
fn left(
    folder: &Path,
    (prefix, data): (&str, &Path),
    wanted: &[Written],
) -> Result<Vec<PathBuf>, files::Error> {
    let is_shared = wanted.iter().any(|it| marks(&it.text).is_some_and(|mark| mark.1.is_some()));
    let prefix = format!("{prefix}-");
    let mut found = Vec::new();
    for path in files::entries(folder)? {
        let Some(name) = path.file_name().map(PathBuf::from) else { continue };
        let is_wanted = wanted.iter().any(|it| it.path == name);
        if is_wanted || !name.to_string_lossy().starts_with(&prefix) || !path.is_file() {
            continue;
        }
        // Another homeserver's name may begin with this one's.
        let says = files::read_if_exists(&path)?;
        let is_said = says.as_deref().and_then(marks).is_some_and(|mark| mark.1.is_some());
        if there(&path, "", data)? == There::Ours && (is_said || !is_shared) {
            found.push(name);
        }
    }
    Ok(found)
}

/// Writes them, and removes what no longer belongs to them; the names of what changed. Nothing is written where a
/// person has changed one, unless that is asked for.
pub(super) fn write(
    folder: &Path,
    (prefix, data): (&str, &Path),
    wanted: &[Written],
    force: bool,
) -> Result<Vec<PathBuf>, Error> {
    let (mut edited, mut foreign) = (Vec::new(), Vec::new());
    for Written { path, text, .. } in wanted {
        let path = folder.join(path);
        match there(&path, text, data)? {
            There::Nothing | There::Ours => {}
            There::Others(_) if force => {}
            There::Others(data) => return Err(Error::Others { path, data }),
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
    for path in left(folder, (prefix, data), wanted)? {
        files::remove(&folder.join(&path))?;
        changed.push(path);
    }
    Ok(changed)
}

/// Removes what was written; what a person has changed stays.
pub(super) fn remove(folder: &Path, data: &Path, names: &[String]) -> Result<(), files::Error> {
    for name in names {
        let path = folder.join(name);
        if there(&path, "", data)? == There::Ours {
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
        assert_eq!(write(folder.path(), ("a", Path::new("/a")), &two, false).unwrap().len(), 2);
        assert!(write(folder.path(), ("a", Path::new("/a")), &two, false).unwrap().is_empty());
        assert!(differences(folder.path(), ("a", Path::new("/a")), &two).unwrap().is_empty());
        let one = [written("a.target", "1\n"), written("a-c.service", "3\n")];
        let gone = PathBuf::from("a-b.service");
        let difference = differences(folder.path(), ("a", Path::new("/a")), &one).unwrap();
        assert!(difference.iter().any(|it| it.path == gone && it.new.is_none()));
        write(folder.path(), ("a", Path::new("/a")), &one, false).unwrap();
        assert!(!folder.path().join(gone).exists());
    }

    #[test]
    fn what_a_person_changed_is_not_overwritten_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let files = [written("a.target", "1\n"), written("a-b.service", "2\n")];
        write(folder.path(), ("a", Path::new("/a")), &files, false).unwrap();
        let path = folder.path().join("a-b.service");
        let mine = files::read(&path).unwrap() + "Nice=5\n";
        files::write_atomically(&path, mine.as_bytes(), 0o644).unwrap();
        let newer = [written("a.target", "9\n"), written("a-b.service", "3\n")];
        let error = write(folder.path(), ("a", Path::new("/a")), &newer, false).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("`{}` was changed by hand since it was written", path.display())
        );
        assert_eq!(files::read(&path).unwrap(), mine);
        assert_eq!(files::read(&folder.path().join("a.target")).unwrap(), files[0].text);
        write(folder.path(), ("a", Path::new("/a")), &newer, true).unwrap();
        assert_eq!(files::read(&path).unwrap(), newer[1].text);
    }

    #[test]
    fn a_file_of_somebody_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.target");
        files::write_atomically(&path, b"[Unit]\n", 0o644).unwrap();
        let error =
            write(folder.path(), ("a", Path::new("/a")), &[written("a.target", "1\n")], false)
                .unwrap_err();
        assert!(matches!(error, Error::Foreign(_)), "{error}");
    }

    #[test]
    fn what_is_of_another_homeserver_stays() {
        let folder = tempfile::tempdir().unwrap();
        let of = |data: &str, name: &str| written(name, "1\n").of(Path::new(data));
        let (one, two) = (("a", Path::new("/one/a")), ("a-b", Path::new("/two/a-b")));
        let both = [of("/two/a-b", "a-b.target"), of("/two/a-b", "a-b-synapse.service")];
        write(folder.path(), two, &both, false).unwrap();
        write(folder.path(), one, &[of("/one/a", "a-synapse.service")], false).unwrap();
        assert!(both.iter().all(|it| folder.path().join(&it.path).exists()));
        // One that goes is known by its data folder.
        write(folder.path(), one, &[of("/one/a", "a-other.service")], false).unwrap();
        assert!(!folder.path().join("a-synapse.service").exists());
        let taken = [of("/one/a", "a-b.target")];
        let error = write(folder.path(), one, &taken, false).unwrap_err();
        assert!(error.to_string().contains("homeserver in `/two/a-b`"), "{error}");
        remove(folder.path(), one.1, &["a-b.target".to_owned()]).unwrap();
        assert!(folder.path().join("a-b.target").exists());
    }
}
