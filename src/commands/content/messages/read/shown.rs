//! A message as we show it: fields for machines, a line for people.

use std::fmt::{self, Write as _};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{clock, output::Report};

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Message {
    pub(crate) event_id: String,
    pub(crate) sender: String,
    /// When it was sent, as its sender's server says.
    pub(crate) sent_ms: Option<u64>,
    /// `m.text`, `m.notice`, `m.image`, …
    pub(crate) msgtype: Option<String>,
    pub(crate) body: Option<String>,
    /// The same as HTML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) formatted_body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) filename: Option<String>,
    /// Where a file is: `mxc://…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// What its sender says of a file.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub(crate) info: Value,
    /// The message that this one answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reply_to: Option<String>,
    /// The message that this one is an edit of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) replaces: Option<String>,
    /// The edit that a message has its text from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) edited: Option<Edited>,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Edited {
    pub(crate) event_id: String,
    pub(crate) sent_ms: Option<u64>,
}

/// A message as it was sent; nothing for other events and for what was taken away. Of an edit, the
/// new text and what it `replaces`.
pub(super) fn message(event: &Value) -> Option<Message> {
    let whole = &event["content"];
    if event["type"] != "m.room.message" || whole["msgtype"].is_null() {
        return None;
    }
    let relation = &whole["m.relates_to"];
    let replaces = (relation["rel_type"] == "m.replace").then(|| &relation["event_id"]);
    let new = &whole["m.new_content"];
    let content = if replaces.is_some() && new.is_object() { new } else { whole };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Some(Message {
        event_id: text(&event["event_id"]).unwrap_or_default(),
        sender: text(&event["sender"]).unwrap_or_default(),
        sent_ms: event["origin_server_ts"].as_u64(),
        msgtype: text(&content["msgtype"]),
        body: text(&content["body"]),
        formatted_body: text(&content["formatted_body"]),
        filename: text(&content["filename"]),
        url: text(&content["url"]),
        info: content["info"].clone(),
        reply_to: text(&relation["m.in_reply_to"]["event_id"]),
        replaces: replaces.and_then(text),
        edited: None,
    })
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
    let Message { event_id, sender, sent_ms, reply_to, replaces, .. } = shown;
    let edited = Some(Edited { event_id: new.event_id, sent_ms: new.sent_ms });
    Some(Message { event_id, sender, sent_ms, reply_to, replaces, edited, ..new })
}

impl Report for Message {
    fn text(&self, page: &mut String) -> fmt::Result {
        page.write_str(&line(self, false))
    }

    fn long(&self, page: &mut String) -> fmt::Result {
        page.write_str(&line(self, true))
    }

    fn id(&self) -> Option<&str> {
        Some(&self.event_id)
    }
}

/// `TIME SENDER: TEXT`. Further lines are indented, so that a line that starts with a time is always a
/// new message. The verbose one has the ids too.
pub(super) fn line(message: &Message, verbose: bool) -> String {
    let mut line = clock::of_ms(message.sent_ms.unwrap_or(0));
    if verbose {
        line += &format!(" {}", message.event_id);
    }
    line += &format!(" {}: ", message.sender);
    if let Some(replaces) = &message.replaces {
        line += &format!("(edits {replaces}) ");
    }
    if let Some(reply_to) = message.reply_to.as_ref().filter(|_| verbose) {
        line += &format!("(answers {reply_to}) ");
    }
    // What others wrote does not steer this terminal.
    let plain = |c: char| if c.is_control() && c != '\t' { '\u{fffd}' } else { c };
    let body = message.body.as_deref().unwrap_or_default();
    let media = media(message);
    let body = if media.is_some() && caption(message).is_none() { "" } else { body };
    let marked = [media.as_deref().unwrap_or_default(), body];
    let marked: Vec<&str> = marked.into_iter().filter(|part| !part.is_empty()).collect();
    let text: Vec<String> =
        marked.join(" ").lines().map(|line| line.chars().map(plain).collect()).collect();
    line += &text.join("\n  ");
    if message.edited.is_some() {
        line += " (edited)";
    }
    line
}

/// `[image p.png mxc://…]` for a file; nothing for a text.
fn media(message: &Message) -> Option<String> {
    let kind = match message.msgtype.as_deref()? {
        "m.image" => "image",
        "m.audio" => "audio",
        "m.video" => "video",
        "m.file" => "file",
        _ => return None,
    };
    let name = message.filename.as_deref().or(message.body.as_deref()).unwrap_or_default();
    // An encrypted one has no address that anybody could read.
    let parts = [kind, name, message.url.as_deref().unwrap_or_default()];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    Some(format!("[{}]", parts.join(" ")))
}

/// The text beside a file: its body where that is not its name (specification, "Media captions").
fn caption(message: &Message) -> Option<&str> {
    let name = message.filename.as_deref()?;
    message.body.as_deref().filter(|body| *body != name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
    fn a_file_is_marked_as_one_with_its_name_address_and_caption() {
        let image = |body: &str| {
            sent(&json!({
                "msgtype": "m.image", "body": body, "filename": "p.png", "url": "mxc://x/1",
            }))
        };
        let start = "1970-01-01T00:00:00Z @a:x: [image p.png mxc://x/1]";
        assert_eq!(line(&image("p.png"), false), start);
        assert_eq!(line(&image("look"), false), format!("{start} look"));
        let old = sent(&json!({ "msgtype": "m.file", "body": "a b", "url": "mxc://x/2" }));
        assert_eq!(line(&old, false), "1970-01-01T00:00:00Z @a:x: [file a b mxc://x/2]");
    }

    #[test]
    fn only_a_new_message_starts_with_a_time_and_no_text_steers_a_terminal() {
        let message = sent(&json!({
            "msgtype": "m.text", "body": "1\r\n1970-01-01T00:00:00Z\n\u{1b}[2J\r",
        }));
        let wanted = "1970-01-01T00:00:00Z @a:x: 1\n  1970-01-01T00:00:00Z\n  \u{fffd}[2J\u{fffd}";
        assert_eq!(line(&message, false), wanted);
    }
}
