//! A message as a line for people.

use std::fmt::{self, Write as _};

use super::shown::{Message, Poll};
use crate::{
    clock,
    output::{Report, harmless},
};

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
pub(in super::super) fn line(message: &Message, verbose: bool) -> String {
    let mut line = clock::of_ms(message.sent_ms.unwrap_or(0));
    if verbose {
        line += &format!(" {}", message.event_id);
    }
    line += &match message.msgtype.as_deref() {
        Some("m.emote") => format!(" * {} ", message.sender),
        _ => format!(" {}: ", message.sender),
    };
    line += &said(message, verbose, "\n  ");
    line
}

/// What it says, its lines with this between them.
fn said(message: &Message, verbose: bool, between: &str) -> String {
    let mut line = String::new();
    if let Some(replaces) = &message.replaces {
        line += &format!("(edits {replaces}) ");
    }
    if let Some(redacts) = &message.redacts {
        line += &format!("(took {redacts} away) ");
    }
    for (word, of) in [("answers", &message.reply_to), ("in thread", &message.thread)] {
        if let Some(of) = of.as_ref().filter(|_| verbose) {
            line += &format!("({word} {of}) ");
        }
    }
    if let Some(why) = &message.closed {
        line += &format!("(cannot be read: {})", harmless::page(why));
    }
    let body = message.body.as_deref().unwrap_or_default();
    let media = media(message);
    let body = if media.is_some() && caption(message).is_none() { "" } else { body };
    let marked = [media.as_deref().unwrap_or_default(), body];
    let marked: Vec<&str> = marked.into_iter().filter(|part| !part.is_empty()).collect();
    let text = marked.join(" ");
    let text: Vec<_> = text.lines().map(harmless::page).collect();
    line += text.join(between).trim_end();
    if message.edited.is_some() {
        line += " (edited)";
    }
    line
}

/// As much of a text as has room in a table.
pub(in super::super) fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    shortened(&harmless::one_line(line), 60, text.lines().nth(1).is_some())
}

/// As much of what a message says as has room at the end of a table, on one line.
pub(in super::super) fn excerpt(message: &Message) -> String {
    shortened(&said(message, false, " "), 200, false)
}

/// At most so many characters, marked where something is left out.
fn shortened(line: &str, longest: usize, is_more: bool) -> String {
    let shown: String = line.chars().take(longest).collect();
    if is_more || shown.len() < line.len() { format!("{shown}…") } else { shown }
}

/// `[image p.png mxc://…]` for a file, and the like for what is no text; nothing for a text.
fn media(message: &Message) -> Option<String> {
    if let Some(poll) = &message.poll {
        return Some(asked(poll));
    }
    let kind = match (message.kind.as_deref(), message.msgtype.as_deref()) {
        (Some("m.sticker"), _) => "sticker",
        (_, Some("m.image")) => "image",
        (_, Some("m.audio")) if message.voice => "voice message",
        (_, Some("m.audio")) => "audio",
        (_, Some("m.video")) => "video",
        (_, Some("m.file")) => "file",
        (_, Some("m.location")) => {
            let place = message.geo_uri.as_deref().unwrap_or_default();
            return Some(format!("[location {place}]"));
        }
        _ => return None,
    };
    let name = message.filename.as_deref().or(message.body.as_deref()).unwrap_or_default();
    let sealed = message.file["url"].as_str();
    let url = message.url.as_deref().or(sealed).unwrap_or_default();
    let sealed = if sealed.is_some() { "encrypted" } else { "" };
    let seconds = message.info["duration"].as_u64().filter(|_| message.voice);
    let seconds = seconds.map(|ms| format!("{} s", ms.div_ceil(1000))).unwrap_or_default();
    let parts = [kind, name, &seconds, url, sealed];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    Some(format!("[{}]", parts.join(" ")))
}

/// `[poll Where? a / b]`, `[answer to poll $p: a]` or `[end of poll $p]`.
fn asked(poll: &Poll) -> String {
    let answers = poll.answers.iter().map(|answer| answer.text.as_ref().unwrap_or(&answer.id));
    let answers = answers.map(String::as_str).collect::<Vec<_>>().join(" / ");
    match (&poll.of, &poll.question) {
        (None, question) => format!("[poll {} {answers}]", question.as_deref().unwrap_or_default()),
        (Some(of), _) if poll.answers.is_empty() => format!("[end of poll {of}]"),
        (Some(of), _) => format!("[answer to poll {of}: {answers}]"),
    }
}

