//! The data folder, and the disk that it is on.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::{Check, Flow, Found, Look, Subject};
use crate::{
    data_dir::DataDir,
    error::{Explain, Failure, Kind},
    files,
};

pub(crate) static FOLDER: Check = Check {
    name: "data-folder",
    about: "the data folder can be made and written, and a shell takes its path as one word",
    remedy: "name another data folder with MATRIX_SYNAPSE_DATA_DIR",
    flows: &[Flow::Install],
    look: Look::Here(|subject| {
        data_folder(&subject.config.data)?;
        Ok(Vec::new())
    }),
};

pub(crate) static RUN: Check = Check {
    name: "run-folder",
    about: "what is written when a process starts can be written",
    remedy: "make it writable for this user, then run it again",
    flows: &[Flow::Restart, Flow::Change, Flow::Scale],
    look: Look::Here(|subject| {
        let data = &subject.config.data;
        let folders = [data.run(), data.sockets(), data.logs()];
        for folder in folders.iter().filter(|folder| folder.exists()) {
            writable(folder).map_err(|why| Error::Folder { path: folder.clone(), why })?;
        }
        Ok(Vec::new())
    }),
};

/// An install knows what it needs and asks for that: [`has_room`].
pub(crate) static SPACE: Check = Check {
    name: "disk-space",
    about: "the disk has space left for what is written while the homeserver runs",
    remedy: files::FREE_SPACE,
    flows: &[Flow::Start, Flow::Restart, Flow::Change],
    look: Look::Here(space),
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the data folder `{}` {why}", path.display())]
    DataDir { path: PathBuf, why: &'static str },
    #[error("the folder `{}` {why}", path.display())]
    Folder { path: PathBuf, why: &'static str },
    #[error("the disk of `{}` has {} MB left, and this takes {} MB", path.display(), left >> 20, needed >> 20)]
    Full { path: PathBuf, left: u64, needed: u64 },
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        Kind::Environment
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::DataDir { .. } => FOLDER.remedy.into(),
            Self::Folder { .. } => RUN.remedy.into(),
            Self::Full { .. } => files::FREE_SPACE.into(),
        })
    }
}

fn space(subject: &Subject<'_>) -> Found {
    files::has_space(subject.config.data.root()).map_err(|error| {
        let is_full = matches!(error, files::Error::Full { .. });
        let failure = Failure::from(error);
        if is_full {
            failure.hinted(format!("{}; `--force` starts it all the same", files::FREE_SPACE))
        } else {
            failure
        }
    })?;
    Ok(Vec::new())
}

/// Whether the data folder can be made or written, without making it.
pub(crate) fn data_folder(data: &DataDir) -> Result<(), Error> {
    let root = data.root();
    let refused = |why| Error::DataDir { path: root.to_owned(), why };
    if root
        .to_string_lossy()
        .chars()
        .any(|c| c.is_whitespace() || c.is_control() || "'\"\\$`;&|<>*?#".contains(c))
    {
        return Err(refused(
            "must not contain whitespace, quotes or characters special to a shell",
        ));
    }
    match (fs::symlink_metadata(root), fs::metadata(root)) {
        (Ok(_), Err(_)) => return Err(refused("is a link that leads nowhere")),
        (_, Ok(there)) if !there.is_dir() => return Err(refused("is not a folder")),
        (_, Ok(there)) if there.uid() != rustix::process::geteuid().as_raw() => {
            return Err(refused("belongs to another user"));
        }
        _ => {}
    }
    let there = nearest(root);
    if !there.is_dir() {
        return Err(refused("cannot be made: a file is in the way"));
    }
    writable(there).map_err(refused)
}

/// Whether files can be made there; why not.
fn writable(folder: &Path) -> Result<(), &'static str> {
    match rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::ROFS) => Err("is on a disk that can only be read"),
        Err(_) => Err("cannot be written"),
    }
}

/// The folder itself or the one above it that is there.
fn nearest(root: &Path) -> &Path {
    root.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"))
}

/// Whether the disk has so many bytes left.
pub(crate) fn has_room(data: &DataDir, needed: u64) -> Result<(), Error> {
    let root = data.root();
    let Ok(left) = files::space_left(nearest(root)) else { return Ok(()) };
    if left < needed { Err(Error::Full { path: root.to_owned(), left, needed }) } else { Ok(()) }
}
