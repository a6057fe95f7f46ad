//! What of a data folder goes into an archive: all that an installation cannot make again.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use crate::{
    data_dir::{DataDir, PROGRAM, STAYS},
    files,
};

/// What goes neither, beside what an installation makes again and what stays: the database is dumped, the media
/// have their own place, and the rest is about this machine alone.
const NOT: [&str; 6] = ["postgres", "database.json", "logs", "media", "proxy", "turn"];
/// What is only a copy of what others have, below `media`.
const COPIES: [&str; 4] =
    ["remote_content", "remote_thumbnail", "url_cache", "url_cache_thumbnails"];

/// A file, where it is and as what it goes into the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    /// From the data folder, or from the folder of the media.
    pub(crate) name: PathBuf,
    pub(crate) mode: u32,
}

/// The files of the data folder, in a fixed order; the media, and what [`held`] has, aside. What is a link, which
/// leads to what is not ours, goes to `links`.
pub(crate) fn files_of(
    data: &DataDir,
    links: &mut Vec<PathBuf>,
) -> Result<Vec<Found>, files::Error> {
    let outbox = data.outbox();
    let mut found = Vec::new();
    for path in files::entries(data.root())? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // A name with a dot in front is a file that is being written.
        let is_left = PROGRAM.iter().chain(&STAYS).chain(&NOT).any(|it| name == *it);
        if is_left || name.starts_with('.') || path == outbox {
            continue;
        }
        walk(data.root(), &path, links, &mut |file| {
            found.push(file);
            Ok::<_, files::Error>(())
        })?;
    }
    Ok(found)
}

/// What waits to be sent, copied into a folder of the data folder's before the moment that the database is of:
/// what is sent meanwhile is then in the one or in the other. Empties that folder first.
pub(crate) fn hold(data: &DataDir, to: &Path) -> Result<(), files::Error> {
    files::remove(to)?;
    files::private_folder(to)?;
    let outbox = data.outbox();
    // What a command put in moves on from there: it is looked at first, so that nothing is missed.
    for folder in [outbox.join("intake"), outbox.clone()] {
        walk(&outbox, &folder, &mut Vec::new(), &mut |file| {
            let copy = to.join(&file.name);
            if let Some(folder) = copy.parent() {
                files::private_folder(folder)?;
            }
            let failed = files::Error::io("copy", &file.path);
            // Lines are appended to; all else is written once.
            let is_written_once = file.name.extension().is_none_or(|end| end != "jsonl");
            if is_written_once && fs::hard_link(&file.path, &copy).is_ok() {
                return Ok(());
            }
            match fs::copy(&file.path, &copy) {
                // Sent since its folder was read.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
                done => done.map(drop).map_err(failed),
            }
        })?;
    }
    Ok(())
}

/// What [`hold`] copied, with the names that it has in the data folder.
pub(crate) fn held(data: &DataDir, from: &Path) -> Result<Vec<Found>, files::Error> {
    let mut found = Vec::new();
    let outbox = data.outbox();
    let below = outbox.strip_prefix(data.root()).unwrap_or(&outbox);
    walk(from, from, &mut Vec::new(), &mut |file| {
        found.push(Found { name: below.join(&file.name), ..file });
        Ok::<_, files::Error>(())
    })?;
    Ok(found)
}

/// The media that were sent here, told one by one: there may be millions.
pub(crate) fn media_of<E: From<files::Error>>(
    data: &DataDir,
    links: &mut Vec<PathBuf>,
    found: &mut dyn FnMut(Found) -> Result<(), E>,
) -> Result<(), E> {
    for path in files::entries(&data.media())? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if COPIES.contains(&&*name) {
            continue;
        }
        walk(&data.media(), &path, links, found)?;
    }
    Ok(())
}

fn walk<E: From<files::Error>>(
    root: &Path,
    path: &Path,
    links: &mut Vec<PathBuf>,
    found: &mut dyn FnMut(Found) -> Result<(), E>,
) -> Result<(), E> {
    let kind = match fs::symlink_metadata(path) {
        // Removed since its folder was read.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        kind => kind.map_err(files::Error::io("read", path))?,
    };
    if kind.is_symlink() {
        links.push(path.to_owned());
    } else if kind.is_dir() {
        for path in files::entries(path)? {
            walk(root, &path, links, found)?;
        }
    } else if kind.is_file() {
        let name = path.strip_prefix(root).unwrap_or(path).to_owned();
        let mode = kind.permissions().mode() & 0o777;
        found(Found { path: path.to_owned(), name, mode })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_installation_makes_again_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        data.create().unwrap();
        for name in [
            "settings.yaml",
            "secrets/signing.key",
            "outbox/a/1",
            "environments/synapse/bin/python",
            "postgres/data/PG_VERSION",
            "media/local_content/aa/bb/c",
            "media/remote_content/x/aa",
            "logs/synapse.log",
        ] {
            let path = data.root().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            files::write_atomically(&path, b"x", files::PRIVATE).unwrap();
        }
        let names = |found: Vec<Found>| {
            found.into_iter().map(|it| it.name.display().to_string()).collect::<Vec<_>>()
        };
        let link = data.root().join("media/local_content/elsewhere");
        std::os::unix::fs::symlink("/", &link).unwrap();
        let mut links = Vec::new();
        let found = files_of(&data, &mut links).unwrap();
        assert_eq!(names(found), ["secrets/signing.key", "settings.yaml"]);
        let mut media = Vec::new();
        media_of(&data, &mut links, &mut |it| {
            media.push(it);
            Ok::<_, files::Error>(())
        })
        .unwrap();
        let half = data.root().join(".half");
        hold(&data, &half).unwrap();
        files::remove(&data.outbox()).unwrap();
        assert_eq!(names(held(&data, &half).unwrap()), ["outbox/a/1"]);
        assert_eq!(names(media), ["local_content/aa/bb/c"]);
        assert_eq!(links, [link]);
    }
}
