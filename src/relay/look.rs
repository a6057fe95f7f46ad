//! What an operator sees of the relay and what they do with what was refused.

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::PgPool;
use uuid::Uuid;

use super::Error;

/// How much there is.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Counted {
    /// How many there are.
    pub(crate) conversations: i64,
    /// How many there are in all of them.
    pub(crate) messages: i64,
    /// How much the homeserver is still to be told.
    pub(crate) waiting: i64,
    /// How long the oldest of that has waited, in milliseconds.
    pub(crate) waits_ms: i64,
    /// How much it has refused.
    pub(crate) dead: i64,
    /// Whether what is said goes to Matrix.
    pub(crate) matrix: bool,
}

pub(crate) async fn counted(pool: &PgPool) -> Result<Counted, Error> {
    let (conversations, messages, waiting, waits_ms, dead, matrix) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM relay.conversations), (SELECT count(*) FROM relay.messages),
            count(*) FILTER (WHERE refused_at IS NULL),
            coalesce(relay.ms(now()) - relay.ms(min(created_at) FILTER (WHERE refused_at IS NULL)), 0),
            count(*) FILTER (WHERE refused_at IS NOT NULL),
            (SELECT matrix FROM relay.settings) FROM relay.outbox",
    )
    .fetch_one(pool)
    .await
    .map_err(Error::query("say how much it has"))?;
    Ok(Counted { conversations, messages, waiting, waits_ms, dead, matrix })
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Conversation {
    pub(crate) conversation_id: String,
    pub(crate) slug: Option<String>,
    pub(crate) name: Option<String>,
    /// None before its first message.
    pub(crate) room_id: Option<String>,
    /// How many take part.
    pub(crate) participants: i64,
    /// How many it has had.
    pub(crate) messages: i64,
    /// How much of it the homeserver is still to be told.
    pub(crate) waiting: i64,
    /// How much of it the homeserver has refused.
    pub(crate) dead: i64,
}

pub(crate) async fn conversations(pool: &PgPool) -> Result<Vec<Conversation>, Error> {
    type Row = (Uuid, Option<String>, Option<String>, Option<String>, i64, i64, i64, i64);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT c.id, c.slug, c.name, r.matrix_room_id,
            (SELECT count(*) FROM relay.participants p WHERE p.conversation_id = c.id AND p.left_at IS NULL),
            c.last_sequence, coalesce(o.waiting, 0), coalesce(o.dead, 0)
        FROM relay.conversations c LEFT JOIN relay.matrix_room_mappings r ON r.conversation_id = c.id
        LEFT JOIN (SELECT conversation_id, count(*) FILTER (WHERE refused_at IS NULL) AS waiting,
            count(*) FILTER (WHERE refused_at IS NOT NULL) AS dead FROM relay.outbox GROUP BY 1) o
            ON o.conversation_id = c.id
        ORDER BY c.created_at, c.id",
    )
    .fetch_all(pool)
    .await
    .map_err(Error::query("list its conversations"))?;
    let conversation = |(id, slug, name, room_id, participants, messages, waiting, dead): Row| {
        let conversation_id = id.to_string();
        Conversation { conversation_id, slug, name, room_id, participants, messages, waiting, dead }
    };
    Ok(rows.into_iter().map(conversation).collect())
}

/// What the homeserver has refused.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Letter {
    pub(crate) id: String,
    /// `message`, `edit`, `redaction`, `reaction`, `unreaction`, `join`, `leave` or `role`.
    pub(crate) kind: String,
    pub(crate) conversation_id: String,
    pub(crate) message_id: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) reason: String,
    /// When it was refused, in milliseconds since 1970.
    pub(crate) refused_at_ms: i64,
}

