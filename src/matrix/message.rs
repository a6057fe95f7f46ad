//! Messages: what is sent, never in the clear into an encrypted room, and what is read back.

use std::{
    collections::BTreeSet,
    os::unix::fs::OpenOptionsExt as _,
    time::{Duration, SystemTime},
};

use ruma::{EventId, OwnedEventId, OwnedTransactionId, OwnedUserId, RoomId, TransactionId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(crate) use super::once::MARK;
use super::{
    Error, api,
    client::Client,
    html, markdown,
    once::{self, Once},
    relations, room, sealed,
    segment::escaped,
};
use crate::{clock::Backoff, data_dir::DataDir, files};

/// The largest content, in bytes of JSON. An event has 65,536 (Matrix specification, "Size limits"),
/// and what the server puts around the content counts: at most ten previous events, the events that
/// allow it, ids of up to 255 bytes, hashes and a signature are within 2,048.
pub(crate) const LARGEST: usize = 65_536 - 2_048;
/// How long a room once seen without encryption is taken to be so: asking before each message costs a second
/// request. Encryption may be switched on at any time, and the homeserver then refuses what is in the clear; one
/// that runs without our module for that takes it within this time.
const FRESH: Duration = Duration::from_mins(1);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What is in the clear also in encrypted rooms: the homeserver counts them ([spec]).
///
/// [spec]: https://spec.matrix.org/latest/client-server-api/#annotations-and-reactions
pub(crate) const REACTION: &str = "m.reaction";

/// How a text is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Markup {
    #[default]
    Plain,
    Html,
    Markdown,
}

/// The content of `m.room.message` for a text. With `Html` the text is the HTML, and the plain body is
/// what a person would read of it. Whom it links to is woken, and nobody else: without `m.mentions`
/// clients wake everybody whose name is one of the words ([spec]).
///
/// [spec]: https://spec.matrix.org/latest/client-server-api/#user-and-room-mentions
pub(crate) fn text(text: &str, markup: Markup, notice: bool) -> Value {
    let kind = if notice { "m.notice" } else { "m.text" };
    let (body, formatted) = match markup {
        Markup::Plain => (text.to_owned(), None),
        Markup::Html => (html::plain(text), Some(text.to_owned())),
        Markup::Markdown => (text.to_owned(), markdown::html(text)),
    };
    let mut content = json!({ "msgtype": kind, "body": body, "m.mentions": {} });
    if let Some(formatted) = formatted {
        mention(&mut content, html::people(&formatted), false);
        content["format"] = "org.matrix.custom.html".into();
        content["formatted_body"] = formatted.into();
    }
    content
}

/// Whom a content wakes.
pub(crate) fn mentioned(content: &Value) -> BTreeSet<OwnedUserId> {
    let users = content["m.mentions"]["user_ids"].as_array().into_iter().flatten();
    users.filter_map(|user| OwnedUserId::try_from(user.as_str()?).ok()).collect()
}

/// Wakes these as well, or everybody in the room.
pub(crate) fn mention(
    content: &mut Value,
    users: impl IntoIterator<Item = OwnedUserId>,
    room: bool,
) {
    let mut all = mentioned(content);
    all.extend(users);
    if !all.is_empty() {
        content["m.mentions"]["user_ids"] = json!(all);
    }
    if room {
        content["m.mentions"]["room"] = true.into();
    }
}

/// Makes it an answer to another message, in that one's thread where it is in one; its author is woken,
/// unless they answer themselves.
pub(crate) fn reply(content: &mut Value, to: &Value, own: &UserId) {
    let mut relation = json!({ "m.in_reply_to": { "event_id": to["event_id"] } });
    let thread = &to["content"]["m.relates_to"];
    if thread["rel_type"] == "m.thread" {
        relation["rel_type"] = "m.thread".into();
        relation["event_id"] = thread["event_id"].clone();
        relation["is_falling_back"] = false.into();
    }
    content["m.relates_to"] = relation;
    let author = to["sender"].as_str().and_then(|user| OwnedUserId::try_from(user).ok());
    mention(content, author.filter(|user| user != own), false);
}

