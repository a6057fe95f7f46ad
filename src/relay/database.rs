//! The relay's tables: a schema of its own, in a database of its own beside the homeserver's or in the
//! application's, brought up to date when the relay starts.

use std::{path::PathBuf, time::Duration};

use rand::rng;
use sqlx::{
    Connection as _, PgConnection, PgPool, SqlSafeStr as _,
    migrate::{Migration, MigrationType, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{Error, entries::FIRST_PAUSE};
use crate::{
    clock::Backoff,
    config::Config,
    data_dir::DataDir,
    error::Failure,
    files,
    postgres::{Step, Tenant},
    secret::Secret,
};

/// Connections that requests have open at most, and the same of what tells and hears the homeserver and readers: who asks
/// too much of one conversation keeps none of that waiting.
const OF_REQUESTS: u32 = 8;
const OF_WORK: u32 = 8;
/// A connection that was used so lately is taken for one that is there.
const LATELY: Duration = Duration::from_secs(1);
/// How long a request waits for one of them.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two tries to reach it at the start.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long a statement waits for what somebody else has locked, in milliseconds.
const LONGEST_LOCK: &str = "3000";
/// How long a transaction may stand still, in milliseconds: the same that the application's may once they said something.
const LONGEST_IDLE: &str = "10000";
/// How long a look at it may take where nothing depends on it.
const GLANCE: Duration = Duration::from_secs(3);

/// Of its role, once that is there.
fn password(data: &DataDir) -> PathBuf {
    data.secret("relay_database_password")
}

/// The same while role and database are being made.
fn coming(data: &DataDir) -> PathBuf {
    data.secret("relay_database_password.new")
}

/// Its own role and database; none where the application's is used, or none was made yet.
pub(crate) fn tenant(config: &Config) -> Result<Option<Tenant>, files::Error> {
    if config.relay.database_url.is_some() {
        return Ok(None);
    }
    match Secret::read(&password(&config.data)) {
        Ok(password) => Ok(Some(named(config, password))),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

fn named(config: &Config, password: Secret) -> Tenant {
    Tenant { name: format!("{}_relay", config.database.name.0), password }
}

/// The application's own, as the settings have it.
pub(super) fn given(config: &Config) -> Result<Option<PgConnectOptions>, Error> {
    let Some(url) = &config.relay.database_url else { return Ok(None) };
    let is_one = ["postgres://", "postgresql://"].iter().any(|it| url.expose().starts_with(it));
    url.expose().parse().ok().filter(|_| is_one).map(Some).ok_or(Error::Address)
}

fn options(config: &Config) -> Result<PgConnectOptions, Error> {
    let options = match (given(config)?, tenant(config)?) {
        (Some(given), _) => given,
        (None, Some(tenant)) => tenant.options(config)?,
        (None, None) => return Err(Error::NoDatabase),
    };
    // That something is there already is no news.
    let options = options.options([
        ("client_min_messages", "warning"),
        // A transaction of the application that is left open on a conversation keeps no connection of all others.
        ("lock_timeout", LONGEST_LOCK),
        ("idle_in_transaction_session_timeout", LONGEST_IDLE),
    ]);
    Ok(options.application_name("resource-matrix-synapse relay"))
}

/// As it is: for whoever looks at it.
pub(crate) async fn open(config: &Config) -> Result<PgPool, Error> {
    let options = reachable(config, Instant::now() + PATIENCE).await?;
    let pool = PgPoolOptions::new().max_connections(2).acquire_timeout(PATIENCE);
    pool.connect_with(options).await.map_err(Error::query("be reached"))
}

/// How somebody just connected. A pool would only say that it has waited in vain.
async fn reachable(config: &Config, deadline: Instant) -> Result<PgConnectOptions, Error> {
    let options = options(config)?;
    let first = timeout_at(deadline, PgConnection::connect_with(&options)).await;
    let first = first.unwrap_or(Err(sqlx::Error::PoolTimedOut));
    drop(first.map_err(Error::query("be reached"))?.close().await);
    Ok(options)
}

/// Connections to it: for requests, and for all else.
pub(super) struct Pools {
    pub(super) requests: PgPool,
    pub(super) work: PgPool,
}

/// As [`ready`] as it gets; while nobody is there it is tried again, and `closed` says why.
pub(super) async fn awaited(
    config: &Config,
    closed: &watch::Sender<String>,
) -> Result<Pools, Error> {
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        match ready(config, Instant::now() + config.supervision.start_timeout.0).await {
            Err(error) if error.passes() => {
                let why = Failure::from(error).to_string();
                let is_news = closed.send_if_modified(|before| {
                    let is_news = *before != why;
                    before.clone_from(&why);
                    is_news
                });
                if is_news {
                    tracing::warn!("nothing is accepted: {why}");
                }
                sleep(backoff.pause()).await;
            }
            done => return done,
        }
    }
}

/// Made where it is not, and brought up to date.
async fn ready(config: &Config, deadline: Instant) -> Result<Pools, Error> {
    if config.relay.database_url.is_none() {
        make(config, deadline).await?;
    }
    let options = reachable(config, deadline).await?;
    let pool = |most| {
        PgPoolOptions::new()
            .max_connections(most)
            .acquire_timeout(PATIENCE)
            // One that was just used is there: to ask each time would cost as much as what it is for.
            .test_before_acquire(false)
            .before_acquire(|connection, now| {
                Box::pin(async move { Ok(now.idle_for < LATELY || connection.ping().await.is_ok()) })
            })
            .connect_lazy_with(options.clone())
    };
    let pools = Pools { requests: pool(OF_REQUESTS), work: pool(OF_WORK) };
    migrate(&pools.work).await?;
    adopt(&pools.work, config).await?;
    Ok(pools)
}

/// Role and database; only then others are told of them, such as a backup.
async fn make(config: &Config, deadline: Instant) -> Result<(), Error> {
    let data = &config.data;
    let tell = &mut |step: &Step| tracing::info!("{step}");
    if let Some(tenant) = tenant(config)? {
        tenant.ensure(config, deadline, tell).await?;
        return Ok(());
    }
    let secret = Secret::read_or_generate(&coming(data), &mut rng())?;
    named(config, secret.clone()).ensure(config, deadline, tell).await?;
    secret.write(&password(data))?;
    Ok(files::remove(&coming(data))?)
}

pub(super) async fn migrate(pool: &PgPool) -> Result<(), Error> {
    let files = [
        ("tables", include_str!("migrations/0001_tables.sql")),
        ("functions", include_str!("migrations/0002_functions.sql")),
        ("people", include_str!("migrations/0003_people.sql")),
    ];
    let migration = |(version, (name, sql)): (i64, (&'static str, &'static str))| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    let mut migrator = Migrator::with_migrations((1..).zip(files).map(migration).collect());
    migrator.create_schema("relay");
    migrator.dangerous_set_table_name("relay._sqlx_migrations");
    migrator.run(pool).await.map_err(Error::Migrate)
}

/// Of which homeserver the ids in it are, and what those of the application's users begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Whose {
    server: String,
    prefix: String,
}

impl Whose {
    fn same(self, is: Self) -> Result<(), Error> {
        if self.server != is.server {
            return Err(Error::OtherServer { was: self.server, is: is.server });
        }
        if self.prefix != is.prefix {
            return Err(Error::OtherPrefix { was: self.prefix, is: is.prefix });
        }
        Ok(())
    }

    pub(super) fn of(config: &Config) -> Self {
        Self { server: config.server.name.to_string(), prefix: config.relay.prefix.0.clone() }
    }
}

pub(super) async fn whose(pool: &PgPool) -> Result<Whose, Error> {
    let (server, prefix) = sqlx::query_as("SELECT server_name, prefix FROM relay.settings")
        .fetch_one(pool)
        .await
        .map_err(Error::query("say whose it is"))?;
    Ok(Whose { server, prefix })
}

/// Notes whose it is. With another server name all ids in it would be those of others, and with another prefix those
/// of its users.
async fn adopt(pool: &PgPool, config: &Config) -> Result<(), Error> {
    let is = Whose::of(config);
    sqlx::query(
        "INSERT INTO relay.settings AS s (server_name, prefix, matrix) VALUES ($1, $2, $3)
        ON CONFLICT (id) DO UPDATE SET matrix = excluded.matrix, prefix = CASE
            WHEN EXISTS (SELECT 1 FROM relay.users) THEN s.prefix ELSE excluded.prefix END",
    )
    .bind(&is.server)
    .bind(&is.prefix)
    .bind(config.relay.matrix)
    .execute(pool)
    .await
    .map_err(Error::query("say whose it is"))?;
    whose(pool).await?.same(is)
}

/// Refuses other names than those that are in use. Where nobody can say, that is found when the relay starts.
pub(super) async fn same_names(config: &Config) -> Result<(), Error> {
    let Ok(options) = options(config) else { return Ok(()) };
    let look = async {
        let mut on = PgConnection::connect_with(&options).await?;
        sqlx::query_as("SELECT server_name, prefix FROM relay.settings WHERE EXISTS (SELECT 1 FROM relay.users)")
            .fetch_optional(&mut on)
            .await
    };
    match timeout(GLANCE, look).await {
        Ok(Ok(Some((server, prefix)))) => Whose { server, prefix }.same(Whose::of(config)),
        _ => Ok(()),
    }
}
