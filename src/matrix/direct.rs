//! Direct rooms: a room that a user's programs know as the one with somebody else. Which it is stands in their
//! account data ([`m.direct`]); the invitation says to the other that it is one.
//!
//! [`m.direct`]: https://spec.matrix.org/latest/client-server-api/#direct-messaging

use std::{collections::BTreeMap, time::Duration};

use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Error, account_data,
    admin::users,
    api::{create_room, sync},
    client::Client,
    known::{DIRECT, find},
    new_room, room,
};
use crate::{config::sections::rooms::Encrypt, data_dir::DataDir, files, process::Lock};

const MEMBER: &str = "m.room.member";
const PRESET: create_room::Preset = create_room::Preset::TrustedPrivateChat;
/// How long another command may take to make the same room.
const PATIENCE: Duration = Duration::from_secs(30);

/// A direct room, and whether it had to be made.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) room: OwnedRoomId,
    pub(crate) made: bool,
    /// Whether one that was made is encrypted, as far as we asked for it.
    pub(crate) encrypted: bool,
}

/// The direct room of a user with another; where there is none it is made, and the other is invited. It is encrypted where
/// the settings say so, `encrypt`, and both can read there.
pub(crate) async fn open(
    data: &DataDir,
    client: &Client,
    operator: &Client,
    other: &OwnedUserId,
    encrypt: Encrypt,
) -> Result<Opened, Error> {
    let there = |room| Opened { room, made: false, encrypted: false };
    if let Some(room) = find(client, other).await? {
        return Ok(there(room));
    }
    require(operator, client.user_id(), other).await?;
    files::private_folder(&data.run())?;
    // The same for both of them: each may be writing to the other.
    let mut pair = [client.user_id().as_str(), other.as_str()];
    pair.sort_unstable();
    let (pair, until) = (pair.join(" "), Instant::now() + PATIENCE);
    let _turn =
        Lock::of_name(&data.run(), "direct", &pair, "a direct room", until, &mut |_| ()).await;
    let client = &client.afresh();
    if let Some(room) = find(client, other).await? {
        return Ok(there(room));
    }
    let opened = if let Some(room) = pending(client, operator, other).await? {
        there(room)
    } else {
        let encrypted =
            encrypt.covers(PRESET) && new_room::can_read(client, operator, other).await?;
        Opened { room: make(client, other, encrypted).await?, made: true, encrypted }
    };
    mark(data, client, other, &opened.room).await?;
    Ok(opened)
}

/// Refuses somebody with whom there can be no direct room, as far as this server can know that.
pub(crate) async fn require(operator: &Client, own: &UserId, other: &UserId) -> Result<(), Error> {
    if own == other {
        return Err(Error::Alone(own.to_string()));
    }
    if other.server_name() != operator.server_name() {
        return Ok(());
    }
    match operator.send(users::get::Request { user_id: other.to_owned().into() }).await {
        Ok(found) if found.user.deactivated => Err(Error::Deactivated(other.to_string())),
        Ok(_) => Ok(()),
        Err(error) if error.is_not_found() => Err(Error::NoUser(other.to_string())),
        Err(error) => Err(error),
    }
}

/// Puts a room among the direct ones of a user; what is there stays there.
pub(crate) async fn mark(
    data: &DataDir,
    client: &Client,
    other: &UserId,
    room: &RoomId,
) -> Result<bool, Error> {
    account_data::change(data, client, None, DIRECT, |known| with(known, other, room)).await
}

/// Who has invited a user into a room as a direct one, if somebody has.
pub(crate) async fn invited_by(
    operator: &Client,
    room: &RoomId,
    user: &UserId,
) -> Result<Option<OwnedUserId>, Error> {
    let found = room::state_event(operator, room, MEMBER, user.as_str()).await?;
    let found = found.unwrap_or_default();
    let sender = found["sender"].as_str().filter(|_| is_direct(&found));
    Ok(sender.and_then(|sender| sender.try_into().ok()))
}

/// Whether what somebody is in a room is that they are invited into it as a direct one.
fn is_direct(member: &Value) -> bool {
    let content = &member["content"];
    content["membership"] == "invite" && content["is_direct"] == true
}

