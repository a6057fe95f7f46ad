//! Messages: what is sent, never in the clear into an encrypted room, and what is read back.

use std::{
    os::unix::fs::OpenOptionsExt as _,
    time::{Duration, SystemTime},
};

use ruma::{EventId, OwnedEventId, RoomId, TransactionId};
use serde_json::{Value, json};

use super::{Error, api, client::Client, markdown, room, segment::escaped};
use crate::{data_dir::DataDir, files};

/// The largest content, in bytes of JSON. An event has 65,536 (Matrix specification, "Size limits"),
/// and what the server puts around the content counts: at most ten previous events, the events that
/// allow it, ids of up to 255 bytes, hashes and a signature are within 2,048.
pub(crate) const LARGEST: usize = 65_536 - 2_048;
/// How long a room once seen without encryption is taken to be so. Encryption cannot be switched off
/// but on at any time: whoever switches it on has to expect that a message of ours that is under way
/// within this time still comes in the clear. Asking before each message costs a second request.
const FRESH: Duration = Duration::from_mins(1);

/// How a text is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Markup {
    #[default]
    Plain,
    Html,
    Markdown,
}

/// The content of `m.room.message` for a text. With `Html` the text is the HTML, and the plain body
/// is the same without its tags.
pub(crate) fn text(text: &str, markup: Markup, notice: bool) -> Value {
    let kind = if notice { "m.notice" } else { "m.text" };
    match markup {
        Markup::Plain => json!({ "msgtype": kind, "body": text }),
        Markup::Html => json!({
            "msgtype": kind, "body": without_tags(text),
            "format": "org.matrix.custom.html", "formatted_body": text,
        }),
        Markup::Markdown => match markdown::html(text) {
            Some(html) => json!({
                "msgtype": kind, "body": text,
                "format": "org.matrix.custom.html", "formatted_body": html,
            }),
            None => json!({ "msgtype": kind, "body": text }),
        },
    }
}

/// Adds what makes it an answer to another message.
pub(crate) fn reply(content: &mut Value, to: &str) {
    content["m.relates_to"] = json!({ "m.in_reply_to": { "event_id": to } });
}

/// The content that replaces another message's.
pub(crate) fn edit(mut content: Value, of: &str) -> Value {
    let mut whole = content.clone();
    if let Some(body) = content["body"].as_str() {
        whole["body"] = format!("* {body}").into();
    }
    if let Some(body) = content["formatted_body"].as_str() {
        whole["formatted_body"] = format!("* {body}").into();
    }
    whole["m.new_content"] = content.take();
    whole["m.relates_to"] = json!({ "rel_type": "m.replace", "event_id": of });
    whole
}

fn without_tags(html: &str) -> String {
    let (mut text, mut inside) = (String::new(), false);
    for letter in html.chars() {
        match letter {
            '<' => inside = true,
            '>' if inside => inside = false,
            letter if !inside => text.push(letter),
            _ => {}
        }
    }
    let pairs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    pairs.iter().fold(text, |text, (entity, letter)| text.replace(entity, letter))
}

/// Refuses what the server would refuse for its size, before anything is sent.
pub(crate) fn check_size(content: &Value) -> Result<(), Error> {
    let size = content.to_string().len();
    if size > LARGEST { Err(Error::TooLarge { size, largest: LARGEST }) } else { Ok(()) }
}

/// Sends a message. The transaction id makes a repeat harmless: the same id on the same device is
/// the same event, for a day.
pub(crate) async fn send(
    client: &Client,
    room: &RoomId,
    content: &Value,
    transaction: &TransactionId,
) -> Result<OwnedEventId, Error> {
    check_size(content)?;
    let request = api::send_event::Request {
        room_id: room.to_owned().into(),
        event_type: "m.room.message".to_owned().into(),
        transaction_id: transaction.to_owned().into(),
        content: content.clone(),
    };
    client.send(request).await.map(|made| made.event_id)
}

