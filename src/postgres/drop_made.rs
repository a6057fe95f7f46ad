//! Taking away what we made, and only that: for `uninstall --purge`.

use serde::Serialize;
use tokio::time::Instant;

use super::{
    Error, Target, Who,
    connect::connect_by,
    ddl,
    plan::{home, this},
    record::Record,
    survey::survey,
    target,
};
use crate::config::Config;

/// What was dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Dropped {
    pub(crate) database: Option<String>,
    pub(crate) role: Option<String>,
}

/// Drops database and role on a shared server if they are of our making, by our note and by the mark
/// on the server; our own cluster goes with its folder. Running it again drops nothing.
pub(crate) async fn drop_made(config: &Config, deadline: Instant) -> Result<Dropped, Error> {
    let mut dropped = Dropped::default();
    let Some(mut record) = Record::read(&config.data)? else { return Ok(dropped) };
    let Target::Shared { host, port, .. } = target(config)? else { return Ok(dropped) };
    let here = record.shared == Some((host, port))
        && record.role == config.database.user.0
        && record.database == config.database.name.0;
    if !here || !(record.role_made || record.database_made) {
        return Ok(dropped);
    }
    let mut admin = connect_by(config, Who::Admin, deadline, async || {}).await?;
    let found = survey(&mut admin, config).await?;
    let ours = |comment: Option<&str>| home(comment).is_some_and(|home| home == this(config));
    // A killed run may have made the database and not marked it: then its owner is our role.
    let database = found.database.filter(|database| {
        let comment = database.comment.as_deref();
        record.database_made
            && (ours(comment) || comment.is_none())
            && database.owner == record.role
    });
    if database.is_some() {
        ddl::run(&mut admin, "DROP DATABASE IF EXISTS %I WITH (FORCE)", &[&record.database])
            .await
            .map_err(Error::query(format!("drop the database `{}`", record.database)))?;
        dropped.database = Some(record.database.clone());
        record.database_made = false;
        record.write(&config.data)?;
    }
    let role = found.role.filter(|role| record.role_made && ours(role.comment.as_deref()));
    if role.is_some() {
        ddl::run(&mut admin, "DROP ROLE IF EXISTS %I", &[&record.role])
            .await
            .map_err(Error::query(format!("drop the role `{}`", record.role)))?;
        dropped.role = Some(record.role.clone());
        record.role_made = false;
    }
    record.verifier = None;
    record.write(&config.data)?;
    Ok(dropped)
}
