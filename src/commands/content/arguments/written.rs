//! Files that a verb writes where somebody names them.

use std::path::Path;

use crate::{error::Failure, files};

/// Refuses to write over what would be lost, unless it may be: `otherwise` says how to name another file.
pub(crate) fn free(path: &Path, force: bool, otherwise: &str) -> Result<(), Failure> {
    files::may_be_replaced(path)?;
    if !force && std::fs::symlink_metadata(path).is_ok() {
        return Err(Failure::request(format!("`{}` is there already", path.display()))
            .hinted(format!("{otherwise} names another one, and `--force` replaces it")));
    }
    Ok(())
}
