//! Who can lead a room: whoever may change its power levels, and in rooms of version 12 and later its
//! creators, who have all power for as long as they are in it.

use ruma::{RoomId, UserId};
use serde_json::Value;

use super::{Error, admin, client::Client, room};

/// What decides who leads a room.
#[derive(Debug, Default)]
struct Powers {
    /// They have all power; nobody in rooms before version 12.
    creators: Vec<String>,
    /// The content of `m.room.power_levels`.
    levels: Value,
}

impl Powers {
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

    fn leads(&self, user: &UserId) -> bool {
        let level = |path: &str| level(self.levels.pointer(path));
        let needed = level("/events/m.room.power_levels").or(level("/state_default")).unwrap_or(50);
        let own = self.levels["users"].get(user.as_str());
        let has = self::level(own).or(level("/users_default")).unwrap_or(0);
        self.creators.iter().any(|creator| creator == user.as_str()) || has >= needed
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
    let create = event(operator, room, "m.room.create").await?;
    let mut levels = event(operator, room, "m.room.power_levels").await?;
    let powers = Powers::new(&create, levels["content"].take());
    let (own, others): (Vec<_>, Vec<_>) = members.iter().partition(|member| *member == user);
    Ok(own.into_iter().any(|user| powers.leads(user))
        && !others.into_iter().any(|other| powers.leads(other)))
}

/// The state event of that type without a state key; nothing where there is none.
async fn event(operator: &Client, room: &RoomId, event_type: &str) -> Result<Value, Error> {
    let found = room::states(operator, room, event_type).await?.into_iter();
    let mut found = found.filter(|event| event["state_key"] == "");
    Ok(found.next().unwrap_or_default())
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
