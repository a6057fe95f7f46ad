//! What a database holds: nothing, a homeserver's data and of which name, or something else.

use serde::Serialize;
use sqlx::PgConnection;
use tokio::time::Instant;

use super::{Error, Who, connect, embedded, server::with_server, target};
use crate::config::Config;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "holds")]
pub(crate) enum Contents {
    /// No such database, or no tables in it.
    Nothing,
    Synapse {
        /// The server name in its user ids; none if nobody has registered yet.
        server_name: Option<String>,
    },
    Dendrite {
        /// The server name of its accounts; none if nobody has registered yet.
        server_name: Option<String>,
    },
    Other {
        /// One of its tables.
        table: String,
    },
}

const TABLES: &str = "
SELECT to_regclass('public.users') IS NOT NULL AND to_regclass('public.events') IS NOT NULL
       AND to_regclass('public.event_json') IS NOT NULL,
    to_regclass('public.userapi_accounts') IS NOT NULL
       AND to_regclass('public.roomserver_events') IS NOT NULL,
    (SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p')
     AND relnamespace = 'public'::regnamespace ORDER BY relname LIMIT 1)";

/// Looks into the homeserver's database. Our own server is run for the purpose if it does not run.
pub(crate) async fn holds_synapse(config: &Config, deadline: Instant) -> Result<Contents, Error> {
    if target(config)?.is_embedded() && !embedded::exists(&config.data) {
        return Ok(Contents::Nothing);
    }
    with_server(config, deadline, async || {
        let inside = match connect(config, Who::AdminInside).await {
            Err(Error::NoSuperuser { .. } | Error::WrongPassword { .. }) => {
                connect(config, Who::Synapse).await
            }
            other => other,
        };
        match inside {
            Ok(mut inside) => look(&mut inside).await,
            Err(error) if is_missing(&error) => Ok(Contents::Nothing),
            Err(error) => Err(error),
        }
    })
    .await
}

fn is_missing(error: &Error) -> bool {
    let Error::Refused { source, .. } = error else { return false };
    source.as_database_error().is_some_and(|error| error.code().as_deref() == Some("3D000"))
}

pub(super) async fn look(inside: &mut PgConnection) -> Result<Contents, Error> {
    let failed = || Error::query("list the tables");
    let (synapse, dendrite, table): (bool, bool, Option<String>) =
        sqlx::query_as(TABLES).fetch_one(&mut *inside).await.map_err(failed())?;
    Ok(match (synapse, table) {
        _ if dendrite => {
            let name = sqlx::query_scalar("SELECT server_name FROM userapi_accounts LIMIT 1");
            let server_name = name.fetch_optional(inside).await.map_err(failed())?;
            Contents::Dendrite { server_name }
        }
        (true, _) => {
            let user: Option<String> = sqlx::query_scalar("SELECT name FROM users LIMIT 1")
                .fetch_optional(inside)
                .await
                .map_err(failed())?;
            let name = |user: String| Some(user.split_once(':')?.1.to_owned());
            Contents::Synapse { server_name: user.and_then(name) }
        }
        (false, Some(table)) => Contents::Other { table },
        (false, None) => Contents::Nothing,
    })
}

impl Contents {
    /// A table, where the database is not one of this kind of homeserver.
    pub(super) fn of_others(self, config: &Config) -> Option<String> {
        match self {
            Self::Other { table } => Some(table),
            Self::Synapse { .. } if config.is_dendrite() => Some("event_json".to_owned()),
            Self::Dendrite { .. } if !config.is_dendrite() => Some("roomserver_events".to_owned()),
            _ => None,
        }
    }
}

/// Whether the role can make Synapse's tables, or finds them made.
pub(super) async fn may_be_used(inside: &mut PgConnection, config: &Config) -> Result<(), Error> {
    let (role, database) = (config.database.user.0.clone(), config.database.name.0.clone());
    if let Some(table) = look(inside).await?.of_others(config) {
        return Err(Error::Foreign { database, table });
    }
    let may: bool = sqlx::query_scalar("SELECT has_schema_privilege('public', 'CREATE')")
        .fetch_one(inside)
        .await
        .map_err(Error::query("say what the role may do"))?;
    if may { Ok(()) } else { Err(Error::NoTables { role, database }) }
}