/// Whether an event is this content: what was uploaded twice has two addresses.
fn is_of(event: &Value, content: &Value) -> bool {
    let bare = |content: &Value| {
        let mut content = content.clone();
        if let Value::Object(content) = &mut content {
            content.remove(MARK);
            content.remove("url");
            content.remove("file");
            // What is decoded is not the same on each machine.
            content.remove("org.matrix.msc1767.audio");
        }
        if let Some(info) = content["info"].as_object_mut() {
            info.remove("thumbnail_url");
            info.remove("thumbnail_file");
            info.remove("thumbnail_info");
        }
        content
    };
    // Of what was redacted nothing is left to compare.
    let was = &event["content"];
    was.as_object().is_none_or(serde_json::Map::is_empty) || bare(was) == bare(content)
}

/// Makes sure that the event which a given transaction id led to is what was sent with it now. The
/// server answers a repeat with the event of the first time, whatever the second says. That event, where it
/// can be had.
pub(crate) async fn require_same(
    operator: &Client,
    sender: &Client,
    event: &EventId,
    content: &Value,
    transaction: &TransactionId,
) -> Result<Option<Value>, Error> {
    let request = super::admin::fetch_event::Request { event_id: event.to_owned().into() };
    match operator.send(request).await {
        Ok(mut found) if sealed::is_sealed(&found.event) => {
            let room = found.event["room_id"].as_str().and_then(|id| RoomId::parse(id).ok());
            if let Some(room) = room {
                sealed::open(sender, &room, std::slice::from_mut(&mut found.event)).await?;
            }
            // Of one that cannot be opened it is not known.
            if sealed::is_sealed(&found.event) || is_of(&found.event, content) {
                return Ok(Some(found.event));
            }
            Err(Error::OtherContent { id: transaction.to_string(), event: event.to_string() })
        }
        Ok(found) if !is_of(&found.event, content) => {
            Err(Error::OtherContent { id: transaction.to_string(), event: event.to_string() })
        }
        Ok(found) => Ok(Some(found.event)),
        // It was sent: that this cannot be looked at changes nothing.
        Err(_) => Ok(None),
    }
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
    send_as(client, room, "m.room.message", content, transaction).await
}

/// The same for what is no `m.room.message`.
pub(crate) async fn send_as(
    client: &Client,
    room: &RoomId,
    event_type: &str,
    content: &Value,
    transaction: &TransactionId,
) -> Result<OwnedEventId, Error> {
    check_size(content)?;
    let clear = || put(client, room, event_type, content.clone(), transaction);
    let Some(data) = client.data().filter(|_| event_type != REACTION) else {
        return clear().await;
    };
    if is_known_sealed(data, room) {
        match seal(client, data, room, event_type, content).await {
            // As it may be after a restore: the homeserver was just asked.
            Err(Error::NotSealed) => forget(data, room),
            sealed => return put(client, room, sealed::TYPE, sealed?, transaction).await,
        }
    }
    require_readers(client, data, room)?;
    match clear().await {
        Err(Error::InTheClear) => {
            remember_sealed(data, room)?;
            let sealed = seal_refused(client, data, room, event_type, content).await?;
            put(client, room, sealed::TYPE, sealed, transaction).await
        }
        said => said,
    }
}

/// Sends a message that shows a file. One that was uploaded in the clear is not sent into a room that is
/// encrypted by now: that is [`Error::InTheClear`], after which it has to be uploaded anew.
pub(crate) async fn send_file(
    client: &Client,
    room: &RoomId,
    content: &Value,
    transaction: &TransactionId,
) -> Result<OwnedEventId, Error> {
    let Some(data) = client.data().filter(|_| content["url"].is_string()) else {
        return send(client, room, content, transaction).await;
    };
    check_size(content)?;
    require_readers(client, data, room)?;
    // Since the upload somebody else may have found out.
    if is_known_sealed(data, room) {
        return Err(Error::InTheClear);
    }
    let sent = put(client, room, "m.room.message", content.clone(), transaction).await;
    if matches!(sent, Err(Error::InTheClear)) {
        remember_sealed(data, room)?;
    }
    sent
}

