//! Role and database as Synapse needs them: looked at, planned, then made under a lock that all
//! provisioners of a server share. Nothing is changed where something is not as it must be.

use rand::rng;
use sqlx::{Connection as _, PgConnection};
use tokio::time::{Instant, timeout_at};

use super::{
    Error, Plan, Step, Target, Who, connect,
    connect::{connect_by, timed_out},
    contents, ddl, embedded,
    plan::{Wanted, enough, fit_database, mark, this},
    record::Record,
    scram,
    server::with_server,
    survey::{Survey, survey},
    target,
    target::{known_password, role_password},
};
use crate::{
    config::{Config, sources::vrooli},
    secret::Secret,
};

/// The key of the advisory lock: `matrix` in ASCII. Locks are per database; all take it in `postgres`.
const LOCK: i64 = 0x6d61_7472_6978;

/// What would be done; reads only. Our own server is looked at only if it runs; a shared one is waited
/// for until `deadline`.
pub(crate) async fn plan(config: &Config, deadline: Instant) -> Result<Plan, Error> {
    let target = target(config)?;
    if target.is_embedded() && !embedded::exists(&config.data) {
        let version = match embedded::found(&config.data).await {
            Ok((_, version)) => Some(version),
            Err(Error::NoBinaries) => None,
            Err(error) => return Err(error),
        };
        return Ok(Plan::from_nothing(config, embedded::cluster(&config.data), version));
    }
    if can_renew(config, &target) {
        let mut steps = vec![Step::RenewSuperuser];
        if known_password(config)?.is_none() {
            steps.push(Step::SetPassword { role: config.database.user.0.clone() });
        }
        return Ok(Plan { steps });
    }
    if settled(config, &target)? {
        return Ok(Plan::default());
    }
    let deadline = if target.is_embedded() { Instant::now() } else { deadline };
    match reach(config, &target, deadline).await {
        Ok(Some(mut admin)) => look(config, &target, &mut admin).await,
        Ok(None) | Err(Error::Unreachable { own: true, .. }) => Ok(Plan::default()),
        Err(error) => Err(error),
    }
}

/// Whether the server that runs has connections for all processes of Synapse.
pub(crate) async fn has_room(config: &Config) -> Result<(), Error> {
    let mut role = connect(config, Who::Synapse).await?;
    let found = survey_ours(&mut role, config).await?;
    enough(config, &target(config)?.to_string(), &found)
}

/// Waits until the database answers the role of Synapse: one that others look after.
pub(crate) async fn answers_by(config: &Config, deadline: Instant) -> Result<(), Error> {
    connect_by(config, Who::Synapse, deadline, async || ()).await.map(drop)
}

/// Makes everything ready, each step told before it is taken; gives what was done. Waits for a shared
/// server until `deadline`. Our own cluster is made if it is missing, and its server run for the
/// purpose if it does not run; where nothing has changed since the last time it is not even started.
pub(crate) async fn ensure(
    config: &Config,
    deadline: Instant,
    on_step: &mut dyn FnMut(&Step),
) -> Result<Plan, Error> {
    let target = target(config)?;
    let mut done = Plan::default();
    if can_renew(config, &target) {
        on_step(&Step::RenewSuperuser);
        embedded::renew_password(config).await?;
        done.steps.push(Step::RenewSuperuser);
    }
    if settled(config, &target)? {
        return Ok(done);
    }
    if target.is_embedded() && !embedded::exists(&config.data) {
        let (_, version) = embedded::found(&config.data).await?;
        let step =
            Step::CreateCluster { folder: embedded::cluster(&config.data), version: Some(version) };
        on_step(&step);
        embedded::create(config).await?;
        done.steps.push(step);
    }
    let plan = with_server(config, deadline, async || {
        // A server that hangs is no better than one that is away.
        let work = timeout_at(deadline, provision(config, &target, deadline, on_step)).await;
        work.unwrap_or_else(|_| Err(Error::query("answer in time")(timed_out())))
    });
    done.steps.extend(plan.await?.steps);
    Ok(done)
}

/// Whether our own cluster's superuser needs a new password and can be given one: nothing runs.
fn can_renew(config: &Config, target: &Target) -> bool {
    let data = &config.data;
    target.is_embedded() && embedded::password_is_lost(data) && embedded::running(data).is_none()
}

