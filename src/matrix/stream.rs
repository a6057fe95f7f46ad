//! The stream of what happens in rooms: where it is now, what came since a place in it, and what the server
//! left out because it was too much at once.

use ruma::{OwnedRoomId, RoomId, UserId, api::Direction};
use serde_json::{Value, json};

use super::{Error, api, client::Client};

const PAGE: u32 = 100;
/// The most that a stream hands over at once.
const AT_ONCE: u32 = 1000;
/// How long the server may hold a request of a stream open, in milliseconds.
pub(super) const HOLD: u64 = 20_000;

/// What is looked at, whatever is wanted: who comes and goes, which room takes the place of another, and what only shows
/// its type when it is opened.
const LOOKED_AT: [&str; 3] = ["m.room.member", "m.room.tombstone", super::sealed::TYPE];

/// Only what is said in rooms, and of that only `types` (`m.room.*` stands for many) and what is looked at in any
/// case; without any, all.
pub(crate) fn filter(rooms: &[OwnedRoomId], types: &[String]) -> Value {
    let nothing = json!({ "types": [] });
    let mut timeline = json!({ "limit": AT_ONCE });
    if !types.is_empty() {
        let looked_at = LOOKED_AT.iter().map(|kind| (*kind).to_owned());
        timeline["types"] = json!(types.iter().cloned().chain(looked_at).collect::<Vec<_>>());
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
        let page = match client.send(request).await {
            // A room that one has gone out of and forgotten shows nothing any more.
            Err(error) if error.is("M_FORBIDDEN") => {
                self.from = None;
                return Ok(None);
            }
            page => page?,
        };
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
    let next = answer.next_batch.clone();
    let said = |(room, joined): (OwnedRoomId, api::sync::Joined)| {
        let api::sync::Timeline { events, limited, prev_batch } = joined.timeline;
        if events.iter().any(|event| has_joined(event, client.user_id())) {
            // Of a room that one has come into, or back into, the server shows old history and leaves out what was
            // said before one went. All after the place is read instead.
            let gap = Gap { from: Some(place.to_owned()), to: next.clone() };
            return Said { room, gap: Some(gap), events: Vec::new() };
        }
        let gap = prev_batch.filter(|_| limited);
        let gap = gap.map(|to| Gap { from: Some(place.to_owned()), to });
        Said { room, gap, events }
    };
    let api::sync::Rooms { join, leave, .. } = answer.rooms;
    Ok(News { next: answer.next_batch, rooms: join.into_iter().chain(leave).map(said).collect() })
}

/// Whether this is how somebody came into a room: a member who changes their name was there before.
fn has_joined(event: &Value, user: &UserId) -> bool {
    let joined = |content: &Value| content["membership"] == "join";
    event["type"] == "m.room.member"
        && event["state_key"] == user.as_str()
        && joined(&event["content"])
        && !joined(&event["unsigned"]["prev_content"])
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
        let page = client.send(api::messages::Request::before(room, from, PAGE)).await?;
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
        let types = json!(["m.room.*", "m.room.member", "m.room.tombstone", "m.room.encrypted"]);
        assert_eq!(filter["room"]["timeline"]["types"], types);
        assert_eq!(filter["presence"]["types"], json!([]));
        assert!(super::filter(&[], &[])["room"].get("rooms").is_none());
    }

    #[test]
    fn one_has_come_into_a_room_where_one_was_not_before() {
        let user = ruma::user_id!("@a:h");
        let of = |content: Value, before: Value| {
            let event = json!({
                "type": "m.room.member", "state_key": "@a:h", "content": content,
                "unsigned": { "prev_content": before },
            });
            has_joined(&event, user)
        };
        let (join, leave) = (json!({ "membership": "join" }), json!({ "membership": "leave" }));
        assert!(of(join.clone(), Value::Null) && of(join.clone(), leave.clone()));
        assert!(!of(join.clone(), join.clone()) && !of(leave, join));
    }
}
