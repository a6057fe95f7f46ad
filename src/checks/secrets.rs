//! The files below `secrets/`, looked at before anything starts: a damaged one is named with what helps,
//! which Synapse and PostgreSQL would only do with a trace of their insides.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{Check, Flow, Look};
use crate::{
    data_dir::DataDir,
    error::{Explain, Kind},
    files,
};

/// What each file is for people who have lost it.
const REMEDIES: [(&str, &str); 9] = [
    (
        "signing.key",
        "restore it from a backup or from an archive below `aside`: without it other servers see a different server",
    ),
    (
        "macaroon_secret_key",
        "remove it, and `manage install` creates a new one; logins that are under way have to begin again",
    ),
    (
        "form_secret",
        "remove it, and `manage install` creates a new one; forms that are open in a browser have to be loaded again",
    ),
    ("synapse_registration_secret", "remove it, and `manage install` creates a new one"),
    (
        "database_password",
        "remove it, and `manage install` creates a new one where the role is ours; otherwise `config set database.password`",
    ),
    (
        "postgres_superuser_password",
        "remove it, and `manage start` creates a new one while the server is stopped",
    ),
    ("turn_secret", "remove it, and `manage restart` creates a new one"),
    ("worker_replication_secret", "remove it, and `manage restart` creates a new one"),
    ("session.key", "remove it, and `manage restart` creates a new one"),
];

/// What an installed Synapse cannot do without, and what helps where it is gone.
const NEEDED: [(&str, &str); 4] = [
    (
        "signing.key",
        "restore it from a backup or from an archive below `aside`; `manage install --fresh-keys` creates a new one, and other servers will no longer trust this one",
    ),
    ("macaroon_secret_key", MADE_ANEW),
    ("form_secret", MADE_ANEW),
    ("synapse_registration_secret", MADE_ANEW),
];
const MADE_ANEW: &str = "restore it from a backup, or let `manage install` create a new one";

/// An install makes those that are missing.
pub(crate) static SECRETS: Check = Check {
    name: "secrets",
    about: "the files below `secrets` are there, whole, and nobody else may read them",
    remedy: "put them back from a backup",
    flows: &[Flow::Start, Flow::Restart, Flow::Change, Flow::Scale, Flow::ConfigCheck],
    look: Look::Here(|subject| {
        let data = &subject.config.data;
        look_after(data)?;
        if data.is_installed() {
            are_there(data)?;
        }
        Ok(Vec::new())
    }),
};

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the secret `{}` is lost", path.display())]
    Lost { path: PathBuf, remedy: &'static str },
    #[error("the secret in `{}` is empty or damaged", path.display())]
    Damaged { path: PathBuf, remedy: &'static str },
    #[error(transparent)]
    File(#[from] files::Error),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        Kind::Environment
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Damaged { remedy, .. } | Self::Lost { remedy, .. } => Some((*remedy).to_owned()),
            Self::File(error) => error.hint(),
        }
    }
}

/// Refuses damaged secrets, and takes away from others what they may not read.
fn look_after(data: &DataDir) -> Result<(), Error> {
    for folder in [data.secrets(), data.sessions()] {
        protect(&folder)?;
    }
    for (name, remedy) in REMEDIES {
        let path = data.secret(name);
        let text = match files::read(&path) {
            Ok(text) => text,
            Err(error) if error.is_not_found() => continue,
            Err(files::Error::NotText(_)) => String::new(),
            Err(error) => return Err(error.into()),
        };
        if text.trim().is_empty() || text.chars().any(|c| c.is_control() && c != '\n') {
            return Err(Error::Damaged { path, remedy });
        }
    }
    Ok(())
}

/// Refuses to go on where a secret is gone that only an install makes.
fn are_there(data: &DataDir) -> Result<(), Error> {
    for (name, remedy) in NEEDED {
        let path = data.secret(name);
        if !path.exists() {
            return Err(Error::Lost { path, remedy });
        }
    }
    Ok(())
}

/// Sets every file of a folder to mode 0600.
fn protect(folder: &Path) -> Result<(), files::Error> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries.flatten() {
        let path = entry.path();
        let loose = fs::symlink_metadata(&path)
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o077 != 0);
        if loose {
            fs::set_permissions(&path, fs::Permissions::from_mode(files::PRIVATE))
                .map_err(files::Error::io("protect", &path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_secret_is_named_with_what_helps_and_a_loose_one_is_protected() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        data.create().unwrap();
        look_after(&data).unwrap();
        let lost = are_there(&data).unwrap_err();
        assert!(lost.hint().unwrap().contains("--fresh-keys"), "{lost}");
        let path = data.secret("form_secret");
        files::write_atomically(&path, b"abc\n", files::PUBLIC).unwrap();
        look_after(&data).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for damaged in [&b""[..], b"\n", b"\xff\xfe\0zz", b"a\0b"] {
            files::write_atomically(&path, damaged, files::PRIVATE).unwrap();
            let error = look_after(&data).unwrap_err();
            assert!(error.to_string().contains("form_secret` is empty or damaged"), "{error}");
            assert!(error.hint().unwrap().contains("creates a new one"));
        }
    }
}
