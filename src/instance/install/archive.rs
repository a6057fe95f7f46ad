//! The archive of an uninstall. Everything in the data folder that an
//! installation cannot make again goes into `aside/<time>/`, by renaming: nothing is copied, nothing
//! can be half there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    clock,
    data_dir::{DataDir, PROGRAM, STAYS},
    files,
};

/// The end of the name of a folder that is still being filled.
const UNFINISHED: &str = ".unfinished";

fn is_named(path: &Path, names: &[&str]) -> bool {
    path.file_name().is_some_and(|name| names.iter().any(|known| name == *known))
}

/// Removes what an installation can make again. Where the data stay in their place so do the keys of encrypted rooms: there
/// is no second copy of them.
pub(crate) fn remove_program(data: &DataDir, and_keys: bool) -> Result<(), files::Error> {
    let mut all = PROGRAM.iter().map(|name| data.root().join(name));
    all.try_for_each(
        |path| if and_keys || path != data.keys() { files::remove(&path) } else { Ok(()) },
    )
}

/// What would be archived.
pub(crate) fn data_of(data: &DataDir) -> Result<Vec<PathBuf>, files::Error> {
    let mut paths = files::entries(data.root())?;
    paths.retain(|path| !is_named(path, &PROGRAM) && !is_named(path, &STAYS) && !is_empty(path));
    Ok(paths)
}

/// Whether nothing but folders is there.
pub(super) fn is_empty(path: &Path) -> bool {
    path.is_dir()
        && !path.is_symlink()
        && files::entries(path).is_ok_and(|inside| inside.iter().all(|path| is_empty(path)))
}

/// Erases all but archives, or those too; last the lock of the command that is at work, for which others
/// may wait.
pub(crate) fn erase(data: &DataDir, archives: bool) -> Result<(), files::Error> {
    erasable(data, archives)?.iter().try_for_each(|path| files::remove(path))?;
    files::remove(&data.run())?;
    if archives { files::remove(data.root()) } else { Ok(()) }
}

/// What [`erase`] would take away, that lock aside.
pub(super) fn erasable(data: &DataDir, archives: bool) -> Result<Vec<PathBuf>, files::Error> {
    let run = data.run();
    let mut paths = files::entries(data.root())?;
    paths.retain(|path| *path != run && (archives || !is_kept(data, path)));
    Ok(paths)
}

/// Whether a purge leaves this unless it is told to erase archives as well.
pub(super) fn is_kept(data: &DataDir, path: &Path) -> bool {
    *path == data.archives() || *path == data.backups()
}

/// The archives of earlier uninstalls, and the backups.
pub(crate) fn earlier(data: &DataDir) -> Result<Vec<PathBuf>, files::Error> {
    let mut found = files::entries(&data.archives())?;
    found.extend(files::entries(&data.backups())?);
    Ok(found)
}

/// The folder that an uninstall was filling when it was killed.
fn unfinished(data: &DataDir) -> Result<Option<PathBuf>, files::Error> {
    let mut folders = files::entries(&data.archives())?.into_iter();
    Ok(folders.find(|path| path.to_string_lossy().ends_with(UNFINISHED)))
}

/// What an uninstall that was killed has archived already, where it was before.
pub(crate) fn moved(data: &DataDir) -> Result<Vec<PathBuf>, files::Error> {
    let Some(folder) = unfinished(data)? else { return Ok(Vec::new()) };
    Ok(files::entries(&folder)?.iter().map(|path| place(data, path)).collect())
}

/// Moves the data into a dated folder; none where there is no data. Its name says that it is not
/// [`finish`]ed: should we be killed, the next uninstall goes on with it.
pub(crate) fn fill(data: &DataDir) -> Result<Option<PathBuf>, files::Error> {
    let rest = data_of(data)?;
    let mut unfinished = unfinished(data)?;
    // Since then something else was installed: that is a set of its own.
    if let Some(folder) = &unfinished
        && rest.iter().any(|path| folder.join(path.file_name().unwrap_or_default()).exists())
    {
        finish(folder)?;
        unfinished = None;
    }
    if rest.is_empty() && unfinished.is_none() {
        return Ok(None);
    }
    let filling = unfinished.unwrap_or_else(|| {
        data.archives().join(format!("{}{UNFINISHED}", clock::stamp(clock::now())))
    });
    files::private_folder(&filling)?;
    for path in rest {
        let to = filling.join(path.file_name().unwrap_or_default());
        fs::rename(&path, &to).map_err(files::Error::io("archive", &path))?;
    }
    Ok(Some(filling))
}

/// Gives the folder its last name, when all else is done.
pub(crate) fn finish(filling: &Path) -> Result<PathBuf, files::Error> {
    let named = filling.to_string_lossy();
    let done = PathBuf::from(named.trim_end_matches(UNFINISHED));
    fs::rename(filling, &done).map_err(files::Error::io("archive", filling))?;
    Ok(done)
}

fn place(data: &DataDir, path: &Path) -> PathBuf {
    data.root().join(path.file_name().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::identity::with_keys;

    fn filled() -> (tempfile::TempDir, DataDir) {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        data.create().unwrap();
        for (path, text) in [("secrets/signing.key", "k"), ("media/a", "m"), ("settings.yaml", "s")]
        {
            files::write_atomically(&data.root().join(path), text.as_bytes(), files::PRIVATE)
                .unwrap();
        }
        files::write_atomically(&data.homeserver_yaml(), b"h", files::PRIVATE).unwrap();
        (folder, data)
    }

    #[test]
    fn an_archive_holds_what_cannot_be_made_again() {
        let (_folder, data) = filled();
        remove_program(&data, true).unwrap();
        let aside = finish(&fill(&data).unwrap().unwrap()).unwrap();
        assert!(!data.signing_key().exists() && !data.homeserver_yaml().exists());
        assert_eq!(fill(&data).unwrap(), None);
        assert_eq!(with_keys(&data).unwrap(), std::slice::from_ref(&aside));
        assert_eq!(files::read(&aside.join("media/a")).unwrap(), "m");
    }

    #[test]
    fn one_that_was_killed_is_finished_by_the_next() {
        let (_folder, data) = filled();
        let half = data.archives().join("20260101T000000Z.unfinished");
        files::private_folder(&half).unwrap();
        fs::rename(data.root().join("media"), half.join("media")).unwrap();
        assert_eq!(moved(&data).unwrap(), [data.root().join("media")]);
        // Killed again when all was moved: the folder is still known.
        let filling = fill(&data).unwrap().unwrap();
        assert_eq!(moved(&data).unwrap().len(), 3);
        assert_eq!(fill(&data).unwrap().as_ref(), Some(&filling));
        let aside = finish(&filling).unwrap();
        assert_eq!(aside, data.archives().join("20260101T000000Z"));
        assert!(moved(&data).unwrap().is_empty());
        assert!(aside.join("media/a").exists() && aside.join("secrets/signing.key").exists());
    }

    #[test]
    fn what_was_installed_after_one_that_was_killed_is_a_set_of_its_own() {
        let (_folder, data) = filled();
        let old = data.archives().join("20260101T000000Z.unfinished");
        files::private_folder(&old.join("media")).unwrap();
        let aside = finish(&fill(&data).unwrap().unwrap()).unwrap();
        assert!(aside.join("media/a").exists());
        assert!(data.archives().join("20260101T000000Z/media").exists());
        assert_ne!(aside, data.archives().join("20260101T000000Z"));
    }
}
