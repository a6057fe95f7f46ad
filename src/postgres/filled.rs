//! A database that was filled from elsewhere: its rows counted, and what did not come along asked for anew.

use std::collections::BTreeMap;

use sqlx::PgConnection;

use super::{Error, Who, connect, ddl};
use crate::config::Config;

/// The rows of these tables, as far as the database has them.
pub(crate) async fn rows<'a>(
    config: &Config,
    names: impl Iterator<Item = &'a str>,
) -> Result<BTreeMap<String, i64>, Error> {
    let mut connection = connect(config, Who::Synapse).await?;
    let there: Vec<String> = tables(&mut connection).await?;
    let names: Vec<&str> = names.filter(|name| there.iter().any(|it| it == name)).collect();
    counted(&mut connection, &names).await
}

/// The tables of the connection's database.
pub(super) async fn tables(connection: &mut PgConnection) -> Result<Vec<String>, Error> {
    sqlx::query_scalar(
        "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        ORDER BY relname",
    )
    .fetch_all(connection)
    .await
    .map_err(Error::query("list the tables"))
}

/// Counts one table after the other.
pub(super) async fn counted(
    connection: &mut PgConnection,
    names: &[&str],
) -> Result<BTreeMap<String, i64>, Error> {
    let mut found = BTreeMap::new();
    for name in names {
        let count =
            ddl::count(connection, name).await.map_err(Error::query("count what it holds"))?;
        found.insert((*name).to_owned(), count);
    }
    Ok(found)
}

/// The jobs in the order in which Synapse takes them, each after the one before it. The port tool leaves the
/// user directory empty, so that nobody would be found; Synapse fills it again while it runs.
const DIRECTORY: [&str; 4] = [
    "populate_user_directory_createtables",
    "populate_user_directory_process_rooms",
    "populate_user_directory_process_users",
    "populate_user_directory_cleanup",
];

/// After the port tool: its notes go, and the user directory is asked for anew.
pub(crate) async fn tidy(config: &Config) -> Result<(), Error> {
    const JOB: &str = "
INSERT INTO background_updates (update_name, progress_json, depends_on)
SELECT $1, '{}', $2 WHERE NOT EXISTS (SELECT FROM background_updates WHERE update_name = $1)";
    let failed = || Error::query("finish the database");
    let mut connection = connect(config, Who::Synapse).await?;
    let mut before = "";
    for job in DIRECTORY {
        let inserted = sqlx::query(JOB).bind(job).bind(before).execute(&mut connection);
        inserted.await.map_err(failed())?;
        before = job;
    }
    let dropped = sqlx::query("DROP TABLE IF EXISTS port_from_sqlite3").execute(&mut connection);
    dropped.await.map_err(failed())?;
    analyze(config).await
}

/// Lets the planner know what has come.
pub(crate) async fn analyze(config: &Config) -> Result<(), Error> {
    let mut connection = connect(config, Who::Synapse).await?;
    let analyzed = sqlx::query("ANALYZE").execute(&mut connection).await;
    analyzed.map(drop).map_err(Error::query("look at what has come"))
}
