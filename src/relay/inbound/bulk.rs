//! Events that come one after the other and have nothing to do with each other, such as messages, are taken in one
//! statement: it costs what one of them by itself would.

use std::collections::BTreeSet;

use ruma::UserId;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{at, shown, text};
use crate::{
    config::sections::relay::Strangers,
    matrix::message::MARK,
    relay::{
        Shared,
        user::{Naming, made_of},
    },
};

/// What became of it.
pub(super) struct Taken {
    /// How many were known.
    pub(super) again: u64,
    /// Where something has happened, which is not told yet.
    pub(super) conversations: Vec<Uuid>,
}

/// As many of the first events as can be taken at once, as `relay.take_events` wants them.
pub(super) fn run(shared: &Shared, events: &[Value]) -> Vec<Value> {
    let (mut found, mut ids) = (Vec::new(), BTreeSet::new());
    for event in events {
        let answers = event["content"]["m.relates_to"]["m.in_reply_to"]["event_id"].as_str();
        // What it answers, or itself, is one of these and not there yet.
        let is_after = answers.is_some_and(|answers| ids.contains(answers));
        let Some(one) = one(shared, event).filter(|_| !is_after) else { break };
        if !ids.insert(event["event_id"].as_str().unwrap_or_default()) {
            break;
        }
        found.push(one);
    }
    found
}

/// None where it has to be taken by itself.
fn one(shared: &Shared, event: &Value) -> Option<Value> {
    let content = &event["content"];
    let sender = UserId::parse(event["sender"].as_str()?).ok()?;
    let mut one =
        json!({ "event": event["event_id"].as_str()?, "room": event["room_id"].as_str()? });
    if shared.naming.is_service(&sender) {
        return Some(one);
    }
    let ghost = shared.naming.ghost(&sender);
    let kind = event["type"].as_str()?;
    let is_edit = content["m.relates_to"]["rel_type"] == "m.replace";
    if let (Some(_), Some(mark)) = (ghost, content[MARK].as_str()) {
        let mark: Uuid = mark.parse().ok()?;
        if matches!((kind, is_edit), ("m.room.message", false) | ("m.reaction", _)) {
            one["mark"] = mark.to_string().into();
            one["is_reaction"] = (kind == "m.reaction").into();
        }
        return Some(one);
    }
    if kind != "m.room.message" || is_edit {
        return None;
    }
    if ghost.is_none() {
        if shared.strangers == Strangers::Refuse {
            return None;
        }
        one["stranger"] = sender.as_str().into();
    }
    // What was taken away meanwhile has no body any more.
    let body = text(&content["body"])?;
    let (kind, file) = shown(content);
    let id = made_of(&["matrix event", event["event_id"].as_str()?]);
    for (name, value) in [
        ("who", ghost.unwrap_or_else(|| Naming::stranger(&sender)).to_string().into()),
        ("id", id.to_string().into()),
        ("kind", kind.into()),
        ("body", body.into()),
        ("file", file.unwrap_or_default()),
        ("at", at(event).into()),
        ("reply_to", content["m.relates_to"]["m.in_reply_to"]["event_id"].clone()),
    ] {
        one[name] = value;
    }
    Some(one)
}

pub(super) async fn take(
    on: &mut PgConnection,
    transaction: &str,
    run: Vec<Value>,
) -> Result<Taken, sqlx::Error> {
    let (here, fresh, conversations): (i64, i64, Vec<Uuid>) =
        sqlx::query_as("SELECT here, fresh, conversations FROM relay.take_events($1, $2)")
            .bind(transaction)
            .bind(Value::from(run))
            .fetch_one(on)
            .await?;
    Ok(Taken { again: u64::try_from(here - fresh).unwrap_or(0), conversations })
}
