//! Databases out of PostgreSQL and back into it, with its own programs of the server's own major version:
//! those of another may write what the server cannot read.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use sqlx::{Connection as _, PgConnection};
use tokio::process::{Child, ChildStderr, Command};

use super::{
    Error, Tenant, Who, connect,
    connect::connect_as,
    embedded, target,
    target::{ClientSettings, client_settings, role_password},
};
use crate::{config::Config, process, secret::Secret, synapse::foreign::Server};

/// What must not come back: a key that was given out once, given out again, makes messages that nobody can read.
const NEVER: &str = "e2e_one_time_keys_json";

/// A database and who may read and write all of it.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    settings: ClientSettings,
    password: Secret,
}

impl Login {
    /// Synapse's own.
    pub(crate) fn homeserver(config: &Config) -> Result<Self, Error> {
        Ok(Self { settings: client_settings(config)?, password: role_password(config)? })
    }

    /// A bridge's.
    pub(crate) fn tenant(config: &Config, tenant: &Tenant) -> Result<Self, Error> {
        let settings = ClientSettings {
            user: tenant.name.clone(),
            dbname: tenant.name.clone(),
            ..client_settings(config)?
        };
        Ok(Self { settings, password: tenant.password.clone() })
    }

    /// Of a database that is not ours.
    pub(crate) fn theirs(server: &Server) -> Self {
        let settings = ClientSettings {
            host: server.host.clone(),
            port: server.port,
            user: server.user.clone(),
            dbname: server.name.clone(),
            sslmode: server.tls().1,
            sslrootcert: None,
            passfile: PathBuf::new(),
        };
        Self { settings, password: server.password.clone().unwrap_or_else(|| Secret::new("")) }
    }

    /// One of PostgreSQL's programs, which is told by variables: arguments can be read by others.
    fn command(&self, program: PathBuf) -> Command {
        let ClientSettings { host, port, user, dbname, sslmode, sslrootcert, .. } = &self.settings;
        let mut command = process::command(program);
        command
            .env("PGHOST", host)
            .env("PGPORT", port.to_string())
            .env("PGUSER", user)
            .env("PGDATABASE", dbname)
            .env("PGSSLMODE", sslmode)
            .env("PGPASSWORD", self.password.expose())
            .env("PGAPPNAME", "resource-matrix-synapse")
            .env("LC_MESSAGES", "C");
        if let Some(file) = sslrootcert {
            command.env("PGSSLROOTCERT", file);
        }
        command
    }
}

/// The programs that speak with a server.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// Those of the server's major version.
    pub(crate) async fn of(config: &Config, major: u32) -> Result<Self, Error> {
        let folder = embedded::client_programs(&config.data, major).await;
        folder.map(|folder| Self { folder }).ok_or(Error::NoTools { major })
    }

    /// Begins to dump a database as it is in a snapshot, or now: what it writes is `child.stdout`.
    pub(crate) fn dump(&self, login: &Login, snapshot: Option<&str>) -> Result<Child, Error> {
        let mut command = login.command(self.folder.join("pg_dump"));
        command
            .args(["--format=custom", "--compress=0", "--no-owner", "--no-privileges"])
            .arg(format!("--exclude-table-data={NEVER}"));
        if let Some(snapshot) = snapshot {
            command.arg(format!("--snapshot={snapshot}"));
        }
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        child.map_err(|source| started("pg_dump", source))
    }

    /// Dumps all of a database into a file, for a server that goes on as this one.
    pub(crate) async fn dump_to(&self, login: &Login, file: &Path) -> Result<(), Error> {
        let mut command = login.command(self.folder.join("pg_dump"));
        command.args(["--format=custom", "--compress=0", "--no-owner", "--no-privileges"]);
        command.arg("--file").arg(file);
        process::tool(&mut command).await.map_err(Error::Tool)?;
        Ok(())
    }

    /// Brings a dump back into an empty database, by two connections at once: what is in it is whole only when
    /// this has ended well.
    pub(crate) async fn restore(&self, login: &Login, dump: &Path) -> Result<(), Error> {
        let mut command = login.command(self.folder.join("pg_restore"));
        command
            .args(["--no-owner", "--no-privileges", "--exit-on-error", "--jobs=2"])
            .arg(format!("--dbname={}", login.settings.dbname))
            .arg(dump);
        process::tool(&mut command).await.map_err(Error::Tool)?;
        Ok(())
    }
}

