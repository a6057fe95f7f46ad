//! The direct rooms that a user's programs know, as they stand in their account data ([`m.direct`]).
//!
//! [`m.direct`]: https://spec.matrix.org/latest/client-server-api/#direct-messaging

use ruma::{OwnedRoomId, RoomId, UserId};
use serde_json::Value;

use super::{
    Error, account_data,
    api::{joined_rooms, state},
    client::Client,
};

pub(super) const DIRECT: &str = "m.direct";

/// The direct room that a user has with another, if both are still in it or the other is invited.
pub(crate) async fn find(client: &Client, other: &UserId) -> Result<Option<OwnedRoomId>, Error> {
    let known = account_data::get(client, None, DIRECT).await?.unwrap_or_default();
    let rooms = rooms_with(&known, other);
    if rooms.is_empty() {
        return Ok(None);
    }
    // The server shows those who left a room its state of then.
    let joined = client.send(joined_rooms::Request {}).await?.joined_rooms;
    // Programs add new ones behind the others.
    for room in rooms.into_iter().rev().filter(|room| joined.contains(room)) {
        if is_there(client, &room, other).await? {
            return Ok(Some(room));
        }
    }
    Ok(None)
}

/// Whether somebody is in a room or invited, as a member sees it.
async fn is_there(client: &Client, room: &RoomId, user: &UserId) -> Result<bool, Error> {
    let request = state::Request {
        room_id: room.to_owned().into(),
        event_type: "m.room.member".to_owned().into(),
        state_key: user.to_string().into(),
    };
    match client.send(request).await {
        Ok(found) => Ok(matches!(found.content["membership"].as_str(), Some("join" | "invite"))),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// The rooms that account data name as those with somebody.
fn rooms_with(known: &Value, other: &UserId) -> Vec<OwnedRoomId> {
    let rooms = known[other.as_str()].as_array().into_iter().flatten();
    rooms.filter_map(|room| room.as_str()?.try_into().ok()).collect()
}

#[cfg(test)]
mod tests {
    use ruma::user_id;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_room_in_account_data_is_passed_over() {
        let bob = user_id!("@bob:x");
        let known = json!({ "@bob:x": [1, "!old:x", "x", "!new:x"], "@al:x": "!a:x" });
        assert_eq!(rooms_with(&known, bob), ["!old:x", "!new:x"]);
        assert!(rooms_with(&known, user_id!("@al:x")).is_empty());
        assert!(rooms_with(&Value::Null, bob).is_empty());
    }
}
