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
    let (mut found, mut from) = (Vec::new(), None);
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
    Ok(Past { messages: found, more })
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

/// The messages of one room and nothing else.
fn filter(room: &RoomId) -> String {
    let nothing = json!({ "types": [] });
    json!({
        "presence": nothing, "account_data": nothing,
        "room": {
            "rooms": [room],
            "timeline": { "types": ["m.room.message"], "limit": AT_ONCE },
            "ephemeral": nothing, "account_data": nothing, "state": nothing,
        },
    })
    .to_string()
}

/// What came since a token, edits as messages of their own, and the next token. The first call only
/// takes one.
pub(super) async fn sync(
    client: &Client,
    room: &RoomId,
    since: Option<&str>,
) -> Result<(String, Vec<Message>), Error> {
    let request = api::sync::Request {
        filter: filter(room),
        since: since.map(str::to_owned),
        timeout: if since.is_some() { HOLD } else { 0 },
    };
    let mut answer = client.send(request).await?;
    let timeline = answer.rooms.join.remove(room).map(|joined| joined.timeline).unwrap_or_default();
    let mut messages = Vec::new();
    if let (Some(since), Some(gap), true) = (since, timeline.prev_batch, timeline.limited) {
        messages = between(client, room, since, gap).await?;
    }
    messages.extend(timeline.events.iter().filter_map(shown::message));
    Ok((answer.next_batch, messages))
}

/// What a stream left out because it was too much at once, oldest first.
async fn between(
    client: &Client,
    room: &RoomId,
    since: &str,
    gap: String,
) -> Result<Vec<Message>, Error> {
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
        found.extend(page.chunk.iter().filter_map(shown::message));
        if page.end.is_none() || page.chunk.is_empty() {
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
