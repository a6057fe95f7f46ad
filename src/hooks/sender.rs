//! Sends what was accepted: in order, one message under way a room, each with the same transaction id
//! until the homeserver has taken or refused it.

use std::{collections::BTreeMap, sync::mpsc::Sender, time::Duration};

use ruma::{OwnedRoomId, OwnedTransactionId, OwnedUserId};
use tokio::{
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    dead,
    journal::Entry,
    writer::{Job, Waiting},
};
use crate::{
    clock::Backoff,
    data_dir::DataDir,
    error::Failure,
    matrix::{
        self,
        client::{self, Client},
        message, operator,
    },
};

/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A room of which nothing was heard for so long is not waited for.
const QUIET: Duration = Duration::from_mins(1);

/// Sends all that comes in; has to run within a `LocalSet`.
pub(super) async fn run(
    data: DataDir,
    mut waiting: UnboundedReceiver<Waiting>,
    journal: Sender<Job>,
) {
    let mut rooms: BTreeMap<OwnedRoomId, UnboundedSender<Waiting>> = BTreeMap::new();
    let mut tasks = JoinSet::new();
    while let Some(mut next) = waiting.recv().await {
        let room = next.entry.room.clone();
        if let Some(sender) = rooms.get(&room) {
            match sender.send(next) {
                Ok(()) => continue,
                // Its task has ended for want of work.
                Err(mpsc::error::SendError(back)) => next = back,
            }
        }
        let (sender, queue) = mpsc::unbounded_channel();
        drop(sender.send(next));
        rooms.retain(|_, sender| !sender.is_closed());
        rooms.insert(room, sender);
        while tasks.try_join_next().is_some() {}
        tasks.spawn_local(in_turn(data.clone(), queue, journal.clone()));
    }
}

/// Sends the messages of one room.
async fn in_turn(data: DataDir, mut queue: UnboundedReceiver<Waiting>, journal: Sender<Job>) {
    let mut clients: BTreeMap<OwnedUserId, Client> = BTreeMap::new();
    while let Ok(Some(Waiting { entry, place })) = timeout(QUIET, queue.recv()).await {
        let job = match deliver(&data, &mut clients, &entry).await {
            Ok(()) => Job::Sent(entry.id),
            Err(error) => {
                let (reason, kept) = (error.to_string(), dead::file(&data.hook_journal()));
                tracing::warn!(
                    "a message of the webhook `{}` to {} was refused and is kept in `{}`: {reason}",
                    entry.hook,
                    entry.room,
                    kept.display()
                );
                Job::Refused(Box::new(entry), reason)
            }
        };
        drop(journal.send(job));
        drop(place);
    }
}

/// Tries until it is sent; an error is one that will not pass.
async fn deliver(
    data: &DataDir,
    clients: &mut BTreeMap<OwnedUserId, Client>,
    entry: &Entry,
) -> Result<(), Failure> {
    let (mut backoff, mut said) = (Backoff::new(FIRST_PAUSE, LONGEST_PAUSE), false);
    loop {
        let error = match send(data, clients, entry).await {
            Ok(()) => {
                if said {
                    tracing::info!("messages to {} are sent again", entry.room);
                }
                return Ok(());
            }
            Err(error) => error,
        };
        // The next try begins with what is on the disk: a session may have been made anew.
        clients.remove(&entry.user);
        if is_final(&error) {
            return Err(error.into());
        }
        let pause = backoff.pause();
        let wait = match &error {
            matrix::Error::Limited { wait } => *wait,
            _ => pause,
        };
        if !said {
            let failure = Failure::from(error);
            tracing::warn!("messages to {} wait: {failure}", entry.room);
            said = true;
        }
        sleep(wait).await;
    }
}

async fn send(
    data: &DataDir,
    clients: &mut BTreeMap<OwnedUserId, Client>,
    entry: &Entry,
) -> Result<(), matrix::Error> {
    if !clients.contains_key(&entry.user) {
        let admin = client::operator(data, PATIENCE)?;
        let bot = operator::act_as(data, &admin, &entry.user, PATIENCE).await?;
        clients.insert(entry.user.clone(), bot);
    }
    let Some(bot) = clients.get(&entry.user).map(Client::afresh) else { return Ok(()) };
    message::require_plain(&bot, data, &entry.room).await?;
    let transaction: OwnedTransactionId = format!("hook-{}", entry.id).into();
    message::send(&bot, &entry.room, &entry.content, &transaction).await?;
    Ok(())
}

/// Whether the same will be answered however often it is asked.
fn is_final(error: &matrix::Error) -> bool {
    match error {
        matrix::Error::TooLarge { .. } | matrix::Error::Encrypted(_) | matrix::Error::NoUser(_) => {
            true
        }
        matrix::Error::Refused { status, errcode, .. } => {
            // Of these the server says that they pass, or they are about who asks and not what.
            let passes = ["M_LIMIT_EXCEEDED", "M_RESOURCE_LIMIT_EXCEEDED", "M_UNRECOGNIZED"];
            matches!(status, 400 | 403 | 404 | 413) && !passes.contains(&errcode.as_str())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stays_refused_is_given_up() {
        let refused = |status, errcode: &str| matrix::Error::Refused {
            status,
            errcode: errcode.into(),
            message: String::new(),
            retry_after: None,
        };
        for (status, errcode) in
            [(403, "M_FORBIDDEN"), (404, "M_NOT_FOUND"), (413, "M_TOO_LARGE"), (400, "M_BAD_JSON")]
        {
            assert!(is_final(&refused(status, errcode)), "{errcode}");
        }
        for (status, errcode) in [
            (429, "M_LIMIT_EXCEEDED"),
            (500, "M_UNKNOWN"),
            (401, "M_UNKNOWN_TOKEN"),
            (403, "M_RESOURCE_LIMIT_EXCEEDED"),
        ] {
            assert!(!is_final(&refused(status, errcode)), "{errcode}");
        }
        assert!(!is_final(&matrix::Error::Down { url: String::new() }));
    }
}
