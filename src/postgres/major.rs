//! Our own cluster's data carried over into one of a newer major version: roles, then each database through a pipe,
//! then all rows counted on both sides.

use std::{path::Path, process::Stdio};

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::{process::Command, time::Instant};

use super::{
    Error,
    connect::connect_as,
    embedded,
    embedded::{clusters, major},
    filled, target,
};
use crate::{config::Config, process, secret::Secret};

/// What was carried over.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Carried {
    /// Those that were copied.
    pub(crate) databases: Vec<String>,
    /// How many were counted in both.
    pub(crate) tables: usize,
    /// How many are in these.
    pub(crate) rows: i64,
}

/// Makes a new cluster beside the one of `config` and fills it; neither runs afterwards. Where it fails nothing is
/// left.
pub(crate) async fn carry(
    config: &Config,
    deadline: Instant,
    on_step: &mut dyn FnMut(&str),
) -> Result<(Config, Carried), Error> {
    on_step("making the new cluster");
    let made = async {
        let other = major::beside(config).await?;
        let both = major::Both::start(config, &other, deadline).await?;
        let carried = filled(config, &other, on_step).await;
        both.stop().await?;
        Ok((other, carried?))
    };
    let made = made.await;
    if made.is_err() {
        major::give_up(config)?;
    }
    made
}

async fn filled(
    old: &Config,
    new: &Config,
    on_step: &mut dyn FnMut(&str),
) -> Result<Carried, Error> {
    // The newer programs read the older server, and write what the newer one takes.
    let version = clusters::current(&new.data).ok_or(Error::NoCluster)?;
    let programs = embedded::client_programs(&new.data, version).await;
    let programs = programs.ok_or(Error::NoTools { major: version })?;
    on_step("copying the roles");
    let mut dump = command(old, &programs.join("pg_dumpall"))?;
    let roles = process::tool(dump.arg("--roles-only")).await.map_err(Error::Tool)?;
    let mut admin = inside(new, "postgres").await?;
    let statements = AssertSqlSafe(statements(&roles));
    sqlx::raw_sql(statements).execute(&mut admin).await.map_err(Error::query("make the roles"))?;
    let mut carried = Carried::default();
    for name in databases(old).await? {
        let is_own = name == "postgres";
        if is_own && filled::tables(&mut inside(old, &name).await?).await?.is_empty() {
            continue;
        }
        on_step(&format!("copying the database {name}"));
        pipe(old, new, &programs, &name, !is_own).await?;
        let (before, after) = (looked(old, &name).await?, looked(new, &name).await?);
        if let Some(what) = difference(&before, &after) {
            return Err(Error::Unequal { database: name, what });
        }
        carried.tables += before.len();
        carried.rows +=
            after.iter().filter(|(what, _)| !what.ends_with('#')).map(|(_, n)| n).sum::<i64>();
        carried.databases.push(name);
    }
    Ok(carried)
}

/// One database out of the one and into the other.
async fn pipe(
    old: &Config,
    new: &Config,
    programs: &Path,
    name: &str,
    create: bool,
) -> Result<(), Error> {
    let started = |source| Error::Tool(process::Error::Start { program: "pg_dump".into(), source });
    let mut dump = command(old, &programs.join("pg_dump"))?;
    dump.args(["--format=custom", "--compress=0"]).arg(format!("--dbname={name}"));
    let mut dump = dump.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(started)?;
    let (out, said) = (dump.stdout.take(), dump.stderr.take());
    let mut restore = command(new, &programs.join("pg_restore"))?;
    restore.args(["--exit-on-error", "--no-tablespaces", "--dbname=postgres"]);
    if create {
        restore.arg("--create");
    }
    if let Some(out) = out {
        let pipe: Stdio = out.try_into().map_err(started)?;
        restore.stdin(pipe);
    }
    let restored = process::tool(&mut restore).await;
    match (super::dump::ended(dump, said).await, restored) {
        // Whoever writes to one that has ended is not the one to ask why.
        (Err(_), Err(why)) if !why.to_string().contains("end of file") => Err(Error::Tool(why)),
        (dumped, restored) => {
            dumped?;
            restored.map(drop).map_err(Error::Tool)
        }
    }
}