async fn put(
    client: &Client,
    room: &RoomId,
    event_type: &str,
    content: Value,
    transaction: &TransactionId,
) -> Result<OwnedEventId, Error> {
    if client.is_dendrite() {
        let sent = once::put(client, room, event_type, content.clone(), transaction);
        let there = match Box::pin(sent).await? {
            Once::Sent(event) => return Ok(event),
            Once::There(event) => event,
        };
        let event = there["event_id"].as_str().unwrap_or_default();
        if is_of(&there, &content) {
            return OwnedEventId::try_from(event)
                .map_err(|_| Error::lacks("the event", "event_id"));
        }
        let id = transaction.to_string();
        return Err(Error::OtherContent { id, event: event.to_owned() });
    }
    let request = api::send_event::Request {
        room_id: room.to_owned().into(),
        event_type: event_type.to_owned().into(),
        transaction_id: transaction.to_owned().into(),
        content,
    };
    client.send(request).await.map(|made| made.event_id)
}

async fn seal(
    client: &Client,
    data: &DataDir,
    room: &RoomId,
    event_type: &str,
    content: &Value,
) -> Result<Value, Error> {
    let mut sealed = sealed::seal(client, data, room, event_type, content).await?;
    if let Some(mark) = content.get(MARK) {
        sealed[MARK] = mark.clone();
    }
    check_size(&sealed)?;
    Ok(sealed)
}

/// Seals what was refused in the clear. The process of the homeserver that says what a room is may hear of it
/// later than the one that has refused.
async fn seal_refused(
    client: &Client,
    data: &DataDir,
    room: &RoomId,
    event_type: &str,
    content: &Value,
) -> Result<Value, Error> {
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        match seal(client, data, room, event_type, content).await {
            Err(Error::NotSealed) if backoff.peek() < client.left() => {
                tokio::time::sleep(backoff.pause()).await;
            }
            sealed => return sealed,
        }
    }
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

/// Takes a message away. An edit holds the whole new text: the edits go first, or the text would still be
/// there to read. A repeat with the same transaction id does nothing. `message` is the event as the server has
/// it.
pub(crate) async fn take_away(
    client: &Client,
    room: &RoomId,
    event: &EventId,
    message: &Value,
    transaction: &TransactionId,
    reason: Option<&str>,
) -> Result<OwnedEventId, Error> {
    for edit in relations::all(client, room, event, "m.replace").await? {
        let Some(id) = edit["event_id"].as_str().and_then(|id| OwnedEventId::try_from(id).ok())
        else {
            continue;
        };
        // By the edit: after an interruption there are fewer of them, and the number of one is another's.
        let own: OwnedTransactionId = format!("{transaction}.{id}").into();
        match redact(&client.afresh(), room, &id, &own, None).await {
            // What others claim to be an edit is shown by nobody.
            Err(error) if error.is("M_FORBIDDEN") && edit["sender"] != message["sender"] => {}
            done => drop(done?),
        }
    }
    redact(&client.afresh(), room, event, transaction, reason).await
}

/// Finds out how a message gets into a room, and refuses one that another took the place of; asks the server unless it
/// was asked within the last minute. Encryption is never switched off: once seen, it is remembered.
pub(crate) async fn require_way(
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
    let is_sealed = is_known_sealed(data, room) || room::is_encrypted(client, room).await?;
    if is_sealed {
        if client.is_dendrite() {
            return Err(Error::EncryptedThere(room.to_string()));
        }
        sealed::require(room)?;
    }
    room::require_current(client, room).await?;
    if is_sealed {
        remember_sealed(data, room)?;
    }
    // Only its time counts, so it need not be whole; a disk that is full costs a request next time.
    if seen.parent().is_some_and(|folder| files::private_folder(folder).is_ok()) {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(files::PRIVATE);
        drop(options.open(&seen).and_then(|file| file.set_modified(SystemTime::now())));
    }
    Ok(())
}

/// Without this, what follows would be sent in the clear.
fn remember_sealed(data: &DataDir, room: &RoomId) -> Result<(), files::Error> {
    let known = sealed_file(data, room);
    if known.exists() {
        return Ok(());
    }
    known.parent().map_or(Ok(()), files::private_folder)?;
    files::write_atomically(&known, b"", files::PRIVATE).map(drop)
}

