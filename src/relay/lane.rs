//! One conversation on its way to the homeserver: each entry of it is tried until it is told, refused for good, or
//! dropped.

use std::{
    collections::{
        BTreeMap, BTreeSet,
        btree_map::Entry::{Occupied, Vacant},
    },
    rc::Rc,
    time::Duration,
};

use ruma::{OwnedEventId, OwnedRoomId, UserId};
use serde_json::{Value, json};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use uuid::Uuid;

use super::{
    counts::Counts,
    entries::{Done, Entries, Entry, FIRST_PAUSE, LONGEST_PAUSE},
    files::Files,
    rooms::{Member, Rooms},
    trouble::{Tries, Trouble},
};
use crate::{
    clock::Backoff,
    matrix::{
        self,
        client::Client,
        message::{self, MARK, Markup, REACTION},
    },
    outbox::{self, sent},
};

/// After so long a lane that has nothing to do ends.
const QUIET: Duration = Duration::from_mins(1);
/// For so long what was read is taken for what waits.
const FRESH: Duration = Duration::from_millis(500);
/// After so long the homeserver may have forgotten a transaction id, in milliseconds: four hours before the
/// day is over.
const FORGOTTEN: u64 = 20 * 60 * 60 * 1000;

/// What all lanes share.
pub(super) struct Means {
    pub(super) entries: Entries,
    pub(super) rooms: Rooms,
    pub(super) files: Rc<Files>,
    pub(super) counts: Counts,
}

/// What a lane knows of its conversation.
struct Lane {
    conversation: Uuid,
    room: Option<OwnedRoomId>,
    /// Who was found or brought into the room.
    inside: BTreeSet<Uuid>,
    members: BTreeMap<Uuid, Member>,
    /// Events of what was told lately and may not be noted yet, by message or reaction.
    events: BTreeMap<Uuid, Told>,
    /// What a sender has in the room, where that was looked for.
    marks: BTreeMap<Uuid, BTreeMap<String, String>>,
}

struct Told {
    event: String,
    /// The number under which it is noted.
    number: u64,
    /// These are gone once they are taken back, also where they were not noted yet.
    is_reaction: bool,
}

/// Goes on until there was nothing to do for a while; `over` is called then, before it could be woken once more.
pub(super) async fn run(
    means: Rc<Means>,
    conversation: Uuid,
    wake: Rc<Notify>,
    over: impl FnOnce(),
) {
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
        let noted = means.entries.noted();
        let entries = match means.entries.next(conversation, after).await {
            Ok(entries) => entries,
            Err(error) => {
                tracing::warn!("what waits cannot be read: {error}");
                sleep(backoff.pause()).await;
                continue;
            }
        };
        // What was noted before it was read what waits, is found in the database.
        lane.events
            .retain(|_, told| told.number > noted || (told.is_reaction && !entries.is_empty()));
        backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let (is_done, read) = (entries.is_empty(), Instant::now());
        for entry in entries {
            // Something of it may have been deleted.
            if read.elapsed() > FRESH {
                break;
            }
            after = entry.id;
            lane.tell(&means, entry).await;
        }
        if !is_done {
            continue;
        }
        lane.marks.clear();
        if timeout(QUIET, wake.notified()).await.is_err() {
            // Nobody can wake it between the two: all of this is one thread.
            over();
            return;
        }
    }
}

