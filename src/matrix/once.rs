//! Sending an event once to a Dendrite. It keeps transaction ids in memory, for half an hour to an hour, and forgets
//! them when it ends: a repeat after that is another event. So each event says its id, and is looked for where it may
//! have arrived: before it is sent, unless its id is new, and wherever its answer was lost.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::{Duration, Instant, SystemTime},
};

use ruma::{OwnedEventId, OwnedTransactionId, RoomId, TransactionId};
use serde_json::{Value, json};

use super::{Error, api, client::Client};
use crate::{clock::Backoff, files, process::Lock};

/// What an event of ours is found by where the server may have forgotten its transaction id: its content has
/// the transaction id below this key, in an encrypted room outside of what is sealed.
pub(crate) const MARK: &str = "com.vrooli.synapse.id";

/// How many of the sender's last events of the kind are looked through.
const LOOKED_THROUGH: u32 = 100;
/// How long after a start the server may still show what was under way when it ended: its parts hand on events
/// in a queue on disk, and what was handed out and not confirmed is handed out again after 30 seconds.
const UNDER_WAY: Duration = Duration::from_secs(31);
/// Messages with other ids seldom wait for each other.
const LOCKS: u64 = 64;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What became of an event.
pub(super) enum Once {
    Sent(OwnedEventId),
    /// One with this id was there, whatever it says.
    There(Value),
}

/// Sends an event, unless there is one with this id.
pub(super) async fn put(
    client: &Client,
    room: &RoomId,
    event_type: &str,
    mut content: Value,
    transaction: &TransactionId,
) -> Result<Once, Error> {
    if let Some(content) = content.as_object_mut() {
        content.insert(MARK.to_owned(), transaction.as_str().into());
    }
    if let Some(data) = client.data() {
        // On a full disk it accepts what it then cannot keep.
        files::has_space(data.root())?;
    }
    // Two at once with one id would be two events: nobody there makes the second wait.
    let _turn = if client.has_new_ids() { None } else { turn(client, room, transaction).await? };
    let find = async || find(client, room, event_type, transaction).await;
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    let mut may_be_there = !client.has_new_ids();
    let mut lost: Option<(Error, SystemTime)> = None;
    loop {
        if may_be_there {
            // Where the server is away it is waited for.
            match (find().await, lost.take()) {
                (Ok(Some(there)), _) => return Ok(Once::There(there)),
                (Ok(None), before) => lost = before,
                (Err(_), Some((unknown, _))) => return Err(unknown),
                (Err(error), None) => return Err(error),
            }
            let since = client.up_since().await;
            let restarted = |since: SystemTime| lost.as_ref().is_none_or(|(_, sent)| since > *sent);
            let is_settled = match since {
                Some(since) => restarted(since) && since.elapsed().is_ok_and(|up| up > UNDER_WAY),
                None => lost.is_none(),
            };
            if !is_settled {
                if client.left() < LONGEST_PAUSE {
                    return Err(lost.map_or_else(|| client.late(), |(unknown, _)| unknown));
                }
                tokio::time::sleep(backoff.pause()).await;
                continue;
            }
        }
        let sent = SystemTime::now();
        let request = api::send_event::Request {
            room_id: room.to_owned().into(),
            event_type: event_type.to_owned().into(),
            transaction_id: OwnedTransactionId::from(transaction).into(),
            content: content.clone(),
        };
        match client.send_once(request).await {
            Err(error) if error.is_outcome_unknown() => lost = Some((error, sent)),
            said => return said.map(|made| Once::Sent(made.event_id)),
        }
        may_be_there = true;
    }
}

/// Waits until no other of ours sends with this id; which lock that is depends on the room and the id.
async fn turn(
    client: &Client,
    room: &RoomId,
    transaction: &TransactionId,
) -> Result<Option<Lock>, Error> {
    let Some(data) = client.data() else { return Ok(None) };
    let mut hasher = DefaultHasher::new();
    (room, transaction).hash(&mut hasher);
    let path = data.run().join(format!("once-{}.lock", hasher.finish() % LOCKS));
    files::private_folder(&data.run())?;
    let until = Instant::now() + client.left();
    let lock = Lock::acquire(&path, "a message", until.into(), &mut |_| ()).await?;
    Ok(Some(lock))
}

/// The event that says it was sent with this id, as its sender sees it.
async fn find(
    client: &Client,
    room: &RoomId,
    event_type: &str,
    transaction: &TransactionId,
) -> Result<Option<Value>, Error> {
    let mut request = api::messages::Request::before(room, None, LOOKED_THROUGH);
    let filter = json!({ "types": [event_type], "senders": [client.user_id()] });
    request.filter = Some(filter.to_string());
    let page = match client.send(request).await {
        Ok(page) => page,
        // Who may not see the room finds out when it sends.
        Err(error) if error.is("M_FORBIDDEN") => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(page.chunk.into_iter().find(|event| event["content"][MARK] == transaction.as_str()))
}
