//! The room that is told how the services are.

use std::time::Duration;

use super::{Check, Flow, Look};
use crate::{
    config::Config,
    error::Failure,
    matrix::{Error, client, room, sealed},
};

/// A start looks when the homeserver is up.
pub(crate) static ROOM: Check = Check {
    name: "alerts-room",
    about: "the room of `alerts.room` is there, where a homeserver runs that can be asked",
    remedy: "`config set alerts.room '#ROOM'` names another one",
    flows: &[Flow::ConfigCheck],
    look: Look::Asks(|subject| {
        Box::pin(async { Ok(untold(subject.config).await.into_iter().collect()) })
    }),
};

/// How long the homeserver may take to say it.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why the room could not be told, and what helps; nothing where the homeserver does not say so.
pub(crate) async fn untold(config: &Config) -> Option<String> {
    let name = config.alerts.room.as_ref().filter(|_| !config.is_joined())?;
    let error = look(config, name).await.err()?;
    if !error.is_not_found()
        && !matches!(error, Error::ManyRooms { .. } | Error::Encrypted(_) | Error::Name(_))
    {
        return None;
    }
    let failure = Failure::from(error);
    let hint = failure.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
    Some(format!("`alerts.room`: {failure}, so that nobody is told when a service fails{hint}"))
}

async fn look(config: &Config, name: &str) -> Result<(), Error> {
    let operator = client::operator(&config.data, PATIENCE)?;
    let id = room::latest(&operator, room::resolve(&operator, name).await?).await?;
    match room::details(&operator, &id).await? {
        None => Err(Error::NoRoom(name.to_owned())),
        Some(found) if found.encryption.is_some() => sealed::require(&id),
        Some(_) => Ok(()),
    }
}
