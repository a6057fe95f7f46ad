//! What replaces a message: its text anew, and everything else as it was.

use ruma::{EventId, OwnedUserId, RoomId, UserId};
use serde_json::{Value, json};

use super::{
    Error,
    client::Client,
    html, markdown,
    message::{self, Markup},
    room, sealed,
};

/// What an event must be so that this user can give it another text: clients ignore all other edits.
fn require_editable(event: &Value, user: &UserId) -> Result<(), Error> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = text(&event["event_id"]);
    let no = |why: String| Err(Error::NotEditable { event: of.clone(), why });
    let relation = &event["content"]["m.relates_to"];
    if event["type"] != "m.room.message" {
        return no(format!("is `{}` and not a message", text(&event["type"])));
    }
    if event["sender"] != user.as_str() {
        let (sender, user) = (text(&event["sender"]), user.to_string());
        return Err(Error::OthersMessage { event: of, sender, user });
    }
    if relation["rel_type"] == "m.replace" {
        return no(format!("is itself an edit, of `{}`", text(&relation["event_id"])));
    }
    Ok(())
}

/// What gives a message of whom the client acts as another text, as it is in its room.
pub(crate) async fn of(
    operator: &Client,
    client: &Client,
    room: &RoomId,
    event: &EventId,
    text: &str,
    markup: Option<Markup>,
) -> Result<Value, Error> {
    let mut before = room::require_event(operator, room, event).await?;
    if room::redaction(operator, room, event).await?.is_some() {
        return Err(Error::Redacted { event: event.to_string() });
    }
    sealed::open(client, room, std::slice::from_mut(&mut before)).await?;
    require_editable(&before, client.user_id())?;
    Ok(content(&before["content"], text, markup, event.as_str()))
}

/// The content that gives a message another text. Without a markup it is that of the message.
fn content(before: &Value, text: &str, markup: Option<Markup>, of: &str) -> Value {
    let written = match markup {
        Some(markup) => message::text(text, markup, false),
        None => alike(before, text),
    };
    let mut new = before.clone();
    // The body of a file without a caption is its name.
    let is_file = before["url"].is_string() || before["file"].is_object();
    if is_file && before["filename"].is_null() {
        new["filename"] = before["body"].clone();
    }
    if let (Value::Object(new), Value::Object(mut written)) = (&mut new, written.clone()) {
        for key in ["m.relates_to", "m.new_content", "format", "formatted_body"] {
            new.remove(key);
        }
        written.remove("msgtype");
        written.remove("m.mentions");
        new.append(&mut written);
    }
    let (was, now) = (message::mentioned(before), message::mentioned(&written));
    // The edit itself wakes only whom the message did not.
    let fresh: Vec<OwnedUserId> = now.iter().filter(|user| !was.contains(*user)).cloned().collect();
    if !new["m.mentions"].is_object() {
        new["m.mentions"] = json!({});
    }
    message::mention(&mut new, now, false);
    let mut whole = new.clone();
    for key in ["body", "formatted_body"] {
        if let Some(body) = new[key].as_str() {
            whole[key] = format!("* {body}").into();
        }
    }
    whole["m.mentions"] = json!({});
    message::mention(&mut whole, fresh, false);
    whole["m.new_content"] = new;
    whole["m.relates_to"] = json!({ "rel_type": "m.replace", "event_id": of });
    whole
}

/// A text written as another was: Markdown stays Markdown, and HTML HTML.
fn alike(before: &Value, text: &str) -> Value {
    let Some(formatted) = before["formatted_body"].as_str() else {
        return message::text(text, Markup::Plain, false);
    };
    let body = before["body"].as_str().unwrap_or_default();
    if markdown::html(body).as_deref() == Some(formatted) {
        return message::text(text, Markup::Markdown, false);
    }
    if !html::is_bare(text) {
        return message::text(text, Markup::Html, false);
    }
    let mut content = message::text(&html::escaped(text), Markup::Html, false);
    content["body"] = text.into();
    content
}

