//! What the homeserver tells: transactions of events, each event taken once, by its id. Synapse uses the ids of
//! transactions again after it was restored, so these tell nothing.

mod bulk;

use ruma::{MxcUri, OwnedUserId, UserId};
use serde_json::{Value, json};
use sqlx::{Acquire as _, PgConnection, PgTransaction, error::DatabaseError};
use uuid::Uuid;

use super::{
    Shared,
    user::{Naming, made_of},
};
use crate::{config::sections::relay::Strangers, matrix::message::MARK};

/// What is kept of names and addresses of people of Matrix, in characters.
const LONGEST_NAME: usize = 256;
const LONGEST_AVATAR: usize = 1000;

/// The longest that somebody reacts with, in bytes.
const LONGEST_KEY: usize = 1024;

/// An event that came again.
const KNOWN: &str =
    "INSERT INTO relay.inbox (event_id, transaction_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";

/// Takes all of it or nothing: the homeserver repeats what is not answered.
pub(super) async fn take(shared: &Shared, id: &str, events: &[Value]) -> Result<(), sqlx::Error> {
    let run = bulk::run(shared, events);
    if run.len() == events.len() {
        // Mostly that is all.
        match bulk::take(&mut *shared.work.acquire().await?, id, run).await {
            Ok(taken) => {
                note(shared, &taken);
                return Ok(());
            }
            Err(error) if is_of_the_event(&error) => {}
            Err(error) => return Err(error),
        }
    }
    let mut change: PgTransaction<'_> = shared.work.begin().await?;
    let (mut all, mut rest) = (Vec::new(), events);
    while !rest.is_empty() {
        let run = bulk::run(shared, rest);
        let (now, later) = rest.split_at(run.len().max(1));
        rest = later;
        if !run.is_empty() {
            let mut part = change.begin().await?;
            match bulk::take(&mut part, id, run).await {
                Ok(taken) => {
                    part.commit().await?;
                    all.push(taken);
                    continue;
                }
                // One of them is wrong: each by itself.
                Err(error) if is_of_the_event(&error) => part.rollback().await?,
                Err(error) => return Err(error),
            }
        }
        for event in now {
            let mut part = change.begin().await?;
            match take_one(shared, &mut part, id, event).await {
                Ok(()) => part.commit().await?,
                // It would be the same each time: the others go on.
                Err(error) if is_of_the_event(&error) => {
                    tracing::warn!("the event {} is left out: {error}", event["event_id"]);
                    part.rollback().await?;
                }
                Err(error) => return Err(error),
            }
        }
    }
    change.commit().await?;
    for taken in &all {
        note(shared, taken);
    }
    Ok(())
}

/// Once it is committed.
fn note(shared: &Shared, taken: &bulk::Taken) {
    shared.counts.duplicates(taken.again);
    for conversation in &taken.conversations {
        shared.teller.tell(*conversation);
    }
}

/// Of PostgreSQL's codes: data that cannot be or is too large, what our own functions refuse.
fn is_of_the_event(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| ["22", "23", "54", "RL"].iter().any(|class| code.starts_with(class)))
}

/// PostgreSQL has no form for the character NUL.
fn text(value: &Value) -> Option<String> {
    value.as_str().map(|text| text.replace('\0', ""))
}

async fn take_one(
    shared: &Shared,
    on: &mut PgConnection,
    transaction: &str,
    event: &Value,
) -> Result<(), sqlx::Error> {
    let field = |name: &str| event[name].as_str().unwrap_or_default();
    let (id, kind) = (field("event_id"), field("type"));
    let (Ok(sender), room) = (UserId::parse(field("sender")), field("room_id")) else {
        tracing::warn!("the event {id} is left out: it has no valid sender");
        return Ok(());
    };
    let found: Option<Uuid> = sqlx::query_scalar(
        "SELECT conversation_id FROM relay.matrix_room_mappings WHERE matrix_room_id = $1",
    )
    .bind(room)
    .fetch_optional(&mut *on)
    .await?;
    // A room of others, in which one of ours may be.
    let Some(conversation) = found else { return Ok(()) };
    if sqlx::query(KNOWN).bind(id).bind(transaction).execute(&mut *on).await?.rows_affected() == 0 {
        shared.counts.duplicates(1);
        return Ok(());
    }
    if shared.naming.is_service(&sender) {
        return Ok(());
    }
    let content = &event["content"];
    let is_ghost = shared.naming.ghost(&sender).is_some();
    if let (true, Some(mark)) = (is_ghost, content[MARK].as_str()) {
        return ours(on, id, kind, mark, content).await;
    }
    let it = Event { shared, conversation, id, event, content, sender };
    match kind {
        "m.room.message" => it.message(on).await,
        "m.room.redaction" => it.redaction(on).await,
        "m.reaction" => it.reaction(on).await,
        "m.room.member" => it.member(on).await,
        _ => Ok(()),
    }
}

