//! A message as we show it: fields for machines, a line for people.

use ruma::RoomId;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{matrix::sealed, secret::MASK};

/// What is read of a room. Polls have the names of the proposal that clients use as well (MSC3381).
pub(super) const TYPES: [&str; 10] = [
    "m.room.message",
    "m.room.redaction",
    sealed::TYPE,
    "m.sticker",
    "m.poll.start",
    "m.poll.response",
    "m.poll.end",
    "org.matrix.msc3381.poll.start",
    "org.matrix.msc3381.poll.response",
    "org.matrix.msc3381.poll.end",
];

#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Message {
    pub(crate) event_id: String,
    /// In a stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) room_id: Option<String>,
    /// Of what is no `m.room.message`: `m.sticker`, `m.poll.start`, `m.room.redaction`, …
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
    pub(crate) sender: String,
    /// When it was sent, as its sender's server says, in milliseconds since 1970.
    pub(crate) sent_ms: Option<u64>,
    /// `m.text`, `m.notice`, `m.image`, …
    pub(crate) msgtype: Option<String>,
    pub(crate) body: Option<String>,
    /// Why a message of an encrypted room cannot be read here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) closed: Option<String>,
    /// `body` as HTML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) formatted_body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) filename: Option<String>,
    /// Where a file is: `mxc://…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// Where an encrypted file is, as it was sent, but for its key: `content download-media ROOM EVENT` opens it.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub(crate) file: Value,
    /// What its sender says of a file.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub(crate) info: Value,
    /// Whether it is a voice message.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) voice: bool,
    /// A place: `geo:…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) geo_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) poll: Option<Poll>,
    /// The message that this one answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reply_to: Option<String>,
    /// The message whose thread this one is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) thread: Option<String>,
    /// The message that this one is an edit of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) replaces: Option<String>,
    /// What was taken away, in a stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) redacts: Option<String>,
    /// The edit that a message has its text from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) edited: Option<Edited>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// A poll, an answer to one, or its end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Poll {
    /// The poll that is answered or ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) question: Option<String>,
    /// What can be chosen, or the ids of what was.
    pub(crate) answers: Vec<PollAnswer>,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct PollAnswer {
    pub(crate) id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Edited {
    pub(crate) event_id: String,
    /// When that was sent, in milliseconds since 1970.
    pub(crate) sent_ms: Option<u64>,
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// What happened, for a stream: a message, or that one was taken away.
pub(in super::super) fn happened(event: &Value) -> Option<Message> {
    if event["type"] != "m.room.redaction" {
        return message(event);
    }
    let redacts = text(&event["redacts"]).or_else(|| text(&event["content"]["redacts"]))?;
    Some(Message {
        redacts: Some(redacts),
        body: text(&event["content"]["reason"]),
        ..Message::bare(event)
    })
}

/// A message as it was sent; nothing for other events and for what was taken away. Of an edit, the
/// new text and what it `replaces`.
pub(super) fn message(event: &Value) -> Option<Message> {
    let whole = &event["content"];
    let kind = event["type"].as_str().unwrap_or_default();
    let relation = &whole["m.relates_to"];
    let replaces = (relation["rel_type"] == "m.replace").then(|| &relation["event_id"]);
    let new = &whole["m.new_content"];
    let content = if replaces.is_some() && new.is_object() { new } else { whole };
    let is_shown = match kind {
        "m.room.message" => !whole["msgtype"].is_null(),
        "m.sticker" => !whole["body"].is_null(),
        sealed::TYPE => sealed::closed(event).is_some(),
        _ => false,
    };
    let poll = poll(kind, content);
    if !is_shown && poll.is_none() {
        return None;
    }
    let in_thread = relation["rel_type"] == "m.thread";
    // In a thread it may only be there for clients that know none.
    let answers = !in_thread || relation["is_falling_back"] == false;
    let reply_to = Some(&relation["m.in_reply_to"]["event_id"]).filter(|_| answers);
    let thread = in_thread.then(|| &relation["event_id"]);
    Some(Message {
        msgtype: text(&content["msgtype"]),
        body: text(&content["body"]),
        closed: sealed::closed(event).map(str::to_owned),
        formatted_body: text(&content["formatted_body"]),
        filename: text(&content["filename"]),
        url: text(&content["url"]),
        file: masked(&content["file"], "/key/k"),
        info: masked(&content["info"], "/thumbnail_file/key/k"),
        voice: ["org.matrix.msc3245.voice", "org.matrix.msc3245.voice.v2", "m.voice"]
            .iter()
            .any(|key| content[*key].is_object()),
        geo_uri: text(&content["geo_uri"]),
        poll,
        reply_to: reply_to.and_then(text),
        thread: thread.and_then(text),
        replaces: replaces.and_then(text),
        ..Message::bare(event)
    })
}

/// The same without the key of a file: what is read goes into logs and into the hands of others.
pub(crate) fn masked(value: &Value, key: &str) -> Value {
    let mut value = value.clone();
    if let Some(key) = value.pointer_mut(key) {
        *key = MASK.into();
    }
    value
}

/// A poll in any of its names; nothing for another event.
fn poll(kind: &str, content: &Value) -> Option<Poll> {
    let of = text(&content["m.relates_to"]["event_id"]);
    let either = |stable: &str, proposed: &str| {
        let found = &content[stable];
        if found.is_null() { content[proposed].clone() } else { found.clone() }
    };
    let words = |value: &Value| {
        let texts =
            [&value["org.matrix.msc1767.text"], &value["m.text"][0]["body"], &value["body"]];
        texts.into_iter().find_map(text)
    };
    match kind.rsplit_once("poll.")? {
        ("m." | "org.matrix.msc3381.", "start") => {
            let start = either("m.poll", "org.matrix.msc3381.poll.start");
            let answer = |answer: &Value| {
                let id = text(&answer["m.id"]).or_else(|| text(&answer["id"]))?;
                Some(PollAnswer { id, text: words(answer) })
            };
            let answers = start["answers"].as_array()?.iter().filter_map(answer).collect();
            Some(Poll { of: None, question: words(&start["question"]), answers })
        }
        ("m." | "org.matrix.msc3381.", "response") => {
            let response = either("m.selections", "org.matrix.msc3381.poll.response");
            let ids = response.as_array().or_else(|| response["answers"].as_array())?;
            let answer = |id: &Value| Some(PollAnswer { id: text(id)?, text: None });
            Some(Poll { of, question: None, answers: ids.iter().filter_map(answer).collect() })
        }
        ("m." | "org.matrix.msc3381.", "end") => {
            of.map(|of| Poll { of: Some(of), ..Poll::default() })
        }
        _ => None,
    }
}

impl Message {
    /// What every event has.
    fn bare(event: &Value) -> Self {
        Self {
            event_id: text(&event["event_id"]).unwrap_or_default(),
            kind: text(&event["type"]).filter(|kind| kind != "m.room.message"),
            sender: text(&event["sender"]).unwrap_or_default(),
            sent_ms: event["origin_server_ts"].as_u64(),
            ..Self::default()
        }
    }

    /// The same with the room that it is in.
    pub(super) fn of(self, room: &RoomId) -> Self {
        Self { room_id: Some(room.to_string()), ..self }
    }
}

/// A message as it is now. The server hands its latest valid edit, a whole event, along with it
/// (specification, "Server-side aggregation of `m.replace` relationships"); what it was sent as, when
/// and in answer to what remains.
pub(super) fn latest(event: &Value) -> Option<Message> {
    let shown = message(event)?;
    let edit = message(&event["unsigned"]["m.relations"]["m.replace"]);
    let Some(new) = edit.filter(|new| new.replaces.as_ref() == Some(&shown.event_id)) else {
        return Some(shown);
    };
    let Message { event_id, sender, sent_ms, reply_to, thread, replaces, .. } = shown;
    let edited = Some(Edited { event_id: new.event_id, sent_ms: new.sent_ms });
    Some(Message { event_id, sender, sent_ms, reply_to, thread, replaces, edited, ..new })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::line::line, *};

    fn sent(content: &Value) -> Message {
        let event = json!({
            "type": "m.room.message", "event_id": "$m", "sender": "@a:x", "origin_server_ts": 0,
            "content": content,
        });
        message(&event).unwrap()
    }

    fn edited() -> Value {
        json!({
            "type": "m.room.message", "event_id": "$m", "sender": "@a:x",
            "origin_server_ts": 1_000,
            "content": {
                "msgtype": "m.text", "body": "tpyo", "formatted_body": "<b>tpyo</b>",
                "m.relates_to": { "m.in_reply_to": { "event_id": "$q" } },
            },
            "unsigned": { "m.relations": { "m.replace": {
                "type": "m.room.message", "event_id": "$e", "sender": "@a:x",
                "origin_server_ts": 2_000,
                "content": {
                    "msgtype": "m.text", "body": "* typo",
                    "m.new_content": { "msgtype": "m.text", "body": "typo" },
                    "m.relates_to": { "rel_type": "m.replace", "event_id": "$m" },
                },
            } } },
        })
    }

    #[test]
    fn the_latest_edit_stands_in_the_place_of_its_message() {
        let shown = latest(&edited()).unwrap();
        let wanted = json!({
            "event_id": "$m", "sender": "@a:x", "sent_ms": 1_000, "msgtype": "m.text",
            "body": "typo", "reply_to": "$q", "edited": { "event_id": "$e", "sent_ms": 2_000 },
        });
        assert_eq!(serde_json::to_value(&shown).unwrap(), wanted);
        assert_eq!(line(&shown, false), "1970-01-01T00:00:01Z @a:x: typo (edited)");
        assert_eq!(line(&shown, true), "1970-01-01T00:00:01Z $m @a:x: (answers $q) typo (edited)");
    }

    #[test]
    fn an_edit_by_itself_says_what_it_replaces() {
        let event = edited()["unsigned"]["m.relations"]["m.replace"].take();
        let shown = message(&event).unwrap();
        assert_eq!(shown.replaces.as_deref(), Some("$m"));
        assert_eq!(line(&shown, false), "1970-01-01T00:00:02Z @a:x: (edits $m) typo");
    }

    #[test]
    fn an_encrypted_file_is_shown_without_its_key() {
        let file = json!({ "url": "mxc://x/1", "key": { "alg": "A256CTR", "k": "secret" } });
        let content = json!({
            "msgtype": "m.image", "body": "p.png", "file": file,
            "info": { "w": 1, "thumbnail_file": file },
        });
        let wanted = json!({ "url": "mxc://x/1", "key": { "alg": "A256CTR", "k": "*****" } });
        let shown = sent(&content);
        assert_eq!((&shown.file, &shown.info["thumbnail_file"]), (&wanted, &wanted));
        assert_eq!(shown.info["w"], 1);
    }

    #[test]
    fn a_thread_is_no_answer_unless_it_is_meant_as_one() {
        let in_thread = |falling_back: bool| {
            sent(&json!({
                "msgtype": "m.text", "body": "t", "m.relates_to": {
                    "rel_type": "m.thread", "event_id": "$root", "is_falling_back": falling_back,
                    "m.in_reply_to": { "event_id": "$last" },
                },
            }))
        };
        let (falls_back, answers) = (in_thread(true), in_thread(false));
        assert_eq!((falls_back.thread.as_deref(), falls_back.reply_to), (Some("$root"), None));
        assert_eq!(answers.reply_to.as_deref(), Some("$last"));
    }
}
