//! A message as we show it: fields for machines, a line for people.

use serde_json::{Value, json};

use crate::clock;

/// A message as it was sent; nothing for other events and for what was taken away. Of an edit, the
/// new text and what it `replaces`.
pub(super) fn message(event: &Value) -> Option<Value> {
    let whole = &event["content"];
    if event["type"] != "m.room.message" || whole["msgtype"].is_null() {
        return None;
    }
    let relation = &whole["m.relates_to"];
    let replaces = (relation["rel_type"] == "m.replace").then(|| &relation["event_id"]);
    let new = &whole["m.new_content"];
    let content = if replaces.is_some() && new.is_object() { new } else { whole };
    let mut shown = json!({
        "event_id": event["event_id"], "sender": event["sender"],
        "sent_ms": event["origin_server_ts"], "msgtype": content["msgtype"],
        "body": content["body"],
    });
    for (name, value) in [
        ("formatted_body", &content["formatted_body"]),
        ("filename", &content["filename"]),
        ("url", &content["url"]),
        ("info", &content["info"]),
        ("reply_to", &relation["m.in_reply_to"]["event_id"]),
        ("replaces", replaces.unwrap_or(&Value::Null)),
    ] {
        if !value.is_null() {
            shown[name] = value.clone();
        }
    }
    Some(shown)
}

/// A message as it is now. The server hands its latest valid edit, a whole event, along with it
/// (specification, "Server-side aggregation of `m.replace` relationships"); what it was sent as, when
/// and in answer to what remains.
pub(super) fn latest(event: &Value) -> Option<Value> {
    let mut shown = message(event)?;
    let edit = &event["unsigned"]["m.relations"]["m.replace"];
    let Some(mut new) = message(edit).filter(|new| new["replaces"] == shown["event_id"]) else {
        return Some(shown);
    };
    shown["edited"] = json!({ "event_id": new["event_id"], "sent_ms": new["sent_ms"] });
    for name in ["msgtype", "body", "formatted_body", "filename", "url", "info"] {
        match new[name].take() {
            Value::Null => drop(shown.as_object_mut().and_then(|fields| fields.remove(name))),
            value => shown[name] = value,
        }
    }
    Some(shown)
}

/// `TIME SENDER: TEXT`. Further lines are indented, so that a line that starts with a time is always a
/// new message. The verbose one has the ids too.
pub(super) fn line(message: &Value, verbose: bool) -> String {
    let word = |name: &str| message[name].as_str().unwrap_or_default();
    let mut line = clock::of_ms(message["sent_ms"].as_u64().unwrap_or(0));
    if verbose {
        line += &format!(" {}", word("event_id"));
    }
    line += &format!(" {}: ", word("sender"));
    if !message["replaces"].is_null() {
        line += &format!("(edits {}) ", word("replaces"));
    }
    if verbose && !message["reply_to"].is_null() {
        line += &format!("(answers {}) ", word("reply_to"));
    }
    // What others wrote does not steer this terminal.
    let plain = |c: char| if c.is_control() && c != '\t' { '\u{fffd}' } else { c };
    let media = media(message);
    let body = if media.is_some() && caption(message).is_none() { "" } else { word("body") };
    let marked = [media.as_deref().unwrap_or_default(), body];
    let marked: Vec<&str> = marked.into_iter().filter(|part| !part.is_empty()).collect();
    let text: Vec<String> =
        marked.join(" ").lines().map(|line| line.chars().map(plain).collect()).collect();
    line += &text.join("\n  ");
    if !message["edited"].is_null() {
        line += " (edited)";
    }
    line
}

/// `[image p.png mxc://…]` for a file; nothing for a text.
fn media(message: &Value) -> Option<String> {
    let kind = match message["msgtype"].as_str()? {
        "m.image" => "image",
        "m.audio" => "audio",
        "m.video" => "video",
        "m.file" => "file",
        _ => return None,
    };
    let name = message["filename"].as_str().or(message["body"].as_str()).unwrap_or_default();
    // An encrypted one has no address that anybody could read.
    let parts = [kind, name, message["url"].as_str().unwrap_or_default()];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    Some(format!("[{}]", parts.join(" ")))
}

/// The text beside a file: its body where that is not its name (specification, "Media captions").
fn caption(message: &Value) -> Option<&str> {
    let name = message["filename"].as_str()?;
    message["body"].as_str().filter(|body| *body != name)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(shown, wanted);
        assert_eq!(line(&shown, false), "1970-01-01T00:00:01Z @a:x: typo (edited)");
        assert_eq!(line(&shown, true), "1970-01-01T00:00:01Z $m @a:x: (answers $q) typo (edited)");
    }

    #[test]
    fn an_edit_by_itself_says_what_it_replaces() {
        let event = edited()["unsigned"]["m.relations"]["m.replace"].take();
        let shown = message(&event).unwrap();
        assert_eq!(shown["replaces"], "$m");
        assert_eq!(line(&shown, false), "1970-01-01T00:00:02Z @a:x: (edits $m) typo");
    }

    #[test]
    fn a_file_is_marked_as_one_with_its_name_address_and_caption() {
        let mut image = json!({
            "sender": "@a:x", "msgtype": "m.image", "body": "p.png", "filename": "p.png",
            "url": "mxc://x/1",
        });
        let start = "1970-01-01T00:00:00Z @a:x: [image p.png mxc://x/1]";
        assert_eq!(line(&image, false), start);
        image["body"] = "look".into();
        assert_eq!(line(&image, false), format!("{start} look"));
        let old =
            json!({ "sender": "@a:x", "msgtype": "m.file", "body": "a b", "url": "mxc://x/2" });
        assert_eq!(line(&old, false), "1970-01-01T00:00:00Z @a:x: [file a b mxc://x/2]");
    }

    #[test]
    fn only_a_new_message_starts_with_a_time_and_no_text_steers_a_terminal() {
        let message = json!({ "sender": "@a:x", "body": "1\r\n1970-01-01T00:00:00Z\n\u{1b}[2J\r" });
        let wanted = "1970-01-01T00:00:00Z @a:x: 1\n  1970-01-01T00:00:00Z\n  \u{fffd}[2J\u{fffd}";
        assert_eq!(line(&message, false), wanted);
    }
}
