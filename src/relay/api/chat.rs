//! Conversations, who takes part in them, and what they say. Each change is one statement.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State},
    response::Response,
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    answer,
    asked::{Asked, uuid},
    problem::Problem,
};
use crate::{
    matrix::message,
    relay::{Shared, keys::Scope, tail::Wanted},
};

type Answered = Result<Response, Problem>;
type Relay = State<Arc<Shared>>;

/// The longest names and keys, in characters.
const LONGEST_NAME: usize = 255;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewConversation {
    #[serde(default)]
    id: Option<Uuid>,
    #[serde(default)]
    slug: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    participants: Vec<NewParticipant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewParticipant {
    user_id: Uuid,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    role: Role,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    #[default]
    Member,
    Moderator,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Text,
    Notice,
    Emote,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewMessage {
    #[serde(default)]
    id: Option<Uuid>,
    sender_id: Uuid,
    plaintext: String,
    #[serde(default)]
    kind: Kind,
    #[serde(default)]
    reply_to: Option<Uuid>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Edit {
    sender_id: Uuid,
    plaintext: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reaction {
    user_id: Uuid,
    key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Typing {
    user_id: Uuid,
    typing: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reading {
    user_id: Uuid,
}

fn short(what: &str, text: &str) -> Result<(), Problem> {
    if text.is_empty() || text.chars().count() > LONGEST_NAME || text.contains('\0') {
        return Err(Problem::bad(format!("`{what}` has 1 to {LONGEST_NAME} characters")));
    }
    Ok(())
}

/// What a message may say: as much as an event of Matrix has room for.
fn sayable(text: &str) -> Result<(), Problem> {
    if text.is_empty() {
        return Err(Problem::bad("`plaintext` is empty"));
    }
    // An edit holds the text twice.
    let content = json!({ "body": text, "m.new_content": { "body": text } });
    message::check_size(&content).map_err(|_| {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "`plaintext` is too long: a message of Matrix takes about 30,000 bytes",
        )
    })
}

async fn put_participant(
    on: &mut PgConnection,
    conversation: Uuid,
    new: &NewParticipant,
) -> Result<bool, Problem> {
    if let Some(name) = &new.name {
        short("name", name)?;
    }
    let role = match new.role {
        Role::Member => "member",
        Role::Moderator => "moderator",
    };
    sqlx::query("SELECT relay.put_user($1, $2)")
        .bind(new.user_id)
        .bind(&new.name)
        .execute(&mut *on)
        .await?;
    let joined = sqlx::query_scalar("SELECT relay.put_participant($1, $2, $3)")
        .bind(conversation)
        .bind(new.user_id)
        .bind(role)
        .fetch_one(on)
        .await?;
    Ok(joined)
}

const DOCUMENT: &str = "SELECT jsonb_build_object('id', c.id, 'slug', c.slug, 'name', c.name,
    'created_at_ms', relay.ms(c.created_at), 'last_sequence', c.last_sequence,
    'matrix_room_id', (SELECT matrix_room_id FROM relay.matrix_room_mappings r WHERE r.conversation_id = c.id),
    'participants', (SELECT coalesce(jsonb_agg(jsonb_build_object('user_id', u.id, 'name', u.display_name,
        'role', p.role, 'matrix_user_id', u.matrix_user_id) ORDER BY p.joined_at, u.id), '[]')
        FROM relay.participants p JOIN relay.users u ON u.id = p.user_id
        WHERE p.conversation_id = c.id AND p.left_at IS NULL))
    FROM relay.conversations c WHERE c.id = $1";

async fn document(on: &mut PgConnection, conversation: Uuid) -> Result<Value, Problem> {
    let found = sqlx::query_scalar(DOCUMENT).bind(conversation).fetch_optional(on).await?;
    found.ok_or_else(|| absent("conversation", &conversation.to_string()))
}

fn absent(what: &str, id: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is no {what} {id}"))
}

/// Makes a conversation, or, with the same id and slug, finds the one there is.
pub(super) async fn create(State(shared): Relay, request: Request) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Write).await?;
    let operation = asked.operation()?;
    let new: NewConversation = asked.json(&shared).await?;
    for (what, text) in [("slug", &new.slug), ("name", &new.name)] {
        text.as_deref().map_or(Ok(()), |text| short(what, text))?;
    }
    let mut change = shared.pool.begin().await?;
    let id = new.id.or(operation);
    let made: Option<Uuid> = sqlx::query_scalar(
        "INSERT INTO relay.conversations (id, slug, name) VALUES (coalesce($1, gen_random_uuid()), $2, $3)
        ON CONFLICT (id) DO NOTHING RETURNING id",
    )
    .bind(id)
    .bind(&new.slug)
    .bind(&new.name)
    .fetch_optional(&mut *change)
    .await?;
    let (status, id) = match (made, id) {
        (Some(made), _) => (StatusCode::CREATED, made),
        (None, Some(id)) => (StatusCode::OK, id),
        (None, None) => return Err(Problem::bad("it has no id")),
    };
    for participant in &new.participants {
        put_participant(&mut change, id, participant).await?;
    }
    let document = document(&mut change, id).await?;
    change.commit().await?;
    Ok(answer(status, &document))
}

pub(super) async fn list(State(shared): Relay, request: Request) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Read).await?;
    let after = asked.query("after").map(|id| uuid("after", &id)).transpose()?;
    let limit = asked.limit()?;
    let rows: Vec<Value> = sqlx::query_scalar(
        "SELECT jsonb_build_object('id', id, 'slug', slug, 'name', name,
            'created_at_ms', relay.ms(created_at), 'last_sequence', last_sequence)
        FROM relay.conversations WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2",
    )
    .bind(after)
    .bind(limit)
    .fetch_all(&shared.pool)
    .await?;
    let is_more = i64::try_from(rows.len()).unwrap_or(0) == limit;
    let next = rows.last().filter(|_| is_more).map(|last| last["id"].clone());
    Ok(answer(StatusCode::OK, &json!({ "conversations": rows, "next": next })))
}

