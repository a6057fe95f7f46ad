//! Tells the homeserver what is in the outbox: each conversation in its order, each of them once.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use ruma::OwnedTransactionId;
use serde_json::Value;
use sqlx::{PgPool, postgres::PgListener};
use tokio::{
    sync::{Notify, mpsc},
    task,
    time::{Instant, sleep, timeout},
};
use uuid::Uuid;

use super::{
    counts::Counts, files::Files, homeserver::Homeserver, lane::lane, profiles::Profiles,
    rooms::Rooms, user::Naming,
};
use crate::{clock::Backoff, matrix::api};

pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(200);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Between two looks whether something waits that nobody has told of.
const LOOK: Duration = Duration::from_mins(1);
/// Where it is heard what is not kept.
const ASIDE: &str = "relay_aside";
/// Where it is heard that a user has another name or picture.
const USER: &str = "relay_user";
/// How long somebody types unless they go on, in milliseconds.
const TYPES: u64 = 30_000;
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

pub(super) struct Sender {
    pub(super) pool: PgPool,
    pub(super) rooms: Rooms,
    pub(super) files: Rc<Files>,
    pub(super) lanes: RefCell<BTreeMap<Uuid, Rc<Notify>>>,
    pub(super) done: mpsc::UnboundedSender<Done>,
    waits: RefCell<Option<mpsc::UnboundedReceiver<Done>>>,
    pub(super) counts: Counts,
    profiles: Rc<Profiles>,
}

impl Sender {
    pub(super) fn of(
        pool: PgPool,
        told: Homeserver,
        files: Rc<Files>,
        naming: Naming,
        counts: Counts,
    ) -> Rc<Self> {
        let (done, waits) = mpsc::unbounded_channel();
        let profiles = Profiles::of(pool.clone(), told.clone(), Rc::clone(&files));
        let rooms = Rooms { pool: pool.clone(), told, naming, counts: counts.clone() };
        Rc::new(Self {
            pool,
            rooms,
            files,
            lanes: RefCell::default(),
            done,
            waits: RefCell::new(Some(waits)),
            counts,
            profiles,
        })
    }

    /// A lane of that conversation looks what there is.
    fn wake(self: &Rc<Self>, conversation: Uuid) {
        let mut lanes = self.lanes.borrow_mut();
        let sender = Rc::clone(self);
        let wake = lanes.entry(conversation).or_insert_with(|| {
            let wake = Rc::new(Notify::new());
            task::spawn_local(lane(sender, conversation, Rc::clone(&wake)));
            wake
        });
        wake.notify_one();
    }

    async fn wake_all(self: &Rc<Self>) -> Result<(), sqlx::Error> {
        let waiting: Vec<Uuid> = sqlx::query_scalar(
            "SELECT DISTINCT conversation_id FROM relay.outbox WHERE refused_at IS NULL",
        )
        .fetch_all(&self.pool)
        .await?;
        for conversation in waiting {
            self.wake(conversation);
        }
        Ok(())
    }

    /// Waits for what is new.
    async fn listen(self: &Rc<Self>) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(&self.pool).await?;
        listener.listen_all(["relay", ASIDE, USER]).await?;
        loop {
            // Before it listened, or while it was cut off, nobody has told it of anything.
            self.wake_all().await?;
            self.profiles.wake_all().await?;
            while let Ok(told) = timeout(LOOK, listener.try_recv()).await {
                match told? {
                    Some(told) if told.channel() == ASIDE => {
                        let aside = serde_json::from_str(told.payload()).unwrap_or_default();
                        task::spawn_local(Rc::clone(self).aside(aside));
                    }
                    Some(told) if told.channel() == USER => {
                        drop(told.payload().parse().map(|it| self.profiles.wake(it)));
                    }
                    Some(told) => drop(told.payload().parse().map(|it| self.wake(it))),
                    None => break,
                }
            }
        }
    }

    /// Tells the homeserver what is not worth another try: who is typing.
    async fn aside(self: Rc<Self>, aside: Value) {
        let id = |value: &Value| value.as_str().and_then(|id| id.parse().ok());
        let said = &aside["document"];
        let (Some(conversation), Some(user), Some(typing)) =
            (id(&aside["conversation_id"]), id(&said["user_id"]), said["typing"].as_bool())
        else {
            return;
        };
        if aside["tell"] != true {
            return;
        }
        let (Ok(Some(room)), Ok(Some(member))) =
            (self.rooms.known(conversation).await, self.rooms.find(user).await)
        else {
            return;
        };
        let request = api::typing::Request {
            room_id: room.into(),
            user_id: member.user.clone().into(),
            typing,
            timeout: typing.then_some(TYPES),
        };
        if member.is_ghost
            && let Err(error) = self.rooms.told.user(&member.user).send(request).await
        {
            tracing::debug!("who is typing was not told: {error}");
        }
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

    /// Whether it still waits: somebody may have dropped it meanwhile.
    pub(super) async fn waits(&self, entry: &Entry) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM relay.outbox WHERE id = $1)")
            .bind(entry.id)
            .fetch_one(&self.pool)
            .await
    }
}

/// Tells the homeserver until the process is ended.
pub(super) async fn run(sender: Rc<Sender>) {
    if let Some(waits) = sender.waits.borrow_mut().take() {
        task::spawn_local(note(sender.pool.clone(), waits));
    }
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        let begun = Instant::now();
        if let Err(error) = sender.listen().await {
            tracing::warn!("the relay's database does not answer: {error}");
        }
        if begun.elapsed() > LOOK {
            backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        }
        sleep(backoff.pause()).await;
    }
}

/// Notes what is done, as many at once as there are.
async fn note(pool: PgPool, mut waits: mpsc::UnboundedReceiver<Done>) {
    let mut all = Vec::new();
    while waits.recv_many(&mut all, NOTED).await > 0 {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        while let Err(error) = note_all(&pool, &all).await {
            tracing::warn!("what was sent cannot be noted: {error}");
            sleep(backoff.pause()).await;
        }
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
        "WITH gone AS (DELETE FROM relay.outbox WHERE id = ANY ($1)),
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
