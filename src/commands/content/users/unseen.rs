//! Passwords that were made up and that nobody has seen yet: kept in a private file until an answer has them.

use std::path::{Path, PathBuf};

use ruma::UserId;

use crate::{data_dir::DataDir, files, matrix::session, secret::Secret};

/// Where that of a user is.
pub(super) fn file(data: &DataDir, user: &UserId) -> PathBuf {
    data.secrets().join("unseen").join(session::file_name(user))
}

/// The one that is kept, or a new one that is kept from now on.
pub(super) fn keep(file: &Path) -> Result<Secret, files::Error> {
    if let Some(folder) = file.parent() {
        files::private_folder(folder)?;
    }
    Secret::read_or_generate(file, &mut rand::rng())
}

/// The one that is kept, if one is, and not any more.
pub(super) fn take(file: &Path) -> Result<Option<String>, files::Error> {
    let Some(password) = files::read_if_exists(file)? else { return Ok(None) };
    files::remove(file)?;
    Ok(Some(password))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_password_that_nobody_saw_is_private_and_is_given_once() {
        let folder = tempfile::tempdir().unwrap();
        let user = UserId::parse("@a/b:x.org").unwrap();
        let file = file(&DataDir::new(folder.path().to_owned()), &user);
        let made = keep(&file).unwrap();
        assert_eq!(keep(&file).unwrap(), made, "who was killed before it was used goes on with it");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(take(&file).unwrap().as_deref(), Some(made.expose()));
        assert_eq!(take(&file).unwrap(), None);
    }
}
