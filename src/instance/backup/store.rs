//! Where backups are, and how they are called.

use std::path::{Path, PathBuf};

use super::Error;
use crate::{
    backup::SUFFIX,
    clock,
    config::{Config, sections::backup::Place},
    files,
};

/// Where a new backup goes: a folder gets a name by server and time, anything else is the file itself.
pub(super) fn place(config: &Config, to: Option<&Path>) -> Result<PathBuf, Error> {
    let name = format!(
        "{}-{}{SUFFIX}",
        config.server.name.0.as_str().replace([':', '[', ']'], "_"),
        clock::stamp(clock::now())
    );
    let set = match &config.backup.to {
        Some(Place::Folder(folder)) => Some(folder.as_path()),
        _ => None,
    };
    let to = to.or(set);
    let path = match to {
        None => config.data.backups().join(name),
        Some(path) if path.is_dir() => path.join(name),
        Some(path) => path.to_owned(),
    };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    match parent {
        Some(parent) if to.is_some() && !parent.is_dir() => Err(Error::NoFolder(parent.to_owned())),
        _ if path.exists() => Err(Error::Exists(path)),
        _ => Ok(path),
    }
}

/// The backups in a folder, oldest first by their names.
pub(crate) fn list(folder: &Path) -> Result<Vec<PathBuf>, files::Error> {
    let mut found = files::entries(folder)?;
    found.retain(|path| {
        path.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            name.ends_with(SUFFIX) && !name.starts_with('.')
        })
    });
    found.sort();
    Ok(found)
}
