//! Sends what was accepted: in order, one message under way a room, each with the same transaction id
//! until the homeserver has taken or refused it.

use std::{
    collections::BTreeMap,
    sync::mpsc::Sender,
    time::{Duration, Instant},
};

use ruma::{OwnedRoomId, RoomId};
use tokio::{
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    dead,
    deliver::{Lane, is_final},
    entry::{Draft, Entry},
    held::Held,
    writer::{Job, Unwanted, Waiting, now},
};
use crate::{
    clock::Backoff,
    config::sections::rooms::Encrypt,
    data_dir::DataDir,
    error::Failure,
    matrix::{self, client, direct, names, operator, room},
};

/// How long one look for a room may take.
const PATIENCE: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A room of which nothing was heard for so long is not waited for.
const QUIET: Duration = Duration::from_mins(1);
/// How long an address is taken to lead to the same room.
const FRESH: Duration = Duration::from_secs(10);

/// Sends all that comes in; has to run within a `LocalSet`.
pub(super) async fn run(
    data: DataDir,
    mut waiting: UnboundedReceiver<Waiting>,
    journal: Sender<Job>,
    unwanted: Unwanted,
    encrypt: Encrypt,
) {
    let mut lanes: BTreeMap<OwnedRoomId, UnboundedSender<Waiting>> = BTreeMap::new();
    let mut addresses = BTreeMap::new();
    let mut tasks = JoinSet::new();
    let held = Held::nothing(data.outbox());
    while let Some(mut next) = waiting.recv().await {
        if unwanted.has(&next.entry.id) {
            drop(journal.send(Job::Unwanted(Box::new(next.entry))));
            continue;
        }
        let found = until_known(&next.entry.draft.room, &held, &next.entry.id, async || {
            led_to(&data, &mut addresses, &next.entry.draft, encrypt).await
        });
        let room = match found.await {
            Ok(room) => room,
            Err(error) => {
                give_up(&data, &journal, next.entry, &error);
                continue;
            }
        };
        if let Some(sender) = lanes.get(&room) {
            match sender.send(next) {
                Ok(()) => continue,
                // Its task has ended for want of work.
                Err(mpsc::error::SendError(back)) => next = back,
            }
        }
        let (sender, queue) = mpsc::unbounded_channel();
        drop(sender.send(next));
        lanes.retain(|_, sender| !sender.is_closed());
        lanes.insert(room.clone(), sender);
        while tasks.try_join_next().is_some() {}
        let lane = Lane::new(data.clone(), room);
        let (journal, unwanted) = (journal.clone(), unwanted.clone());
        tasks.spawn_local(in_turn(data.clone(), lane, queue, journal, unwanted, held.clone()));
    }
}

/// The room that a message is for. One that is named by its id costs nothing; a direct one is made where there is
/// none.
async fn led_to(
    data: &DataDir,
    addresses: &mut BTreeMap<String, (OwnedRoomId, Instant)>,
    draft: &Draft,
    encrypt: Encrypt,
) -> Result<OwnedRoomId, matrix::Error> {
    let text = draft.room.as_str();
    if let Some(id) = text.starts_with('!').then(|| <&RoomId>::try_from(text).ok()).flatten() {
        return Ok(id.to_owned());
    }
    // The same name is another direct room for each who sends.
    let key =
        if text.starts_with('@') { format!("{} {text}", draft.user) } else { text.to_owned() };
    if let Some((room, at)) = addresses.get(&key)
        && at.elapsed() < FRESH
    {
        return Ok(room.clone());
    }
    let operator = client::operator(data, PATIENCE)?;
    let room = match names::room(text, operator.server_name())? {
        names::Room::Direct(other) => {
            let user = operator::act_as(data, &operator, &draft.user, PATIENCE).await?;
            direct::open(data, &user, &operator, &other, encrypt).await?.room
        }
        _ => room::resolve(&operator, text).await?,
    };
    addresses.insert(key, (room.clone(), Instant::now()));
    Ok(room)
}

/// Sends the messages of one room.
async fn in_turn(
    data: DataDir,
    mut lane: Lane,
    mut queue: UnboundedReceiver<Waiting>,
    journal: Sender<Job>,
    unwanted: Unwanted,
    held: Held,
) {
    while let Ok(Some(Waiting { entry, place, found })) = timeout(QUIET, queue.recv()).await {
        let (user, room) = (entry.draft.user.clone(), lane.room().to_owned());
        let mut is_first = true;
        let sent = until_known(room.as_str(), &held, &entry.id, async || {
            if unwanted.has(&entry.id) {
                return Ok(None);
            }
            if !is_first {
                lane.begin_anew(&user);
            }
            is_first = false;
            lane.send(&entry, found, now()).await.map(Some)
        });
        match sent.await {
            Ok(Some(event)) => {
                drop(journal.send(Job::Sent(Box::new(entry), event)));
            }
            Ok(None) => drop(journal.send(Job::Unwanted(Box::new(entry)))),
            Err(error) => give_up(&data, &journal, entry, &error),
        }
        drop(place);
    }
}

fn give_up(data: &DataDir, journal: &Sender<Job>, entry: Entry, error: &Failure) {
    let (reason, kept) = (error.to_string(), dead::file(&data.outbox()));
    tracing::warn!(
        "{} to {} was refused and is kept in `{}`: {reason}",
        entry.source(),
        entry.draft.room,
        kept.display()
    );
    drop(journal.send(Job::Refused(Box::new(entry), reason)));
}

/// Tries until it is done; an error is one that will not pass.
async fn until_known<T>(
    room: &str,
    held: &Held,
    id: &str,
    mut act: impl AsyncFnMut() -> Result<T, matrix::Error>,
) -> Result<T, Failure> {
    let (mut backoff, mut said) = (Backoff::new(FIRST_PAUSE, LONGEST_PAUSE), false);
    loop {
        let error = match act().await {
            Ok(done) => {
                if said {
                    tracing::info!("messages to {room} are sent again");
                    held.goes_on(id);
                }
                return Ok(done);
            }
            Err(error) => error,
        };
        if is_final(&error) {
            held.goes_on(id);
            return Err(error.into());
        }
        let pause = backoff.pause();
        let wait = match &error {
            matrix::Error::Limited { wait } => *wait,
            _ => pause,
        };
        if !said {
            let failure = Failure::from(error);
            tracing::warn!("messages to {room} wait: {failure}");
            held.holds(id, failure.to_string());
            said = true;
        }
        sleep(wait).await;
    }
}
