//! What a Synapse of another version would meet in the database.

use tokio::time::Instant;

use super::{Error, Who, connect, server::with_server};
use crate::config::Config;

/// What is in it now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tables {
    /// The version of the tables, and the oldest one whose Synapse can still read them; none before Synapse has
    /// made any.
    pub(crate) schema: Option<(i32, i32)>,
    /// Background updates that have not ended.
    pub(crate) updates: Vec<String>,
    /// Versions of rooms, and how many rooms have each.
    pub(crate) rooms: Vec<(String, i64)>,
    /// What it takes, in bytes.
    pub(crate) bytes: u64,
    /// What was sent here, in bytes.
    pub(crate) media: u64,
    /// The server's major version.
    pub(crate) postgres: i32,
}

/// Looks; our own server is run for the purpose if it does not run.
pub(crate) async fn tables(config: &Config, deadline: Instant) -> Result<Tables, Error> {
    with_server(config, deadline, async || {
        let failed = || Error::query("say what Synapse keeps in it");
        let mut inside = connect(config, Who::Synapse).await?;
        let (number, bytes, made): (i32, i64, bool) = sqlx::query_as(
            "SELECT current_setting('server_version_num')::int4,
                pg_database_size(current_database()),
                to_regclass('public.schema_version') IS NOT NULL AND to_regclass('public.rooms') IS NOT NULL",
        )
        .fetch_one(&mut inside)
        .await
        .map_err(failed())?;
        let mut tables = Tables {
            bytes: u64::try_from(bytes).unwrap_or_default(),
            postgres: number / 10_000,
            ..Tables::default()
        };
        if made {
            tables.schema = sqlx::query_as(
                "SELECT version, coalesce((SELECT compat_version FROM schema_compat_version), 0) FROM schema_version",
            )
            .fetch_optional(&mut inside)
            .await
            .map_err(failed())?;
            let media: i64 = sqlx::query_scalar(
                "SELECT coalesce(sum(media_length), 0)::int8 FROM local_media_repository",
            )
            .fetch_one(&mut inside)
            .await
            .map_err(failed())?;
            tables.media = u64::try_from(media).unwrap_or_default();
            tables.updates =
                sqlx::query_scalar("SELECT update_name FROM background_updates ORDER BY 1")
                    .fetch_all(&mut inside)
                    .await
                    .map_err(failed())?;
            tables.rooms = sqlx::query_as(
                "SELECT room_version, count(*) FROM rooms WHERE room_version IS NOT NULL GROUP BY 1 ORDER BY 1",
            )
            .fetch_all(&mut inside)
            .await
            .map_err(failed())?;
        }
        Ok(tables)
    })
    .await
}
