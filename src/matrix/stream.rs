//! The stream of what happens in rooms: where it is now, what came since a place in it, and what the server
//! left out because it was too much at once.

use ruma::{OwnedRoomId, RoomId, api::Direction};
use serde_json::{Value, json};

use super::{Error, api, client::Client};

const PAGE: u32 = 100;
/// The most that a stream hands over at once.
const AT_ONCE: u32 = 1000;
/// How long the server may hold a request of a stream open, in milliseconds.
pub(super) const HOLD: u64 = 20_000;

/// Only what is said in rooms, and of that only `types` (`m.room.*` stands for many); without any, all.
pub(crate) fn filter(rooms: &[OwnedRoomId], types: &[String]) -> Value {
    let nothing = json!({ "types": [] });
    let mut timeline = json!({ "limit": AT_ONCE });
    if !types.is_empty() {
        timeline["types"] = json!(types);
    }
    let mut room = json!({
        "timeline": timeline, "ephemeral": nothing, "account_data": nothing, "state": nothing,
    });
    if !rooms.is_empty() {
        room["rooms"] = json!(rooms);
    }
    json!({ "presence": nothing, "account_data": nothing, "room": room })
}

/// The place in the stream where it ends now. Synapse answers a `/sync` without a place, for two minutes,
/// with what it was the first time, unless it was asked otherwise: this is never asked twice.
pub(crate) async fn now(client: &Client, mut filter: Value) -> Result<String, Error> {
    let nonce = rand::random::<u64>();
    filter["room"]["timeline"]["not_types"] = json!([format!("nonce.{nonce:x}")]);
    let request = api::sync::Request { filter: filter.to_string(), since: None, timeout: 0 };
    client.send(request).await.map(|answer| answer.next_batch)
}

/// What comes in a stream.
pub(crate) struct News {
    /// The place after it.
    pub(crate) next: String,
    pub(crate) rooms: Vec<Said>,
}

/// What was said in a room, oldest first.
pub(crate) struct Said {
    pub(crate) room: OwnedRoomId,
    /// What the server left out before the events, because it was too much at once.
    pub(crate) gap: Option<Gap>,
    pub(crate) events: Vec<Value>,
}

/// What lies between two places, read page by page: it may be more than one wants to hold.
pub(crate) struct Gap {
    from: Option<String>,
    to: String,
}

impl Gap {
    /// The next events, oldest first; nothing after the last.
    pub(crate) async fn page(
        &mut self,
        client: &Client,
        room: &RoomId,
    ) -> Result<Option<Vec<Value>>, Error> {
        let Some(from) = self.from.clone() else { return Ok(None) };
        let request = api::messages::Request {
            room_id: room.to_owned().into(),
            dir: Direction::Forward,
            limit: PAGE,
            from: Some(from),
            to: Some(self.to.clone()),
            filter: None,
        };
        let page = client.send(request).await?;
        self.from = page.end.filter(|_| !page.chunk.is_empty());
        Ok(Some(page.chunk))
    }
}

/// What came since a place in the stream; waits for it.
pub(crate) async fn since(client: &Client, filter: &Value, place: &str) -> Result<News, Error> {
    held(client, filter, place, HOLD).await
}

/// The same, and waits no longer than so many milliseconds.
pub(super) async fn held(
    client: &Client,
    filter: &Value,
    place: &str,
    timeout: u64,
) -> Result<News, Error> {
    let since = Some(place.to_owned());
    let request = api::sync::Request { filter: filter.to_string(), since, timeout };
    let answer = client.send(request).await?;
    let said = |(room, joined): (OwnedRoomId, api::sync::Joined)| {
        let api::sync::Timeline { events, limited, prev_batch } = joined.timeline;
        let gap = prev_batch.filter(|_| limited);
        let gap = gap.map(|to| Gap { from: Some(place.to_owned()), to });
        Said { room, gap, events }
    };
    Ok(News { next: answer.next_batch, rooms: answer.rooms.join.into_iter().map(said).collect() })
}

/// What happened in a room before a place in its stream, oldest first: back to the first event that is too
/// `old`.
pub(crate) async fn back(
    client: &Client,
    room: &RoomId,
    from: String,
    old: &dyn Fn(&Value) -> bool,
) -> Result<Vec<Value>, Error> {
    let (mut found, mut from) = (Vec::new(), Some(from));
    'pages: loop {
        let page = client
            .send(api::messages::Request {
                room_id: room.to_owned().into(),
                dir: Direction::Backward,
                limit: PAGE,
                from,
                to: None,
                filter: None,
            })
            .await?;
        let is_empty = page.chunk.is_empty();
        for event in page.chunk {
            if old(&event) {
                break 'pages;
            }
            found.push(event);
        }
        if page.end.is_none() || is_empty {
            break;
        }
        from = page.end;
    }
    found.reverse();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_what_is_said_in_the_rooms_is_asked_for() {
        let room = OwnedRoomId::try_from("!r:h").unwrap();
        let filter = filter(&[room], &["m.room.*".to_owned()]);
        assert_eq!(filter["room"]["rooms"], json!(["!r:h"]));
        assert_eq!(filter["room"]["timeline"]["types"], json!(["m.room.*"]));
        assert_eq!(filter["presence"]["types"], json!([]));
        assert!(super::filter(&[], &[])["room"].get("rooms").is_none());
    }
}
