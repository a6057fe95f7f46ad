//! Brings back what an uninstall archived. Everything is copied, and compared with what it was copied
//! from, before it goes to its place; the archive stays as it was, unless it is to be moved.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown, symlink},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::archive::is_empty;
use crate::{
    data_dir::DataDir,
    error::{Explain, Kind},
    files,
};

/// What an archive has at least one of.
const KNOWN: [&str; 6] =
    ["secrets", "settings.yaml", "homeserver.d", "media", "postgres", "database.json"];
/// Of these an installation cannot be made again.
const SECRETS: &str = "secrets";

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("`{}` is not an archive of an uninstall", .0.display())]
    NotArchive(PathBuf),
    #[error("`{}` exists: it holds data of another installation", .0.display())]
    Occupied(PathBuf),
    #[error("bringing back `{}` was interrupted", .0.display())]
    Interrupted(PathBuf),
    #[error("the copy of `{}` differs from it", .0.display())]
    Differs(PathBuf),
    #[error(transparent)]
    File(#[from] files::Error),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NotArchive(_) | Self::Occupied(_) => Kind::Request,
            Self::Interrupted(_) | Self::Differs(_) => Kind::Environment,
            Self::File(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotArchive(_) => Some("`manage uninstall` prints the folder it made".into()),
            Self::Occupied(_) => Some(
                "archive it first with `manage uninstall`, or choose another data folder".into(),
            ),
            Self::Interrupted(folder) => Some(format!(
                "`manage install --restore {}` begins again; the archive is whole",
                folder.display()
            )),
            Self::Differs(_) => Some("look at the disk, then run it again".into()),
            Self::File(error) => error.hint(),
        }
    }
}

/// What is brought back, or was.
#[derive(Debug, Deserialize, Serialize)]
struct Note {
    from: PathBuf,
    done: bool,
}

fn note_file(data: &DataDir) -> PathBuf {
    data.run().join("restore.json")
}

