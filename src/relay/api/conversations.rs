//! Conversations and who takes part in them. Each change is one transaction.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use tokio::{sync::OwnedSemaphorePermit, time::timeout};
use uuid::Uuid;

use super::{
    answer,
    asked::Asked,
    parts::{Path, Who, uuid},
    problem::{Problem, absent},
};
use crate::relay::{Shared, keys::Scope};

pub(super) type Answered = Result<Response, Problem>;
pub(super) type Relay = State<Arc<Shared>>;

/// The longest names and keys, in characters.
const LONGEST_NAME: usize = 255;
/// How long others may be at a conversation before somebody who has something to say there is told to come later.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewConversation {
    #[serde(default)]
    id: Option<Uuid>,
    /// Another name for it in addresses; it is no UUID.
    #[serde(default)]
    #[schemars(length(min = 1, max = 255), regex(pattern = "^[A-Za-z0-9_~-][A-Za-z0-9._~-]*$"))]
    slug: Option<String>,
    /// What its room is called.
    #[serde(default)]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[^\u0000]*$"))]
    name: Option<String>,
    #[serde(default)]
    participants: Vec<NewParticipant>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewParticipant {
    user_id: Uuid,
    /// What they are called.
    #[serde(default)]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[^\u0000]*$"))]
    name: Option<String>,
    /// Without it they stay what they are; who comes is a member.
    #[serde(default)]
    role: Option<Role>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Role {
    Member,
    Moderator,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Typing {
    /// Of a user's token it is that user.
    #[serde(default)]
    user_id: Who,
    typing: bool,
}

pub(super) fn short(what: &str, text: &str) -> Result<(), Problem> {
    if text.is_empty() || text.chars().count() > LONGEST_NAME {
        return Err(Problem::bad(format!("`{what}` has 1 to {LONGEST_NAME} characters")));
    }
    Ok(())
}

async fn put_participant(
    on: &mut PgConnection,
    conversation: Uuid,
    new: &NewParticipant,
) -> Result<bool, Problem> {
    if let Some(name) = &new.name {
        short("name", name)?;
    }
    let role = new.role.map(|role| match role {
        Role::Member => "member",
        Role::Moderator => "moderator",
    });
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
        'avatar_url', u.avatar_url, 'role', p.role, 'matrix_user_id', u.matrix_user_id,
        'read_up_to', p.read_up_to) ORDER BY p.joined_at, u.id), '[]')
        FROM relay.participants p JOIN relay.users u ON u.id = p.user_id
        WHERE p.conversation_id = c.id AND p.left_at IS NULL))
    FROM relay.conversations c WHERE c.id = $1";

async fn document(on: &mut PgConnection, conversation: Uuid) -> Result<Value, Problem> {
    let found = sqlx::query_scalar(DOCUMENT).bind(conversation).fetch_optional(on).await?;
    found.ok_or_else(|| absent("conversation", &conversation.to_string()))
}

/// The conversation of that id or slug; whether there is one of the id is for the database to say.
pub(super) async fn of(shared: &Shared, which: &str) -> Result<Uuid, Problem> {
    if let Ok(id) = which.parse() {
        return Ok(id);
    }
    let found = sqlx::query_scalar("SELECT id FROM relay.conversations WHERE slug = $1")
        .bind(which)
        .fetch_optional(&shared.pool)
        .await?;
    found.ok_or_else(|| absent("conversation", which))
}

/// Its turn to say something there, which lasts until this is dropped.
pub(super) async fn turn(
    shared: &Shared,
    conversation: Uuid,
) -> Result<OwnedSemaphorePermit, Problem> {
    let turn = timeout(LONGEST_WAIT, shared.speakers.places(conversation).acquire_owned());
    turn.await.ok().and_then(Result::ok).ok_or_else(Problem::waits)
}

/// The same where a message is.
pub(super) async fn turn_at(
    shared: &Shared,
    message: Uuid,
) -> Result<OwnedSemaphorePermit, Problem> {
    let found = sqlx::query_scalar("SELECT conversation_id FROM relay.messages WHERE id = $1")
        .bind(message)
        .fetch_optional(&shared.pool)
        .await?;
    turn(shared, found.ok_or_else(|| absent("message", &message.to_string()))?).await
}

/// The one that the query picks, where it does.
pub(super) async fn picked(shared: &Shared, which: Option<&str>) -> Result<Option<Uuid>, Problem> {
    let Some(which) = which else { return Ok(None) };
    of(shared, which).await.map(Some)
}

/// Whether it is safe in an address without being encoded. No client takes a dot at its beginning for a way to go.
fn is_safe(slug: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    slug.bytes().all(letter) && !slug.starts_with('.')
}

