//! An event as it is handed on: the fields and names of the protocol, and whose it is.

use std::fmt;

use ruma::{RoomId, UserId};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::super::read::{line, shown};
use crate::{clock, matrix::sealed, output::Report};

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Heard {
    pub(crate) room_id: String,
    pub(crate) event_id: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) sender: String,
    /// Whether whoever listens sent it.
    pub(crate) own: bool,
    /// When it was sent, as its sender's server says, in milliseconds since 1970.
    pub(crate) origin_server_ts: u64,
    /// Of a state event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state_key: Option<String>,
    /// The event that it takes away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) redacts: Option<String>,
    pub(crate) content: Value,
    /// Why what is in an `m.room.encrypted` cannot be read here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) closed: Option<String>,
    /// How the command ended that it was handed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exit: Option<i32>,
    /// What the address answered that it was posted to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) answer: Option<Answer>,
}

/// What is told of events that are handed on.
pub(super) enum Told {
    /// It is done with.
    Done(Box<Heard>),
    /// Who gets them takes nothing now, for this reason.
    Away(String),
    /// Who gets them takes them again.
    Back,
}

/// What became of an event that was posted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// The status of HTTP.
    pub(crate) status: u16,
    /// Where the event is kept, if it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kept: Option<String>,
}

impl Heard {
    pub(super) fn of(event: &Value, room: &RoomId, listener: &UserId) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let sender = text(&event["sender"]).unwrap_or_default();
        Self {
            room_id: room.to_string(),
            event_id: text(&event["event_id"]).unwrap_or_default(),
            kind: text(&event["type"]).unwrap_or_default(),
            own: sender == listener.as_str(),
            sender,
            origin_server_ts: event["origin_server_ts"].as_u64().unwrap_or_default(),
            state_key: text(&event["state_key"]),
            // Before room version 11 it stood outside of the content.
            redacts: text(&event["redacts"]).or_else(|| text(&event["content"]["redacts"])),
            content: event["content"].clone(),
            closed: sealed::closed(event).map(str::to_owned),
            exit: None,
            answer: None,
        }
    }

    /// The text, if it has one: that of an edit is the new one.
    pub(super) fn body(&self) -> &str {
        let new = &self.content["m.new_content"]["body"];
        new.as_str().or_else(|| self.content["body"].as_str()).unwrap_or_default()
    }

    fn line(&self, verbose: bool) -> String {
        let event = serde_json::json!({
            "type": self.kind, "event_id": self.event_id, "sender": self.sender,
            "origin_server_ts": self.origin_server_ts, "redacts": self.redacts, "content": self.content,
            sealed::CLOSED: self.closed,
        });
        let line = shown::happened(&event).map(|message| line::line(&message, verbose));
        let line = line.unwrap_or_else(|| {
            let time = clock::of_ms(self.origin_server_ts);
            format!("{time} {}: [{}]", self.sender, self.kind.escape_debug())
        });
        // The time comes first, as everywhere.
        match line.split_once(' ') {
            Some((time, rest)) => format!("{time} {} {rest}", self.room_id),
            None => line,
        }
    }
}

impl Report for Heard {
    fn text(&self, page: &mut String) -> fmt::Result {
        page.push_str(&self.line(false));
        Ok(())
    }

    fn long(&self, page: &mut String) -> fmt::Result {
        page.push_str(&self.line(true));
        Ok(())
    }

    fn id(&self) -> Option<&str> {
        Some(&self.event_id)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn heard(event: &Value) -> Heard {
        let (room, user) = (RoomId::parse("!r:h").unwrap(), UserId::parse("@a:h").unwrap());
        Heard::of(event, &room, &user)
    }

    #[test]
    fn an_event_has_its_room_and_says_whether_it_is_our_own() {
        let event = json!({
            "type": "m.room.message", "event_id": "$e", "sender": "@a:h", "origin_server_ts": 1,
            "content": { "msgtype": "m.text", "body": "hi" }, "unsigned": { "age": 3 },
        });
        let said = heard(&event);
        assert_eq!(
            serde_json::to_value(&said).unwrap(),
            json!({
                "room_id": "!r:h", "event_id": "$e", "type": "m.room.message", "sender": "@a:h",
                "own": true, "origin_server_ts": 1, "content": { "msgtype": "m.text", "body": "hi" },
            })
        );
        assert_eq!(said.line(false), "1970-01-01T00:00:00Z !r:h @a:h: hi");
    }

    #[test]
    fn an_edit_says_its_new_text_a_redaction_what_it_takes_away_and_others_their_type() {
        let edit = heard(&json!({
            "type": "m.room.message", "sender": "@b:h",
            "content": { "msgtype": "m.text", "body": "* new", "m.new_content": { "body": "new" } },
        }));
        assert_eq!((edit.body(), edit.own), ("new", false));
        let taken = heard(&json!({
            "type": "m.room.redaction", "sender": "@b:h", "content": { "redacts": "$e" },
        }));
        assert_eq!(taken.redacts.as_deref(), Some("$e"));
        let topic =
            json!({ "type": "m.room.topic", "sender": "@b:h", "state_key": "", "content": {} });
        assert_eq!(heard(&topic).line(false), "1970-01-01T00:00:00Z !r:h @b:h: [m.room.topic]");
    }
}