pub(super) async fn show(
    State(shared): Relay,
    Path(id): Path<String>,
    request: Request,
) -> Answered {
    Asked::of(&shared, request, Scope::Read).await?;
    let mut on = shared.pool.acquire().await?;
    Ok(answer(StatusCode::OK, &document(&mut on, uuid("id", &id)?).await?))
}

pub(super) async fn join(
    State(shared): Relay,
    Path(id): Path<String>,
    request: Request,
) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Write).await?;
    join_as(&shared, uuid("id", &id)?, asked).await
}

pub(super) async fn join_by_slug(
    State(shared): Relay,
    Path(slug): Path<String>,
    request: Request,
) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Write).await?;
    let conversation = by_slug(&shared, &slug).await?;
    join_as(&shared, conversation, asked).await
}

async fn join_as(shared: &Shared, conversation: Uuid, asked: Asked) -> Answered {
    let new: NewParticipant = asked.json(shared).await?;
    let mut change = shared.pool.begin().await?;
    let joined = put_participant(&mut change, conversation, &new).await?;
    change.commit().await?;
    Ok(answer(StatusCode::OK, &json!({ "conversation_id": conversation, "joined": joined })))
}

pub(super) async fn leave(
    State(shared): Relay,
    Path((id, user)): Path<(String, String)>,
    request: Request,
) -> Answered {
    Asked::of(&shared, request, Scope::Write).await?;
    let (id, user) = (uuid("id", &id)?, uuid("user_id", &user)?);
    let left: bool = sqlx::query_scalar("SELECT relay.remove_participant($1, $2)")
        .bind(id)
        .bind(user)
        .fetch_one(&shared.pool)
        .await?;
    Ok(answer(StatusCode::OK, &json!({ "conversation_id": id, "left": left })))
}

async fn by_slug(shared: &Shared, slug: &str) -> Result<Uuid, Problem> {
    let found = sqlx::query_scalar("SELECT id FROM relay.conversations WHERE slug = $1")
        .bind(slug)
        .fetch_optional(&shared.pool)
        .await?;
    found.ok_or_else(|| absent("conversation", slug))
}

pub(super) async fn post(
    State(shared): Relay,
    Path(id): Path<String>,
    request: Request,
) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Write).await?;
    post_to(&shared, uuid("id", &id)?, asked).await
}

pub(super) async fn post_by_slug(
    State(shared): Relay,
    Path(slug): Path<String>,
    request: Request,
) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Write).await?;
    let conversation = by_slug(&shared, &slug).await?;
    post_to(&shared, conversation, asked).await
}

async fn post_to(shared: &Shared, conversation: Uuid, asked: Asked) -> Answered {
    let operation = asked.operation()?;
    let new: NewMessage = asked.json(shared).await?;
    sayable(&new.plaintext)?;
    let kind = match new.kind {
        Kind::Text => "text",
        Kind::Notice => "notice",
        Kind::Emote => "emote",
    };
    let document: Value = sqlx::query_scalar(
        "SELECT relay.post_message($1, $2, $3, coalesce($4, gen_random_uuid()), $5, $6)",
    )
    .bind(conversation)
    .bind(new.sender_id)
    .bind(&new.plaintext)
    .bind(new.id.or(operation))
    .bind(kind)
    .bind(new.reply_to)
    .fetch_one(&shared.pool)
    .await?;
    Ok(answer(StatusCode::CREATED, &document))
}

/// A page of a conversation: the newest before a sequence number, or the oldest after one.
pub(super) async fn history(
    State(shared): Relay,
    Path(id): Path<String>,
    request: Request,
) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Read).await?;
    let (id, limit) = (uuid("id", &id)?, asked.limit()?);
    let (before, after) = (asked.number("before")?, asked.number("after")?);
    if before.is_some() && after.is_some() {
        return Err(Problem::bad("`before` and `after` do not go together"));
    }
    let query = if after.is_some() {
        "SELECT relay.message_document(m) FROM relay.messages m
        WHERE conversation_id = $1 AND sequence_number > $2 ORDER BY sequence_number LIMIT $3"
    } else {
        "SELECT relay.message_document(m) FROM relay.messages m
        WHERE conversation_id = $1 AND sequence_number < $2 ORDER BY sequence_number DESC LIMIT $3"
    };
    let from = after.or(before).unwrap_or(i64::MAX);
    let found: Vec<Value> =
        sqlx::query_scalar(query).bind(id).bind(from).bind(limit).fetch_all(&shared.pool).await?;
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