/// A direct room of the two that no account data name: the other has invited us, or a command of ours was killed
/// before it could mark what it had made.
async fn pending(
    client: &Client,
    operator: &Client,
    other: &UserId,
) -> Result<Option<OwnedRoomId>, Error> {
    let own = client.user_id();
    if client.is_dendrite() {
        return pending_there(client, other).await;
    }
    let of = async |user: &UserId| {
        let request = users::memberships::Request { user_id: user.to_owned().into() };
        operator.send(request).await.map(|found| found.memberships)
    };
    let ours = of(own).await?;
    let is_local = other.server_name() == operator.server_name();
    let theirs = if is_local { of(other).await? } else { BTreeMap::default() };
    for (id, membership) in ours {
        let Ok(room) = OwnedRoomId::try_from(id.as_str()) else { continue };
        let (invited, by) = match (membership.as_str(), theirs.get(&id).map(String::as_str)) {
            ("invite", _) => (own, other),
            ("join", Some("invite")) => (other, own),
            _ => continue,
        };
        if invited_by(operator, &room, invited).await?.as_deref() != Some(by) {
            continue;
        }
        if invited == own {
            room::join(client, &room).await?;
        }
        return Ok(Some(room));
    }
    Ok(None)
}

/// The same at a Dendrite, where no admin sees that: as far as the user does.
async fn pending_there(client: &Client, other: &UserId) -> Result<Option<OwnedRoomId>, Error> {
    let own = client.user_id();
    let nothing = json!({ "limit": 0 });
    let filter = json!({
        "presence": nothing,
        "account_data": nothing,
        "room": {
            "timeline": { "limit": 1, "types": [MEMBER], "senders": [own] },
            "state": { "types": [MEMBER], "senders": [own] },
            "ephemeral": nothing,
            "account_data": nothing,
        },
    });
    let request = sync::Request { filter: filter.to_string(), since: None, timeout: 0 };
    let rooms = client.send(request).await?.rooms;
    let invites = |event: &Value, by: &UserId, to: &UserId| {
        is_direct(event) && event["sender"] == by.as_str() && event["state_key"] == to.as_str()
    };
    let theirs = |room: &sync::Invited| {
        room.invite_state.events.iter().any(|event| invites(event, other, own))
    };
    if let Some((room, _)) = rooms.invite.iter().find(|(_, room)| theirs(room)) {
        room::join(client, room).await?;
        return Ok(Some(room.clone()));
    }
    let ours = |room: &sync::Joined| {
        let mut events = room.state.events.iter().chain(&room.timeline.events);
        events.any(|event| invites(event, own, other))
    };
    Ok(rooms.join.into_iter().find(|(_, room)| ours(room)).map(|(room, _)| room))
}

async fn make(client: &Client, other: &OwnedUserId, encrypted: bool) -> Result<OwnedRoomId, Error> {
    let is_local = other.server_name() == client.server_name();
    let request = create_room::Request {
        preset: PRESET,
        is_direct: Some(true),
        invite: if is_local { vec![other.clone()] } else { Vec::new() },
        initial_state: encrypted.then(new_room::encryption).into_iter().collect(),
        ..create_room::Request::default()
    };
    let room = client.send(request).await?.room_id;
    if !is_local {
        // Another server may not answer, and a room that is made would be no failure: it is left again.
        let content = json!({ "membership": "invite", "is_direct": true });
        if let Err(error) = room::set_state(client, &room, MEMBER, other.as_str(), content).await {
            drop(room::leave(client, &room).await);
            return Err(error);
        }
    }
    Ok(room)
}

/// The account data with one more room; nothing where it is there already.
fn with(known: Option<Value>, other: &UserId, room: &RoomId) -> Option<Value> {
    let mut known = known.filter(Value::is_object).unwrap_or_else(|| json!({}));
    let rooms = &mut known[other.as_str()];
    if !rooms.is_array() {
        *rooms = json!([]);
    }
    let rooms = rooms.as_array_mut()?;
    if rooms.iter().any(|known| known == room.as_str()) {
        return None;
    }
    rooms.push(room.as_str().into());
    Some(known)
}

#[cfg(test)]
mod tests {
    use ruma::{room_id, user_id};

    use super::*;

    #[test]
    fn a_room_is_added_to_what_is_known_and_nothing_is_lost() {
        let (bob, room) = (user_id!("@bob:x"), room_id!("!new:x"));
        let one = with(None, bob, room).unwrap();
        assert_eq!(one, json!({ "@bob:x": ["!new:x"] }));
        assert_eq!(with(Some(one.clone()), bob, room), None);
        let known = json!({ "@al:x": ["!a:x"], "@bob:x": ["!old:x"] });
        let more = with(Some(known), bob, room).unwrap();
        assert_eq!(more, json!({ "@al:x": ["!a:x"], "@bob:x": ["!old:x", "!new:x"] }));
        assert_eq!(with(Some(json!("damaged")), bob, room), Some(one));
    }
}
