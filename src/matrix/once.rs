//! Sending an event once to a Dendrite. It keeps transaction ids in memory, for half an hour to an hour, and forgets
//! them when it ends: a repeat after that is another event. So each event says its id, and is looked for where it may
//! have arrived: before it is sent, unless its id is new, and wherever its answer was lost.

use std::time::{Duration, Instant};

use ruma::{OwnedEventId, OwnedTransactionId, RoomId, TransactionId};
use serde_json::{Value, json};

use super::{Error, api, client::Client};
use crate::clock::Backoff;

/// What an event of ours is found by where the server may have forgotten its transaction id: its content has
/// the transaction id below this key, in an encrypted room outside of what is sealed.
pub(crate) const MARK: &str = "com.vrooli.synapse.id";

/// How many of the sender's last events of the kind are looked through.
const LOOKED_THROUGH: u32 = 100;
/// How long one that was under way when the server ended may take to be seen after that: the server keeps it in
/// a queue of its own and takes it up again when it starts.
const UNDER_WAY: Duration = Duration::from_secs(3);
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
    let find = async || find(client, room, event_type, transaction).await;
    if !client.has_new_ids()
        && let Some(there) = find().await?
    {
        return Ok(Once::There(there));
    }
    loop {
        let request = api::send_event::Request {
            room_id: room.to_owned().into(),
            event_type: event_type.to_owned().into(),
            transaction_id: OwnedTransactionId::from(transaction).into(),
            content: content.clone(),
        };
        let unknown = match client.send_once(request).await {
            Err(error) if error.is_outcome_unknown() => error,
            said => return said.map(|made| Once::Sent(made.event_id)),
        };
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        // The first look waits for the server where that is away.
        let Ok(mut there) = find().await else { return Err(unknown) };
        let until = Instant::now() + UNDER_WAY;
        while there.is_none() && Instant::now() < until {
            if client.left() < LONGEST_PAUSE {
                return Err(unknown);
            }
            tokio::time::sleep(backoff.pause()).await;
            there = find().await?;
        }
        if let Some(there) = there {
            return Ok(Once::There(there));
        }
    }
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
