//! How much is in the database, for `status --verbose`.

use serde::Serialize;
use sqlx::PgConnection;

use super::Error;
use crate::config::sections::server::Kind;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub(crate) struct Stats {
    /// Accounts that are not deactivated.
    pub(crate) users: i64,
    /// Rooms that the server knows.
    pub(crate) rooms: i64,
    /// Messages and all else that has happened in rooms.
    pub(crate) events: i64,
    /// Whether the events were estimated: counting many takes minutes.
    pub(crate) events_estimated: bool,
    /// What the database takes, in bytes.
    pub(crate) database_bytes: i64,
    /// `15.18 (Debian 15.18-0+deb12u1)`
    pub(crate) server_version: String,
    /// Connections to PostgreSQL that are open, those of others among them.
    pub(crate) connections: i64,
    /// How many it lets be open.
    pub(crate) connections_max: i64,
}

/// How much a database writes down before it changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// In bytes, within a day.
    pub(crate) a_day: u64,
    /// For how many hours that was counted.
    pub(crate) hours: u64,
    /// What the database takes, in bytes.
    pub(crate) database: u64,
}

/// As it was since PostgreSQL counts. Needs no more than the homeserver's own role.
pub(crate) async fn written(inside: &mut PgConnection) -> Result<Written, Error> {
    let (a_day, hours, database): (i64, i64, i64) = sqlx::query_as(
        "SELECT (wal_bytes * 86400 / greatest(seconds, 60))::int8, ceil(seconds / 3600)::int8,
            pg_database_size(current_database())
        FROM pg_stat_wal, LATERAL (SELECT extract(epoch FROM now() - stats_reset) AS seconds) AS since",
    )
    .fetch_one(inside)
    .await
    .map_err(Error::query("say how much it writes"))?;
    let [a_day, hours, database] =
        [a_day, hours, database].map(|it| u64::try_from(it).unwrap_or(0));
    Ok(Written { a_day, hours, database })
}

/// Counts up to a million events; beyond that it takes PostgreSQL's estimate, which every vacuum renews. The
/// accounts that can be used, the table of rooms and that of events.
macro_rules! stats {
    ($users:literal, $rooms:literal, $events:literal) => {
        concat!(
            "SELECT (SELECT count(*) FROM ",
            $users,
            "), (SELECT count(*) FROM ",
            $rooms,
            "), CASE WHEN many THEN estimate ELSE (SELECT count(*) FROM ",
            $events,
            ") END,
    many, pg_database_size(current_database()),
    current_setting('server_version'),
    (SELECT coalesce(sum(numbackends), 0)::int8 FROM pg_stat_database),
    current_setting('max_connections')::int8
FROM (SELECT reltuples::int8 AS estimate, reltuples > 1000000 AS many
      FROM pg_class WHERE oid = '",
            $events,
            "'::regclass) AS guess"
        )
    };
}

const OF_SYNAPSE: &str = stats!("users WHERE deactivated = 0", "rooms", "events");
/// A person's accounts and those of admins are of these types there.
const OF_DENDRITE: &str = stats!(
    "userapi_accounts WHERE NOT is_deactivated AND account_type IN (1, 3)",
    "roomserver_rooms",
    "roomserver_events"
);

/// Needs no more than the homeserver's own role. Errors before the homeserver has made its tables.
pub(crate) async fn stats(inside: &mut PgConnection, kind: Kind) -> Result<Stats, Error> {
    let statement = match kind {
        Kind::Synapse => OF_SYNAPSE,
        Kind::Dendrite => OF_DENDRITE,
    };
    let (users, rooms, events, events_estimated, database_bytes, server_version, connections, max) =
        sqlx::query_as(statement)
            .fetch_one(inside)
            .await
            .map_err(Error::query("count what it holds"))?;
    Ok(Stats {
        users,
        rooms,
        events,
        events_estimated,
        database_bytes,
        server_version,
        connections,
        connections_max: max,
    })
}