/// Whether a room that was looked at is encrypted.
pub(crate) fn is_known_sealed(data: &DataDir, room: &RoomId) -> bool {
    sealed_file(data, room).exists()
}

/// Refuses a room in the clear where only verified people may read what is sent.
pub(crate) fn require_readers(client: &Client, data: &DataDir, room: &RoomId) -> Result<(), Error> {
    if client.is_to_verified() && !is_known_sealed(data, room) {
        return Err(Error::Plain(room.to_string()));
    }
    Ok(())
}

fn sealed_file(data: &DataDir, room: &RoomId) -> std::path::PathBuf {
    data.cache().join("sealed").join(escaped(room))
}

/// Forgets what was seen of a room that is no more. One that cannot be forgotten does no harm: it is
/// believed for a minute.
pub(crate) fn forget(data: &DataDir, room: &RoomId) {
    drop(files::remove(&seen_file(data, room)));
    drop(files::remove(&sealed_file(data, room)));
}

/// The same of all rooms: after something that we know nothing of.
pub(crate) fn forget_all(data: &DataDir) {
    drop(files::remove(&data.cache().join("plain")));
}

fn seen_file(data: &DataDir, room: &RoomId) -> std::path::PathBuf {
    data.cache().join("plain").join(escaped(room))
}

#[cfg(test)]
mod tests {
    use ruma::user_id;

    use super::*;
    use crate::matrix::attachment;

    #[test]
    fn html_has_a_plain_body_and_markdown_an_html_one() {
        let html = text("<b>a &amp; b</b>", Markup::Html, false);
        assert_eq!(html["body"], "a & b");
        let markdown = text("**hi**", Markup::Markdown, true);
        assert_eq!(markdown["msgtype"], "m.notice");
        assert!(markdown["formatted_body"].as_str().unwrap().contains("<strong>hi</strong>"));
    }

    #[test]
    fn nobody_is_woken_but_whom_it_names_or_answers() {
        let plain = text("node alice is down", Markup::Plain, false);
        assert_eq!(plain["m.mentions"], json!({}));
        let pill = "[Alice](https://matrix.to/#/@alice:x) and [Bob](https://matrix.to/#/@bob:x)";
        let mut content = text(pill, Markup::Markdown, false);
        assert_eq!(content["m.mentions"], json!({ "user_ids": ["@alice:x", "@bob:x"] }));
        let to = json!({
            "event_id": "$m", "sender": "@carol:x",
            "content": { "m.relates_to": { "rel_type": "m.thread", "event_id": "$root" } },
        });
        reply(&mut content, &to, user_id!("@me:x"));
        assert_eq!(content["m.mentions"]["user_ids"], json!(["@alice:x", "@bob:x", "@carol:x"]));
        assert_eq!(content["m.relates_to"]["m.in_reply_to"]["event_id"], "$m");
        assert_eq!(content["m.relates_to"]["event_id"], "$root");
        let mut own = plain.clone();
        reply(&mut own, &to, user_id!("@carol:x"));
        mention(&mut own, [], true);
        assert_eq!(own["m.mentions"], json!({ "room": true }));
    }

    #[test]
    fn the_same_file_uploaded_again_is_the_same_content() {
        let sent = |url: &str, body: &str| json!({ "content": { "body": body, "url": url } });
        let of = |event: &Value, content: &Value| is_of(event, &content["content"]);
        assert!(of(&sent("mxc://x/1", "a"), &sent("mxc://x/2", "a")));
        assert!(!of(&sent("mxc://x/1", "a"), &sent("mxc://x/1", "b")));
        assert!(of(&json!({ "content": {} }), &sent("mxc://x/1", "b")));
        let sealed = |url: &str, body: &str| {
            let file = attachment::seal(&mut [1]).file(url);
            json!({ "content": { "body": body, "file": file, "info": { "thumbnail_file": file } } })
        };
        assert!(of(&sealed("mxc://x/1", "a"), &sealed("mxc://x/2", "a")));
        assert!(!of(&sealed("mxc://x/1", "a"), &sealed("mxc://x/1", "b")));
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
