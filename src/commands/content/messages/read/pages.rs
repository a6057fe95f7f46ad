//! What the server has of a room, page by page: its past, and its stream.

use http::Method;
use ruma::RoomId;
use serde_json::{Value, json};

use super::shown;
use crate::matrix::{Error, client::Client, segment};

const PAGE: usize = 100;
/// How long the server may hold a request of a stream open, in milliseconds.
const HOLD: u64 = 20_000;

/// The latest messages, oldest first.
pub(super) struct Past {
    pub(super) messages: Vec<Value>,
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
    let base = if admin { "/_synapse/admin/v1" } else { "/_matrix/client/v3" };
    let room = segment::escaped(room);
    let (mut found, mut from) = (Vec::new(), String::new());
    'pages: while found.len() <= limit {
        let path = format!("{base}/rooms/{room}/messages?dir=b&limit={PAGE}{from}");
        let page = client.raw(Method::GET, &path, None).await?;
        let chunk = page["chunk"].as_array().ok_or_else(|| Error::lacks(&path, "chunk"))?;
        for event in chunk {
            if since.is_some_and(|since| event["origin_server_ts"].as_i64().unwrap_or(0) < since) {
                break 'pages;
            }
            older(&mut found, event);
            if found.len() > limit {
                break 'pages;
            }
        }
        match page["end"].as_str() {
            Some(end) if !chunk.is_empty() => from = format!("&from={end}"),
            _ => break,
        }
    }
    let more = found.len() > limit;
    found.truncate(limit);
    found.reverse();
    Ok(Past { messages: found, more })
}

/// Adds the next older event to what is shown, newest first. An edit stands there only until its
/// message comes, which then has the new text; of several edits the latest counts.
fn older(found: &mut Vec<Value>, event: &Value) {
    found.retain(|newer| newer["replaces"].is_null() || newer["replaces"] != event["event_id"]);
    let Some(next) = shown::latest(event) else { return };
    let same =
        |newer: &Value| newer["replaces"] == next["replaces"] && newer["sender"] == next["sender"];
    if next["replaces"].is_null() || !found.iter().any(same) {
        found.push(next);
    }
}

/// What came since a token, edits as messages of their own, and the next token. The first call only
/// takes one.
pub(super) async fn sync(
    client: &Client,
    room: &RoomId,
    since: Option<&str>,
) -> Result<(String, Vec<Value>), Error> {
    let filter = json!({
        "presence": { "types": [] }, "account_data": { "types": [] },
        "room": {
            "rooms": [room], "ephemeral": { "types": [] }, "account_data": { "types": [] },
            "state": { "types": [] }, "timeline": { "types": ["m.room.message"], "limit": 1000 },
        },
    });
    let filter = escaped(&filter.to_string());
    let position = match since {
        Some(since) => format!("&since={since}&timeout={HOLD}"),
        None => "&timeout=0".to_owned(),
    };
    let path = format!("/_matrix/client/v3/sync?filter={filter}{position}");
    let answer = client.raw(Method::GET, &path, None).await?;
    let next = answer["next_batch"].as_str();
    let next =
        next.ok_or_else(|| Error::lacks("/_matrix/client/v3/sync", "next_batch"))?.to_owned();
    let timeline = &answer["rooms"]["join"][room.as_str()]["timeline"];
    let events = timeline["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut messages = Vec::new();
    if let (Some(since), Some(gap), true) =
        (since, timeline["prev_batch"].as_str(), timeline["limited"] == true)
    {
        messages = between(client, room, since, gap).await?;
    }
    messages.extend(events.iter().filter_map(shown::message));
    Ok((next, messages))
}

/// What a stream left out because it was too much at once, oldest first.
async fn between(
    client: &Client,
    room: &RoomId,
    since: &str,
    gap: &str,
) -> Result<Vec<Value>, Error> {
    let room = segment::escaped(room);
    let (mut found, mut from) = (Vec::new(), gap.to_owned());
    loop {
        let path = format!(
            "/_matrix/client/v3/rooms/{room}/messages?dir=b&limit={PAGE}&from={from}&to={since}"
        );
        let page = client.raw(Method::GET, &path, None).await?;
        let chunk = page["chunk"].as_array().ok_or_else(|| Error::lacks(&path, "chunk"))?;
        found.extend(chunk.iter().filter_map(shown::message));
        match page["end"].as_str() {
            Some(end) if !chunk.is_empty() => end.clone_into(&mut from),
            _ => break,
        }
    }
    found.reverse();
    Ok(found)
}

/// A text within a query: every byte escaped.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        all.push('%');
        all.push_str(&format!("{byte:02X}"));
        all
    })
}

#[cfg(test)]
mod tests {
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
        found.iter().map(|message| message["body"].as_str().unwrap().to_owned()).collect()
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