/// Whether our own cluster is known to be ready for these settings. A shared server belongs to
/// others, so that one is looked at each time.
fn settled(config: &Config, target: &Target) -> Result<bool, Error> {
    if !target.is_embedded() || !embedded::exists(&config.data) {
        return Ok(false);
    }
    let (Some(record), Some(password)) = (Record::read(&config.data)?, known_password(config)?)
    else {
        return Ok(false);
    };
    Ok(record.shared.is_none()
        && record.kind == config.server.kind
        && record.role == config.database.user.0
        && record.database == config.database.name.0
        && record.verifier.is_some_and(|verifier| scram::matches(&verifier, &password)))
}

async fn provision(
    config: &Config,
    target: &Target,
    deadline: Instant,
    on_step: &mut dyn FnMut(&Step),
) -> Result<Plan, Error> {
    let Some(mut admin) = reach(config, target, deadline).await? else {
        note(config, target, &Plan::default(), true)?;
        return Ok(Plan::default());
    };
    lock(&mut admin).await?;
    let plan = look(config, target, &mut admin).await?;
    note(config, target, &plan, false)?;
    take_all(&plan, &this(config), &role_password(config)?, &mut admin, on_step).await?;
    note(config, target, &plan, true)?;
    // The lock goes with the connection.
    drop(admin.close().await);
    Ok(plan)
}

/// The superuser's connection. None if there is no superuser and none is needed: role and database
/// are there, the role's password is right, and all is as it must be.
async fn reach(
    config: &Config,
    target: &Target,
    deadline: Instant,
) -> Result<Option<PgConnection>, Error> {
    let admin = connect_by(config, Who::Admin, deadline, || wake(config, deadline)).await;
    let refusal = match admin {
        Ok(admin) => return Ok(Some(admin)),
        Err(
            refusal @ (Error::NoSuperuser { .. }
            | Error::WrongPassword { .. }
            | Error::Refused { .. }),
        ) => refusal,
        Err(error) => return Err(error),
    };
    let mut role = match connect_by(config, Who::Synapse, deadline, || wake(config, deadline)).await
    {
        Ok(role) => role,
        Err(error) => {
            return Err(match (refusal, error) {
                (_, error @ Error::Unreachable { .. }) => error,
                (Error::NoSuperuser { role, database, .. }, error) => {
                    Error::NoSuperuser { role, database, source: Some(Box::new(error)) }
                }
                (refusal, _) => refusal,
            });
        }
    };
    let found = survey_ours(&mut role, config).await?;
    enough(config, &target.to_string(), &found)?;
    if let Some(database) = &found.database {
        fit_database(&config.database.name.0, database)?;
    }
    contents::may_be_used(&mut role, config).await?;
    Ok(None)
}

/// Starts Vrooli's PostgreSQL where that is the server in question.
pub(super) async fn wake(config: &Config, deadline: Instant) {
    if let Some(vrooli) = vrooli::starter(config, "database.host") {
        vrooli::start(vrooli, "postgres", deadline).await;
    }
}

async fn look(config: &Config, target: &Target, admin: &mut PgConnection) -> Result<Plan, Error> {
    let found = survey_ours(admin, config).await?;
    enough(config, &target.to_string(), &found)?;
    let login = found.role.is_some() && login(config).await?;
    let record = current_record(config, target)?;
    let wanted = Wanted::of(config, &record);
    let plan = Plan::decide(&wanted, &found, login)?;
    // A database that somebody else made is looked into before it is used for the first time, and so is one
    // that may have been another kind of homeserver's.
    let is_new = !record.database_made && record.verifier.is_none();
    if found.database.is_some() && (is_new || !config.data.is_installed()) {
        let mut inside = connect(config, Who::AdminInside).await?;
        let contents = contents::look(&mut inside).await?;
        if let Some(table) = contents.of_others(config) {
            return Err(Error::Foreign { database: config.database.name.0.clone(), table });
        }
    }
    Ok(plan)
}

/// Whether the role's password is known and right: what PostgreSQL keeps cannot be read by every
/// administrator, so the way to know is to try.
async fn login(config: &Config) -> Result<bool, Error> {
    match connect(config, Who::SynapseOutside).await {
        Ok(_) => Ok(true),
        Err(Error::NoPassword(_) | Error::WrongPassword { .. }) => Ok(false),
        // It may not enter `postgres`, which is asked after the password.
        Err(Error::Refused { source, .. })
            if source.as_database_error().is_some_and(|e| e.code().as_deref() == Some("42501")) =>
        {
            Ok(true)
        }
        Err(error) => Err(error),
    }
}

