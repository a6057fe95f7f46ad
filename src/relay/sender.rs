//! Tells the homeserver what is in the outbox: each conversation in its order, each of them once.

use std::{
    cell::RefCell,
    collections::{
        BTreeMap, BTreeSet,
        btree_map::Entry::{Occupied, Vacant},
    },
    rc::Rc,
    time::Duration,
};

use ruma::{OwnedEventId, OwnedRoomId, OwnedTransactionId};
use serde_json::{Value, json};
use sqlx::{PgPool, postgres::PgListener};
use tokio::{
    sync::{Notify, mpsc},
    task,
    time::{Instant, sleep, timeout},
};
use uuid::Uuid;

use super::{
    counts::Counts,
    homeserver::Homeserver,
    rooms::{Member, Rooms},
    trouble::Trouble,
    turn,
    user::Naming,
};
use crate::{
    clock::Backoff,
    matrix::{
        self, api,
        client::Client,
        message::{self, MARK, Markup, REACTION},
    },
    outbox::{self, sent},
};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// After so long a lane that has nothing to do ends.
const QUIET: Duration = Duration::from_mins(1);
/// Between two looks whether something waits that nobody has told of.
const LOOK: Duration = Duration::from_mins(1);
/// Between two looks whether it is our turn.
const TURN: Duration = Duration::from_secs(1);
/// Where it is heard what is not kept.
const ASIDE: &str = "relay_aside";
/// How long somebody types unless they go on, in milliseconds.
const TYPES: u64 = 30_000;
/// How many are read at once.
const PAGE: i64 = 100;
/// How many that are done are noted at once.
const NOTED: usize = 256;
/// After so long the homeserver may have forgotten a transaction id, in milliseconds: four hours before the
/// day is over.
const FORGOTTEN: u64 = 20 * 60 * 60 * 1000;

/// What is to be told.
#[derive(Clone, Debug)]
struct Entry {
    id: i64,
    kind: String,
    user: Uuid,
    message: Option<Uuid>,
    content: Value,
    operation: Uuid,
    /// When it was written, in milliseconds since 1970.
    at: u64,
}

impl Entry {
    fn transaction(&self) -> OwnedTransactionId {
        self.operation.simple().to_string().into()
    }
}

/// What was told, to be noted.
struct Done {
    entry: i64,
    message: Option<Uuid>,
    reaction: Option<Uuid>,
    event: Option<String>,
}

pub(super) struct Sender {
    pool: PgPool,
    rooms: Rooms,
    lanes: RefCell<BTreeMap<Uuid, Rc<Notify>>>,
    done: mpsc::UnboundedSender<Done>,
    waits: RefCell<Option<mpsc::UnboundedReceiver<Done>>>,
    counts: Counts,
}