/// One of PostgreSQL's programs as the superuser of a cluster.
fn command(config: &Config, program: &Path) -> Result<Command, Error> {
    let mut command = process::command(program);
    command
        .env("PGHOST", embedded::socket_folder(&config.data))
        .env("PGPORT", config.database.embedded_port.to_string())
        .env("PGUSER", major::superuser())
        .env("PGPASSWORD", Secret::read(&config.data.superuser_password())?.expose())
        .env("PGSSLMODE", "disable")
        .env("PGAPPNAME", "resource-matrix-synapse")
        .env("LC_MESSAGES", "C");
    Ok(command)
}

async fn inside(config: &Config, database: &str) -> Result<PgConnection, Error> {
    let target = target(config)?;
    let password = Secret::read(&config.data.superuser_password())?;
    let connected = connect_as(config, &target, major::superuser(), &password, database).await?;
    connected.map_err(|source| Error::Refused {
        server: target.to_string(),
        user: major::superuser().to_owned(),
        source,
    })
}

/// What psql alone understands, and the role that is there, left out.
fn statements(roles: &str) -> String {
    let is_there = format!("CREATE ROLE {};", major::superuser());
    let lines = roles.lines().filter(|line| !line.starts_with('\\') && *line != is_there);
    lines.fold(String::new(), |all, line| all + line + "\n")
}

async fn databases(config: &Config) -> Result<Vec<String>, Error> {
    sqlx::query_scalar(
        "SELECT datname::text FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname",
    )
    .fetch_all(&mut inside(config, "postgres").await?)
    .await
    .map_err(Error::query("list its databases"))
}

/// The rows of its tables, and where its sequences are, with a `#` behind their names.
async fn looked(config: &Config, database: &str) -> Result<Vec<(String, i64)>, Error> {
    let mut connection = inside(config, database).await?;
    let tables = filled::tables(&mut connection).await?;
    let names: Vec<&str> = tables.iter().map(String::as_str).collect();
    let mut found: Vec<_> = filled::counted(&mut connection, &names).await?.into_iter().collect();
    let sequences: Vec<(String, i64)> = sqlx::query_as(
        "SELECT sequencename || '#', coalesce(last_value, 0) FROM pg_sequences
        WHERE schemaname = 'public' ORDER BY sequencename",
    )
    .fetch_all(&mut connection)
    .await
    .map_err(Error::query("list its sequences"))?;
    found.extend(sequences);
    let analyzed = sqlx::query("ANALYZE").execute(&mut connection).await;
    analyzed.map_err(Error::query("look at what it holds"))?;
    Ok(found)
}

fn difference(before: &[(String, i64)], after: &[(String, i64)]) -> Option<String> {
    let unlike = before.iter().find(|it| !after.contains(it));
    let (name, count) = unlike.or_else(|| after.iter().find(|it| !before.contains(it)))?;
    let there = after.iter().find(|(known, _)| known == name);
    Some(match there {
        Some((_, there)) => format!("{name} has {there} instead of {count}"),
        None => format!("{name} is not there"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_made_by_plain_statements() {
        let roles = "--\n\\restrict x\nSET a = b;\nCREATE ROLE postgres;\nALTER ROLE postgres WITH SUPERUSER;\nCREATE ROLE synapse;\n\\unrestrict x\n";
        let plain = "--\nSET a = b;\nALTER ROLE postgres WITH SUPERUSER;\nCREATE ROLE synapse;\n";
        assert_eq!(statements(roles), plain);
    }

    #[test]
    fn a_row_or_a_number_of_a_sequence_that_is_missing_is_seen() {
        let of = |list: &[(&str, i64)]| -> Vec<(String, i64)> {
            list.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
        };
        let before = of(&[("users", 3), ("ids#", 9)]);
        assert_eq!(difference(&before, &before), None);
        let less = difference(&before, &of(&[("users", 2), ("ids#", 9)])).unwrap();
        assert_eq!(less, "users has 2 instead of 3");
        assert_eq!(difference(&before, &of(&[("users", 3)])).unwrap(), "ids# is not there");
    }
}
