//! How far a change of the version is: `run/upgrading.json`, there from the moment before the versions are
//! exchanged until the new one has proved good, or the old one is back.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{data_dir::DataDir, files};

/// A version, and the name of the folder of its environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Side {
    pub(super) version: String,
    pub(super) folder: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// Whether it goes back to the version of before.
    pub(super) is_back: bool,
    pub(super) from: Side,
    pub(super) to: Side,
    /// The folder of the environment that was the way back until then.
    pub(super) previous: Option<String>,
    pub(super) backup: Option<PathBuf>,
    /// Whether the homeserver ran.
    pub(super) ran: bool,
    /// The version of the tables that the new one makes.
    pub(super) schema: i32,
}

fn file(data: &DataDir) -> PathBuf {
    data.run().join("upgrading.json")
}

pub(super) fn read(data: &DataDir) -> Result<Option<Note>, files::Error> {
    files::read_note(&file(data))
}

pub(super) fn tell(data: &DataDir, note: &Note) -> Result<(), files::Error> {
    files::write_note(&file(data), note)
}

pub(super) fn remove(data: &DataDir) -> Result<(), files::Error> {
    files::remove(&file(data))
}

/// The name of the folder that the last rollback came from: no way back, as long as nothing else was changed.
fn left(data: &DataDir) -> PathBuf {
    data.run().join("rolled-back")
}

/// Whether the last change was a rollback from that folder.
pub(super) fn was_left(data: &DataDir, folder: &str) -> Result<bool, files::Error> {
    Ok(files::read_if_exists(&left(data))?.is_some_and(|it| it == folder))
}

/// Notes a change that has ended well.
pub(super) fn end(data: &DataDir, note: &Note) -> Result<(), files::Error> {
    if note.is_back {
        files::write_atomically(&left(data), note.from.folder.as_bytes(), files::PUBLIC)?;
    } else {
        files::remove(&left(data))?;
    }
    remove(data)
}

/// What a change was about that was interrupted: from which version, to which.
pub(crate) fn interrupted(data: &DataDir) -> Result<Option<(String, String)>, files::Error> {
    Ok(read(data)?.map(|note| (note.from.version, note.to.version)))
}
