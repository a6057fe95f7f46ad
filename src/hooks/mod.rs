//! Webhooks: `POST /hook/ID` with a token becomes a message of a bot in a room.
//!
//! Theory of operation. What was accepted will be sent: a request is answered with 202 when its message
//! is in the [`journal`] on the disk. One thread writes that journal ([`writer`]); all requests that
//! wait share one flush. Then the message goes to the [`sender`], which has one under way a room and
//! repeats it with the transaction id that is the journal entry's, so that the homeserver takes it once,
//! also after this process was killed (it remembers transaction ids of a device for a day). What the
//! homeserver refuses for good is put aside as a dead letter and holds up nobody.
//!
//! Nothing here needs an orderly end, and the webhooks themselves ([`registry`]) are read when they are
//! asked for, so that a change of them needs no restart.

pub(crate) mod dead;
pub(crate) mod formats;
pub(crate) mod journal;
pub(crate) mod message;
mod rate;
pub(crate) mod refused;
pub(crate) mod registry;
mod sender;
mod server;
mod signature;
pub(crate) mod template;
mod writer;

pub(crate) use server::run;

use std::{io, net::SocketAddr, path::PathBuf};

use crate::{
    data_dir::DataDir,
    error::{Explain, Kind},
    files,
};

/// Whether there is something to do: webhooks, or what they took and what is not sent yet.
pub(crate) fn are_there(data: &DataDir) -> bool {
    let folder = data.hook_journal();
    // What cannot be read may be waiting.
    let waits = || !journal::waiting(&folder).is_ok_and(|waiting| waiting.is_empty());
    !registry::names(data).is_empty() || waits()
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
    #[error("the thread that writes the journal cannot be started")]
    Thread(#[source] io::Error),
    #[error(transparent)]
    File(#[from] files::Error),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Name(_) | Self::Taken { .. } => Kind::Request,
            Self::Listen(..) => Kind::Setting,
            Self::Damaged { .. } | Self::Thread(_) => Kind::Environment,
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
            Self::Thread(_) => None,
            Self::File(error) => error.hint(),
        }
    }
}
