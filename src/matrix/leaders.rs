//! Who has power in a room, and who can lead it: whoever may change its power levels, and in rooms of
//! version 12 and later its creators, who have all power for as long as they are in it.

use ruma::{RoomId, UserId};
use serde_json::Value;

use super::{Error, admin, client::Client, room};

/// What decides who leads a room.
#[derive(Debug, Default)]
pub(crate) struct Powers {
    /// They have all power; nobody in rooms before version 12.
    creators: Vec<String>,
    /// The content of `m.room.power_levels`.
    pub(crate) levels: Value,
}

impl Powers {
    /// Those of a room, as an admin of the server sees them.
    pub(crate) async fn of(operator: &Client, room: &RoomId) -> Result<Self, Error> {
        let create = room::state_event(operator, room, "m.room.create", "").await?;
        let levels = room::state_event(operator, room, "m.room.power_levels", "").await?;
        let content = levels.map(|mut event| event["content"].take());
        Ok(Self::new(&create.unwrap_or_default(), content.unwrap_or_default()))
    }

    /// Whether a user stands above all numbers.
    pub(crate) fn is_creator(&self, user: &str) -> bool {
        self.creators.iter().any(|creator| creator == user)
    }

    /// What a user has without being a creator.
    pub(crate) fn level_of(&self, user: &str) -> i64 {
        level(self.levels["users"].get(user)).unwrap_or_else(|| self.everybodys())
    }

    /// What those have who are not named.
    pub(crate) fn everybodys(&self) -> i64 {
        level(self.levels.get("users_default")).unwrap_or(0)
    }

    /// What one has to have to write.
    pub(crate) fn to_write(&self) -> i64 {
        let messages = level(self.levels["events"].get("m.room.message"));
        messages.or_else(|| level(self.levels.get("events_default"))).unwrap_or(0)
    }

    /// Whether a user may take away what others wrote.
    pub(crate) fn redacts(&self, user: &str) -> bool {
        let needed = level(self.levels.get("redact")).unwrap_or(50);
        self.is_creator(user) || self.level_of(user) >= needed
    }

    fn new(create: &Value, levels: Value) -> Self {
        let content = &create["content"];
        let version = content["room_version"].as_str().and_then(|it| it.parse::<u32>().ok());
        let mut creators = Vec::new();
        if version.is_some_and(|version| version >= 12) {
            let more = content["additional_creators"].as_array().into_iter().flatten();
            creators.extend(more.chain([&create["sender"]]).filter_map(Value::as_str));
        }
        Self { creators: creators.into_iter().map(str::to_owned).collect(), levels }
    }

    /// Whether a user may change the levels.
    pub(crate) fn leads(&self, user: &UserId) -> bool {
        self.may_set("m.room.power_levels", user)
    }

    /// Whether a user may set a state event of a type.
    pub(crate) fn may_set(&self, event_type: &str, user: &UserId) -> bool {
        let of_type = level(self.levels["events"].get(event_type));
        let needed = of_type.or(level(self.levels.get("state_default"))).unwrap_or(50);
        self.is_creator(user.as_str()) || self.level_of(user.as_str()) >= needed
    }
}

/// Old rooms may hold a number as a text.
fn level(value: Option<&Value>) -> Option<i64> {
    let value = value?;
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// Whether others are in a room, and none of them could lead it without this user.
pub(crate) async fn is_only_leader(
    operator: &Client,
    room: &RoomId,
    user: &UserId,
) -> Result<bool, Error> {
    let request = admin::rooms::members::Request { room_id: room.to_owned().into() };
    let members = operator.send(request).await?.members;
    if members.len() < 2 || !members.iter().any(|member| member == user) {
        return Ok(false);
    }
    let powers = Powers::of(operator, room).await?;
    let (own, others): (Vec<_>, Vec<_>) = members.iter().partition(|member| *member == user);
    Ok(own.into_iter().any(|user| powers.leads(user))
        && !others.into_iter().any(|other| powers.leads(other)))
}

#[cfg(test)]
mod tests {
    use ruma::user_id;
    use serde_json::json;

    use super::*;

    fn leads(version: &str, levels: Value) -> [bool; 3] {
        let create = json!({ "sender": "@a:x.org", "content": {
            "room_version": version, "additional_creators": ["@b:x.org"],
        }});
        let powers = Powers::new(&create, levels);
        [user_id!("@a:x.org"), user_id!("@b:x.org"), user_id!("@c:x.org")]
            .map(|it| powers.leads(it))
    }

    #[test]
    fn creators_lead_a_room_of_version_12_and_others_by_their_power() {
        let none = json!({ "users": {}, "events": { "m.room.power_levels": 100 } });
        assert_eq!(leads("12", none.clone()), [true, true, false]);
        assert_eq!(leads("11", none), [false, false, false]);
        let some = json!({ "users": { "@a:x.org": 100, "@c:x.org": "50" } });
        assert_eq!(leads("10", some), [true, false, true]);
        let all = json!({ "users_default": 100, "events": { "m.room.power_levels": 100 } });
        assert_eq!(leads("10", all), [true, true, true]);
    }
}