pub(super) async fn edit(
    State(shared): Relay,
    Path(id): Path<String>,
    request: Request,
) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Write).await?;
    let (id, operation) = (uuid("id", &id)?, asked.operation()?);
    let edit: Edit = asked.json(&shared).await?;
    sayable(&edit.plaintext)?;
    let document: Value = sqlx::query_scalar(
        "SELECT relay.edit_message($1, $2, $3, coalesce($4, gen_random_uuid()))",
    )
    .bind(id)
    .bind(edit.sender_id)
    .bind(&edit.plaintext)
    .bind(operation)
    .fetch_one(&shared.pool)
    .await?;
    Ok(answer(StatusCode::OK, &document))
}

pub(super) async fn delete(
    State(shared): Relay,
    Path(id): Path<String>,
    request: Request,
) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Write).await?;
    let document: Value = sqlx::query_scalar("SELECT relay.delete_message($1, $2)")
        .bind(uuid("id", &id)?)
        .bind(asked.user()?)
        .fetch_one(&shared.pool)
        .await?;
    Ok(answer(StatusCode::OK, &document))
}

pub(super) async fn react(
    State(shared): Relay,
    Path(id): Path<String>,
    request: Request,
) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Write).await?;
    let id = uuid("id", &id)?;
    let Reaction { user_id, key } = asked.json(&shared).await?;
    short("key", &key)?;
    let added: bool = sqlx::query_scalar("SELECT relay.add_reaction($1, $2, $3)")
        .bind(id)
        .bind(user_id)
        .bind(&key)
        .fetch_one(&shared.pool)
        .await?;
    Ok(answer(StatusCode::OK, &json!({ "message_id": id, "added": added })))
}

pub(super) async fn unreact(
    State(shared): Relay,
    Path(id): Path<String>,
    request: Request,
) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Write).await?;
    let id = uuid("id", &id)?;
    let removed: bool = sqlx::query_scalar("SELECT relay.remove_reaction($1, $2, $3)")
        .bind(id)
        .bind(asked.user()?)
        .bind(asked.required("key")?)
        .fetch_one(&shared.pool)
        .await?;
    Ok(answer(StatusCode::OK, &json!({ "message_id": id, "removed": removed })))
}

/// What has happened after a position, oldest first.
pub(super) async fn events(State(shared): Relay, request: Request) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Read).await?;
    let (after, limit) = (asked.number("after")?.unwrap_or(0), asked.limit()?);
    let conversation =
        asked.query("conversation_id").map(|id| uuid("conversation_id", &id)).transpose()?;
    let wanted = Wanted { conversation, user: None };
    let found = shared.tail.page(after, wanted, limit).await?;
    let found: Vec<Value> = found.into_iter().map(|item| item.whole).collect();
    let next = found.last().map_or(json!(after), |last| last["position"].clone());
    Ok(answer(StatusCode::OK, &json!({ "events": found, "next": next })))
}

pub(super) async fn typing(
    State(shared): Relay,
    Path(id): Path<String>,
    request: Request,
) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Write).await?;
    typing_in(&shared, uuid("id", &id)?, asked).await
}

pub(super) async fn typing_by_slug(
    State(shared): Relay,
    Path(slug): Path<String>,
    request: Request,
) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Write).await?;
    let conversation = by_slug(&shared, &slug).await?;
    typing_in(&shared, conversation, asked).await
}

/// It is passed on and not kept: in half a minute it is of no interest to anybody.
async fn typing_in(shared: &Shared, conversation: Uuid, asked: Asked) -> Answered {
    let Typing { user_id, typing } = asked.json(shared).await?;
    sqlx::query(
        "SELECT relay.require_participant($1, $2), relay.aside($1, 'typing',
            jsonb_build_object('user_id', $2, 'typing', $3::boolean), true)",
    )
    .bind(conversation)
    .bind(user_id)
    .bind(typing)
    .execute(&shared.pool)
    .await?;
    Ok(answer(StatusCode::OK, &json!({ "conversation_id": conversation })))
}

/// Somebody has read up to a message.
pub(super) async fn read(
    State(shared): Relay,
    Path(id): Path<String>,
    request: Request,
) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Write).await?;
    let id = uuid("id", &id)?;
    let Reading { user_id } = asked.json(&shared).await?;
    let is_new: bool = sqlx::query_scalar("SELECT relay.mark_read($1, $2)")
        .bind(id)
        .bind(user_id)
        .fetch_one(&shared.pool)
        .await?;
    Ok(answer(StatusCode::OK, &json!({ "message_id": id, "read": is_new })))
}
