//! What is sent later: messages that webhooks took and that commands left behind, each of them sent once.
//!
//! Theory of operation. What was accepted will be sent. A webhook's message is in the [`journal`] on the
//! disk before its request is answered; one thread writes that ([`writer`]), and all requests that wait
//! share one flush. A command puts its messages into the [`intake`], also while nobody runs, and the journal
//! adopts them. Then each goes to the [`sender`], which has one under way a room and repeats it with the
//! transaction id that is its own, so that the homeserver takes it once, also after this process was killed.
//! The homeserver remembers transaction ids for a day and none from before a restore: what may have been
//! sent in another life is looked for first, by a mark in its content ([`sent`]). What the homeserver
//! refuses for good is put aside as a dead letter and holds up nobody.
//!
//! Nothing here needs an orderly end.

pub(crate) mod answers;
pub(crate) mod attachments;
pub(crate) mod dead;
mod deliver;
pub(crate) mod entry;
pub(crate) mod held;
pub(crate) mod intake;
mod journal;
mod keys;
pub(crate) mod look;
mod segment;
mod sender;
pub(crate) mod sent;
mod writer;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, mpsc::Sender},
};

use tokio::{sync::mpsc, task};

pub(crate) use deliver::is_final;
pub(crate) use writer::{Job, Room, Unaccepted, now};

use crate::{
    config::sections::rooms::Encrypt,
    data_dir::DataDir,
    error::{Explain, Kind},
    files,
    process::Lock,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the thread that writes the journal cannot be started")]
    Thread(#[source] io::Error),
    #[error(transparent)]
    File(#[from] files::Error),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Thread(_) => Kind::Environment,
            Self::File(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Thread(_) => None,
            Self::File(error) => error.hint(),
        }
    }
}

/// Whether there is something to send, or commands that may leave more at any time.
pub(crate) fn is_used(data: &DataDir) -> bool {
    let outbox = data.outbox();
    // What cannot be read may be waiting.
    let waits = || !look::waiting(&outbox).is_ok_and(|waiting| waiting.is_empty());
    intake::is_used(&outbox) || waits()
}

/// Whether somebody wants something not to be sent, and nobody has noted it yet.
pub(crate) fn wishes(outbox: &Path) -> bool {
    segment::put_in(outbox).iter().any(|path| look::is_wish(path))
}

/// What the service holds as long as it runs.
pub(crate) fn service_lock(data: &DataDir) -> PathBuf {
    data.run().join("hooks.lock")
}

/// Whether somebody sends what is left here.
pub(crate) fn service_runs(data: &DataDir) -> bool {
    let lock = service_lock(data);
    lock.exists() && Lock::is_left(&lock).is_ok_and(|left| !left)
}

/// Where all of it is, made where it is not.
pub(crate) fn folder(data: &DataDir) -> Result<PathBuf, files::Error> {
    let outbox = data.outbox();
    // What earlier versions had of webhooks alone.
    let before = data.root().join("hooks");
    if before.is_dir() && !outbox.exists() {
        fs::rename(&before, &outbox).map_err(files::Error::io("rename", &before))?;
    }
    files::private_folder(&outbox)?;
    Ok(outbox)
}

/// Starts sending what is there and what comes, within a `LocalSet`; messages are accepted through what is
/// returned.
pub(crate) fn start(
    data: &DataDir,
    room: &Arc<Room>,
    encrypt: Encrypt,
) -> Result<Sender<Job>, Error> {
    let (waiting, accepted) = mpsc::unbounded_channel();
    let wanted = writer::Unwanted::default();
    let journal = writer::start(data, room, waiting, wanted.clone())?;
    task::spawn_local(sender::run(data.clone(), accepted, journal.clone(), wanted, encrypt));
    Ok(journal)
}
