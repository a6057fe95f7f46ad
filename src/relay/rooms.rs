//! The room of a conversation and who is in it. A room is made by the first message, under an alias by which
//! it is found again if the relay was killed before it noted which one it is.

use std::time::Duration;

use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};
use serde_json::json;
use sqlx::PgPool;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{
    counts::Counts,
    homeserver::Homeserver,
    trouble::Trouble,
    user::{Naming, parsed},
};
use crate::matrix::{self, api, room};

/// What says who may read what was said before.
const VISIBILITY: &str = "m.room.history_visibility";
/// How long the homeserver may go on making a room whose maker was killed.
const BEING_MADE: Duration = Duration::from_secs(5);
/// Between two looks whether it has done so.
const LOOK: Duration = Duration::from_millis(200);

/// Somebody who takes part.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) id: Uuid,
    pub(super) user: OwnedUserId,
    pub(super) is_ghost: bool,
    name: Option<String>,
    /// Whether the homeserver knows them, by that name.
    is_told: bool,
    is_moderator: bool,
}

type Row = (Uuid, String, bool, Option<String>, Option<String>, Option<String>);

fn member((id, user, is_ghost, name, told, role): Row) -> Option<Member> {
    let is_told = !is_ghost || (told.is_some() && (name.is_none() || told == name));
    Some(Member {
        id,
        user: parsed(&user)?,
        is_ghost,
        name,
        is_told,
        is_moderator: role.as_deref() == Some("moderator"),
    })
}

pub(super) struct Rooms {
    pub(super) pool: PgPool,
    pub(super) told: Homeserver,
    pub(super) naming: Naming,
    pub(super) counts: Counts,
}

impl Rooms {
    /// The room that there is.
    pub(super) async fn known(&self, conversation: Uuid) -> Result<Option<OwnedRoomId>, Trouble> {
        let found: Option<String> = sqlx::query_scalar(
            "SELECT matrix_room_id FROM relay.matrix_room_mappings WHERE conversation_id = $1",
        )
        .bind(conversation)
        .fetch_optional(&self.pool)
        .await?;
        Ok(found.and_then(|room| RoomId::parse(room).ok()))
    }

