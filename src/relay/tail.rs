//! Tells all who read along what has happened: one reader of the database for all of them. Whoever reads more slowly
//! than all is written loses its place here and begins again from its position in the database.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use sqlx::{PgPool, error::DatabaseError, postgres::PgListener};
use tokio::{
    sync::broadcast,
    time::{Instant, sleep, timeout},
};
use uuid::Uuid;

use crate::clock::Backoff;

/// How many are kept for those who have not read them yet.
const KEPT: usize = 4096;
/// How many are read at once.
pub(super) const PAGE: i64 = 200;
/// Between two looks whether something has happened that nobody has told of.
const LOOK: Duration = Duration::from_secs(30);
/// The same while somebody has locked what has happened: who lets go of it may tell nobody.
const SOON: Duration = Duration::from_secs(1);
/// Between two looks whether something is old.
const ROUND: Duration = Duration::from_mins(10);
/// How much is forgotten at once.
const PIECE: i64 = 10_000;
/// Between two pieces of what is old.
const BETWEEN: Duration = Duration::from_secs(1);
/// A thousand years, which is as much as PostgreSQL goes back.
const MOST_SECONDS: i64 = 1000 * 365 * 24 * 60 * 60;
/// How long what happens next may wait for what happens right after it: each time the disk is written to.
const GATHER: Duration = Duration::from_millis(5);
/// How long a parting may take, and the last words on their way.
const PARTING: Duration = Duration::from_secs(2);
const LAST_WORDS: Duration = Duration::from_millis(100);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Something that has happened.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// None of what is not kept.
    pub(super) position: Option<i64>,
    pub(super) conversation: Uuid,
    pub(super) kind: String,
    /// With `position`, `type`, `conversation_id`, `at_ms` and `document`.
    pub(super) whole: Value,
    text: OnceLock<String>,
}

impl Item {
    /// All of it as JSON, written once for all who read it.
    pub(super) fn text(&self) -> &str {
        self.text.get_or_init(|| self.whole.to_string())
    }

    /// Whom it is about, where it brings somebody in or takes them out.
    pub(super) fn member(&self) -> Option<(Uuid, bool)> {
        let comes = match self.kind.as_str() {
            "participant.joined" => true,
            "participant.left" => false,
            _ => return None,
        };
        let user = self.whole["document"]["user_id"].as_str()?.parse().ok()?;
        Some((user, comes))
    }
}

#[derive(Clone)]
pub(super) struct Tail {
    pool: PgPool,
    /// For what readers have not heard: however many of them ask, what happens is read on.
    pages: PgPool,
    /// None is the last one: the relay ends.
    items: broadcast::Sender<Option<Arc<Item>>>,
    /// The last position that was told.
    last: Arc<AtomicI64>,
    /// Whether the database is there.
    is_there: Arc<AtomicBool>,
}

type Row = (i64, Uuid, String, i64, Value);

fn item((position, conversation, kind, at, document): Row) -> Item {
    let whole = json!({
        "position": position,
        "type": kind,
        "conversation_id": conversation,
        "at_ms": at,
        "document": document,
    });
    Item { position: Some(position), conversation, kind, whole, text: OnceLock::new() }
}

/// Which of all that happens.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    pub(super) conversation: Option<Uuid>,
    /// Of the conversations in which they take part.
    pub(super) user: Option<Uuid>,
}

async fn page(
    pool: &PgPool,
    after: i64,
    wanted: Wanted,
    limit: i64,
) -> Result<Vec<Item>, sqlx::Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT position, conversation_id, type, relay.ms(created_at), document FROM relay.events
        WHERE position > $1 AND ($2::uuid IS NULL OR conversation_id = $2)
            AND ($3::uuid IS NULL OR conversation_id IN (SELECT p.conversation_id
                FROM relay.participants p WHERE p.user_id = $3 AND p.left_at IS NULL))
        ORDER BY position LIMIT $4",
    )
    .bind(after)
    .bind(wanted.conversation)
    .bind(wanted.user)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(item).collect())
}

impl Tail {
    pub(super) fn of(pool: PgPool, pages: PgPool) -> Self {
        Self {
            pool,
            pages,
            items: broadcast::Sender::new(KEPT),
            last: Arc::default(),
            is_there: Arc::default(),
        }
    }

    /// What happens from now on; what has happened is read with [`Self::page`].
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Option<Arc<Item>>> {
        self.items.subscribe()
    }

    /// Lets all who read along go, each with where to go on from; waits until they are, or for a moment.
    pub(super) async fn end(&self) {
        if self.items.send(None).is_ok() {
            let gone = async {
                while self.items.receiver_count() > 0 {
                    sleep(GATHER).await;
                }
                // What was said last is on its way.
                sleep(LAST_WORDS).await;
            };
            drop(timeout(PARTING, gone).await);
        }
    }

    pub(super) fn last(&self) -> i64 {
        self.last.load(Ordering::Acquire)
    }

