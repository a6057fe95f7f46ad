//! Aliases, and what a room says of its own.

use ruma::{OwnedRoomAliasId, OwnedRoomId, RoomAliasId, RoomId};
use serde_json::{Value, json};

use crate::{
    error::Failure,
    matrix::{Error, client::Client, room},
};

/// The event in which a room says by which aliases it wants to be known.
pub(super) const CANONICAL: &str = "m.room.canonical_alias";

/// Where an alias leads and it should lead to another room.
pub(super) fn taken(alias: &RoomAliasId, by: &RoomId) -> Failure {
    Failure::request(format!("the alias `{alias}` is that of the room `{by}`")).hinted(format!(
        "`content get-room '{by}'` shows it; `content remove-alias '{alias}'` frees the alias"
    ))
}

/// What a room says of its aliases without one of them; nothing where it did not name it.
pub(super) fn without(now: &Value, alias: &str) -> Option<Value> {
    let (main, others) = said(now);
    if main != Some(alias) && !others.contains(&alias) {
        return None;
    }
    let others = others.into_iter().filter(|it| *it != alias).collect();
    Some(content(now, main.filter(|main| *main != alias), others))
}

/// The same with another main alias, or none; the one before stays as an alternative. Nothing where it is so.
pub(super) fn with_main(now: &Value, alias: Option<&str>) -> Option<Value> {
    let (main, mut others) = said(now);
    if main == alias {
        return None;
    }
    others.retain(|it| Some(*it) != alias && Some(*it) != main);
    if let (Some(main), Some(_)) = (main, alias) {
        others.push(main);
    }
    Some(content(now, alias, others))
}

/// The main alias and the others.
pub(super) fn said(content: &Value) -> (Option<&str>, Vec<&str>) {
    let others = content["alt_aliases"].as_array().into_iter().flatten();
    let main = content["alias"].as_str().filter(|alias| !alias.is_empty());
    (main, others.filter_map(Value::as_str).collect())
}

fn content(now: &Value, main: Option<&str>, others: Vec<&str>) -> Value {
    let mut content = if now.is_object() { now.clone() } else { json!({}) };
    if let Value::Object(content) = &mut content {
        content.remove("alias");
        content.remove("alt_aliases");
        content.extend(main.map(|main| ("alias".to_owned(), main.into())));
        let others = Some(others).filter(|others| !others.is_empty());
        content.extend(others.map(|others| ("alt_aliases".to_owned(), json!(others))));
    }
    content
}

/// The room that an alias leads to, if one has it, as this client finds it.
pub(super) async fn room_of(
    client: &Client,
    alias: &OwnedRoomAliasId,
) -> Result<Option<OwnedRoomId>, Error> {
    match room::named(client, alias.as_str()).await {
        Ok(room) => Ok(Some(room)),
        Err(Error::NoRoom(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_main_alias_keeps_the_others_and_the_one_before() {
        let now = json!({ "alias": "#a:x", "alt_aliases": ["#b:x", "#c:x"], "more": 1 });
        let set = with_main(&now, Some("#b:x")).unwrap();
        assert_eq!(set, json!({ "alias": "#b:x", "alt_aliases": ["#c:x", "#a:x"], "more": 1 }));
        assert_eq!(with_main(&now, Some("#a:x")), None);
        let none = with_main(&now, None).unwrap();
        assert_eq!(none, json!({ "alt_aliases": ["#b:x", "#c:x"], "more": 1 }));
        assert_eq!(with_main(&Value::Null, Some("#a:x")), Some(json!({ "alias": "#a:x" })));
        assert_eq!(with_main(&json!({ "alias": "" }), None), None);
    }

    #[test]
    fn an_alias_that_is_gone_is_not_named_any_more() {
        let now = json!({ "alias": "#a:x", "alt_aliases": ["#b:x"] });
        assert_eq!(without(&now, "#a:x"), Some(json!({ "alt_aliases": ["#b:x"] })));
        assert_eq!(without(&now, "#b:x"), Some(json!({ "alias": "#a:x" })));
        assert_eq!(without(&now, "#c:x"), None);
        assert_eq!(without(&Value::Null, "#a:x"), None);
    }
}
