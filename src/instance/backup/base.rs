//! Base backups of our own PostgreSQL, from which any moment is reached, and whether there can be any.

use super::Error;
use crate::{
    config::Config,
    error::Failure,
    postgres::{
        self,
        embedded::{base, history::Base},
    },
};

/// Refuses what only the operator of that PostgreSQL can have.
pub(crate) fn is_possible(config: &Config) -> Result<(), Failure> {
    let target = postgres::target(config)?;
    if target.is_embedded() { Ok(()) } else { Err(Error::OfOthers(target.to_string()).into()) }
}

/// Makes a base backup of a server that keeps what it writes; none where it does not. The server runs.
pub(crate) async fn make_base(config: &Config) -> Result<Option<Base>, Failure> {
    if !config.backup.point_in_time || is_possible(config).is_err() {
        return Ok(None);
    }
    Ok(Some(base::make(config).await?))
}
