//! PostgreSQL and Redis.

use super::{Check, EVERY, Flow, Found, Look, Subject};
use crate::{postgres, redis, services, supervisor::service::Service};

pub(crate) static RECORD: Check = Check {
    name: "database-record",
    about: "the record of how the database was created is readable",
    remedy: "put it back from a backup",
    flows: EVERY,
    look: Look::Here(|subject| {
        postgres::can_be_read(&subject.config.data)?;
        Ok(Vec::new())
    }),
};

/// A start gives a new password while nothing runs.
pub(crate) static ENTRY: Check = Check {
    name: "database-entry",
    about: "the password of our own PostgreSQL's superuser is known while it runs",
    remedy: "stop it, and start it again",
    flows: &[Flow::Install],
    look: Look::Here(|subject| {
        if postgres::target(subject.config)?.is_embedded() {
            postgres::embedded::can_be_entered(&subject.config.data)?;
        }
        Ok(Vec::new())
    }),
};

/// A start of what does not run has the platform start its Redis, and an install can bring one.
pub(crate) static REDIS: Check = Check {
    name: "redis",
    about: "Redis answers, or there is a program for one of our own",
    remedy: "`config show redis` says what is set",
    flows: &[Flow::Restart, Flow::Change, Flow::Scale],
    look: Look::Asks(|subject| {
        Box::pin(async {
            redis::check(subject.config).await?;
            Ok(Vec::new())
        })
    }),
};

/// What stops starts again with room for all of its processes, so that a restart has no need to look.
pub(crate) static CONNECTIONS: Check = Check {
    name: "database-connections",
    about: "the PostgreSQL that runs has connections left for workers that are new",
    remedy: "`config show database` says what is set",
    flows: &[Flow::Change, Flow::Scale],
    look: Look::Asks(|subject| Box::pin(connections(subject))),
};

/// A start of what does not run makes ready what it finds, and so does an install. Our own is looked after
/// whenever it starts.
pub(crate) static DATABASE: Check = Check {
    name: "database",
    about: "the shared PostgreSQL answers and has a database that Synapse can use, or can be given one",
    remedy: "`config show database` says what is set",
    flows: &[Flow::Restart, Flow::Change],
    look: Look::Asks(|subject| Box::pin(database(subject))),
};

async fn connections(subject: &Subject<'_>) -> Found {
    let Some(now) = subject.running else { return Ok(Vec::new()) };
    let is_new = |service: &Service| {
        service.tags.iter().any(|tag| tag == services::WORKER)
            && !now.services.contains_key(&service.name)
    };
    let runs = services::of_homeserver(now).is_some_and(|report| report.state.is_ready());
    if runs && subject.outline()?.iter().any(is_new) {
        postgres::has_room(subject.config).await?;
    }
    Ok(Vec::new())
}

async fn database(subject: &Subject<'_>) -> Found {
    let config = subject.config;
    if config.is_joined() {
        // It is looked after where the homeserver is.
        postgres::has_room(config).await?;
    } else if !postgres::target(config)?.is_embedded() {
        postgres::plan(config, subject.deadline).await?;
    }
    Ok(Vec::new())
}
