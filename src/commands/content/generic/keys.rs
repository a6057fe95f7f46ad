//! What an item of a file may say, by its type: all items are checked before the first is made.

use ruma::ServerName;
use serde_json::Value;

use super::kind::{Item, Kind};
use crate::{
    commands::content::bots::reads::Reads, config::nearest, error::Failure, matrix::names,
};

#[derive(Clone, Copy)]
enum Form {
    Text,
    Flag,
    Texts,
}

const USER: &[(&str, Form)] = &[("admin", Form::Flag), ("display_name", Form::Text)];
const BOT: &[(&str, Form)] = &[
    ("display_name", Form::Text),
    ("room", Form::Text),
    ("encrypted", Form::Flag),
    ("hook", Form::Flag),
    ("hook_name", Form::Text),
    ("hook_format", Form::Text),
    ("hook_template", Form::Text),
    ("hook_secret_file", Form::Text),
];
const ROOM: &[(&str, Form)] = &[
    ("alias", Form::Text),
    ("topic", Form::Text),
    ("public", Form::Flag),
    ("encrypted", Form::Flag),
    ("invite", Form::Texts),
    ("space", Form::Flag),
    ("room_version", Form::Text),
];
const MESSAGE: &[(&str, Form)] = &[
    ("room", Form::Text),
    ("text", Form::Text),
    ("body", Form::Text),
    ("html", Form::Flag),
    ("markdown", Form::Flag),
    ("notice", Form::Flag),
    ("reply_to", Form::Text),
    ("thread", Form::Text),
    ("transaction_id", Form::Text),
];
/// What all of them have.
const ALL: &[(&str, Form)] = &[("type", Form::Text), ("name", Form::Text)];

/// The value of a key that somebody wrote as a text: of a flag and of a list too.
pub(super) fn value_of(key: &str, text: &str) -> Value {
    let known = [USER, BOT, ROOM, MESSAGE, ALL].into_iter().flatten();
    match known.clone().find(|(name, _)| *name == key).map(|(_, form)| form) {
        Some(Form::Flag) => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => true.into(),
            "false" | "no" | "0" => false.into(),
            _ => text.into(),
        },
        Some(Form::Texts) => text.split_whitespace().collect(),
        Some(Form::Text) | None => text.into(),
    }
}

/// Refuses the first item that could not be made as it stands, by its number.
pub(super) fn check(items: &[Item], server: &ServerName) -> Result<(), Failure> {
    for (index, item) in items.iter().enumerate() {
        check_item(item, server).map_err(|wrong| {
            let message = format!("item {}: {}", index + 1, wrong.message);
            Failure::request(message).hinted(wrong.hint)
        })?;
    }
    Ok(())
}

struct Wrong {
    message: String,
    hint: String,
}

fn check_item(item: &Item, server: &ServerName) -> Result<(), Wrong> {
    let own = match item.kind {
        Kind::User => USER,
        Kind::Bot => BOT,
        Kind::Room => ROOM,
        Kind::Message => MESSAGE,
        Kind::Hook => {
            return Err(Wrong {
                message: "a webhook is created with its bot".into(),
                hint: "an item of the type `bot` with `room` and `hook: true` creates both".into(),
            });
        }
    };
    let known = || ALL.iter().chain(own);
    let word = item.kind.word();
    for (key, value) in item.fields.as_object().into_iter().flatten() {
        let Some((_, form)) = known().find(|(name, _)| name == key) else {
            let keys: Vec<_> = known().map(|(name, _)| *name).collect();
            let near = nearest(key, keys.iter().copied());
            let near = near.map(|it| format!("; did you mean `{it}`?")).unwrap_or_default();
            let key = key.escape_debug();
            return Err(Wrong {
                message: format!("a {word} has no `{key}`{near}"),
                hint: format!("a {word} may have {}", keys.join(", ")),
            });
        };
        let texts = |list: &Vec<Value>| list.iter().all(Value::is_string);
        let (fits, what) = match form {
            Form::Text => (value.is_string(), "a text, in quotes where it looks like a number"),
            Form::Flag => (value.is_boolean(), "`true` or `false`"),
            Form::Texts => (value.as_array().is_some_and(texts), "a list of texts"),
        };
        if !fits && !value.is_null() {
            return Err(Wrong {
                message: format!("`{key}` has the wrong form"),
                hint: format!("it is {what}"),
            });
        }
    }
    let nameless = item.fields["name"].as_str().is_none_or(|name| name.trim().is_empty());
    let in_room = matches!(item.kind, Kind::Message) && item.fields["room"].is_string();
    if nameless && !in_room {
        return Err(Wrong {
            message: format!("the {word} has no `name`"),
            hint: "each item needs one".into(),
        });
    }
    if let (Kind::User | Kind::Bot, Some(name)) = (item.kind, item.fields["name"].as_str()) {
        names::user(name, server).map_err(|error| Wrong {
            message: error.to_string(),
            hint: "a display name, `display_name`, may have any letters".into(),
        })?;
    }
    match item.kind {
        Kind::Bot => hook_fits(&item.fields),
        // By its name alone nobody could tell whether it is there, and each repeat would make another one.
        Kind::Room if item.fields["alias"].is_null() => Err(Wrong {
            message: "the room has no `alias`".into(),
            hint: "with `alias: NAME` a repeat finds the room that is there; `content create-room NAME` makes one without".into(),
        }),
        _ => Ok(()),
    }
}

