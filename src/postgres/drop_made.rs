//! Taking away what we made, and only that: for `uninstall --purge`.

use serde::Serialize;
use sqlx::PgConnection;
use tokio::time::Instant;

use super::{
    Error, Target, Who, connect::connect_by, ddl, plan::Wanted, record::Record, survey::survey,
    target,
};
use crate::config::Config;

/// What was dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
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
    let wanted = Wanted::of(config, &record);
    let mut admin = connect_by(config, Who::Admin, deadline, async || {}).await?;
    dropped.database = drop_database(&mut admin, &wanted).await?;
    if dropped.database.is_some() {
        record.database_made = false;
        record.write(&config.data)?;
    }
    dropped.role = drop_role(&mut admin, &wanted).await?;
    record.role_made &= dropped.role.is_none();
    record.verifier = None;
    record.write(&config.data)?;
    Ok(dropped)
}

/// Drops the database if it is of our making; its name.
pub(super) async fn drop_database(
    admin: &mut PgConnection,
    wanted: &Wanted,
) -> Result<Option<String>, Error> {
    let Wanted { role, database, .. } = wanted;
    let found = survey(admin, role, database).await?.database;
    // A killed run may have made the database and not marked it: then its owner is our role.
    let found = found.filter(|found| {
        let comment = found.comment.as_deref();
        let ours = wanted.is_marked(comment) || comment.is_none();
        wanted.database_made && ours && found.owner == *role
    });
    if found.is_none() {
        return Ok(None);
    }
    ddl::run(admin, "DROP DATABASE IF EXISTS %I WITH (FORCE)", &[database])
        .await
        .map_err(Error::query(format!("drop the database `{database}`")))?;
    Ok(Some(database.clone()))
}

/// The same for the role.
pub(super) async fn drop_role(
    admin: &mut PgConnection,
    wanted: &Wanted,
) -> Result<Option<String>, Error> {
    let Wanted { role, database, .. } = wanted;
    let found = survey(admin, role, database).await?.role;
    let ours = wanted.role_made;
    if !found.is_some_and(|found| ours && wanted.is_marked(found.comment.as_deref())) {
        return Ok(None);
    }
    ddl::run(admin, "DROP ROLE IF EXISTS %I", &[role])
        .await
        .map_err(Error::query(format!("drop the role `{role}`")))?;
    Ok(Some(role.clone()))
}
