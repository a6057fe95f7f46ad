//! What makes a homeserver this one to all others: its name and the key it signs with.

use std::path::PathBuf;

use tokio::time::Instant;

use super::{Check, EVERY, Flow, Found, Look, Subject};
use crate::{
    config::{Config, exports},
    data_dir::DataDir,
    error::{Explain, Failure, Kind},
    files,
    postgres::{self, Contents},
};

pub(crate) static NAME: Check = Check {
    name: "server-name",
    about: "the homeserver has the name with which it was installed",
    remedy: "`config set server.name NAME` gives it back its name",
    flows: EVERY,
    look: Look::Here(name),
};

pub(crate) static KEY: Check = Check {
    name: "signing-key",
    about: "the signing key of the homeserver in this database exists",
    remedy: "put `secrets/signing.key` back from a backup",
    flows: &[Flow::Install],
    look: Look::Asks(|subject| {
        Box::pin(async {
            key_is_not_lost(subject.config, subject.deadline).await?;
            Ok(Vec::new())
        })
    }),
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "this homeserver is `{old}` and cannot become `{new}`: the name is in every user id and event"
    )]
    OtherName { old: String, new: String },
    #[error("the database belongs to a homeserver{} whose signing key is not here", called(name.as_deref()))]
    KeyMissing { name: Option<String>, archives: Vec<PathBuf> },
}

fn called(name: Option<&str>) -> String {
    name.map(|name| format!(" `{name}`")).unwrap_or_default()
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::KeyMissing { .. } => Kind::Environment,
            Self::OtherName { .. } => Kind::Setting,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::OtherName { old, .. } => format!(
                "keep `--server-name {old}`, or give the new one a data folder and a database of its own"
            ),
            Self::KeyMissing { archives, .. } => match archives.first() {
                Some(folder) => format!(
                    "`manage install --restore {}` takes the keys that an uninstall archived; `--fresh-keys` creates new ones, and other servers will no longer trust this one",
                    folder.display()
                ),
                None => "restore `secrets/signing.key` from a backup; `--fresh-keys` creates a new one, and other servers will no longer trust this one".into(),
            },
        })
    }
}

fn name(subject: &Subject<'_>) -> Found {
    let data = &subject.config.data;
    let known = exports::read(data)?.unwrap_or_default();
    let new = subject.config.server.name.to_string();
    match known.get("MATRIX_SYNAPSE_SERVER_NAME") {
        Some(old) if *old != new && data.signing_key().exists() => {
            let failure = Failure::from(Error::OtherName { old: old.clone(), new });
            Err(if subject.flow == Flow::Install {
                failure
            } else {
                failure.hinted(format!("`config set server.name {old}` gives it back its name"))
            })
        }
        _ => Ok(Vec::new()),
    }
}

/// The archives of uninstalls that hold a signing key, the newest first.
pub(crate) fn with_keys(data: &DataDir) -> Result<Vec<PathBuf>, files::Error> {
    let mut folders = files::entries(&data.archives())?;
    folders.retain(|folder| folder.join("secrets/signing.key").exists());
    folders.reverse();
    Ok(folders)
}

/// A homeserver without its key is a stranger to all others: a new one is made only for a new
/// database, or where that is asked for.
pub(crate) async fn key_is_not_lost(config: &Config, deadline: Instant) -> Result<(), Failure> {
    let data = &config.data;
    if data.signing_key().exists() {
        return Ok(());
    }
    let lost = |name| Error::KeyMissing { name, archives: with_keys(data).unwrap_or_default() };
    if postgres::target(config)?.is_embedded() {
        // An install makes the key before the cluster.
        if postgres::embedded::exists(data) {
            let known = exports::read(data)?.unwrap_or_default();
            return Err(lost(known.get("MATRIX_SYNAPSE_SERVER_NAME").cloned()).into());
        }
        return Ok(());
    }
    match postgres::holds_synapse(config, deadline).await {
        Ok(Contents::Synapse { server_name } | Contents::Dendrite { server_name }) => {
            Err(lost(server_name).into())
        }
        // What is wrong with a server is said, and waited for, where it is made ready.
        _ => Ok(()),
    }
}
