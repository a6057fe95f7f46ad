//! Moving in: a Synapse that somebody else installed becomes ours, and can be given back. What is theirs is
//! only read.

pub(crate) mod adopt;
pub(crate) mod error;
pub(crate) mod import;

pub(crate) use error::Error;

use std::{fmt, path::PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{data_dir::DataDir, error::Failure, files};

/// Moving in that has begun and not ended.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Moving {
    /// What somebody else installed, or the file of its database.
    pub(crate) from: PathBuf,
    /// Whether only a database is imported.
    pub(crate) import: bool,
    /// Whether it goes on now; else it was interrupted.
    pub(crate) under_way: bool,
    /// The command that finishes it.
    pub(crate) finish: String,
    /// The command that gives it up.
    pub(crate) give_up: &'static str,
}

impl fmt::Display for Moving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = self.from.display();
        match (self.import, self.under_way) {
            (false, true) => write!(f, "`{from}` is being taken over"),
            (false, false) => write!(f, "taking over `{from}` was interrupted"),
            (true, true) => write!(f, "`{from}` is being imported"),
            (true, false) => write!(f, "importing `{from}` was interrupted"),
        }
    }
}

/// What goes on here, or was interrupted.
pub(crate) fn unfinished(data: &DataDir) -> Result<Option<Moving>, files::Error> {
    if let Some((from, finish)) = adopt::unfinished(data)? {
        let (under_way, give_up) = (adopt::goes_on(data)?, "manage adopt --undo --yes");
        return Ok(Some(Moving { from, import: false, under_way, finish, give_up }));
    }
    let Some(from) = import::unfinished(data)? else { return Ok(None) };
    let finish = format!("manage import-sqlite {}", quoted(&from.display().to_string()));
    let (under_way, give_up) = (import::goes_on(data)?, "manage uninstall");
    Ok(Some(Moving { from, import: true, under_way, finish, give_up }))
}

/// As it has to be typed into a shell.
fn quoted(word: &str) -> String {
    shlex::try_quote(word).unwrap_or(word.into()).into_owned()
}

/// Refuses a data folder in which moving in was interrupted.
pub(crate) fn require_whole(data: &DataDir) -> Result<(), Failure> {
    if let Some((from, again)) = adopt::unfinished(data)? {
        return Err(Error::UnfinishedAdoption { from, again }.into());
    }
    match import::unfinished(data)? {
        Some(file) => Err(Error::UnfinishedImport(file).into()),
        None => Ok(()),
    }
}
