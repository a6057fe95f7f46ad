//! What this homeserver's database is and what of it we made, noted in `database.json`, so that
//! `auto` stays what it once was and an uninstall knows what it may drop.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Error;
use crate::{config::paths::DataDir, files};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The shared server's host and port; none for our own cluster.
    pub(super) shared: Option<(String, u16)>,
    pub(super) role: String,
    pub(super) database: String,
    /// Whether role and database are of our making. Written before they are made, so that a killed
    /// run does not forget them.
    pub(super) role_made: bool,
    pub(super) database_made: bool,
    /// The verifier of the password with which all was ready in the end; none before.
    #[serde(default)]
    pub(super) verifier: Option<String>,
}

impl Record {
    pub(super) fn path(data: &DataDir) -> PathBuf {
        data.root().join("database.json")
    }

    pub(super) fn read(data: &DataDir) -> Result<Option<Self>, Error> {
        let path = Self::path(data);
        let Some(text) = files::read_if_exists(&path)? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|source| Error::Record { path, source })
    }

    pub(super) fn write(&self, data: &DataDir) -> Result<(), Error> {
        let path = Self::path(data);
        let text = serde_json::to_vec_pretty(self)
            .map_err(|source| Error::Record { path: path.clone(), source })?;
        files::write_if_changed(&path, &text, files::PRIVATE)?;
        Ok(())
    }
}
