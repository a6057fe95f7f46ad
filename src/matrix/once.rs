//! Sending an event once to a Dendrite. It keeps transaction ids in memory, for half an hour to an hour, and forgets
//! them when it ends: a repeat after that is another event. So each event says its id, and is looked for where it may
//! have arrived: before it is sent, unless its id is new, and wherever its answer was lost.

use std::time::{Duration, SystemTime};

use ruma::{EventId, OwnedEventId, OwnedTransactionId, RoomId, TransactionId};
use serde_json::{Value, json};

use super::{
    Error, api,
    client::Client,
    room,
    sent::{Known, Turn},
};
use crate::{clock::Backoff, files};

/// What an event of ours is found by where the server may have forgotten its transaction id: its content has
/// the transaction id below this key, in an encrypted room outside of what is sealed.
pub(crate) const MARK: &str = "com.vrooli.synapse.id";

/// How many of the sender's last events of the kind are looked through.
const LOOKED_THROUGH: u32 = 100;
/// How long after a start the server may still show what was under way when it ended: its parts hand on events
/// in a queue on disk, and what was handed out and not confirmed is handed out again after 30 seconds.
const UNDER_WAY: Duration = Duration::from_secs(31);
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
    let turn = match client.data().filter(|_| !client.has_new_ids()) {
        Some(data) => {
            let until = tokio::time::Instant::now() + client.left();
            let whose = (client.user_id(), room, event_type);
            Some(Turn::take(data, whose, transaction, until).await?)
        }
        None => None,
    };
    let mut begun = None;
    if let Some(turn) = &turn {
        match turn.known()? {
            Known::Event(event) => return Ok(Once::There(there(client, room, event).await?)),
            Known::Begun(at) => begun = Some(at),
            Known::Never => {}
        }
        turn.begin()?;
    }
    let said = sent(client, (room, event_type), content, transaction, begun).await;
    if let Some(turn) = turn {
        match &said {
            Ok(Once::Sent(event)) => turn.end(Some(event)),
            Ok(Once::There(event)) => {
                let event = event["event_id"].as_str().and_then(|id| EventId::parse(id).ok());
                turn.end(event.as_deref());
            }
            // A refusal of ours before anything was sent says nothing of an earlier time.
            Err(error) if error.is_outcome_unknown() || begun.is_some() => {}
            Err(_) => turn.end(None),
        }
    }
    said
}

/// Sends it, or finds it. An earlier attempt may have `begun` then.
async fn sent(
    client: &Client,
    (room, event_type): (&RoomId, &str),
    content: Value,
    transaction: &TransactionId,
    begun: Option<SystemTime>,
) -> Result<Once, Error> {
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
            if !is_settled(client, begun, lost.as_ref().map(|(_, sent)| *sent)).await {
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

/// Whether what was sent would be shown by now: nothing was, or the server has had the time since. `begun` is when
/// another command of ours sent it, `lost` when this one did.
async fn is_settled(client: &Client, begun: Option<SystemTime>, lost: Option<SystemTime>) -> bool {
    if begun.is_none() && lost.is_none() {
        return true;
    }
    let had_time = |since: SystemTime| since.elapsed().is_ok_and(|it| it > UNDER_WAY);
    match client.up_since().await {
        Some(up) => had_time(up) && begun.is_none_or(had_time) && lost.is_none_or(|sent| up > sent),
        None => lost.is_none() && begun.is_none_or(had_time),
    }
}

/// An event that an id led to before. One that the server does not show any more is no less that event.
async fn there(client: &Client, room: &RoomId, event: OwnedEventId) -> Result<Value, Error> {
    match room::context(client, room, &event).await {
        Ok(found) => Ok(found),
        Err(error) if error.is_not_found() || error.is("M_FORBIDDEN") => {
            Ok(json!({ "event_id": event }))
        }
        Err(error) => Err(error),
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