impl Lane {
    /// Tries until it is told, refused for good, or dropped.
    async fn tell(&mut self, means: &Means, mut entry: Entry) {
        let (mut backoff, mut said) = (Backoff::new(FIRST_PAUSE, LONGEST_PAUSE), false);
        let mut tries = Tries::none();
        loop {
            tries.another();
            let trouble = match self.put(means, &entry).await {
                Ok(event) => {
                    if said {
                        tracing::info!("the conversation {} is told again", self.conversation);
                    }
                    means.counts.sent(event.is_some());
                    self.note(means, &entry, event);
                    return;
                }
                Err(trouble) => trouble,
            };
            means.counts.failed(trouble.is_of_the_homeserver());
            if trouble.is_final(&tries) {
                let reason = trouble.text();
                tracing::warn!(
                    "Matrix send failed: {reason} (conversation_id={}, {} {})",
                    self.conversation,
                    entry.kind,
                    entry.operation
                );
                while let Err(error) = means.entries.refuse(&entry, &reason).await {
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
            match means.entries.content(&entry).await {
                Ok(Some(content)) => entry.content = content,
                Ok(None) => return,
                // It is tried again with what is known.
                Err(_) => {}
            }
            // What is known may be what is wrong.
            (self.room, self.inside) = (None, BTreeSet::new());
        }
    }

    fn note(&mut self, means: &Means, entry: &Entry, event: Option<String>) {
        let reaction = || entry.content["reaction"].as_str().and_then(|it| it.parse().ok());
        let (message, reaction) = match entry.kind.as_str() {
            "message" => (entry.message, None),
            "reaction" => (None, reaction()),
            _ => (None, None),
        };
        let told = message.or(reaction).zip(event.clone());
        let is_reaction = reaction.is_some();
        let number = means.entries.done(Done { entry: entry.id, message, reaction, event });
        if let Some((id, event)) = told {
            self.events.insert(id, Told { event, number, is_reaction });
        }
    }

    async fn put(&mut self, means: &Means, entry: &Entry) -> Result<Option<String>, Trouble> {
        let rooms = &means.rooms;
        let member = match self.members.get(&entry.user) {
            Some(member) => member.clone(),
            None => {
                rooms.find(entry.user).await?.ok_or(Trouble::Senseless("there is no such user"))?
            }
        };
        if matches!(entry.kind.as_str(), "join" | "leave" | "role") {
            self.members.remove(&entry.user);
            self.inside.remove(&entry.user);
            return self.seat(means, &member, entry).await.map(|()| None);
        }
        if !member.is_ghost {
            return Err(Trouble::Senseless("the relay speaks only as users of the application"));
        }
        match self.speak(means, &member, entry).await {
            Err(trouble) if trouble.is_removal() => {
                self.inside.remove(&entry.user);
                match entry.kind.as_str() {
                    // What they take away is gone from the application: the room is not to keep it.
                    "redaction" | "unreaction" => {
                        let Some(room) = rooms.known(self.conversation).await? else {
                            return Ok(None);
                        };
                        self.say(means, &room, rooms.told.service(), entry).await
                    }
                    "receipt" => Ok(None),
                    _ if entry.content["deleted"] == true => Ok(None),
                    _ => Err(trouble),
                }
            }
            said => {
                let said = said?;
                self.inside.insert(entry.user);
                self.members.insert(entry.user, member);
                Ok(said)
            }
        }
    }

    /// Who comes, goes or is something else.
    async fn seat(&mut self, means: &Means, member: &Member, entry: &Entry) -> Result<(), Trouble> {
        let rooms = &means.rooms;
        // The first message makes the room, with all who take part by then.
        let Some(room) = rooms.known(self.conversation).await? else { return Ok(()) };
        let is = match entry.content["role"].as_str() {
            Some(role) => vec![(&*member.user, role == "moderator")],
            None => Vec::new(),
        };
        let done = match entry.kind.as_str() {
            "leave" => return rooms.dismiss(&room, member).await,
            "role" => rooms.empower(&room, &is).await,
            _ => match rooms.require_part(self.conversation, member, entry.id).await {
                // Somebody has removed them meanwhile.
                Err(Trouble::Removed { .. }) => return Ok(()),
                Err(trouble) => return Err(trouble),
                Ok(()) => match rooms.admit(&room, member).await {
                    Ok(()) if !is.is_empty() => rooms.empower(&room, &is).await,
                    done => done,
                },
            },
        };
        match done {
            Err(trouble) if trouble.is_of_who_or_where() && rooms.is_gone(&room).await? => {
                self.begin_again(means, &room).await
            }
            done => done,
        }
    }

    async fn speak(
        &mut self,
        means: &Means,
        member: &Member,
        entry: &Entry,
    ) -> Result<Option<String>, Trouble> {
        let (rooms, conversation) = (&means.rooms, self.conversation);
        let is_inside = self.inside.contains(&entry.user);
        if !is_inside {
            rooms.require_part(conversation, member, entry.id).await?;
        }
        let room = self.room(means).await?;
        let admitted = if is_inside {
            Ok(())
        } else {
            rooms.readmit(conversation, &room, member, entry.id).await
        };
        let said = match admitted {
            Ok(()) => self.say(means, &room, &member.user, entry).await,
            Err(trouble) => Err(trouble),
        };
        match said {
            Err(trouble) if trouble.is_of_who_or_where() => {}
            said => return said,
        }
        let mended = rooms.mend(conversation, &room, member, entry.id).await;
        if !mended.map_err(Trouble::of_the_room)? {
            self.begin_again(means, &room).await?;
        }
        let room = self.room(means).await?;
        rooms.readmit(conversation, &room, member, entry.id).await.map_err(Trouble::of_the_room)?;
        let is_of_others = entry.kind == "redaction"
            && entry.content["sender"].as_str().is_some_and(|it| it != member.user.as_str());
        if is_of_others {
            // They may lack the power, and were allowed to in the application.
            if !rooms.is_moderator(conversation, entry.user, entry.id).await? {
                return self.say(means, &room, rooms.told.service(), entry).await;
            }
            rooms.empower(&room, &[(&member.user, true)]).await?;
        }
        self.say(means, &room, &member.user, entry).await
    }

    async fn room(&mut self, means: &Means) -> Result<OwnedRoomId, Trouble> {
        if let Some(room) = &self.room {
            return Ok(room.clone());
        }
        let room = means.rooms.ensure(self.conversation).await.map_err(Trouble::of_the_room)?;
        self.room = Some(room.clone());
        Ok(room)
    }

    /// The room is no more, and what was said there is in no room.
    async fn begin_again(&mut self, means: &Means, room: &OwnedRoomId) -> Result<(), Trouble> {
        // Who notes something of it later would note it of the next one.
        let last = self.events.values().map(|told| told.number).max().unwrap_or(0);
        while means.entries.noted() < last {
            sleep(FIRST_PAUSE).await;
        }
        means.rooms.forget(self.conversation, room).await?;
        self.room = None;
        self.inside.clear();
        self.members.clear();
        self.events.clear();
        self.marks.clear();
        Ok(())
    }

    /// The event of a message.
    async fn event_of(&self, means: &Means, id: Uuid) -> Result<Option<String>, Trouble> {
        if let Some(told) = self.events.get(&id) {
            return Ok(Some(told.event.clone()));
        }
        let found: Option<Option<String>> =
            sqlx::query_scalar("SELECT matrix_event_id FROM relay.messages WHERE id = $1")
                .bind(id)
                .fetch_optional(&means.entries.pool)
                .await?;
        Ok(found.flatten())
    }

    /// Whether the message that it is about is still to be told, or was refused; what was deleted meanwhile never will.
    async fn is_to_come(&self, means: &Means, entry: &Entry) -> Result<bool, Trouble> {
        Ok(sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM relay.outbox o JOIN relay.messages m ON m.id = o.message_id
                WHERE o.conversation_id = $2 AND o.message_id = $1 AND o.kind = 'message' AND m.deleted_at IS NULL)",
        )
        .bind(entry.message)
        .bind(self.conversation)
        .fetch_one(&means.entries.pool)
        .await?)
    }

