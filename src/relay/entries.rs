//! What waits to be told to the homeserver, and what becomes of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ruma::OwnedTransactionId;
use serde_json::Value;
use sqlx::PgPool;
use tokio::{sync::mpsc, time::sleep};
use uuid::Uuid;

use crate::clock::Backoff;

pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(200);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How many are read at once.
const PAGE: i64 = 100;
/// How many that are done are noted at once.
const NOTED: usize = 256;

/// What is to be told.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) id: i64,
    pub(super) kind: String,
    pub(super) user: Uuid,
    pub(super) message: Option<Uuid>,
    pub(super) content: Value,
    pub(super) operation: Uuid,
    /// When it was written, in milliseconds since 1970.
    pub(super) at: u64,
}

impl Entry {
    pub(super) fn transaction(&self) -> OwnedTransactionId {
        self.operation.simple().to_string().into()
    }
}

/// What was told, to be noted.
pub(super) struct Done {
    pub(super) entry: i64,
    pub(super) message: Option<Uuid>,
    pub(super) reaction: Option<Uuid>,
    pub(super) event: Option<String>,
}

#[derive(Clone)]
pub(super) struct Entries {
    pub(super) pool: PgPool,
    done: mpsc::UnboundedSender<Done>,
    /// How many were given to be noted, and how many are.
    given: Arc<AtomicU64>,
    noted: Arc<AtomicU64>,
}

impl Entries {
    /// With what notes all that is done, as long as it runs.
    pub(super) fn of(pool: PgPool) -> (Self, impl Future<Output = ()>) {
        let (done, waits) = mpsc::unbounded_channel();
        let (given, noted) = (Arc::default(), Arc::<AtomicU64>::default());
        let noting = note(pool.clone(), waits, Arc::clone(&noted));
        (Self { pool, done, given, noted }, noting)
    }

    /// To be noted; it is once [`Self::noted`] has come to this number.
    pub(super) fn done(&self, done: Done) -> u64 {
        drop(self.done.send(done));
        self.given.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn noted(&self) -> u64 {
        self.noted.load(Ordering::Relaxed)
    }

    pub(super) async fn next(
        &self,
        conversation: Uuid,
        after: i64,
    ) -> Result<Vec<Entry>, sqlx::Error> {
        type Row = (i64, String, Uuid, Option<Uuid>, Value, Uuid, i64);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, kind, user_id, message_id, content, operation, relay.ms(created_at)
            FROM relay.outbox WHERE conversation_id = $1 AND id > $2 AND refused_at IS NULL
            ORDER BY id LIMIT $3",
        )
        .bind(conversation)
        .bind(after)
        .bind(PAGE)
        .fetch_all(&self.pool)
        .await?;
        let entry = |(id, kind, user, message, content, operation, at)| Entry {
            id,
            kind,
            user,
            message,
            content,
            operation,
            at: u64::try_from(at).unwrap_or(0),
        };
        Ok(rows.into_iter().map(entry).collect())
    }

    pub(super) async fn refuse(&self, entry: &Entry, reason: &str) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE relay.outbox SET refused_at = now(), reason = $2 WHERE id = $1")
            .bind(entry.id)
            .bind(reason)
            .execute(&self.pool)
            .await
            .map(drop)
    }

    /// What it says now, as long as it waits: somebody may have dropped it meanwhile, or deleted the message.
    pub(super) async fn content(&self, entry: &Entry) -> Result<Option<Value>, sqlx::Error> {
        sqlx::query_scalar("SELECT content FROM relay.outbox WHERE id = $1")
            .bind(entry.id)
            .fetch_optional(&self.pool)
            .await
    }
}

/// Notes what is done, as many at once as there are.
async fn note(pool: PgPool, mut waits: mpsc::UnboundedReceiver<Done>, noted: Arc<AtomicU64>) {
    let mut all = Vec::new();
    while waits.recv_many(&mut all, NOTED).await > 0 {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        while let Err(error) = note_all(&pool, &all).await {
            tracing::warn!("what was sent cannot be noted: {error}");
            sleep(backoff.pause()).await;
        }
        noted.fetch_add(all.len() as u64, Ordering::Relaxed);
        all.clear();
    }
}

async fn note_all(pool: &PgPool, all: &[Done]) -> Result<(), sqlx::Error> {
    let entries: Vec<i64> = all.iter().map(|done| done.entry).collect();
    let of = |which: fn(&Done) -> Option<Uuid>| -> (Vec<Uuid>, Vec<String>) {
        all.iter().filter_map(|done| Some((which(done)?, done.event.clone()?))).unzip()
    };
    let (messages, events) = of(|done| done.message);
    let (reactions, marks) = of(|done| done.reaction);
    sqlx::query(
        // Where this is lost with a power cut it is sent once more, under the same transaction id.
        "WITH gone AS (DELETE FROM relay.outbox WHERE id = ANY ($1)
            RETURNING set_config('synchronous_commit', 'off', true)),
        shown AS (DELETE FROM relay.files WHERE message_id = ANY ($2)),
        reacted AS (UPDATE relay.reactions r SET matrix_event_id = d.event
            FROM unnest($4::uuid[], $5::text[]) AS d (id, event) WHERE r.id = d.id)
        UPDATE relay.messages m SET matrix_event_id = d.event
            FROM unnest($2::uuid[], $3::text[]) AS d (id, event)
            WHERE m.id = d.id AND m.matrix_event_id IS DISTINCT FROM d.event",
    )
    .bind(entries)
    .bind(messages)
    .bind(events)
    .bind(reactions)
    .bind(marks)
    .execute(pool)
    .await
    .map(drop)
}
