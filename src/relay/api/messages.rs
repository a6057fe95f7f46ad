//! What is said in conversations and about what was said. Each change is one statement.

use axum::extract::{Request, State};
use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    answer,
    asked::Asked,
    conversations::{self, Answered, Relay, short},
    parts::{Path, Who},
    problem::{Problem, absent},
    reader::{require_kept, whose},
};
use crate::{
    matrix::message,
    relay::{keys::Scope, tail::Wanted},
};

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Text,
    Notice,
    Emote,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewMessage {
    #[serde(default)]
    id: Option<Uuid>,
    /// Of a user's token it is that user.
    #[serde(default)]
    sender_id: Who,
    #[schemars(length(min = 1, max = 30000), regex(pattern = r"^[^\u0000]*$"))]
    plaintext: String,
    #[serde(default)]
    kind: Kind,
    #[serde(default)]
    reply_to: Option<Uuid>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Edit {
    /// Of a user's token it is that user.
    #[serde(default)]
    sender_id: Who,
    #[schemars(length(min = 1, max = 30000), regex(pattern = r"^[^\u0000]*$"))]
    plaintext: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reaction {
    /// Of a user's token it is that user.
    #[serde(default)]
    user_id: Who,
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[^\u0000]*$"))]
    key: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reading {
    /// Of a user's token it is that user.
    #[serde(default)]
    user_id: Who,
}

/// How much an edit has beside its text, in bytes: what it is, which message it changes, and the mark.
const REST_OF_AN_EDIT: usize = 320;

/// What a message may say: as much as an event of Matrix has room for.
pub(super) fn sayable(what: &str, text: &str) -> Result<(), Problem> {
    if text.is_empty() {
        return Err(Problem::bad(format!("`{what}` is empty")));
    }
    // An edit holds the text twice, and more beside it.
    let rest = " ".repeat(REST_OF_AN_EDIT);
    let content = json!({ "body": text, "m.new_content": { "body": text }, "rest": rest });
    message::check_size(&content).map_err(|_| {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("`{what}` is too long: a message of Matrix takes about 30,000 bytes"),
        )
    })
}

pub(super) async fn post(
    State(shared): Relay,
    Path(which): Path<String>,
    request: Request,
) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Write).await?;
    let conversation = conversations::of(&shared, &which).await?;
    let about = format!("/conversations/{conversation}/messages");
    let (operation, own) = (asked.operation(&about)?, asked.own());
    let new: NewMessage = asked.json(&shared).await?;
    let sender = new.sender_id.acting("sender_id", own)?;
    sayable("plaintext", &new.plaintext)?;
    let kind = match new.kind {
        Kind::Text => "text",
        Kind::Notice => "notice",
        Kind::Emote => "emote",
    };
    let is_named = new.id.is_some();
    let id = new.id.or(operation);
    let turn = conversations::turn(&shared, conversation).await?;
    // In a task of its own: whoever asked may be gone before it is told.
    let posted = tokio::spawn(async move {
        let document = sqlx::query_scalar(
            "SELECT relay.post_message($1, $2, $3, coalesce($4, gen_random_uuid()), $5, $6, aloud => false)",
        )
        .bind(conversation)
        .bind(sender)
        .bind(&new.plaintext)
        .bind(id)
        .bind(kind)
        .bind(new.reply_to)
        .fetch_one(&shared.pool)
        .await;
        shared.teller.tell(conversation);
        drop(turn);
        document
    });
    let posted = posted.await.map_err(|_| Problem::broken())?.map_err(Problem::from);
    let document: Value = posted.map_err(|why| why.of_repeat(operation.filter(|_| !is_named)))?;
    Ok(answer(StatusCode::CREATED, &document))
}

/// Messages with the reactions to them, in the order in which those came.
macro_rules! page {
    ($order:literal) => {
        concat!(
            "SELECT relay.message_document(m) || jsonb_build_object('reactions', coalesce((
                SELECT jsonb_agg(jsonb_build_object('key', r.key, 'user_id', r.user_id) ORDER BY r.created_at, r.id)
                FROM relay.reactions r WHERE r.message_id = m.id AND m.deleted_at IS NULL), '[]'),
                'matrix_refused', (SELECT min(o.reason) FROM relay.outbox o
                    WHERE o.message_id = m.id AND o.kind IN ('message', 'edit') AND o.refused_at IS NOT NULL))
            FROM relay.messages m
            WHERE conversation_id = $1 AND sequence_number > $2 AND sequence_number < $3
            ORDER BY sequence_number ",
            $order,
            " LIMIT $4"
        )
    };
}
const OLDEST: &str = page!("");
const NEWEST: &str = page!("DESC");