fn note(data: &DataDir) -> Result<Option<Note>, files::Error> {
    let text = files::read_made(&note_file(data))?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// Whether an earlier run has brought all of it back, and no uninstall has taken it since.
pub(crate) fn is_done(data: &DataDir, folder: &Path) -> Result<bool, files::Error> {
    let same = |note: Note| note.done && note.from == folder;
    let is_there = |name: &str| {
        let path = data.root().join(name);
        path.exists() && !is_empty(&path)
    };
    Ok(KNOWN.iter().any(|name| is_there(name)) && note(data)?.is_some_and(same))
}

/// Refuses a data folder in which one was interrupted.
pub(crate) fn require_whole(data: &DataDir) -> Result<(), Error> {
    match note(data)? {
        Some(Note { from, done: false }) => Err(Error::Interrupted(from)),
        _ => Ok(()),
    }
}

/// Refuses what [`restore`] cannot bring back; changes nothing.
pub(crate) fn may_be(data: &DataDir, folder: &Path) -> Result<(), Error> {
    contents(data, folder).map(drop)
}

/// What is in the folder, if all of it can go to its place.
fn contents(data: &DataDir, folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let paths = files::entries(folder)?;
    let is_known = |path: &PathBuf| KNOWN.iter().any(|known| path.ends_with(known));
    if !paths.iter().any(is_known) {
        return Err(Error::NotArchive(folder.to_owned()));
    }
    // What an interrupted one has put there is only a copy.
    let is_ours = note(data)?.is_some_and(|note| !note.done && note.from == folder);
    let mut places = paths.iter().map(|path| place(data, path));
    match places.find(|to| !is_ours && to.exists() && !is_empty(to)) {
        Some(taken) => Err(Error::Occupied(taken)),
        None => Ok(paths),
    }
}

fn place(data: &DataDir, path: &Path) -> PathBuf {
    data.root().join(path.file_name().unwrap_or_default())
}

/// Brings the data of an archive into the data folder; with `moves` the archive is gone afterwards.
pub(crate) fn restore(data: &DataDir, folder: &Path, moves: bool) -> Result<(), Error> {
    let paths = contents(data, folder)?;
    files::private_folder(&data.run())?;
    let tell = |done| {
        let note = Note { from: folder.to_owned(), done };
        let text = serde_json::to_string(&note).unwrap_or_default();
        files::write_atomically(&note_file(data), text.as_bytes(), files::PRIVATE)
    };
    tell(false)?;
    let half = data.root().join(".restoring");
    let brought = bring(data, paths, &half, moves);
    // Also after an error, such as a full disk.
    let cleared = files::remove(&half);
    brought?;
    cleared?;
    // What the disk refuses by now is seen by whoever reads it.
    files::settle(data.root()).unwrap_or(());
    if moves {
        files::remove(folder)?;
    }
    Ok(tell(true)?)
}

fn bring(data: &DataDir, paths: Vec<PathBuf>, half: &Path, moves: bool) -> Result<(), Error> {
    files::remove(half)?;
    files::private_folder(half)?;
    // The secrets go last: with them an installation is one.
    let (secrets, others): (Vec<_>, Vec<_>) =
        paths.into_iter().partition(|path| path.ends_with(SECRETS));
    for path in others.into_iter().chain(secrets) {
        let to = place(data, &path);
        files::remove(&to)?;
        // On another file system it cannot be moved.
        if moves && fs::rename(&path, &to).is_ok() {
            continue;
        }
        let copy = half.join(path.file_name().unwrap_or_default());
        copy_all(&path, &copy)?;
        fs::rename(&copy, &to).map_err(files::Error::io("bring back", &path))?;
    }
    Ok(())
}

/// Copies a file or a folder with all that is in it, its modes and, for root, its owners.
fn copy_all(from: &Path, to: &Path) -> Result<(), Error> {
    let failed = |error| files::Error::io("copy", from)(error);
    let kind = fs::symlink_metadata(from).map_err(failed)?;
    if kind.is_symlink() {
        symlink(fs::read_link(from).map_err(failed)?, to).map_err(failed)?;
    } else if kind.is_dir() {
        files::private_folder(to)?;
        for path in files::entries(from)? {
            copy_all(&path, &to.join(path.file_name().unwrap_or_default()))?;
        }
        let mode = fs::Permissions::from_mode(kind.mode() & 0o7777);
        fs::set_permissions(to, mode).map_err(failed)?;
    } else if kind.is_file() {
        fs::copy(from, to).map_err(failed)?;
        if !are_equal(from, to).map_err(failed)? {
            return Err(Error::Differs(from.to_owned()));
        }
        let times = fs::FileTimes::new().set_modified(kind.modified().map_err(failed)?);
        let written = File::options().write(true).open(to);
        // The time is only a courtesy: a file that may not be written has the one of now.
        drop(written.and_then(|file| file.set_times(times)));
    } else {
        // Sockets and pipes are made anew by whoever needs them.
        return Ok(());
    }
    if rustix::process::geteuid().is_root() && (kind.uid(), kind.gid()) != (0, 0) {
        lchown(to, Some(kind.uid()), Some(kind.gid())).map_err(failed)?;
    }
    Ok(())
}

fn are_equal(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) =
        (BufReader::new(File::open(one)?), BufReader::new(File::open(other)?));
    let (mut these, mut those) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let read = one.read(&mut these)?;
        if read == 0 {
            return Ok(other.read(&mut those)? == 0);
        }
        match other.read_exact(&mut those[..read]) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            read => read?,
        }
        if these[..read] != those[..read] {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive as an uninstall leaves one, and a data folder for it.
    fn archive() -> (tempfile::TempDir, PathBuf, DataDir) {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("archive");
        for (path, text) in [("secrets/signing.key", "k"), ("media/a", "m"), ("settings.yaml", "s")]
        {
            let path = archive.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            files::write_atomically(&path, text.as_bytes(), files::PRIVATE).unwrap();
        }
        fs::set_permissions(archive.join("secrets"), fs::Permissions::from_mode(0o700)).unwrap();
        symlink("a", archive.join("media/link")).unwrap();
        let data = DataDir::new(folder.path().join("data"));
        data.create().unwrap();
        (folder, archive, data)
    }

    fn all_is_back(data: &DataDir) {
        assert_eq!(files::read(&data.signing_key()).unwrap(), "k");
        assert_eq!(files::read(&data.root().join("media/link")).unwrap(), "m");
        let mode = |path: &str| fs::metadata(data.root().join(path)).unwrap().mode() & 0o777;
        assert_eq!((mode("secrets"), mode("secrets/signing.key")), (0o700, 0o600));
        assert!(!data.root().join(".restoring").exists());
        require_whole(data).unwrap();
    }

    #[test]
    fn an_archive_is_copied_and_stays_as_it_was() {
        let (_folder, archive, data) = archive();
        assert!(!is_done(&data, &archive).unwrap());
        restore(&data, &archive, false).unwrap();
        all_is_back(&data);
        assert!(is_done(&data, &archive).unwrap());
        assert_eq!(files::entries(&archive).unwrap().len(), 3);
        assert_eq!(files::read(&archive.join("secrets/signing.key")).unwrap(), "k");
    }

    #[test]
    fn an_archive_that_is_moved_is_gone() {
        let (_folder, archive, data) = archive();
        restore(&data, &archive, true).unwrap();
        all_is_back(&data);
        assert!(!archive.exists() && is_done(&data, &archive).unwrap());
    }

    #[test]
    fn one_that_was_killed_begins_again_and_nothing_else_does() {
        let (_folder, archive, data) = archive();
        // As a killed one leaves it: some of it is there.
        let text = serde_json::to_string(&Note { from: archive.clone(), done: false }).unwrap();
        files::write_atomically(&note_file(&data), text.as_bytes(), files::PRIVATE).unwrap();
        files::write_atomically(&data.settings(), b"half", files::PRIVATE).unwrap();
        assert!(matches!(require_whole(&data), Err(Error::Interrupted(_))));
        assert!(!is_done(&data, &archive).unwrap());
        restore(&data, &archive, false).unwrap();
        all_is_back(&data);
        assert_eq!(files::read(&data.settings()).unwrap(), "s");
    }

    #[test]
    fn data_of_another_installation_is_not_overwritten() {
        let (_folder, archive, data) = archive();
        files::write_atomically(&data.signing_key(), b"new", files::PRIVATE).unwrap();
        assert!(matches!(restore(&data, &archive, false), Err(Error::Occupied(_))));
        let nowhere = Path::new("/nowhere");
        assert!(matches!(restore(&data, nowhere, false), Err(Error::NotArchive(_))));
        assert_eq!(files::read(&data.signing_key()).unwrap(), "new");
    }

    #[test]
    fn files_are_equal_where_every_byte_is() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("1"), folder.path().join("2"));
        let long = vec![7; 200_000];
        for (text, same) in [(&long[..], true), (&long[1..], false), (b"", false)] {
            files::write_atomically(&one, &long, files::PRIVATE).unwrap();
            files::write_atomically(&other, text, files::PRIVATE).unwrap();
            assert_eq!(are_equal(&one, &other).unwrap(), same);
            assert_eq!(are_equal(&other, &one).unwrap(), same);
        }
    }
}