/// The text beside a file: its body where that is not its name (specification, "Media captions").
fn caption(message: &Message) -> Option<&str> {
    if message.geo_uri.is_some() {
        return message.body.as_deref();
    }
    let name = message.filename.as_deref()?;
    message.body.as_deref().filter(|body| *body != name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{
        super::shown::{happened, message},
        *,
    };

    fn sent(content: &Value) -> Message {
        let event = json!({
            "type": "m.room.message", "event_id": "$m", "sender": "@a:x", "origin_server_ts": 0,
            "content": content,
        });
        message(&event).unwrap()
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
    fn each_kind_is_shown_as_what_it_is() {
        let event = |kind: &str, content: Value| {
            json!({
                "type": kind, "event_id": "$m", "sender": "@a:x", "origin_server_ts": 0,
                "content": content,
            })
        };
        let said = |content: Value| event("m.room.message", content);
        let poll = json!({
            "question": { "org.matrix.msc1767.text": "Where?" },
            "answers": [
                { "id": "1", "org.matrix.msc1767.text": "here" },
                { "id": "2", "org.matrix.msc1767.text": "there" },
            ],
        });
        let stable = json!({
            "question": { "m.text": [{ "body": "Where?" }] },
            "answers": [{ "m.id": "1", "m.text": [{ "body": "here" }] }],
        });
        let answered = json!({
            "m.selections": ["1"], "m.relates_to": { "rel_type": "m.reference", "event_id": "$p" },
        });
        let closed = json!({ "m.relates_to": { "rel_type": "m.reference", "event_id": "$p" } });
        for (event, wanted) in [
            (
                event("m.sticker", json!({ "body": "cat", "url": "mxc://x/1" })),
                ": [sticker cat mxc://x/1]",
            ),
            (
                event(
                    "org.matrix.msc3381.poll.start",
                    json!({ "org.matrix.msc3381.poll.start": poll }),
                ),
                ": [poll Where? here / there]",
            ),
            (event("m.poll.start", json!({ "m.poll": stable })), ": [poll Where? here]"),
            (event("m.poll.response", answered), ": [answer to poll $p: 1]"),
            (event("m.poll.end", closed), ": [end of poll $p]"),
            (
                said(json!({ "msgtype": "m.location", "body": "Home", "geo_uri": "geo:1,2" })),
                ": [location geo:1,2] Home",
            ),
            (
                said(json!({
                    "msgtype": "m.audio", "body": "v.ogg", "url": "mxc://x/2",
                    "info": { "duration": 2500 }, "org.matrix.msc3245.voice": {},
                })),
                ": [voice message v.ogg 3 s mxc://x/2]",
            ),
            (
                said(
                    json!({ "msgtype": "m.image", "body": "p.png", "file": { "url": "mxc://x/3" } }),
                ),
                ": [image p.png mxc://x/3 encrypted]",
            ),
            (said(json!({ "msgtype": "m.emote", "body": "waves" })), "* @a:x waves"),
            (
                event("m.room.redaction", json!({ "redacts": "$e", "reason": "typo" })),
                ": (took $e away) typo",
            ),
        ] {
            let shown = happened(&event).unwrap();
            let line = line(&shown, false);
            assert!(line.ends_with(wanted), "{line}");
            let kind = (event["type"] != "m.room.message").then(|| event["type"].as_str().unwrap());
            assert_eq!(shown.kind.as_deref(), kind);
        }
    }

    #[test]
    fn an_excerpt_is_one_line_of_bounded_length_that_steers_no_terminal() {
        let said = |body: &str| excerpt(&sent(&json!({ "msgtype": "m.text", "body": body })));
        assert_eq!(said("one\ntwo\u{1b}[2J"), "one two\u{fffd}[2J");
        assert_eq!(said(&"ä".repeat(200)), "ä".repeat(200));
        assert_eq!(said(&"ä".repeat(201)), "ä".repeat(200) + "…");
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
