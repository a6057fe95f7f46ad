//! What the server has of a room, page by page: its past, and its stream.

use ruma::{RoomId, api::Direction};
use serde_json::Value;

use super::shown::{self, Message};
use crate::matrix::{Error, admin::rooms, api, client::Client, sealed, stream};

const PAGE: u32 = 100;

/// The latest messages, oldest first.
pub(super) struct Past {
    pub(super) messages: Vec<Message>,
    /// Whether there are older ones that the limit cut off.
    pub(super) more: bool,
    /// How many of them cannot be read.
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
    let (mut found, mut from) = (Vec::new(), None);
    'pages: while found.len() <= limit {
        let (mut chunk, end) = if admin {
            let (room_id, dir) = (room.to_owned().into(), Direction::Backward);
            let request = rooms::messages::Request { room_id, dir, limit: PAGE, from };
            let page = client.send(request).await?;
            (page.chunk, page.end)
        } else {
            let page = client.send(api::messages::Request::before(room, from, PAGE)).await?;
            (page.chunk, page.end)
        };
        sealed::open(client, room, &mut chunk).await?;
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
    let unreadable = unreadable(&found);
    Ok(Past { messages: found, more, unreadable })
}

fn unreadable(messages: &[Message]) -> usize {
    messages.iter().filter(|message| message.closed.is_some()).count()
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
fn filter(room: &RoomId) -> Value {
    stream::filter(&[room.to_owned()], &shown::TYPES.map(str::to_owned))
}

/// The place in the stream where it ends now.
pub(super) async fn now(client: &Client, room: &RoomId) -> Result<String, Error> {
    stream::now(client, filter(room)).await
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
    let news = stream::since(client, &filter(room), place).await?;
    let mut messages = Vec::new();
    let mut take = async |mut events: Vec<Value>| {
        sealed::open(client, room, &mut events).await?;
        messages.extend(events.iter().filter_map(shown::happened));
        Ok::<_, Error>(())
    };
    for mut said in news.rooms.into_iter().filter(|said| said.room == *room) {
        if let Some(gap) = &mut said.gap {
            while let Some(page) = gap.page(client, room).await? {
                take(page).await?;
            }
        }
        take(said.events).await?;
    }
    let unreadable = unreadable(&messages);
    Ok(News { next: news.next, messages, unreadable })
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