impl Sender {
    pub(super) fn of(pool: PgPool, told: Homeserver, naming: Naming, counts: Counts) -> Rc<Self> {
        let (done, waits) = mpsc::unbounded_channel();
        let rooms = Rooms { pool: pool.clone(), told, naming, counts: counts.clone() };
        Rc::new(Self {
            pool,
            rooms,
            lanes: RefCell::default(),
            done,
            waits: RefCell::new(Some(waits)),
            counts,
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
        // Another one tells the homeserver until it is gone.
        while !turn::is_ours(&mut listener).await? {
            sleep(TURN).await;
        }
        // Where it is connected again by itself it is no longer our turn.
        listener.eager_reconnect(false);
        listener.listen_all(["relay", ASIDE]).await?;
        loop {
            // Before it listened, or while it was cut off, nobody has told it of anything.
            self.wake_all().await?;
            while let Ok(told) = timeout(LOOK, listener.try_recv()).await {
                match told? {
                    Some(told) if told.channel() == ASIDE => {
                        let aside = serde_json::from_str(told.payload()).unwrap_or_default();
                        task::spawn_local(Rc::clone(self).aside(aside));
                    }
                    Some(told) => drop(told.payload().parse().map(|it| self.wake(it))),
                    None => return Ok(()),
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

    async fn next(&self, conversation: Uuid, after: i64) -> Result<Vec<Entry>, sqlx::Error> {
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

    async fn refuse(&self, entry: &Entry, reason: &str) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE relay.outbox SET refused_at = now(), reason = $2 WHERE id = $1")
            .bind(entry.id)
            .bind(reason)
            .execute(&self.pool)
            .await
            .map(drop)
    }

    /// Whether it still waits: somebody may have dropped it meanwhile.
    async fn waits(&self, entry: &Entry) -> Result<bool, sqlx::Error> {
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

/// What a lane knows of its conversation.
struct Lane {
    conversation: Uuid,
    room: Option<OwnedRoomId>,
    /// Who was found or brought into the room.
    inside: BTreeSet<Uuid>,
    members: BTreeMap<Uuid, Member>,
    /// Events of what was told lately and may not be noted yet, by message or reaction.
    events: BTreeMap<Uuid, String>,
    /// What a sender has in the room, where that was looked for.
    marks: BTreeMap<Uuid, BTreeMap<String, String>>,
}

async fn lane(sender: Rc<Sender>, conversation: Uuid, wake: Rc<Notify>) {
    let mut lane = Lane {
        conversation,
        room: None,
        inside: BTreeSet::new(),
        members: BTreeMap::new(),
        events: BTreeMap::new(),
        marks: BTreeMap::new(),
    };
    let (mut after, mut backoff) = (0, Backoff::new(FIRST_PAUSE, LONGEST_PAUSE));
    loop {
        let entries = match sender.next(conversation, after).await {
            Ok(entries) => entries,
            Err(error) => {
                tracing::warn!("what waits cannot be read: {error}");
                sleep(backoff.pause()).await;
                continue;
            }
        };
        backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        for entry in &entries {
            lane.tell(&sender, entry).await;
            after = entry.id;
        }
        if !entries.is_empty() {
            continue;
        }
        lane.marks.clear();
        if timeout(QUIET, wake.notified()).await.is_err() {
            // Nobody can wake it between the two: all of this is one thread.
            sender.lanes.borrow_mut().remove(&conversation);
            return;
        }
    }
}

impl Lane {
    /// Tries until it is told, refused for good, or dropped.
    async fn tell(&mut self, sender: &Sender, entry: &Entry) {
        let (mut backoff, mut said) = (Backoff::new(FIRST_PAUSE, LONGEST_PAUSE), false);
        let mut tries = 0;
        loop {
            tries += 1;
            let trouble = match self.put(sender, entry).await {
                Ok(event) => {
                    if said {
                        tracing::info!("the conversation {} is told again", self.conversation);
                    }
                    sender.counts.sent(event.is_some());
                    self.note(sender, entry, event);
                    return;
                }
                Err(trouble) => trouble,
            };
            sender.counts.failed();
            if trouble.is_final(tries) {
                let reason = trouble.text();
                tracing::warn!(
                    "Matrix send failed: {reason} (conversation_id={}, {} {})",
                    self.conversation,
                    entry.kind,
                    entry.operation
                );
                while let Err(error) = sender.refuse(entry, &reason).await {
                    tracing::warn!("a refusal cannot be noted: {error}");
                    sleep(backoff.pause()).await;
                }
                return;
            }
            if !said {
                tracing::warn!("the conversation {} waits: {}", self.conversation, trouble.text());
                said = true;
            }
            let pause = backoff.pause();
            sleep(match &trouble {
                Trouble::Matrix(matrix::Error::Limited { wait }) => *wait,
                _ => pause,
            })
            .await;
            if let Ok(false) = sender.waits(entry).await {
                return;
            }
            // What is known may be what is wrong.
            (self.room, self.inside) = (None, BTreeSet::new());
        }
    }

    fn note(&mut self, sender: &Sender, entry: &Entry, event: Option<String>) {
        let reaction = || entry.content["reaction"].as_str().and_then(|it| it.parse().ok());
        let (message, reaction) = match entry.kind.as_str() {
            "message" => (entry.message, None),
            "reaction" => (None, reaction()),
            _ => (None, None),
        };
        if let (Some(id), Some(event)) = (message.or(reaction), &event) {
            self.events.insert(id, event.clone());
        }
        drop(sender.done.send(Done { entry: entry.id, message, reaction, event }));
    }

    async fn put(&mut self, sender: &Sender, entry: &Entry) -> Result<Option<String>, Trouble> {
        let rooms = &sender.rooms;
        let member = match self.members.get(&entry.user) {
            Some(member) => member.clone(),
            None => {
                rooms.find(entry.user).await?.ok_or(Trouble::Senseless("there is no such user"))?
            }
        };
        if matches!(entry.kind.as_str(), "join" | "leave") {
            self.members.remove(&entry.user);
            self.inside.remove(&entry.user);
            // The first message makes the room, with all who take part by then.
            let Some(room) = rooms.known(self.conversation).await? else { return Ok(None) };
            if entry.kind == "join" {
                rooms.admit(&room, &member).await?;
            } else {
                rooms.dismiss(&room, &member).await?;
            }
            return Ok(None);
        }
        if !member.is_ghost {
            return Err(Trouble::Senseless("the relay speaks only as users of the application"));
        }
        let room = match self.room.clone() {
            Some(room) => room,
            None => rooms.ensure(self.conversation).await.map_err(Trouble::of_the_room)?,
        };
        self.room = Some(room.clone());
        let mended = if self.inside.contains(&entry.user) {
            None
        } else {
            rooms.admit(&room, &member).await.err()
        };
        let said = match mended {
            None => self.say(sender, &room, &member, entry).await,
            Some(trouble) => Err(trouble),
        };
        let said = match said {
            Err(trouble) if trouble.is_of_who_or_where() => {
                let mended = rooms.mend(self.conversation, &room, &member).await;
                let room = mended.map_err(Trouble::of_the_room)?;
                self.room = Some(room.clone());
                self.say(sender, &room, &member, entry).await
            }
            said => said,
        }?;
        self.inside.insert(entry.user);
        self.members.insert(entry.user, member);
        Ok(said)
    }

    /// The event of a message.
    async fn event_of(&self, sender: &Sender, id: Uuid) -> Result<Option<String>, Trouble> {
        if let Some(event) = self.events.get(&id) {
            return Ok(Some(event.clone()));
        }
        let found: Option<Option<String>> =
            sqlx::query_scalar("SELECT matrix_event_id FROM relay.messages WHERE id = $1")
                .bind(id)
                .fetch_optional(&sender.pool)
                .await?;
        Ok(found.flatten())
    }

    /// Whether the message that it is about is still to be told, or was refused.
    async fn is_to_come(&self, sender: &Sender, entry: &Entry) -> Result<bool, Trouble> {
        Ok(sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM relay.outbox WHERE message_id = $1 AND kind = 'message')",
        )
        .bind(entry.message)
        .fetch_one(&sender.pool)
        .await?)
    }

    async fn say(
        &mut self,
        sender: &Sender,
        room: &OwnedRoomId,
        member: &Member,
        entry: &Entry,
    ) -> Result<Option<String>, Trouble> {
        let client = sender.rooms.told.user(&member.user);
        let transaction = entry.transaction();
        let about = match entry.message {
            Some(message) if entry.kind != "message" => self.event_of(sender, message).await?,
            _ => None,
        };
        let parse = |event: String| OwnedEventId::try_from(event).ok();
        let content = match entry.kind.as_str() {
            "message" => {
                let mut content = content_of(&entry.content);
                let answers = entry.content["reply_to"].as_str().and_then(|id| id.parse().ok());
                if let Some(answers) = answers
                    && let Some(event) = self.event_of(sender, answers).await?
                {
                    content["m.relates_to"] = json!({ "m.in_reply_to": { "event_id": event } });
                }
                content
            }
            // What the room does not have is neither changed nor reacted to there.
            "edit" | "reaction" if about.is_none() && !self.is_to_come(sender, entry).await? => {
                return Ok(None);
            }
            "edit" => {
                let about =
                    about.ok_or(Trouble::Senseless("the message it changes was not sent"))?;
                let new = content_of(&entry.content);
                let mut content = new.clone();
                content["body"] = format!("* {}", new["body"].as_str().unwrap_or_default()).into();
                content["m.new_content"] = new;
                content["m.relates_to"] = json!({ "rel_type": "m.replace", "event_id": about });
                content
            }
            "reaction" => {
                let about =
                    about.ok_or(Trouble::Senseless("the message it is for was not sent"))?;
                let key = &entry.content["key"];
                json!({ "m.relates_to": { "rel_type": "m.annotation", "event_id": about, "key": key } })
            }
            "receipt" => {
                // What was never sent, nobody has read there.
                if let Some(event) = about.and_then(parse) {
                    sender.rooms.told.has_read(&member.user, room, &event).await?;
                }
                return Ok(None);
            }
            _ => {
                let gone = if entry.kind == "unreaction" {
                    let noted = entry.content["event"].as_str().map(str::to_owned);
                    let id = entry.content["reaction"].as_str().and_then(|id| id.parse().ok());
                    noted.or_else(|| self.events.get(&id?).cloned())
                } else {
                    about
                };
                // What was never sent need not be taken away.
                let Some(event) = gone.and_then(parse) else { return Ok(None) };
                message::redact(&client, room, &event, &transaction, None).await?;
                return Ok(None);
            }
        };
        if outbox::now().saturating_sub(entry.at) > FORGOTTEN
            && let Some(event) = self.sent_before(&client, room, entry).await?
        {
            return Ok(Some(event));
        }
        let kind = if entry.kind == "reaction" { REACTION } else { "m.room.message" };
        let mut content = content;
        content[MARK] = entry.operation.to_string().into();
        let event = message::send_as(&client, room, kind, &content, &transaction).await?;
        Ok(Some(event.into()))
    }

    /// Its event, where it was sent in another life.
    async fn sent_before(
        &mut self,
        client: &Client,
        room: &OwnedRoomId,
        entry: &Entry,
    ) -> Result<Option<String>, Trouble> {
        let marks = match self.marks.entry(entry.user) {
            Occupied(known) => known.into_mut(),
            Vacant(unknown) => unknown.insert(sent::marks(client, room, entry.at).await?),
        };
        Ok(marks.get(&entry.operation.to_string()).cloned())
    }
}

/// What is shown of a text.
fn content_of(said: &Value) -> Value {
    let text = said["body"].as_str().unwrap_or_default();
    let mut content = message::text(text, Markup::Plain, said["kind"] == "notice");
    if said["kind"] == "emote" {
        content["msgtype"] = "m.emote".into();
    }
    content
}