fn started(program: &str, source: std::io::Error) -> Error {
    Error::Tool(process::Error::Start { program: program.to_owned(), source })
}

/// Waits until a program that writes to us has ended; what it said where it failed.
pub(crate) async fn ended(mut child: Child, said: Option<ChildStderr>) -> Result<(), Error> {
    use tokio::io::AsyncReadExt as _;
    let mut words = String::new();
    if let Some(mut said) = said {
        drop(said.read_to_string(&mut words).await);
    }
    let status = child.wait().await.map_err(|source| started("pg_dump", source))?;
    if status.success() {
        return Ok(());
    }
    let last_words = words.trim().to_owned();
    Err(Error::Tool(process::Error::Failed { program: "pg_dump".into(), status, last_words }))
}

/// A moment of the database that is held still: everything that is read in it is of that moment.
pub(crate) struct Moment {
    connection: PgConnection,
    /// What others join it by.
    pub(crate) snapshot: String,
    pub(crate) server_version: String,
    pub(crate) major: u32,
    pub(crate) schema: (i32, i32),
    /// Users, rooms, events, media.
    pub(crate) counts: [i64; 4],
    /// What the tables take, without their indexes, in bytes.
    pub(crate) bytes: i64,
}

pub(super) const COUNTS: &str = "
SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM rooms), (SELECT count(*) FROM events),
    (SELECT count(*) FROM local_media_repository WHERE url_cache IS NULL AND media_length IS NOT NULL)";
const ABOUT: &str = "
SELECT pg_export_snapshot(), current_setting('server_version'), current_setting('server_version_num')::int4,
    (SELECT version FROM schema_version),
    coalesce((SELECT compat_version FROM schema_compat_version), 0),
    (SELECT coalesce(sum(pg_table_size(oid)), 0)::int8 FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace)";

impl Moment {
    /// Now. It needs no more than the homeserver's own role.
    pub(crate) async fn hold(config: &Config) -> Result<Self, Error> {
        let failed = || Error::query("hold a moment of the database");
        let mut connection = connect(config, Who::Synapse).await?;
        sqlx::query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .execute(&mut connection)
            .await
            .map_err(failed())?;
        let (snapshot, server_version, number, version, compat, bytes): (
            String,
            String,
            i32,
            _,
            _,
            _,
        ) = sqlx::query_as(ABOUT).fetch_one(&mut connection).await.map_err(failed())?;
        let counts: (i64, i64, i64, i64) =
            sqlx::query_as(COUNTS).fetch_one(&mut connection).await.map_err(failed())?;
        Ok(Self {
            connection,
            snapshot,
            server_version,
            major: u32::try_from(number / 10_000).unwrap_or_default(),
            schema: (version, compat),
            counts: counts.into(),
            bytes,
        })
    }

    /// Lets go of it, when all that joins it has.
    pub(crate) async fn release(self) {
        drop(self.connection.close().await);
    }
}

/// Removes whatever half of a restore is in a database.
pub(crate) async fn clear(login: &Login, config: &Config) -> Result<(), Error> {
    let Login { settings, password } = login;
    let failed = || Error::query("remove what an interrupted restore left");
    let target = target(config)?;
    let connected = connect_as(config, &target, &settings.user, password, &settings.dbname);
    let mut connection = connected.await?.map_err(failed())?;
    sqlx::query("DROP OWNED BY CURRENT_USER CASCADE")
        .execute(&mut connection)
        .await
        .map_err(failed())?;
    Ok(())
}