/// What a bot's webhook is to be, with the files that are named.
fn hook_fits(fields: &Value) -> Result<(), Wrong> {
    let is_wanted = |key: &&&str| !matches!(fields[**key], Value::Null | Value::Bool(false));
    let of_hook = BOT.iter().map(|(key, _)| key).filter(|key| key.starts_with("hook"));
    if let Some(key) = of_hook.clone().find(is_wanted)
        && fields["room"].is_null()
    {
        return Err(Wrong {
            message: format!("`{key}` needs `room`"),
            hint: "a webhook says in a room what is posted to it".into(),
        });
    }
    let reads = Reads::of_item(fields).and_then(|reads| reads.wishes());
    reads.map(drop).map_err(|failure| Wrong {
        message: failure.to_string(),
        hint: failure.hint.unwrap_or_else(|| "`content add-bot --help` explains it".into()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::files;

    fn said(kind: Kind, fields: Value) -> String {
        let good = Item { kind: Kind::User, fields: json!({ "name": "good" }) };
        let server = <&ServerName>::try_from("x.org").unwrap();
        let found = check(&[good, Item { kind, fields }], server);
        found.map_or_else(|failure| failure.error.to_string(), |()| "good".into())
    }

    #[test]
    fn a_key_that_means_nothing_is_refused_with_the_one_that_was_meant() {
        let near = said(Kind::User, json!({ "name": "a", "displayname": "A" }));
        assert_eq!(near, "item 2: a user has no `displayname`; did you mean `display_name`?");
        let near = said(Kind::Room, json!({ "name": "a", "alais": "a" }));
        assert_eq!(near, "item 2: a room has no `alais`; did you mean `alias`?");
        let far = said(Kind::User, json!({ "name": "a", "passwrod": "x" }));
        assert_eq!(far, "item 2: a user has no `passwrod`");
        let other = said(Kind::Bot, json!({ "name": "a", "topic": "x" }));
        assert!(other.starts_with("item 2: a bot has no `topic`"), "{other}");
    }

    #[test]
    fn a_value_of_another_form_is_refused_and_none_is_as_if_it_was_not_there() {
        let form = |fields| said(Kind::Room, fields);
        let good = json!({ "name": "a", "alias": "a", "topic": null, "invite": ["b"] });
        assert_eq!(form(good), "good");
        for fields in [
            json!({ "name": 42 }),
            json!({ "name": "a", "public": "yes" }),
            json!({ "name": "a", "invite": "b" }),
            json!({ "name": "a", "invite": [1] }),
        ] {
            assert!(form(fields.clone()).contains("has the wrong form"), "{fields}");
        }
    }

    #[test]
    fn a_name_that_is_missing_or_cannot_be_is_refused_by_the_number_of_its_item() {
        assert_eq!(said(Kind::User, json!({ "admin": true })), "item 2: the user has no `name`");
        assert!(said(Kind::Bot, json!({ "name": "Big" })).contains("must not contain `B`"));
        assert_eq!(said(Kind::Message, json!({ "room": "#a", "text": "t" })), "good");
        assert!(said(Kind::Hook, json!({ "name": "h" })).contains("with its bot"));
        let none = said(Kind::Room, json!({ "name": "War room" }));
        assert_eq!(none, "item 2: the room has no `alias`");
    }

    #[test]
    fn a_webhook_that_could_not_be_is_refused_before_anything_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        files::write_atomically(&file, b"s3cret\n", files::PRIVATE).unwrap();
        let bot = |more: Value| {
            let mut fields = json!({ "name": "ci", "room": "#builds" });
            fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            said(Kind::Bot, fields)
        };
        assert_eq!(bot(json!({ "hook_format": "github", "hook_secret_file": file })), "good");
        assert_eq!(bot(json!({ "hook_secret_file": "", "hook_template": "" })), "good");
        assert_eq!(bot(json!({ "hook": false, "room": null })), "good");
        let lonely = bot(json!({ "hook_format": "github", "room": null }));
        assert_eq!(lonely, "item 2: `hook_format` needs `room`");
        let format = bot(json!({ "hook_format": "gitub" }));
        assert!(format.starts_with("item 2: there is no format `gitub`"), "{format}");
        let missing = folder.path().join("none");
        let missing = bot(json!({ "hook_template": missing }));
        assert!(missing.starts_with("item 2: ") && missing.contains("none"), "{missing}");
    }
}