#[cfg(test)]
mod tests {
    use ruma::user_id;

    use super::*;

    fn replaced(before: &Value, text: &str) -> Value {
        let mut whole = content(before, text, None, "$e");
        assert_eq!(whole["m.relates_to"], json!({ "rel_type": "m.replace", "event_id": "$e" }));
        assert_eq!(whole["msgtype"], before["msgtype"]);
        whole["m.new_content"].take()
    }

    #[test]
    fn an_edit_changes_the_text_and_keeps_the_rest() {
        let whole = content(&message::text("old", Markup::Plain, false), "new", None, "$e");
        assert_eq!(
            (&whole["body"], &whole["m.new_content"]["body"]),
            (&"* new".into(), &"new".into())
        );
        let notice = replaced(&message::text("old", Markup::Plain, true), "new");
        assert_eq!(notice, json!({ "msgtype": "m.notice", "body": "new", "m.mentions": {} }));
        for kind in ["m.image", "m.file", "m.video", "m.audio"] {
            let file = json!({
                "msgtype": kind, "body": "a", "filename": "p.png", "url": "mxc://x/1",
                "info": { "w": 1 }, "m.mentions": {},
            });
            let mut wanted = file.clone();
            wanted["body"] = "b".into();
            assert_eq!(replaced(&file, "b"), wanted);
        }
        let old = json!({ "msgtype": "m.file", "body": "a.pdf", "url": "mxc://x/2" });
        assert_eq!(replaced(&old, "look")["filename"], "a.pdf");
        let place = json!({ "msgtype": "m.location", "body": "a", "geo_uri": "geo:1,2" });
        assert_eq!(replaced(&place, "b")["geo_uri"], "geo:1,2");
    }

    #[test]
    fn a_text_keeps_the_format_that_it_has() {
        let markdown = replaced(&message::text("**a**", Markup::Markdown, true), "*b*");
        assert_eq!(markdown["formatted_body"], "<em>b</em>");
        let html = message::text("<b>a</b>", Markup::Html, false);
        assert_eq!(replaced(&html, "<i>b</i>")["formatted_body"], "<i>b</i>");
        let bare = replaced(&html, "1 < 2\n3");
        assert_eq!(
            (&bare["body"], &bare["formatted_body"]),
            (&"1 < 2\n3".into(), &"1 &lt; 2<br />3".into())
        );
        let plain = content(&html, "b", Some(Markup::Plain), "$e");
        assert!(plain["m.new_content"]["format"].is_null());
    }

    #[test]
    fn an_edit_wakes_only_whom_the_message_did_not() {
        let pill = |user: &str| format!("<a href=\"https://matrix.to/#/@{user}:x\">{user}</a>");
        let before = message::text(&pill("a"), Markup::Html, false);
        let whole = content(&before, &(pill("a") + &pill("b")), None, "$e");
        assert_eq!(whole["m.mentions"]["user_ids"], json!(["@b:x"]));
        assert_eq!(whole["m.new_content"]["m.mentions"]["user_ids"], json!(["@a:x", "@b:x"]));
    }

    #[test]
    fn only_a_message_of_ones_own_is_edited() {
        let own = user_id!("@a:x");
        let event = |kind: &str, sender: &str, content: Value| json!({ "type": kind, "event_id": "$e", "sender": sender, "content": content });
        require_editable(&event("m.room.message", "@a:x", json!({})), own).unwrap();
        let edit = json!({ "m.relates_to": { "rel_type": "m.replace", "event_id": "$m" } });
        for (event, why) in [
            (event("m.room.message", "@b:x", json!({})), "the message `$e` is by `@b:x`"),
            (event("m.sticker", "@a:x", json!({})), "is `m.sticker` and not a message"),
            (event("m.room.message", "@a:x", edit), "is itself an edit, of `$m`"),
        ] {
            let said = require_editable(&event, own).unwrap_err().to_string();
            assert!(said.contains(why), "{said}");
        }
    }
}