    /// Whether the database was there the last time it was needed here: who asks need not wait for what is away.
    pub(super) fn is_there(&self) -> bool {
        self.is_there.load(Ordering::Relaxed)
    }

    fn is_now(&self, there: bool) {
        self.is_there.store(there, Ordering::Relaxed);
    }

    /// What has happened after a position, oldest first.
    pub(super) async fn page(
        &self,
        after: i64,
        wanted: Wanted,
        limit: i64,
    ) -> Result<Vec<Item>, sqlx::Error> {
        page(&self.pages, after, wanted, limit).await
    }

    /// After which position all is kept that has happened, and the last one there is.
    pub(super) async fn kept(&self) -> Result<(i64, i64), sqlx::Error> {
        sqlx::query_as(
            "SELECT forgotten, greatest(forgotten, (SELECT max(position) FROM relay.events)) FROM relay.settings",
        )
        .fetch_one(&self.pages)
        .await
    }

    /// Forgets what is older than that, now and for ever after.
    pub(super) async fn forget(self, age: Duration) {
        let seconds = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
        let interval = format!("{} seconds", seconds.min(MOST_SECONDS));
        loop {
            let gone: Result<i64, _> = sqlx::query_scalar("SELECT relay.forget($1::interval, $2)")
                .bind(&interval)
                .bind(PIECE)
                .fetch_one(&self.pool)
                .await;
            match gone {
                // There may be more.
                Ok(gone) if gone >= PIECE => sleep(BETWEEN).await,
                Ok(_) => sleep(ROUND).await,
                Err(error) => {
                    tracing::warn!("what is old cannot be forgotten: {error}");
                    sleep(ROUND).await;
                }
            }
        }
    }

    /// Begins with what happens from now on.
    pub(super) async fn begin(&self) {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let last = sqlx::query_scalar("SELECT coalesce(max(position), 0) FROM relay.events")
                .fetch_one(&self.pool)
                .await;
            match last {
                Ok(last) => {
                    self.is_now(true);
                    return self.last.store(last, Ordering::Release);
                }
                Err(_) => sleep(backoff.pause()).await,
            }
        }
    }

    /// Gives what has happened its positions and tells of it. What it gives is `relay.publish`'s.
    async fn catch_up(&self) -> Result<i64, sqlx::Error> {
        let published: i64 =
            sqlx::query_scalar("SELECT relay.publish()").fetch_one(&self.pool).await?;
        loop {
            let page = page(&self.pool, self.last(), Wanted::default(), PAGE).await?;
            let is_last = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
            for item in page {
                self.last.store(item.position.unwrap_or_default(), Ordering::Release);
                // Nobody may read along.
                drop(self.items.send(Some(Arc::new(item))));
            }
            if is_last {
                return Ok(published);
            }
        }
    }

    fn aside(&self, payload: &str) {
        let Ok(mut whole) = serde_json::from_str::<Value>(payload) else { return };
        let Some(conversation) = whole["conversation_id"].as_str().and_then(|id| id.parse().ok())
        else {
            return;
        };
        if let Some(fields) = whole.as_object_mut() {
            fields.remove("tell");
        }
        let kind = whole["type"].as_str().unwrap_or_default().to_owned();
        let text = OnceLock::new();
        let item = Item { position: None, conversation, kind, whole, text };
        drop(self.items.send(Some(Arc::new(item))));
    }

    async fn listen(&self) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(&self.pool).await?;
        listener.listen_all(["relay", "relay_read", "relay_aside"]).await?;
        self.is_now(true);
        // The database may have been brought back from before.
        sqlx::query("SELECT relay.go_on_from_now()").execute(&self.pool).await?;
        loop {
            let published = self.catch_up().await?;
            if !matches!(published, 0 | -1) {
                sleep(GATHER).await;
            }
            let look = if published < 0 { SOON } else { LOOK };
            let mut told = timeout(look, listener.try_recv()).await;
            // What was told meanwhile is looked for once.
            while let Ok(Ok(Some(it))) = &told {
                if it.channel() == "relay_aside" {
                    self.aside(it.payload());
                }
                told = match listener.next_buffered() {
                    Some(more) => Ok(Ok(Some(more))),
                    None => break,
                };
            }
            if let Ok(Err(error)) = told {
                return Err(error);
            }
        }
    }
}

/// Reads until the process is ended.
pub(super) async fn run(tail: Tail) {
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        let begun = Instant::now();
        if let Err(error) = tail.listen().await {
            // One that only reads, or is full, is there.
            if error
                .as_database_error()
                .and_then(DatabaseError::code)
                .is_none_or(|it| it.starts_with("57P"))
            {
                tail.is_now(false);
            }
            tracing::warn!("what happens cannot be read: {error}");
        }
        if begun.elapsed() > LOOK {
            backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        }
        sleep(backoff.pause()).await;
    }
}
