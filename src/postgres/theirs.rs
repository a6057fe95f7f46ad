//! The database of a Synapse that somebody else installed: what it holds, and who uses it. It is only read.

use std::{collections::BTreeMap, time::Duration};

use sqlx::{ConnectOptions as _, PgConnection};
use tokio::time::timeout;

use super::{Error, Target, connect, filled};
use crate::synapse::foreign::Server;

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(10);

/// What was seen.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) major: u32,
    pub(crate) version: String,
    /// What Synapse refuses about how it sorts.
    pub(crate) sorts: Option<String>,
    /// Connections of others as this role.
    pub(crate) sessions: i64,
    pub(crate) server_name: Option<String>,
    pub(crate) schema: i32,
    /// Whether there is an account of our operator's name.
    pub(crate) operator: bool,
    pub(crate) bytes: i64,
    /// Accounts, rooms, events, media.
    pub(crate) counts: [i64; 4],
}

async fn reach(server: &Server) -> Result<PgConnection, Error> {
    let (host, port) = (server.host.clone(), server.port);
    let target = Target::Shared { host, port, tls: server.tls().0 };
    let mut options = connect::options(&target).username(&server.user).database(&server.name);
    if let Some(password) = &server.password {
        options = options.password(password.expose());
    }
    let options = options.application_name("resource-matrix-synapse").disable_statement_logging();
    let attempt = timeout(ATTEMPT, options.connect()).await;
    let name = target.to_string();
    attempt.unwrap_or_else(|_| Err(connect::timed_out())).map_err(|source| match source {
        sqlx::Error::Io(_) => Error::Unreachable { server: name, own: false, source },
        source => Error::Refused { server: name, user: server.user.clone(), source },
    })
}

const ABOUT: &str = "
SELECT current_setting('server_version_num')::int4, current_setting('server_version'),
    (SELECT concat_ws(', ', CASE WHEN to_jsonb(d) ->> 'datlocprovider' = 'i' THEN 'ICU' END,
        pg_encoding_to_char(encoding)::text, datcollate::text, datctype::text) FROM pg_database d WHERE datname = current_database()),
    (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND coalesce(backend_type, 'client backend') = 'client backend'),
    pg_database_size(current_database())";
const SYNAPSE: &str = "
SELECT (SELECT name FROM users LIMIT 1), (SELECT version FROM schema_version),
    EXISTS (SELECT FROM users WHERE name LIKE '@' || $1 || ':%')";

/// Looks into it.
pub(crate) async fn look(server: &Server, operator: &str) -> Result<Seen, Error> {
    let failed = || Error::query("look into the database to be taken over");
    let mut connection = reach(server).await?;
    let (number, version, sorts, sessions, bytes): (i32, String, String, i64, i64) =
        sqlx::query_as(ABOUT).fetch_one(&mut connection).await.map_err(failed())?;
    let (user, schema, has_operator): (Option<String>, i32, bool) =
        sqlx::query_as(SYNAPSE).bind(operator).fetch_one(&mut connection).await.map_err(failed())?;
    let counts: (i64, i64, i64, i64) =
        sqlx::query_as(super::dump::COUNTS).fetch_one(&mut connection).await.map_err(failed())?;
    Ok(Seen {
        major: u32::try_from(number / 10_000).unwrap_or_default(),
        version,
        sorts: (sorts != "UTF8, C, C").then_some(sorts),
        sessions,
        server_name: user.and_then(|user| Some(user.split_once(':')?.1.to_owned())),
        schema,
        operator: has_operator,
        bytes,
        counts: counts.into(),
    })
}

/// The rows of all its tables.
pub(crate) async fn rows(server: &Server) -> Result<BTreeMap<String, i64>, Error> {
    let mut connection = reach(server).await?;
    let tables = filled::tables(&mut connection).await?;
    let names: Vec<&str> = tables.iter().map(String::as_str).collect();
    filled::counted(&mut connection, &names).await
}