    async fn say(
        &mut self,
        means: &Means,
        room: &OwnedRoomId,
        user: &UserId,
        entry: &Entry,
    ) -> Result<Option<String>, Trouble> {
        let client = means.rooms.told.user(user);
        let transaction = entry.transaction();
        let about = match entry.message {
            Some(message) if entry.kind != "message" => self.event_of(means, message).await?,
            _ => None,
        };
        let parse = |event: String| OwnedEventId::try_from(event).ok();
        let content = match entry.kind.as_str() {
            "message" => {
                let Some(mut content) = self.content(means, &client, entry).await? else {
                    // Deleted before it was sent, as far as we know.
                    return self.sent_before(&client, room, entry).await;
                };
                let answers = entry.content["reply_to"].as_str().and_then(|id| id.parse().ok());
                if let Some(answers) = answers
                    && let Some(event) = self.event_of(means, answers).await?
                {
                    content["m.relates_to"] = json!({ "m.in_reply_to": { "event_id": event } });
                }
                content
            }
            // What the room does not have is neither changed nor reacted to there.
            "edit" | "reaction" if about.is_none() && !self.is_to_come(means, entry).await? => {
                return Ok(None);
            }
            "edit" => {
                let about =
                    about.ok_or(Trouble::Senseless("the message it changes was not sent"))?;
                // What was deleted meanwhile needs no other text.
                let Some(new) = self.content(means, &client, entry).await? else {
                    return Ok(None);
                };
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
                    means.rooms.told.has_read(user, room, &event).await?;
                }
                return Ok(None);
            }
            _ => {
                let gone = if entry.kind == "unreaction" {
                    // The room may be another one since it was read.
                    let said = means.entries.content(entry).await?.unwrap_or_default();
                    let noted = said["event"].as_str().map(str::to_owned);
                    let id = entry.content["reaction"].as_str().and_then(|id| id.parse().ok());
                    noted.or_else(|| Some(self.events.get(&id?)?.event.clone()))
                } else {
                    about
                };
                // What was never sent need not be taken away.
                let Some(event) = gone.and_then(parse) else { return Ok(None) };
                let (client, said) = (client.afresh(), &entry.content);
                if said["edited"] == true {
                    message::take_away(&client, room, &event, said, &transaction, None).await?;
                } else {
                    message::redact(&client, room, &event, &transaction, None).await?;
                }
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
        let event = message::send_as(&client.afresh(), room, kind, &content, &transaction).await?;
        Ok(Some(event.into()))
    }

    /// What is shown of a message: its text or its file.
    async fn content(
        &self,
        means: &Means,
        client: &Client,
        entry: &Entry,
    ) -> Result<Option<Value>, Trouble> {
        if entry.content["deleted"] == true {
            return Ok(None);
        }
        let Some(message) = entry.message.filter(|_| entry.content["media"].is_object()) else {
            return Ok(Some(content_of(&entry.content)));
        };
        let text = entry.content["body"].as_str().unwrap_or_default();
        means.files.content(client, message, text).await
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
            Vacant(unknown) => unknown.insert(sent::marks(&client.afresh(), room, entry.at).await?),
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
