//! A role and a database beside the homeserver's, for a bridge: bridges never share one. Planned, made,
//! marked and dropped like ours.

use sqlx::{Connection as _, error::DatabaseError, postgres::PgConnectOptions};
use tokio::time::{Instant, timeout_at};

use super::{
    Error, Plan, Step, Target, Who,
    connect::{connect_as, connect_by, options, timed_out},
    drop_made::{Dropped, drop_database, drop_role},
    plan::{Wanted, this},
    provision::{lock, take_all, wake},
    server::with_server,
    survey::survey,
    target,
};
use crate::{
    config::{Config, bracketed, sections::database::Tls},
    secret::Secret,
};

/// Role and database have the same name.
#[derive(Clone, Debug)]
pub(crate) struct Tenant {
    pub(crate) name: String,
    pub(crate) password: Secret,
}

impl Tenant {
    /// How a pool connects to it.
    pub(crate) fn options(&self, config: &Config) -> Result<PgConnectOptions, Error> {
        let Self { name, password } = self;
        let options = options(&target(config)?);
        Ok(options.username(name).password(password.expose()).database(name))
    }

    fn wanted(&self, config: &Config) -> Wanted {
        Wanted {
            home: this(config),
            role: self.name.clone(),
            database: self.name.clone(),
            // A role that is not marked is somebody else's; a killed run marks it as it makes it.
            role_made: false,
            database_made: true,
        }
    }

    /// Makes what is missing. Our own server is run for the purpose if it does not run.
    pub(crate) async fn ensure(
        &self,
        config: &Config,
        deadline: Instant,
        on_step: &mut dyn FnMut(&Step),
    ) -> Result<Plan, Error> {
        with_server(config, deadline, async || {
            let work = timeout_at(deadline, self.provision(config, deadline, on_step)).await;
            work.unwrap_or_else(|_| Err(Error::query("answer in time")(timed_out())))
        })
        .await
    }

    async fn provision(
        &self,
        config: &Config,
        deadline: Instant,
        on_step: &mut dyn FnMut(&Step),
    ) -> Result<Plan, Error> {
        let admin = connect_by(config, Who::Admin, deadline, || wake(config, deadline)).await;
        let mut admin = match admin {
            Ok(admin) => admin,
            // It may be there all the same.
            Err(error) => {
                return match self.flaw(config).await? {
                    None => Ok(Plan::default()),
                    Some(_) => Err(self.named(error)),
                };
            }
        };
        lock(&mut admin).await?;
        let wanted = self.wanted(config);
        let found = survey(&mut admin, &wanted.role, &wanted.database).await?;
        let target = target(config)?;
        let asked = connect_as(config, &target, &self.name, &self.password, "postgres").await?;
        let plan = Plan::decide(&wanted, &found, !asked.is_err_and(|error| is(&error, WRONG)))?;
        take_all(&plan, &wanted.home, &self.password, &mut admin, on_step).await?;
        drop(admin.close().await);
        Ok(plan)
    }

    /// What keeps it from being used, as a clause; nothing where it can be, or where nobody can tell
    /// because the server is away.
    pub(crate) async fn flaw(&self, config: &Config) -> Result<Option<String>, Error> {
        let Self { name, password } = self;
        Ok(match connect_as(config, &target(config)?, name, password, name).await? {
            Err(error) if is(&error, MISSING) => Some(format!("its database `{name}` is gone")),
            Err(error) if is(&error, WRONG) => {
                Some(format!("its role `{name}` is gone or has another password"))
            }
            _ => None,
        })
    }

    /// Drops what is of our making; what that was.
    pub(crate) async fn drop_made(
        &self,
        config: &Config,
        deadline: Instant,
    ) -> Result<Dropped, Error> {
        let wanted = Wanted { role_made: true, ..self.wanted(config) };
        with_server(config, deadline, async || {
            let mut admin = connect_by(config, Who::Admin, deadline, async || ()).await?;
            let database = drop_database(&mut admin, &wanted).await?;
            Ok(Dropped { database, role: drop_role(&mut admin, &wanted).await? })
        })
        .await
    }

    fn named(&self, error: Error) -> Error {
        match error {
            Error::NoSuperuser { source, .. } => {
                let (role, database) = (self.name.clone(), self.name.clone());
                Error::NoSuperuser { role, database, source }
            }
            other => other,
        }
    }

    /// Where it is, its password in it, as the drivers of Go and Python read it. Name and password need
    /// no quoting.
    pub(crate) fn address(&self, config: &Config) -> Result<String, Error> {
        let Self { name, password } = self;
        let password = password.expose();
        Ok(match target(config)? {
            Target::Embedded { port, .. } => {
                format!("postgres://{name}:{password}@127.0.0.1:{port}/{name}?sslmode=disable")
            }
            Target::Shared { host, port, .. } if host.starts_with('/') => {
                format!(
                    "postgres://{name}:{password}@/{name}?host={host}&port={port}&sslmode=disable"
                )
            }
            Target::Shared { host, port, tls } => {
                let host = bracketed(&host);
                let mode = match tls {
                    Tls::Disable => "disable",
                    // The driver of Go knows no `prefer`.
                    Tls::Prefer => "disable",
                    Tls::Require => "require",
                    Tls::VerifyFull => "verify-full",
                };
                format!("postgres://{name}:{password}@{host}:{port}/{name}?sslmode={mode}")
            }
        })
    }
}

/// Of PostgreSQL's codes: no such database; no such role, or another password.
const MISSING: &[&str] = &["3D000"];
const WRONG: &[&str] = &["28P01", "28000"];

fn is(error: &sqlx::Error, codes: &[&str]) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| codes.contains(&&*code))
}