/// What was noted about these very names on this server.
fn current_record(config: &Config, target: &Target) -> Result<Record, Error> {
    let fresh = Record {
        shared: match target {
            Target::Shared { host, port, .. } => Some((host.clone(), *port)),
            Target::Embedded { .. } => None,
        },
        role: config.database.user.0.clone(),
        database: config.database.name.0.clone(),
        ..Record::default()
    };
    let same = |old: &Record| {
        old.shared == fresh.shared && old.role == fresh.role && old.database == fresh.database
    };
    Ok(Record::read(&config.data)?.filter(same).unwrap_or(fresh))
}

/// Notes what is about to be made (not `complete`) or that all is done.
fn note(config: &Config, target: &Target, plan: &Plan, complete: bool) -> Result<(), Error> {
    let mut record = current_record(config, target)?;
    for step in &plan.steps {
        record.role_made |= matches!(step, Step::CreateRole { .. });
        record.database_made |= matches!(step, Step::CreateDatabase { .. });
    }
    let password = role_password(config)?;
    if !complete {
        record.verifier = None;
    } else if !record.verifier.as_ref().is_some_and(|old| scram::matches(old, &password)) {
        record.verifier = Some(scram::verifier(&password, &mut rng()).expose().to_owned());
    }
    record.kind = config.server.kind;
    record.write(&config.data)
}

/// Keeps other provisioners out for as long as this connection lives.
pub(super) async fn lock(admin: &mut PgConnection) -> Result<(), Error> {
    let locked = sqlx::query("SELECT pg_advisory_lock($1)").bind(LOCK).execute(admin);
    locked.await.map(drop).map_err(Error::query("lock out other provisioners"))
}

async fn survey_ours(connection: &mut PgConnection, config: &Config) -> Result<Survey, Error> {
    survey(connection, &config.database.user.0, &config.database.name.0).await
}

/// Takes the steps of a plan for the homeserver in `home`.
pub(super) async fn take_all(
    plan: &Plan,
    home: &str,
    password: &Secret,
    admin: &mut PgConnection,
    on_step: &mut dyn FnMut(&Step),
) -> Result<(), Error> {
    let mark = mark(home);
    for step in &plan.steps {
        on_step(step);
        take(step, &mark, password, admin).await.map_err(Error::query(step.to_string()))?;
    }
    Ok(())
}

async fn take(
    step: &Step,
    mark: &str,
    password: &Secret,
    admin: &mut PgConnection,
) -> Result<(), sqlx::Error> {
    let verifier = || scram::verifier(password, &mut rng());
    match step {
        Step::CreateCluster { .. } | Step::RenewSuperuser => Ok(()),
        Step::CreateRole { role } => {
            let mut transaction = admin.begin().await?;
            ddl::run(&mut transaction, CREATE_ROLE, &[role, verifier().expose()]).await?;
            ddl::run(&mut transaction, "COMMENT ON ROLE %I IS %L", &[role, mark]).await?;
            transaction.commit().await
        }
        Step::SetPassword { role } => {
            ddl::run(admin, "ALTER ROLE %I PASSWORD %L", &[role, verifier().expose()]).await
        }
        Step::CreateDatabase { database, owner } => {
            // Without the provider a server with ICU for a default would sort by ICU all the same.
            let chosen = admin.server_version_num().is_some_and(|version| version >= 150_000);
            let template = if chosen { CREATE_DATABASE_15 } else { CREATE_DATABASE };
            ddl::run(admin, template, &[database, owner]).await?;
            close(admin, database, mark).await
        }
        Step::CloseDatabase { database } => close(admin, database, mark).await,
    }
}

const CREATE_ROLE: &str = "CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD %L";
const CREATE_DATABASE: &str =
    "CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'";
const CREATE_DATABASE_15: &str = "CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'";

async fn close(admin: &mut PgConnection, database: &str, mark: &str) -> Result<(), sqlx::Error> {
    let mut transaction = admin.begin().await?;
    ddl::run(&mut transaction, "COMMENT ON DATABASE %I IS %L", &[database, mark]).await?;
    ddl::run(&mut transaction, "REVOKE ALL ON DATABASE %I FROM PUBLIC", &[database]).await?;
    transaction.commit().await
}