/// A page of a conversation: the oldest after a sequence number, or else the newest; and before one.
pub(super) async fn history(
    State(shared): Relay,
    Path(which): Path<String>,
    request: Request,
) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Read).await?;
    let (id, limit) = (conversations::of(&shared, &which).await?, asked.limit()?);
    let (before, after) = (asked.number("before")?, asked.number("after")?);
    let found: Vec<Value> = sqlx::query_scalar(if after.is_some() { OLDEST } else { NEWEST })
        .bind(id)
        .bind(after.unwrap_or(0))
        .bind(before.unwrap_or(i64::MAX))
        .bind(limit)
        .fetch_all(&shared.pool)
        .await?;
    if found.is_empty() {
        let there: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM relay.conversations WHERE id = $1)")
                .bind(id)
                .fetch_one(&shared.pool)
                .await?;
        if !there {
            return Err(absent("conversation", &id.to_string()));
        }
    }
    Ok(answer(StatusCode::OK, &json!({ "messages": found })))
}

pub(super) async fn edit(State(shared): Relay, Path(id): Path<Uuid>, request: Request) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Write).await?;
    let (operation, own) = (asked.operation(&format!("/messages/{id}"))?, asked.own());
    let edit: Edit = asked.json(&shared).await?;
    let sender = edit.sender_id.acting("sender_id", own)?;
    sayable("plaintext", &edit.plaintext)?;
    let _turn = conversations::turn_at(&shared, id).await?;
    let document: Value = sqlx::query_scalar(
        "SELECT relay.edit_message($1, $2, $3, coalesce($4, gen_random_uuid()))",
    )
    .bind(id)
    .bind(sender)
    .bind(&edit.plaintext)
    .bind(operation)
    .fetch_one(&shared.pool)
    .await
    .map_err(|why| Problem::from(why).of_repeat(operation))?;
    Ok(answer(StatusCode::OK, &document))
}

pub(super) async fn delete(
    State(shared): Relay,
    Path(id): Path<Uuid>,
    request: Request,
) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Write).await?;
    let user = asked.acting("user_id")?;
    let _turn = conversations::turn_at(&shared, id).await?;
    let document: Value = sqlx::query_scalar("SELECT relay.delete_message($1, $2)")
        .bind(id)
        .bind(user)
        .fetch_one(&shared.pool)
        .await?;
    Ok(answer(StatusCode::OK, &document))
}

pub(super) async fn react(
    State(shared): Relay,
    Path(id): Path<Uuid>,
    request: Request,
) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Write).await?;
    let own = asked.own();
    let Reaction { user_id, key } = asked.json(&shared).await?;
    let user = user_id.acting("user_id", own)?;
    short("key", &key)?;
    let _turn = conversations::turn_at(&shared, id).await?;
    let added: bool = sqlx::query_scalar("SELECT relay.add_reaction($1, $2, $3)")
        .bind(id)
        .bind(user)
        .bind(&key)
        .fetch_one(&shared.pool)
        .await?;
    Ok(answer(StatusCode::OK, &json!({ "message_id": id, "added": added })))
}

pub(super) async fn unreact(
    State(shared): Relay,
    Path(id): Path<Uuid>,
    request: Request,
) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Write).await?;
    let (user, key) = (asked.acting("user_id")?, asked.required("key")?);
    let _turn = conversations::turn_at(&shared, id).await?;
    let removed: bool = sqlx::query_scalar("SELECT relay.remove_reaction($1, $2, $3)")
        .bind(id)
        .bind(user)
        .bind(key)
        .fetch_one(&shared.pool)
        .await?;
    Ok(answer(StatusCode::OK, &json!({ "message_id": id, "removed": removed })))
}

/// Somebody has read up to a message.
pub(super) async fn read(State(shared): Relay, Path(id): Path<Uuid>, request: Request) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Write).await?;
    let own = asked.own();
    let Reading { user_id } = asked.json(&shared).await?;
    let user = user_id.acting("user_id", own)?;
    let _turn = conversations::turn_at(&shared, id).await?;
    let is_new: bool = sqlx::query_scalar("SELECT relay.mark_read($1, $2)")
        .bind(id)
        .bind(user)
        .fetch_one(&shared.pool)
        .await?;
    Ok(answer(StatusCode::OK, &json!({ "message_id": id, "read": is_new })))
}

/// What has happened after a position, oldest first.
pub(super) async fn events(State(shared): Relay, request: Request) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Read).await?;
    let (after, limit) = (asked.number("after")?.unwrap_or(0), asked.limit()?);
    let conversation =
        conversations::picked(&shared, asked.query("conversation_id").as_deref()).await?;
    let wanted = Wanted { conversation, user: whose(&asked)? };
    require_kept(&shared, after).await?;
    let found = shared.tail.page(after, wanted, limit).await?;
    let found: Vec<Value> = found.into_iter().map(|item| item.whole).collect();
    let next = found.last().map_or(json!(after), |last| last["position"].clone());
    Ok(answer(StatusCode::OK, &json!({ "events": found, "next": next })))
}