pub(crate) async fn dead(pool: &PgPool) -> Result<Vec<Letter>, Error> {
    type Row = (i64, String, Uuid, Option<Uuid>, Option<String>, String, i64);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, kind, conversation_id, message_id, content->>'body', coalesce(reason, ''),
            relay.ms(refused_at) FROM relay.outbox WHERE refused_at IS NOT NULL ORDER BY id",
    )
    .fetch_all(pool)
    .await
    .map_err(Error::query("list what was refused"))?;
    let letter = |(id, kind, conversation, message, text, reason, refused_at_ms): Row| Letter {
        id: id.to_string(),
        kind,
        conversation_id: conversation.to_string(),
        message_id: message.map(|it| it.to_string()),
        text,
        reason,
        refused_at_ms,
    };
    Ok(rows.into_iter().map(letter).collect())
}

/// Puts these behind all that waits in their conversations: they are told again, under the same transaction ids.
pub(crate) async fn retry(pool: &PgPool, ids: &[i64]) -> Result<u64, Error> {
    let doing = Error::query;
    let mut change = pool.begin().await.map_err(doing("send again what was refused"))?;
    let conversations: Vec<Uuid> = sqlx::query_scalar(
        "SELECT c.id FROM relay.conversations c WHERE EXISTS (SELECT 1 FROM relay.outbox o
            WHERE o.conversation_id = c.id AND o.id = ANY ($1) AND o.refused_at IS NOT NULL)
        ORDER BY c.id FOR NO KEY UPDATE",
    )
    .bind(ids)
    .fetch_all(&mut *change)
    .await
    .map_err(doing("send again what was refused"))?;
    let done = sqlx::query(
        "WITH gone AS (DELETE FROM relay.outbox WHERE id = ANY ($1) AND refused_at IS NOT NULL RETURNING *)
        INSERT INTO relay.outbox (conversation_id, kind, user_id, message_id, content, operation, created_at)
            SELECT conversation_id, kind, user_id, message_id, content, operation, created_at
            FROM gone ORDER BY id",
    )
    .bind(ids)
    .execute(&mut *change)
    .await
    .map_err(doing("send again what was refused"))?;
    sqlx::query("SELECT pg_notify('relay', id::text) FROM unnest($1::uuid[]) AS id")
        .bind(conversations)
        .execute(&mut *change)
        .await
        .map_err(doing("tell the relay"))?;
    change.commit().await.map_err(doing("send again what was refused"))?;
    Ok(done.rows_affected())
}

/// Forgets these; the messages stay with the application.
pub(crate) async fn forget(pool: &PgPool, ids: &[i64]) -> Result<u64, Error> {
    let gone =
        sqlx::query("DELETE FROM relay.outbox WHERE id = ANY ($1) AND refused_at IS NOT NULL")
            .bind(ids)
            .execute(pool)
            .await;
    Ok(gone.map_err(Error::query("forget what was refused"))?.rows_affected())
}

/// The conversations of these ids or slugs.
pub(crate) async fn named(pool: &PgPool, names: &[String]) -> Result<Vec<Uuid>, Error> {
    let mut found = Vec::new();
    for name in names {
        let id: Option<Uuid> = sqlx::query_scalar(
            "SELECT id FROM relay.conversations WHERE id::text = lower($1) OR slug = $1",
        )
        .bind(name)
        .fetch_optional(pool)
        .await
        .map_err(Error::query("find its conversations"))?;
        found.push(id.ok_or_else(|| Error::Absent { what: "conversation", id: name.clone() })?);
    }
    Ok(found)
}

/// Tells the homeserver again what it has not of these conversations, or of all; how much that is.
pub(crate) async fn replay(pool: &PgPool, conversations: Option<&[Uuid]>) -> Result<u64, Error> {
    let doing = || Error::query("tell it again");
    let matrix: bool = sqlx::query_scalar("SELECT matrix FROM relay.settings")
        .fetch_one(pool)
        .await
        .map_err(doing())?;
    if !matrix {
        return Err(Error::Off);
    }
    let told: Vec<i64> = sqlx::query_scalar(
        "SELECT relay.tell_again(id) FROM relay.conversations WHERE $1::uuid[] IS NULL OR id = ANY ($1)
        ORDER BY id",
    )
    .bind(conversations)
    .fetch_all(pool)
    .await
    .map_err(doing())?;
    Ok(told.into_iter().filter_map(|count| u64::try_from(count).ok()).sum())
}