    /// The room, made where there is none, with all who take part now.
    pub(super) async fn ensure(&self, conversation: Uuid) -> Result<OwnedRoomId, Trouble> {
        if let Some(room) = self.known(conversation).await? {
            return Ok(room);
        }
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT u.id, u.matrix_user_id, u.is_ghost, u.display_name, u.told_name, p.role
            FROM relay.participants p JOIN relay.users u ON u.id = p.user_id
            WHERE p.conversation_id = $1 AND p.left_at IS NULL ORDER BY p.joined_at, u.id",
        )
        .bind(conversation)
        .fetch_all(&self.pool)
        .await?;
        let members: Vec<Member> = rows.into_iter().filter_map(member).collect();
        self.told.provision(self.told.service(), None).await?;
        for member in &members {
            self.introduce(member).await?;
        }
        let room = match self.make(conversation, &members).await? {
            Some(room) => room,
            None => self.found(conversation, &members).await?,
        };
        for member in members.iter().filter(|member| member.is_ghost) {
            self.enter(&room, &member.user).await?;
        }
        let moderators = members.iter().filter(|member| member.is_moderator);
        let moderators: Vec<_> = moderators.map(|it| (&*it.user, true)).collect();
        if !moderators.is_empty() {
            self.empower(&room, &moderators).await?;
        }
        sqlx::query(
            "INSERT INTO relay.matrix_room_mappings (conversation_id, matrix_room_id) VALUES ($1, $2)
            ON CONFLICT (conversation_id) DO NOTHING",
        )
        .bind(conversation)
        .bind(room.as_str())
        .execute(&self.pool)
        .await?;
        Ok(room)
    }

    /// Makes a room; none where there is one of its alias.
    async fn make(
        &self,
        conversation: Uuid,
        members: &[Member],
    ) -> Result<Option<OwnedRoomId>, Trouble> {
        let service = self.told.user(self.told.service());
        let made = service
            .send(api::create_room::Request {
                name: self.name_of(conversation).await?,
                room_alias_name: Some(self.naming.alias(conversation)),
                invite: members.iter().map(|member| member.user.clone()).collect(),
                // What was said before somebody came is not theirs to read.
                initial_state: vec![json!({
                    "type": VISIBILITY,
                    "state_key": "",
                    "content": { "history_visibility": "joined" },
                })],
                ..api::create_room::Request::default()
            })
            .await;
        match made {
            Ok(made) => {
                self.counts.room();
                Ok(Some(made.room_id))
            }
            Err(error) if error.is("M_ROOM_IN_USE") => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn name_of(&self, conversation: Uuid) -> Result<Option<String>, Trouble> {
        let found: Option<Option<String>> =
            sqlx::query_scalar("SELECT name FROM relay.conversations WHERE id = $1")
                .bind(conversation)
                .fetch_optional(&self.pool)
                .await?;
        Ok(found.flatten())
    }

    /// The room that was made before somebody was killed. Where it was the homeserver, the room may lack its rules or
    /// its first member for good: it is left, and its alias freed for another one.
    async fn found(&self, conversation: Uuid, members: &[Member]) -> Result<OwnedRoomId, Trouble> {
        let service = self.told.user(self.told.service());
        let alias = self.naming.full_alias(conversation);
        let room = room::resolve(&service.afresh(), &alias).await?;
        let deadline = Instant::now() + BEING_MADE;
        while !self.is_made(&room).await? {
            if Instant::now() < deadline {
                sleep(LOOK).await;
                continue;
            }
            tracing::warn!("the room {room} was not made to its end; another one is made");
            self.told.free_alias(&alias).await?;
            // Nobody else is in it, and it may have nobody.
            drop(room::leave(&service, &room).await);
            return Err(Trouble::Room(matrix::Error::NoRoom(room.to_string())));
        }
        // Those came after its rules.
        if let Some(name) = self.name_of(conversation).await? {
            room::set_state(&service, &room, "m.room.name", "", json!({ "name": name })).await?;
        }
        for member in members.iter().filter(|member| !member.is_ghost) {
            self.admit(&room, member).await?;
        }
        Ok(room)
    }

    /// Whether it has what the last of its events says.
    async fn is_made(&self, room: &RoomId) -> Result<bool, Trouble> {
        let service = self.told.user(self.told.service());
        match room::state(&service, room, VISIBILITY, "").await {
            Ok(found) => Ok(found.is_some_and(|it| it["history_visibility"] == "joined")),
            Err(error) if error.is("M_FORBIDDEN") || error.is_not_found() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn find(&self, user: Uuid) -> Result<Option<Member>, Trouble> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT id, matrix_user_id, is_ghost, display_name, told_name, NULL::text
            FROM relay.users WHERE id = $1",
        )
        .bind(user)
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.and_then(member))
    }

    /// Makes the homeserver know them, by the name they have now.
    pub(super) async fn introduce(&self, member: &Member) -> Result<(), Trouble> {
        if member.is_told {
            return Ok(());
        }
        self.told.provision(&member.user, member.name.as_deref()).await?;
        // What else there is to tell, and what changed meanwhile, is told behind it.
        sqlx::query(
            "WITH told AS (UPDATE relay.users SET told_name = coalesce($2, '') WHERE id = $1 RETURNING *)
            SELECT pg_notify('relay_user', u.id::text) FROM relay.users u, told WHERE u.id = told.id
                AND (told.display_name <> told.told_name OR relay.looks_different(u))",
        )
        .bind(member.id)
        .bind(&member.name)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Brings them into the room; who is no user of the application is only invited.
    pub(super) async fn admit(&self, room: &RoomId, member: &Member) -> Result<(), Trouble> {
        if member.is_ghost {
            self.introduce(member).await?;
            return self.enter(room, &member.user).await;
        }
        match self.invite(room, &member.user).await {
            // They are in it, or may not come.
            Err(Trouble::Matrix(error)) if error.is("M_FORBIDDEN") => Ok(()),
            said => said,
        }
    }

    async fn enter(&self, room: &RoomId, user: &UserId) -> Result<(), Trouble> {
        match room::join(&self.told.user(user), room).await {
            Ok(()) => return Ok(()),
            Err(matrix::Error::NoEntry { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        self.invite(room, user).await?;
        Ok(room::join(&self.told.user(user), room).await?)
    }

    async fn invite(&self, room: &RoomId, user: &UserId) -> Result<(), Trouble> {
        let request =
            api::invite::Request { room_id: room.to_owned().into(), user_id: user.to_owned() };
        self.told.user(self.told.service()).send(request).await?;
        Ok(())
    }

    /// Takes them out of the room.
    pub(super) async fn dismiss(&self, room: &RoomId, member: &Member) -> Result<(), Trouble> {
        let done = if member.is_ghost {
            room::leave(&self.told.user(&member.user), room).await
        } else {
            let request = api::kick::Request {
                room_id: room.to_owned().into(),
                user_id: member.user.clone(),
                reason: None,
            };
            self.told.user(self.told.service()).send(request).await.map(drop)
        };
        match done {
            // They are not in it.
            Err(error) if error.is("M_FORBIDDEN") || error.is_not_found() => Ok(()),
            done => Ok(done?),
        }
    }

    /// Brings back whoever is to say something in the room, and nobody who was removed from it.
    pub(super) async fn readmit(
        &self,
        conversation: Uuid,
        room: &RoomId,
        member: &Member,
        entry: i64,
    ) -> Result<(), Trouble> {
        self.introduce(member).await?;
        match room::join(&self.told.user(&member.user), room).await {
            Ok(()) => return Ok(()),
            Err(matrix::Error::NoEntry { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        self.require_kept(conversation, room, member, entry).await?;
        self.enter(room, &member.user).await
    }

    /// What may have been lost with the homeserver's database is made again: accounts and devices. Whether the room is
    /// still there.
    pub(super) async fn mend(
        &self,
        conversation: Uuid,
        room: &RoomId,
        member: &Member,
        entry: i64,
    ) -> Result<bool, Trouble> {
        self.told.provision(self.told.service(), None).await?;
        self.introduce(&Member { is_told: false, ..member.clone() }).await?;
        if self.is_gone(room).await? {
            return Ok(false);
        }
        self.require_kept(conversation, room, member, entry).await?;
        Ok(true)
    }

    /// Whether nothing can be done there any more.
    pub(super) async fn is_gone(&self, room: &RoomId) -> Result<bool, Trouble> {
        let service = self.told.user(self.told.service());
        match room::membership(&service, room, self.told.service()).await {
            Ok(there) => Ok(there.as_deref() != Some("join")),
            Err(error) if error.is("M_FORBIDDEN") || error.is_not_found() => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// The conversation gets another room, and what was said is in none; who takes part may be unknown there too.
    pub(super) async fn forget(&self, conversation: Uuid, room: &RoomId) -> Result<(), Trouble> {
        tracing::warn!(
            "the homeserver has forgotten the room {room}; the conversation {conversation} gets a new one"
        );
        sqlx::query(
            "WITH unknown AS (UPDATE relay.users u SET told_name = NULL, told_avatar = NULL
                FROM relay.participants p WHERE p.conversation_id = $1 AND p.user_id = u.id AND u.is_ghost)
            SELECT relay.forget_room($1, $2)",
        )
        .bind(conversation)
        .bind(room.as_str())
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
