//! What refers to an event: edits, answers with a sign, messages of its thread, answers to a poll.

use ruma::{EventId, RoomId};
use serde_json::Value;

use super::{
    Error,
    api::{all_relations, relations},
    client::Client,
};

const PAGE: u32 = 100;

/// The events that refer to one, newest first.
#[derive(Debug, Default)]
pub(crate) struct Related {
    pub(crate) events: Vec<Value>,
    /// Whether there are older ones that the limit cut off.
    pub(crate) more: bool,
}

/// At most so many of those that refer to an event in one way (`m.replace`, …), or in any.
pub(crate) async fn newest(
    client: &Client,
    room: &RoomId,
    event: &EventId,
    rel_type: Option<&str>,
    limit: usize,
) -> Result<Related, Error> {
    let (mut events, mut from) = (Vec::new(), None);
    loop {
        let (room_id, event_id) = (room.to_owned().into(), event.to_owned().into());
        let client = client.afresh();
        let (chunk, next) = if let Some(rel_type) = rel_type {
            let rel_type = rel_type.to_owned().into();
            let request = relations::Request { room_id, event_id, rel_type, limit: PAGE, from };
            let page = client.send(request).await?;
            (page.chunk, page.next_batch)
        } else {
            let request = all_relations::Request { room_id, event_id, limit: PAGE, from };
            let page = client.send(request).await?;
            (page.chunk, page.next_batch)
        };
        events.extend(chunk);
        if next.is_none() || events.len() > limit {
            let more = events.len() > limit;
            events.truncate(limit);
            return Ok(Related { events, more });
        }
        from = next;
    }
}

/// All of them.
pub(crate) async fn all(
    client: &Client,
    room: &RoomId,
    event: &EventId,
    rel_type: &str,
) -> Result<Vec<Value>, Error> {
    Ok(newest(client, room, event, Some(rel_type), usize::MAX).await?.events)
}
