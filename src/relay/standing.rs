//! Where somebody stands in a conversation: whether they were removed from it, and what they may do in its room. What
//! they are is for the application to say; who is there, for Matrix as well.

use http::Method;
use ruma::{RoomId, UserId};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    rooms::{Member, Rooms},
    trouble::Trouble,
};
use crate::matrix::{Error, room, segment::escaped};

const POWER: &str = "m.room.power_levels";
/// What moderators have, and what takes away messages of others.
const MODERATOR: i64 = 50;

/// That somebody was taken out by somebody else.
struct Removal {
    event: String,
    at: i64,
}

impl Rooms {
    /// Refuses who was removed. Whom the application took out after the entry was written, by a `leave` behind it, still
    /// says it.
    pub(super) async fn require_part(
        &self,
        conversation: Uuid,
        member: &Member,
        entry: i64,
    ) -> Result<(), Trouble> {
        self.judge(conversation, member, entry, None).await
    }

    /// The same where the homeserver may have removed them and not told us yet.
    pub(super) async fn require_kept(
        &self,
        conversation: Uuid,
        room: &RoomId,
        member: &Member,
        entry: i64,
    ) -> Result<(), Trouble> {
        // This is asked first: what we are told meanwhile is in the database.
        let removal = self.removal(room, &member.user).await?;
        self.judge(conversation, member, entry, removal.as_ref()).await
    }

    async fn judge(
        &self,
        conversation: Uuid,
        member: &Member,
        entry: i64,
        removal: Option<&Removal>,
    ) -> Result<(), Trouble> {
        let (takes_part, is_heard): (bool, bool) = sqlx::query_as(
            "SELECT EXISTS (SELECT 1 FROM relay.participants
                WHERE conversation_id = $1 AND user_id = $2 AND left_at IS NULL)
            OR EXISTS (SELECT 1 FROM relay.outbox WHERE conversation_id = $1 AND user_id = $2
                AND kind = 'leave' AND id > $3 AND refused_at IS NULL),
            $4::text IS NULL OR EXISTS (SELECT 1 FROM relay.inbox WHERE event_id = $4)
                -- What was heard long ago is forgotten.
                OR to_timestamp($5::float8 / 1000) < now() - interval '1 day'",
        )
        .bind(conversation)
        .bind(member.id)
        .bind(entry)
        .bind(removal.map(|it| it.event.as_str()))
        .bind(removal.map(|it| it.at))
        .fetch_one(&self.pool)
        .await?;
        if takes_part && is_heard {
            return Ok(());
        }
        Err(Trouble::Removed { user: member.user.clone(), is_sure: !takes_part })
    }

    /// How somebody else took them out of the room, where that is the last that became of them; nothing where the room
    /// cannot be looked into.
    async fn removal(&self, room: &RoomId, user: &UserId) -> Result<Option<Removal>, Trouble> {
        let (room, whose) = (escaped(room.as_str()), escaped(user.as_str()));
        let path =
            format!("/_matrix/client/v3/rooms/{room}/state/m.room.member/{whose}?format=event");
        let service = self.told.user(self.told.service());
        let event = match service.raw(Method::GET, &path, None).await {
            Ok(event) => event,
            Err(Error::Refused { status: 400..=404, .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let is_out = matches!(event["content"]["membership"].as_str(), Some("leave" | "ban"));
        let removal = || {
            let at = event["origin_server_ts"].as_i64()?;
            Some(Removal { event: event["event_id"].as_str()?.to_owned(), at })
        };
        Ok(if is_out && event["sender"] != user.as_str() { removal() } else { None })
    }

    /// Whether the application has them as a moderator, when an entry was written.
    pub(super) async fn is_moderator(
        &self,
        conversation: Uuid,
        user: Uuid,
        entry: i64,
    ) -> Result<bool, Trouble> {
        Ok(sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM relay.participants WHERE conversation_id = $1 AND user_id = $2
                AND left_at IS NULL AND role = 'moderator')
            -- What takes that away is still to come.
            OR EXISTS (SELECT 1 FROM relay.outbox WHERE conversation_id = $1 AND user_id = $2
                AND kind = 'role' AND content->>'role' = 'member' AND id > $3 AND refused_at IS NULL)",
        )
        .bind(conversation)
        .bind(user)
        .bind(entry)
        .fetch_one(&self.pool)
        .await?)
    }

    /// Gives moderators their power and takes it from the others, in one event, or none where it is so.
    pub(super) async fn empower(
        &self,
        room: &RoomId,
        people: &[(&UserId, bool)],
    ) -> Result<(), Trouble> {
        let service = self.told.user(self.told.service());
        let Some(was) = room::state(&service, room, POWER, "").await? else { return Ok(()) };
        let mut is = was.clone();
        for (user, is_moderator) in people {
            set_level(&mut is, self.told.service(), user, *is_moderator);
        }
        if is != was {
            room::set_state(&service, room, POWER, "", is).await?;
        }
        Ok(())
    }
}

/// Who has more by others keeps it; who has as much as the service is not for the service to change.
fn set_level(levels: &mut Value, service: &UserId, user: &UserId, is_moderator: bool) {
    let default = levels["users_default"].as_i64().unwrap_or(0);
    let level = |user: &UserId| levels["users"][user.as_str()].as_i64();
    let has = level(user).unwrap_or(default);
    // Where it is not listed it made the room, and has more than anybody.
    let highest = level(service).unwrap_or(i64::MAX);
    let Some(levels) = levels.as_object_mut() else { return };
    let users = levels.entry("users").or_insert_with(|| json!({}));
    let Some(users) = users.as_object_mut() else { return };
    if is_moderator && has < MODERATOR {
        users.insert(user.to_string(), MODERATOR.into());
    } else if !is_moderator && has > default && has < highest {
        users.remove(user.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(before: Value, is_moderator: bool) -> Value {
        let user = |text: &str| UserId::parse(text).unwrap();
        let mut levels = before;
        set_level(&mut levels, &user("@service:x"), &user("@ann:x"), is_moderator);
        levels["users"].clone()
    }

    #[test]
    fn a_moderator_has_the_power_and_who_is_none_any_more_has_not() {
        for (before, moderator, member) in [
            (json!({}), json!({ "@ann:x": 50 }), json!({})),
            (json!({ "@ann:x": 50 }), json!({ "@ann:x": 50 }), json!({})),
            (json!({ "@ann:x": 90 }), json!({ "@ann:x": 90 }), json!({})),
            (
                json!({ "@bob:x": 50 }),
                json!({ "@ann:x": 50, "@bob:x": 50 }),
                json!({ "@bob:x": 50 }),
            ),
        ] {
            let before = json!({ "users": before });
            assert_eq!(levels(before.clone(), true), moderator, "{before}");
            assert_eq!(levels(before.clone(), false), member, "{before}");
        }
        assert_eq!(levels(json!({}), true), json!({ "@ann:x": 50 }));
        assert_eq!(levels(json!({ "users_default": 50 }), true), json!({}));
    }

    #[test]
    fn who_is_as_mighty_as_the_service_stays_so() {
        let users = json!({ "@ann:x": 100, "@service:x": 100 });
        assert_eq!(levels(json!({ "users": users }), false), users);
    }
}