/// Takes an event away; what that made is an event too.
pub(crate) async fn redact(
    client: &Client,
    room: &RoomId,
    event: &EventId,
    transaction: &TransactionId,
    reason: Option<&str>,
) -> Result<OwnedEventId, Error> {
    let request = api::redact::Request {
        room_id: room.to_owned().into(),
        event_id: event.to_owned().into(),
        transaction_id: transaction.to_owned().into(),
        reason: reason.map(str::to_owned),
    };
    client.send(request).await.map(|made| made.event_id)
}

/// The edits of a message that are not taken away yet.
pub(crate) async fn edits(
    client: &Client,
    room: &RoomId,
    of: &EventId,
) -> Result<Vec<OwnedEventId>, Error> {
    let request = api::relations::Request {
        room_id: room.to_owned().into(),
        event_id: of.to_owned().into(),
        rel_type: "m.replace".to_owned().into(),
    };
    let found = client.send(request).await?;
    let id = |event: &Value| OwnedEventId::try_from(event["event_id"].as_str()?).ok();
    Ok(found.chunk.iter().filter_map(id).collect())
}

/// Makes sure that what is sent in the clear does not land in an encrypted room; asks the server
/// unless it was asked within the last minute.
pub(crate) async fn require_plain(
    client: &Client,
    data: &DataDir,
    room: &RoomId,
) -> Result<(), Error> {
    let seen = seen_file(data, room);
    let age = |path: &std::path::Path| {
        let changed = std::fs::metadata(path).and_then(|file| file.modified()).ok()?;
        SystemTime::now().duration_since(changed).ok()
    };
    if age(&seen).is_some_and(|age| age < FRESH) {
        return Ok(());
    }
    if room::is_encrypted(client, room).await? {
        return Err(Error::Encrypted(room.to_string()));
    }
    // Only its time counts, so it need not be whole; a disk that is full costs a request next time.
    if seen.parent().is_some_and(|folder| files::private_folder(folder).is_ok()) {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(files::PRIVATE);
        drop(options.open(&seen).and_then(|file| file.set_modified(SystemTime::now())));
    }
    Ok(())
}

/// Forgets what was seen of a room that is no more. One that cannot be forgotten does no harm: it is
/// believed for a minute.
pub(crate) fn forget(data: &DataDir, room: &RoomId) {
    drop(files::remove(&seen_file(data, room)));
}

fn seen_file(data: &DataDir, room: &RoomId) -> std::path::PathBuf {
    data.cache().join("plain").join(escaped(room))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_has_a_plain_body_and_markdown_an_html_one() {
        let html = text("<b>a &amp; b</b>", Markup::Html, false);
        assert_eq!(html["body"], "a & b");
        let markdown = text("**hi**", Markup::Markdown, true);
        assert_eq!(markdown["msgtype"], "m.notice");
        assert!(markdown["formatted_body"].as_str().unwrap().contains("<strong>hi</strong>"));
    }

    #[test]
    fn an_edit_carries_the_new_content_and_what_it_replaces() {
        let edit = edit(text("new", Markup::Plain, false), "$e");
        assert_eq!(edit["m.new_content"]["body"], "new");
        assert_eq!(edit["body"], "* new");
        assert_eq!(edit["m.relates_to"]["event_id"], "$e");
    }

    #[test]
    fn a_content_leaves_room_for_what_the_server_adds() {
        let bare = text("", Markup::Plain, false).to_string().len();
        check_size(&text(&"a".repeat(LARGEST - bare), Markup::Plain, false)).unwrap();
        let many = text(&"a".repeat(LARGEST - bare + 1), Markup::Plain, false);
        let said = check_size(&many).unwrap_err().to_string();
        assert!(said.contains("63489 bytes where 63488 are allowed"), "{said}");
        // A quote is two bytes on the wire.
        check_size(&text(&"\"".repeat(LARGEST / 2), Markup::Plain, false)).unwrap_err();
    }
}