/// Makes a conversation, or, with the same id and slug, finds the one there is.
pub(super) async fn create(State(shared): Relay, request: Request) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Write).await?;
    let operation = asked.operation("/conversations")?;
    let mut new: NewConversation = asked.json(&shared).await?;
    for (what, text) in [("slug", &new.slug), ("name", &new.name)] {
        text.as_deref().map_or(Ok(()), |text| short(what, text))?;
    }
    if new.slug.as_deref().is_some_and(|slug| Uuid::parse_str(slug).is_ok()) {
        return Err(Problem::bad("`slug` looks like an id"));
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
    if status == StatusCode::CREATED {
        // Those that were made before may have others.
        if !new.slug.as_deref().is_none_or(is_safe) {
            return Err(Problem::bad(
                "`slug` has letters a-z and A-Z, digits, - _ ~ and, not first, .",
            ));
        }
        // Two who bring in the same people do so in one order, so that neither waits for the other.
        new.participants.sort_by_key(|participant| participant.user_id);
        for participant in &new.participants {
            put_participant(&mut change, id, participant).await?;
        }
    }
    let document = document(&mut change, id).await?;
    let is_same = |field: &str, said: &Option<String>| document[field].as_str() == said.as_deref();
    if !is_same("slug", &new.slug) || !is_same("name", &new.name) {
        let why = format!("the conversation {id} has another slug or name");
        let why = Problem::new(StatusCode::CONFLICT, why);
        return Err(why.of_repeat(operation.filter(|_| new.id.is_none())));
    }
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
        FROM relay.conversations WHERE ($1::uuid IS NULL OR id > $1)
            AND ($3::uuid IS NULL OR id IN (SELECT p.conversation_id FROM relay.participants p
                WHERE p.user_id = $3 AND p.left_at IS NULL))
        ORDER BY id LIMIT $2",
    )
    .bind(after)
    .bind(limit)
    .bind(asked.own())
    .fetch_all(&shared.pool)
    .await?;
    let is_more = i64::try_from(rows.len()).unwrap_or(0) == limit;
    let next = rows.last().filter(|_| is_more).map(|last| last["id"].clone());
    Ok(answer(StatusCode::OK, &json!({ "conversations": rows, "next": next })))
}

pub(super) async fn show(
    State(shared): Relay,
    Path(which): Path<String>,
    request: Request,
) -> Answered {
    Asked::of(&shared, request, Scope::Read).await?;
    let conversation = of(&shared, &which).await?;
    let mut on = shared.pool.acquire().await?;
    Ok(answer(StatusCode::OK, &document(&mut on, conversation).await?))
}

pub(super) async fn join(
    State(shared): Relay,
    Path(which): Path<String>,
    request: Request,
) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Write).await?;
    let conversation = of(&shared, &which).await?;
    let new: NewParticipant = asked.json(&shared).await?;
    let _turn = turn(&shared, conversation).await?;
    let mut change = shared.pool.begin().await?;
    let joined = put_participant(&mut change, conversation, &new).await?;
    change.commit().await?;
    Ok(answer(StatusCode::OK, &json!({ "conversation_id": conversation, "joined": joined })))
}

pub(super) async fn leave(
    State(shared): Relay,
    Path((which, user)): Path<(String, Uuid)>,
    request: Request,
) -> Answered {
    Asked::of(&shared, request, Scope::Write).await?;
    let id = of(&shared, &which).await?;
    let _turn = turn(&shared, id).await?;
    let left: bool = sqlx::query_scalar("SELECT relay.remove_participant($1, $2)")
        .bind(id)
        .bind(user)
        .fetch_one(&shared.pool)
        .await?;
    Ok(answer(StatusCode::OK, &json!({ "conversation_id": id, "left": left })))
}

/// It is passed on and not kept: in half a minute it is of no interest to anybody.
pub(super) async fn typing(
    State(shared): Relay,
    Path(which): Path<String>,
    request: Request,
) -> Answered {
    let asked = Asked::of(&shared, request, Scope::Write).await?;
    let conversation = of(&shared, &which).await?;
    let own = asked.own();
    let Typing { user_id, typing } = asked.json(&shared).await?;
    sqlx::query(
        "SELECT relay.require_participant($1, $2), relay.aside($1, 'typing',
            jsonb_build_object('user_id', $2, 'typing', $3::boolean), true)",
    )
    .bind(conversation)
    .bind(user_id.acting("user_id", own)?)
    .bind(typing)
    .execute(&shared.pool)
    .await?;
    Ok(answer(StatusCode::OK, &json!({ "conversation_id": conversation })))
}