/// What we have sent comes back: where its event was not noted yet, it is now, before somebody answers it.
async fn ours(
    on: &mut PgConnection,
    id: &str,
    kind: &str,
    mark: &str,
    content: &Value,
) -> Result<(), sqlx::Error> {
    let Ok(mark) = mark.parse::<Uuid>() else { return Ok(()) };
    let query = match kind {
        "m.room.message" if content["m.relates_to"]["rel_type"] != "m.replace" => {
            "UPDATE relay.messages SET matrix_event_id = $2 WHERE id = $1 AND matrix_event_id IS NULL"
        }
        "m.reaction" => {
            "UPDATE relay.reactions SET matrix_event_id = $2 WHERE id = $1 AND matrix_event_id IS NULL"
        }
        _ => return Ok(()),
    };
    sqlx::query(query).bind(mark).bind(id).execute(on).await.map(drop)
}

/// When it was said, in milliseconds: a clock of others may say anything.
fn at(event: &Value) -> i64 {
    event["origin_server_ts"].as_i64().unwrap_or_default().clamp(0, 253_402_300_799_000)
}

/// The kind of a message, and its file where it shows one.
fn shown(content: &Value) -> (&'static str, Option<Value>) {
    let (kind, is_file) = match content["msgtype"].as_str() {
        Some("m.notice") => ("notice", false),
        Some("m.emote") => ("emote", false),
        Some("m.image") => ("image", true),
        Some("m.audio") => ("audio", true),
        Some("m.video") => ("video", true),
        Some("m.file") => ("file", true),
        _ => ("text", false),
    };
    let file = is_file.then(|| {
        let name = content.get("filename").unwrap_or(&content["body"]);
        let info = &content["info"];
        json!({
            "url": text(&content["url"]),
            "name": text(name),
            "mime": text(&info["mimetype"]),
            "size": info["size"].as_u64(),
        })
    });
    (kind, file)
}

struct Event<'a> {
    shared: &'a Shared,
    conversation: Uuid,
    id: &'a str,
    event: &'a Value,
    content: &'a Value,
    sender: OwnedUserId,
}

