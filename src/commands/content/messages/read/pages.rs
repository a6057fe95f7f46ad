//! What the server has of a room, page by page: its past, and its stream.

use ruma::{RoomId, api::Direction};
use serde_json::{Value, json};

use super::shown::{self, Message};
use crate::matrix::{Error, admin::rooms, api, client::Client};

const PAGE: u32 = 100;
/// The most that a stream hands over at once.
const AT_ONCE: u32 = 1000;
/// How long the server may hold a request of a stream open, in milliseconds.
const HOLD: u64 = 20_000;

/// The latest messages, oldest first.
pub(super) struct Past {
    pub(super) messages: Vec<Message>,
    /// Whether there are older ones that the limit cut off.
    pub(super) more: bool,
    /// How many between them are encrypted.
    pub(super) unreadable: usize,
}

/// Reads from the newest to the oldest, one more than the limit, because only that one says that
/// there is more.
pub(super) async fn past(
    client: &Client,
    room: &RoomId,
    admin: bool,
    limit: usize,
    since: Option<i64>,
) -> Result<Past, Error> {
    let (mut found, mut from, mut unreadable) = (Vec::new(), None, 0);
    'pages: while found.len() <= limit {
        let room_id = room.to_owned().into();
        let dir = Direction::Backward;
        let (chunk, end) = if admin {
            let request = rooms::messages::Request { room_id, dir, limit: PAGE, from };
            let page = client.send(request).await?;
            (page.chunk, page.end)
        } else {
            let request = api::messages::Request { room_id, dir, limit: PAGE, from, to: None };
            let page = client.send(request).await?;
            (page.chunk, page.end)
        };
        for event in &chunk {
            if since.is_some_and(|since| event["origin_server_ts"].as_i64().unwrap_or(0) < since) {
                break 'pages;
            }
            if shown::is_encrypted(event) {
                // As many as there could be to show: an encrypted room is not read to its beginning.
                if found.len() + unreadable >= limit {
                    break 'pages;
                }
                unreadable += 1;
                continue;
            }
            older(&mut found, event);
            if found.len() > limit {
                break 'pages;
            }
        }
        if end.is_none() || chunk.is_empty() {
            break;
        }
        from = end;
    }
    let more = found.len() > limit;
    found.truncate(limit);
    found.reverse();
    Ok(Past { messages: found, more, unreadable })
}

/// Adds the next older event to what is shown, newest first. An edit stands there only until its
/// message comes, which then has the new text; of several edits the latest counts.
fn older(found: &mut Vec<Message>, event: &Value) {
    let id = event["event_id"].as_str();
    found.retain(|newer| newer.replaces.is_none() || newer.replaces.as_deref() != id);
    let Some(next) = shown::latest(event) else { return };
    let same = |newer: &Message| newer.replaces == next.replaces && newer.sender == next.sender;
    if next.replaces.is_none() || !found.iter().any(same) {
        found.push(next);
    }
}

/// The messages of one room and nothing else. `nonce` makes a filter like no other.
fn filter(room: &RoomId, nonce: Option<u64>) -> String {
    let nothing = json!({ "types": [] });
    let mut timeline = json!({ "types": shown::TYPES, "limit": AT_ONCE });
    if let Some(nonce) = nonce {
        timeline["not_types"] = json!([format!("nonce.{nonce:x}")]);
    }
    json!({
        "presence": nothing, "account_data": nothing,
        "room": {
            "rooms": [room], "timeline": timeline,
            "ephemeral": nothing, "account_data": nothing, "state": nothing,
        },
    })
    .to_string()
}

/// The place in the stream where it ends now. Synapse answers a `/sync` without a place, for two minutes,
/// with what it was the first time, unless it was asked otherwise: this is never asked twice.
pub(super) async fn now(client: &Client, room: &RoomId) -> Result<String, Error> {
    let filter = filter(room, Some(rand::random()));
    let request = api::sync::Request { filter, since: None, timeout: 0 };
    client.send(request).await.map(|answer| answer.next_batch)
}

/// What comes in a stream.
pub(super) struct News {
    /// The place after it.
    pub(super) next: String,
    /// Oldest first; edits are messages of their own.
    pub(super) messages: Vec<Message>,
    pub(super) unreadable: usize,
}

/// What came since a place in the stream; waits for it.
pub(super) async fn since(client: &Client, room: &RoomId, place: &str) -> Result<News, Error> {
    let request = api::sync::Request {
        filter: filter(room, None),
        since: Some(place.to_owned()),
        timeout: HOLD,
    };
    let mut answer = client.send(request).await?;
    let timeline = answer.rooms.join.remove(room).map(|joined| joined.timeline).unwrap_or_default();
    let mut events = match timeline.prev_batch {
        Some(gap) if timeline.limited => between(client, room, place, gap).await?,
        _ => Vec::new(),
    };
    events.extend(timeline.events);
    let unreadable = events.iter().filter(|event| shown::is_encrypted(event)).count();
    let messages = events.iter().filter_map(shown::happened).collect();
    Ok(News { next: answer.next_batch, messages, unreadable })
}

/// What a stream left out because it was too much at once, oldest first.
async fn between(
    client: &Client,
    room: &RoomId,
    since: &str,
    gap: String,
) -> Result<Vec<Value>, Error> {
    let (mut found, mut from) = (Vec::new(), Some(gap));
    loop {
        let page = client
            .send(api::messages::Request {
                room_id: room.to_owned().into(),
                dir: Direction::Backward,
                limit: PAGE,
                from,
                to: Some(since.to_owned()),
            })
            .await?;
        let is_empty = page.chunk.is_empty();
        found.extend(page.chunk);
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
    use serde_json::json;

    use super::*;

    fn said(id: &str) -> Value {
        json!({
            "type": "m.room.message", "event_id": id, "sender": "@a:x", "origin_server_ts": 1,
            "content": { "msgtype": "m.text", "body": id },
        })
    }

    fn edit(id: &str, of: &str, sender: &str) -> Value {
        let mut event = said(id);
        event["sender"] = sender.into();
        event["content"]["m.relates_to"] = json!({ "rel_type": "m.replace", "event_id": of });
        event["content"]["m.new_content"] = json!({ "msgtype": "m.text", "body": id });
        event
    }

    fn read(newest_first: &[Value]) -> Vec<String> {
        let mut found = Vec::new();
        for event in newest_first {
            older(&mut found, event);
        }
        found.iter().map(|message| message.body.clone().unwrap()).collect()
    }

    #[test]
    fn an_edit_makes_way_for_its_message() {
        let events = [edit("$e2", "$m", "@a:x"), said("$n"), edit("$e1", "$m", "@b:x"), said("$m")];
        assert_eq!(read(&events), ["$n", "$m"]);
        // Only the latest stands for a message that is further back.
        assert_eq!(read(&events[..3]), ["$e2", "$n", "$e1"]);
        let twice = [edit("$e2", "$m", "@a:x"), edit("$e1", "$m", "@a:x")];
        assert_eq!(read(&twice), ["$e2"]);
    }

    #[test]
    fn an_edit_goes_with_a_message_that_was_taken_away() {
        let mut taken = said("$m");
        taken["content"] = json!({});
        assert!(read(&[edit("$e", "$m", "@a:x"), taken]).is_empty());
    }
}
