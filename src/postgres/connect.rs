//! Connections of our own: one at a time, with a refusal that says which of the many things that can
//! be wrong it is.

use std::time::Duration;

use sqlx::{
    ConnectOptions as _, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::time::{Instant, sleep, timeout};

use super::{Error, Target, embedded, target, target::known_password};
use crate::{
    config::{Config, sections::database::Tls},
    files,
    secret::Secret,
};

/// As whom to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// The superuser, to the database `postgres`.
    Admin,
    /// The superuser, to the homeserver's database.
    AdminInside,
    /// The homeserver's role, to its database.
    Synapse,
    /// The homeserver's role, to the database `postgres`: whether its password is right.
    SynapseOutside,
}

/// How long one attempt may take: a host that drops packets must not eat the whole deadline.
const ATTEMPT: Duration = Duration::from_secs(5);
/// The setting that a shared server's superuser has.
const ADMIN_PASSWORD: &str = "database.admin_password";
/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// Connects once. [`Error::NoSuperuser`] if that is who is asked for and none is known.
pub(crate) async fn connect(config: &Config, who: Who) -> Result<PgConnection, Error> {
    let target = target(config)?;
    let Some((user, password)) = credentials(config, &target, who)? else {
        let role = config.database.user.0.clone();
        let database = config.database.name.0.clone();
        return Err(Error::NoSuperuser { role, database, source: None });
    };
    let inside = matches!(who, Who::Synapse | Who::AdminInside);
    let database = if inside { &config.database.name.0 } else { "postgres" };
    let connected = connect_as(config, &target, &user, &password, database).await?;
    connected.map_err(|source| match refusal(&target, who, user, source) {
        Error::WrongPassword { setting: ADMIN_PASSWORD, .. } if target.is_embedded() => {
            Error::lost_superuser(&config.data)
        }
        other => other,
    })
}

/// Connects once as anybody; what the server said, unless it was not even asked.
pub(super) async fn connect_as(
    config: &Config,
    target: &Target,
    user: &str,
    password: &Secret,
    database: &str,
) -> Result<Result<PgConnection, sqlx::Error>, Error> {
    let sockets = config.data.sockets();
    if target.is_embedded() && sockets.exists() {
        // Nobody else may have put a folder in `/tmp` in its place.
        files::private_folder(&sockets)?;
    }
    let options = options(target)
        .username(user)
        .password(password.expose())
        .database(database)
        .application_name("resource-matrix-synapse")
        // Statements carry password verifiers.
        .disable_statement_logging();
    let attempt = timeout(ATTEMPT, options.connect()).await;
    Ok(attempt.unwrap_or_else(|_| Err(timed_out())))
}

pub(super) fn timed_out() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}

/// Connects as soon as the server is there; `wake` is called once when it is not.
pub(super) async fn connect_by(
    config: &Config,
    who: Who,
    deadline: Instant,
    wake: impl AsyncFnOnce(),
) -> Result<PgConnection, Error> {
    let mut wake = Some(wake);
    loop {
        match connect(config, who).await {
            Err(Error::Unreachable { .. }) if Instant::now() + PAUSE < deadline => {
                if let Some(wake) = wake.take() {
                    wake().await;
                }
                sleep(PAUSE).await;
            }
            other => return other,
        }
    }
}

pub(super) fn options(target: &Target) -> PgConnectOptions {
    let options = PgConnectOptions::new_without_pgpass();
    match target {
        // A socket has no TLS, whatever PGSSLMODE says.
        Target::Embedded { sockets, port } => {
            options.socket(sockets).port(*port).ssl_mode(PgSslMode::Disable)
        }
        Target::Shared { host, port, .. } if host.starts_with('/') => {
            options.socket(host).port(*port).ssl_mode(PgSslMode::Disable)
        }
        Target::Shared { host, port, tls } => options.host(host).port(*port).ssl_mode(match tls {
            Tls::Disable => PgSslMode::Disable,
            Tls::Prefer => PgSslMode::Prefer,
            Tls::Require => PgSslMode::Require,
            Tls::VerifyFull => PgSslMode::VerifyFull,
        }),
    }
}

fn credentials(
    config: &Config,
    target: &Target,
    who: Who,
) -> Result<Option<(String, Secret)>, Error> {
    if matches!(who, Who::Synapse | Who::SynapseOutside) {
        let user = config.database.user.0.clone();
        let password = known_password(config)?.ok_or_else(|| Error::NoPassword(user.clone()))?;
        return Ok(Some((user, password)));
    }
    if target.is_embedded() {
        if embedded::password_is_lost(&config.data) {
            return Err(Error::lost_superuser(&config.data));
        }
        let password = Secret::read(&config.data.superuser_password())?;
        return Ok(Some((embedded::SUPERUSER.into(), password)));
    }
    let password = config.database.admin_password.clone();
    Ok(password.map(|password| (config.database.admin_user.0.clone(), password.0)))
}

/// Sorts what sqlx says by what one has to do about it (PostgreSQL docs, appendix A: error codes).
fn refusal(target: &Target, who: Who, user: String, source: sqlx::Error) -> Error {
    let server = target.to_string();
    let own = target.is_embedded();
    let code =
        source.as_database_error().and_then(sqlx::error::DatabaseError::code).map(String::from);
    match code.as_deref() {
        // Of class 57: it starts up, shuts down, or has just been told to.
        Some("57P01" | "57P02" | "57P03") => Error::Unreachable { server, own, source },
        None if matches!(source, sqlx::Error::Io(_)) => Error::Unreachable { server, own, source },
        Some("53300") => Error::Full { server, source },
        Some("28P01") => {
            let admin = matches!(who, Who::Admin | Who::AdminInside);
            let setting = if admin { ADMIN_PASSWORD } else { "database.password" };
            Error::WrongPassword { server, user, setting, source }
        }
        _ => Error::Refused { server, user, source },
    }
}
