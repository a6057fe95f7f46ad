//! What refers to an event: edits, answers with a sign, messages of its thread, answers to a poll.

use ruma::{EventId, RoomId};
use serde_json::Value;

use super::{
    Error,
    api::{all_relations, relations},
    client::Client,
    sealed,
};

/// How many to ask for at once.
pub(crate) const PAGE: u32 = 100;

/// One page of those that refer to an event in one way (`m.replace`, …) or in any, newest first, and where
/// the next one begins.
pub(crate) async fn page(
    client: &Client,
    room: &RoomId,
    event: &EventId,
    rel_type: Option<&str>,
    limit: u32,
    from: Option<String>,
) -> Result<(Vec<Value>, Option<String>), Error> {
    let (room_id, event_id) = (room.to_owned().into(), event.to_owned().into());
    if let Some(rel_type) = rel_type {
        let rel_type = rel_type.to_owned().into();
        let request = relations::Request { room_id, event_id, rel_type, limit, from };
        let page = client.send(request).await?;
        return Ok((opened(client, room, page.chunk).await?, page.next_batch));
    }
    let page = client.send(all_relations::Request { room_id, event_id, limit, from }).await?;
    Ok((opened(client, room, page.chunk).await?, page.next_batch))
}

/// The same as far as it can be read.
async fn opened(
    client: &Client,
    room: &RoomId,
    mut events: Vec<Value>,
) -> Result<Vec<Value>, Error> {
    sealed::open(client, room, &mut events).await?;
    Ok(events)
}

/// All of those that refer to it in one way.
pub(crate) async fn all(
    client: &Client,
    room: &RoomId,
    event: &EventId,
    rel_type: &str,
) -> Result<Vec<Value>, Error> {
    let (mut events, mut from) = (Vec::new(), None);
    loop {
        let client = client.afresh();
        let (found, next) = page(&client, room, event, Some(rel_type), PAGE, from).await?;
        events.extend(found);
        if next.is_none() {
            return Ok(events);
        }
        from = next;
    }
}
