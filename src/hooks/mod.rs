//! Webhooks: `POST /hook/ID` with a token becomes a message of a bot in a room.
//!
//! Theory of operation. A request is answered with 202 when its message is in the [`outbox`] on the disk;
//! what is accepted will be sent, by that. A key that comes with a request makes a repeat of it harmless.
//!
//! Nothing here needs an orderly end, and the webhooks themselves ([`registry`]) are read when they are
//! asked for, so that a change of them needs no restart.

pub(crate) mod formats;
pub(crate) mod message;
pub(crate) mod refused;
pub(crate) mod registry;
mod server;
mod signature;
pub(crate) mod template;

pub(crate) use server::run;

use std::{io, net::SocketAddr, path::PathBuf};

use crate::{
    data_dir::DataDir,
    error::{Explain, Kind},
    files, outbox,
};

/// Whether there are webhooks.
pub(crate) fn are_there(data: &DataDir) -> bool {
    !registry::names(data).is_empty()
}

/// Whether the service has something to do: webhooks, or messages that wait or may come.
pub(crate) fn are_needed(data: &DataDir) -> bool {
    are_there(data) || outbox::is_used(data)
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "`{0}` is not a valid webhook id: 1 to 64 of a-z, 0-9 and . _ -, the first a letter or digit"
    )]
    Name(String),
    #[error("the webhook `{id}` exists and sends to {room} as {user}")]
    Taken { id: String, room: String, user: String },
    #[error("the file of the webhook `{id}` is damaged: `{}`", file.display())]
    Damaged { id: String, file: PathBuf, source: serde_json::Error },
    #[error("webhooks cannot listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    #[error(transparent)]
    Outbox(#[from] outbox::Error),
    #[error(transparent)]
    File(#[from] files::Error),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Name(_) | Self::Taken { .. } => Kind::Request,
            Self::Listen(..) => Kind::Setting,
            Self::Damaged { .. } => Kind::Environment,
            Self::Outbox(error) => error.kind(),
            Self::File(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Name(_) => Some("name it with `--hook-name ID`".into()),
            Self::Taken { id, .. } => Some(format!(
                "give the other one another name with `--hook-name`; `content remove-hook {id}` removes this one"
            )),
            Self::Damaged { id, .. } => Some(format!(
                "`content remove-hook {id}` removes it; then create it again with `content add-bot`"
            )),
            Self::Listen(..) => Some("`config set hooks.port PORT` takes another port".into()),
            Self::Outbox(error) => error.hint(),
            Self::File(error) => error.hint(),
        }
    }
}
