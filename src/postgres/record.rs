//! What this homeserver's database is and what of it we made, noted in `database.json`, so that
//! `auto` stays what it once was and an uninstall knows what it may drop.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Error, embedded};
use crate::{config::sections::server::Kind, data_dir::DataDir, files};

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
    /// The program whose tables are in it.
    #[serde(default)]
    pub(super) kind: Kind,
    /// The newest version of Dendrite that was at work on it, which does not look for that itself.
    #[serde(default)]
    pub(super) version: Option<String>,
}

impl Record {
    pub(super) fn path(data: &DataDir) -> PathBuf {
        data.root().join("database.json")
    }

    pub(super) fn read(data: &DataDir) -> Result<Option<Self>, Error> {
        let path = Self::path(data);
        let own = embedded::exists(data);
        let text = match files::read_if_exists(&path) {
            Ok(None) => return Ok(None),
            Ok(Some(text)) => text,
            Err(source) => return Err(Error::Record { path, own, source: source.into() }),
        };
        serde_json::from_str(&text).map(Some).map_err(|source| Error::Record {
            path,
            own,
            source: source.into(),
        })
    }

    pub(super) fn write(&self, data: &DataDir) -> Result<(), Error> {
        let path = Self::path(data);
        let text = serde_json::to_vec_pretty(self).map_err(|source| Error::Record {
            path: path.clone(),
            own: self.shared.is_none(),
            source: source.into(),
        })?;
        files::write_if_changed(&path, &text, files::PRIVATE)?;
        Ok(())
    }
}

/// Whose tables a data folder's database has, running or not; none before it was ready for somebody.
pub(crate) fn made_for(data: &DataDir) -> Result<Option<Kind>, Error> {
    let ready = Record::read(data)?.filter(|record| record.verifier.is_some());
    Ok(ready.map(|record| record.kind))
}

/// The newest version of Dendrite that was at work on the database.
pub(crate) fn used_by(data: &DataDir) -> Result<Option<String>, Error> {
    Ok(Record::read(data)?.and_then(|record| record.version))
}

/// Notes the version of Dendrite that is at work on it.
pub(crate) fn note_use(data: &DataDir, version: &str) -> Result<(), Error> {
    let Some(mut record) = Record::read(data)? else { return Ok(()) };
    record.version = Some(version.to_owned());
    record.write(data)
}

/// Refuses a note that is damaged or cannot be read, whether or not the settings need it now.
pub(crate) fn can_be_read(data: &DataDir) -> Result<(), Error> {
    Record::read(data).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Explain as _;

    #[test]
    fn a_damaged_note_is_named_with_the_next_step() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        data.create().unwrap();
        can_be_read(&data).unwrap();
        let path = Record::path(&data);
        for damaged in [&b""[..], b"{", b"\xff", b"[]", b"{\"role\": 1}"] {
            files::write_atomically(&path, damaged, files::PRIVATE).unwrap();
            let error = can_be_read(&data).unwrap_err();
            assert!(error.to_string().ends_with("database.json` cannot be read"), "{error}");
            assert!(error.hint().unwrap().contains("`config set database.host HOST`"));
        }
        files::private_folder(&embedded::cluster(&data)).unwrap();
        files::write_atomically(&embedded::cluster(&data).join("PG_VERSION"), b"15", 0o600)
            .unwrap();
        assert!(can_be_read(&data).unwrap_err().hint().unwrap().contains("or remove it"));
        Record::default().write(&data).unwrap();
        can_be_read(&data).unwrap();
        files::remove(&path).unwrap();
        files::private_folder(&path).unwrap();
        assert!(matches!(can_be_read(&data), Err(Error::Record { .. })));
    }
}
