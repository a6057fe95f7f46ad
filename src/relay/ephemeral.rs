//! What the homeserver tells of people and does not keep: who is typing, who is there, and how far they have read. What ours do
//! comes back too, and is known.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use ruma::UserId;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Shared, user::Naming};

/// Who is typing, by conversation: the homeserver tells of all at once.
pub(super) type Typing = Mutex<BTreeMap<Uuid, BTreeSet<Uuid>>>;

/// What is passed on of what somebody says of themselves, in characters.
const LONGEST_STATUS: usize = 255;

/// All of a transaction. The homeserver leaves it out when it repeats one, so that nothing of it is a reason to have
/// it repeated.
pub(super) async fn take_all(shared: &Shared, events: &[Value]) {
    let mut seen = BTreeSet::new();
    for event in events {
        // Who is there comes once for each of ours who may know it.
        let is_new = event["type"] != "m.presence" || {
            let content = &event["content"];
            let said = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            seen.insert([&event["sender"], &content["presence"], &content["status_msg"]].map(said))
        };
        if is_new && let Err(error) = take(shared, event).await {
            tracing::debug!("who types, has read or is there is left out: {error}");
        }
    }
}

async fn take(shared: &Shared, event: &Value) -> Result<(), sqlx::Error> {
    if event["type"] == "m.presence" {
        return presence(shared, event).await;
    }
    let found: Option<Uuid> = sqlx::query_scalar(
        "SELECT conversation_id FROM relay.matrix_room_mappings WHERE matrix_room_id = $1",
    )
    .bind(event["room_id"].as_str())
    .fetch_optional(&shared.work)
    .await?;
    let Some(conversation) = found else { return Ok(()) };
    match event["type"].as_str() {
        Some("m.typing") => typing(shared, conversation, &event["content"]["user_ids"]).await,
        Some("m.receipt") => receipts(shared, conversation, &event["content"]).await,
        _ => Ok(()),
    }
}

/// Who it is, where they are none of ours.
fn other(shared: &Shared, user: &str) -> Option<Uuid> {
    let user = UserId::parse(user).ok()?;
    let is_ours = shared.naming.ghost(&user).is_some() || shared.naming.is_service(&user);
    (!is_ours).then(|| Naming::stranger(&user))
}

/// Said wherever they take part.
async fn presence(shared: &Shared, event: &Value) -> Result<(), sqlx::Error> {
    let who = event["sender"].as_str().and_then(|user| other(shared, user));
    let presence = event["content"]["presence"].as_str();
    let (Some(who), Some(presence @ ("online" | "unavailable" | "offline"))) = (who, presence)
    else {
        return Ok(());
    };
    let status = event["content"]["status_msg"].as_str();
    let status =
        status.map(|it| it.chars().filter(|c| *c != '\0').take(LONGEST_STATUS).collect::<String>());
    sqlx::query("SELECT relay.is_present($1, $2, $3)")
        .bind(who)
        .bind(presence)
        .bind(status)
        .execute(&shared.work)
        .await
        .map(drop)
}

async fn typing(shared: &Shared, conversation: Uuid, users: &Value) -> Result<(), sqlx::Error> {
    let users = users.as_array().into_iter().flatten().filter_map(Value::as_str);
    let now: BTreeSet<Uuid> = users.filter_map(|user| other(shared, user)).collect();
    let was = {
        let mut all = shared.typing.lock().unwrap_or_else(PoisonError::into_inner);
        if now.is_empty() {
            all.remove(&conversation)
        } else {
            all.insert(conversation, now.clone())
        }
    };
    let was = was.unwrap_or_default();
    for (user, typing) in now
        .difference(&was)
        .map(|user| (user, true))
        .chain(was.difference(&now).map(|user| (user, false)))
    {
        // Nobody hears of who does not take part.
        sqlx::query(
            "SELECT relay.aside($1, 'typing', $3, false) FROM relay.participants
            WHERE conversation_id = $1 AND user_id = $2 AND left_at IS NULL",
        )
        .bind(conversation)
        .bind(user)
        .bind(json!({ "user_id": user, "typing": typing }))
        .execute(&shared.work)
        .await?;
    }
    Ok(())
}

async fn receipts(shared: &Shared, conversation: Uuid, content: &Value) -> Result<(), sqlx::Error> {
    for (event, receipts) in content.as_object().into_iter().flatten() {
        for (user, _) in receipts["m.read"].as_object().into_iter().flatten() {
            let Some(user) = other(shared, user) else { continue };
            sqlx::query(
                "SELECT relay.mark_read(m.id, p.user_id, true) FROM relay.messages m
                JOIN relay.participants p ON p.conversation_id = m.conversation_id
                WHERE m.matrix_event_id = $1 AND m.conversation_id = $2 AND p.user_id = $3
                    AND p.left_at IS NULL",
            )
            .bind(event)
            .bind(conversation)
            .bind(user)
            .execute(&shared.work)
            .await?;
        }
    }
    Ok(())
}