impl Event<'_> {
    /// Who that is in the application, made known to it; none where strangers are refused.
    async fn user(
        &self,
        on: &mut PgConnection,
        user: &UserId,
    ) -> Result<Option<Uuid>, sqlx::Error> {
        if let Some(id) = self.shared.naming.ghost(user) {
            sqlx::query("SELECT relay.put_user($1)").bind(id).execute(on).await?;
            return Ok(Some(id));
        }
        if self.shared.strangers == Strangers::Refuse {
            tracing::warn!(
                "the event {} is left out: {user} is no user of the application (`relay.strangers`)",
                self.id
            );
            return Ok(None);
        }
        let id = Naming::stranger(user);
        sqlx::query(
            "INSERT INTO relay.users (id, matrix_user_id, is_ghost) VALUES ($1, $2, false)
            ON CONFLICT DO NOTHING",
        )
        .bind(id)
        .bind(user.as_str())
        .execute(on)
        .await?;
        Ok(Some(id))
    }

    /// The same, and they take part: who speaks in the room is in it.
    async fn speaker(&self, on: &mut PgConnection) -> Result<Option<Uuid>, sqlx::Error> {
        let Some(user) = self.user(&mut *on, &self.sender).await? else { return Ok(None) };
        self.joins(on, user).await?;
        Ok(Some(user))
    }

    async fn joins(&self, on: &mut PgConnection, user: Uuid) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT relay.put_participant($1, $2, 'member', true)")
            .bind(self.conversation)
            .bind(user)
            .execute(on)
            .await
            .map(drop)
    }

    /// What people of Matrix say that they are called and look like; ours are what the application says.
    async fn profile(&self, on: &mut PgConnection, user: Uuid) -> Result<(), sqlx::Error> {
        let word = |name: &str, most: usize| {
            let text = text(&self.content[name]).filter(|text| !text.is_empty())?;
            Some(text.chars().take(most).collect::<String>())
        };
        let avatar = word("avatar_url", LONGEST_AVATAR);
        sqlx::query(
            "UPDATE relay.users SET display_name = $2, avatar_url = $3
            WHERE id = $1 AND NOT is_ghost AND (display_name, avatar_url) IS DISTINCT FROM ($2, $3)",
        )
        .bind(user)
        .bind(word("displayname", LONGEST_NAME))
        .bind(avatar.filter(|url| <&MxcUri>::from(url.as_str()).is_valid()))
        .execute(on)
        .await
        .map(drop)
    }

    async fn known(
        &self,
        on: &mut PgConnection,
        event: &Value,
    ) -> Result<Option<Uuid>, sqlx::Error> {
        let Some(event) = event.as_str() else { return Ok(None) };
        sqlx::query_scalar(
            "SELECT id FROM relay.messages WHERE matrix_event_id = $1 AND conversation_id = $2",
        )
        .bind(event)
        .bind(self.conversation)
        .fetch_optional(on)
        .await
    }

    /// What makes a repeat harmless.
    fn operation(&self) -> Uuid {
        made_of(&["matrix event", self.id])
    }

    async fn message(&self, on: &mut PgConnection) -> Result<(), sqlx::Error> {
        let relation = &self.content["m.relates_to"];
        if relation["rel_type"] == "m.replace" {
            let Some(message) = self.known(&mut *on, &relation["event_id"]).await? else {
                return Ok(());
            };
            let Some(user) = self.user(&mut *on, &self.sender).await? else { return Ok(()) };
            let Some(body) = text(&self.content["m.new_content"]["body"]) else { return Ok(()) };
            return sqlx::query("SELECT relay.edit_message($1, $2, $3, $4, true)")
                .bind(message)
                .bind(user)
                .bind(body)
                .bind(self.operation())
                .execute(on)
                .await
                .map(drop);
        }
        // What was taken away meanwhile has no body any more.
        let Some(body) = text(&self.content["body"]) else { return Ok(()) };
        let Some(user) = self.speaker(&mut *on).await? else { return Ok(()) };
        let (kind, file) = shown(self.content);
        let answers = self.known(&mut *on, &relation["m.in_reply_to"]["event_id"]).await?;
        sqlx::query(
            "SELECT relay.post_message($1, $2, $3, $4, $5, $6, $7, $8, to_timestamp($9::float8 / 1000))",
        )
        .bind(self.conversation)
        .bind(user)
        .bind(body)
        .bind(self.operation())
        .bind(kind)
        .bind(answers)
        .bind(file)
        .bind(self.id)
        .bind(at(self.event))
        .execute(on)
        .await
        .map(drop)
    }

    async fn redaction(&self, on: &mut PgConnection) -> Result<(), sqlx::Error> {
        let about = self.event.get("redacts").unwrap_or(&self.content["redacts"]);
        let Some(user) = self.user(&mut *on, &self.sender).await? else { return Ok(()) };
        if let Some(message) = self.known(&mut *on, about).await? {
            return sqlx::query("SELECT relay.delete_message($1, $2, $3, true)")
                .bind(message)
                .bind(user)
                .bind(self.operation())
                .execute(on)
                .await
                .map(drop);
        }
        sqlx::query(
            "SELECT relay.remove_reaction(message_id, user_id, key, true) FROM relay.reactions
            WHERE matrix_event_id = $1",
        )
        .bind(about.as_str())
        .execute(on)
        .await
        .map(drop)
    }

    async fn reaction(&self, on: &mut PgConnection) -> Result<(), sqlx::Error> {
        let relation = &self.content["m.relates_to"];
        let Some(message) = self.known(&mut *on, &relation["event_id"]).await? else {
            return Ok(());
        };
        // The homeserver itself looks at the length of those of this kind alone.
        let is_one = relation["rel_type"] == "m.annotation";
        let Some(key) = text(&relation["key"]).filter(|key| is_one && key.len() <= LONGEST_KEY)
        else {
            return Ok(());
        };
        let Some(user) = self.speaker(&mut *on).await? else { return Ok(()) };
        sqlx::query("SELECT relay.add_reaction($1, $2, $3, $4)")
            .bind(message)
            .bind(user)
            .bind(key)
            .bind(self.id)
            .execute(on)
            .await
            .map(drop)
    }

    async fn member(&self, on: &mut PgConnection) -> Result<(), sqlx::Error> {
        let Ok(whose) = UserId::parse(self.event["state_key"].as_str().unwrap_or_default()) else {
            return Ok(());
        };
        // What ours do is what the application wanted; it may want something else by now.
        if self.shared.naming.is_service(&whose)
            || (self.shared.naming.ghost(&whose).is_some() && whose == self.sender)
        {
            return Ok(());
        }
        let was = &self.event["unsigned"]["prev_content"]["membership"];
        match self.content["membership"].as_str() {
            // That a ban is lifted takes nobody away.
            Some("leave") if was == "ban" => Ok(()),
            Some("join") => {
                if let Some(user) = self.user(&mut *on, &whose).await? {
                    self.joins(&mut *on, user).await?;
                    self.profile(on, user).await?;
                }
                Ok(())
            }
            Some("leave" | "ban") => sqlx::query(
                "SELECT relay.remove_participant($1, id, true) FROM relay.users WHERE matrix_user_id = $2",
            )
            .bind(self.conversation)
            .bind(whose.as_str())
            .execute(on)
            .await
            .map(drop),
            _ => Ok(()),
        }
    }
}