/// Tells of the media of this server's people that a database knows, in the order of their ids: id, and SHA-256 where
/// Synapse noted one.
pub(crate) async fn media(
    config: &Config,
    found: &mut dyn FnMut(&str, Option<&str>),
) -> Result<(), Error> {
    let mut connection = connect(config, Who::Synapse).await?;
    let mut after = String::new();
    loop {
        let some: Vec<(String, Option<String>)> = sqlx::query_as(
            "SELECT media_id, sha256 FROM local_media_repository
            WHERE url_cache IS NULL AND media_length IS NOT NULL AND media_id COLLATE \"C\" > $1
            ORDER BY media_id COLLATE \"C\" LIMIT 1000",
        )
        .bind(&after)
        .fetch_all(&mut connection)
        .await
        .map_err(Error::query("list the media"))?;
        for (id, sum) in &some {
            found(id, sum.as_deref());
        }
        let Some((last, _)) = some.into_iter().next_back() else { return Ok(()) };
        after = last;
    }
}

/// The server's major version, and its whole one.
pub(crate) async fn version(config: &Config) -> Result<(u32, String), Error> {
    let mut connection = connect(config, Who::Synapse).await?;
    let (number, version): (i32, String) = sqlx::query_as(
        "SELECT current_setting('server_version_num')::int4, current_setting('server_version')",
    )
    .fetch_one(&mut connection)
    .await
    .map_err(Error::query("say its version"))?;
    Ok((u32::try_from(number / 10_000).unwrap_or_default(), version))
}

/// How many users, rooms, events and media a database has now.
pub(crate) async fn counts(config: &Config) -> Result<[i64; 4], Error> {
    counted(&mut connect(config, Who::Synapse).await?).await
}

/// The same in whatever database was entered.
pub(crate) async fn counted(connection: &mut PgConnection) -> Result<[i64; 4], Error> {
    let counts: (i64, i64, i64, i64) = sqlx::query_as(COUNTS)
        .fetch_one(connection)
        .await
        .map_err(Error::query("count what it holds"))?;
    Ok(counts.into())
}

/// Whether a database is new: Synapse has made nothing in it.
pub(crate) async fn is_empty(config: &Config) -> Result<bool, Error> {
    let mut connection = connect(config, Who::Synapse).await?;
    let tables: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
    )
    .fetch_one(&mut connection)
    .await
    .map_err(Error::query("list the tables"))?;
    Ok(tables == 0)
}

/// Raises every sequence by a million, before Synapse first starts on a database that was brought back: what
/// clients and application services hold from after the backup is then older than all that is new.
pub(crate) async fn raise_sequences(config: &Config) -> Result<(), Error> {
    let mut connection = connect(config, Who::Synapse).await?;
    raise(&mut connection).await?;
    // What the planner knows of the tables did not come along.
    let analysed = sqlx::query("ANALYZE").execute(&mut connection).await;
    analysed.map_err(Error::query("analyse the tables"))?;
    Ok(())
}

/// The same in whatever database was entered.
pub(crate) async fn raise(connection: &mut PgConnection) -> Result<(), Error> {
    const RAISE: &str = "
SELECT count(setval(format('%I.%I', schemaname, sequencename)::regclass, coalesce(last_value, 0) + 1000000))
FROM pg_sequences WHERE schemaname = 'public' AND increment_by > 0";
    sqlx::query(RAISE).execute(connection).await.map_err(Error::query("raise the sequences"))?;
    Ok(())
}

/// Removes what must not come back, in a database that was brought back with all that was in it.
pub(crate) async fn forget_given(connection: &mut PgConnection) -> Result<(), Error> {
    let statement = sqlx::AssertSqlSafe(format!("DELETE FROM {NEVER}"));
    let done = sqlx::query(statement).execute(connection).await;
    done.map_err(Error::query("remove keys that were given out"))?;
    Ok(())
}
