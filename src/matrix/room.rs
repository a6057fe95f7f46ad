//! Rooms: finding one by what a person typed, and getting into it.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use ruma::{EventId, OwnedRoomAliasId, OwnedRoomId, OwnedServerName, OwnedUserId, RoomId, UserId};
use serde_json::Value;

use super::{
    Error, admin, api,
    client::Client,
    dendrite, known,
    names::{self, Room},
    new_room::{ENCRYPTION, is_encryption},
};
use crate::clock::Backoff;

/// How many rooms we ask for at once.
pub(crate) const PAGE: u32 = 500;

/// The event that says which room took the place of one.
const TOMBSTONE: &str = "m.room.tombstone";

/// How long another server may take to say what an alias of its means.
const ELSEWHERE: Duration = Duration::from_secs(5);

/// How long the server may need to go on with a room whose maker is gone.
const BEING_MADE: Duration = Duration::from_secs(15);

/// The room that a text means: an id, or what [`named`] finds. From one that was upgraded an alias and a name
/// lead to the room that took its place.
pub(crate) async fn resolve(client: &Client, text: &str) -> Result<OwnedRoomId, Error> {
    match named(client, text).await {
        Ok(found) if text.starts_with('!') => Ok(found),
        Ok(found) => latest(client, found).await,
        // A room and its successor have the same name.
        Err(Error::ManyRooms { name, ids }) => {
            let mut last = BTreeSet::new();
            for id in ids.iter().filter_map(|id| OwnedRoomId::try_from(id.as_str()).ok()) {
                last.insert(latest(client, id).await?);
            }
            match last.pop_first() {
                Some(only) if last.is_empty() => Ok(only),
                _ => Err(Error::ManyRooms { name, ids }),
            }
        }
        Err(error) => Err(error),
    }
}

/// The very room of an id, an alias, or an exact name that only one room of this server has.
pub(crate) async fn named(client: &Client, text: &str) -> Result<OwnedRoomId, Error> {
    match names::room(text, client.server_name())? {
        Room::Id(id) => Ok(id),
        Room::Alias(alias) if alias.server_name() != client.server_name() => {
            let asked = of_alias(client, &alias);
            match tokio::time::timeout(ELSEWHERE, asked).await {
                Ok(Ok(found)) => Ok(found),
                Ok(Err(
                    error @ (Error::Unreachable { .. }
                    | Error::Down { .. }
                    | Error::NotMatrix { .. }
                    | Error::Limited { .. }
                    | Error::Answer { .. }),
                )) => Err(error),
                Ok(Err(error)) if error.is("M_NOT_FOUND") => Err(Error::NoRoom(text.to_owned())),
                // Also what our server says where it may not or cannot ask that one, and repeats.
                _ => Err(Error::Elsewhere(text.to_owned())),
            }
        }
        Room::Alias(alias) => of_alias(client, &alias).await.map_err(|error| {
            if error.is_not_found() { Error::NoRoom(format!("#{}", alias.alias())) } else { error }
        }),
        Room::Direct(other) => known::find(client, &other).await?.ok_or_else(|| {
            let user = client.user_id().to_string();
            Error::NoDirect { user, other: other.into() }
        }),
        Room::Name(name) => {
            let all = pages(client, searchable(&name)).await?;
            let mut ids: Vec<String> = Vec::new();
            let mut only = None;
            for room in all.into_iter().filter(|room| room.name.as_deref() == Some(&name)) {
                ids.push(room.room_id.to_string());
                only = Some(room.room_id);
            }
            match only {
                Some(id) if ids.len() == 1 => Ok(id),
                Some(_) => Err(Error::ManyRooms { name, ids }),
                None => Err(unnamed(client, name).await),
            }
        }
    }
}

/// More upgrades in a row are followed by nobody.
const UPGRADES: usize = 100;

/// The room that took the place of one, and of that one, and so on; where nothing did, the room itself.
pub(crate) async fn latest(client: &Client, room: OwnedRoomId) -> Result<OwnedRoomId, Error> {
    let mut seen = vec![room];
    while let Some(last) = seen.last() {
        match successor(client, last).await? {
            // Tombstones that name each other lead nowhere.
            Some(next) if !seen.contains(&next) && seen.len() < UPGRADES => seen.push(next),
            _ => break,
        }
    }
    seen.pop().ok_or_else(|| Error::lacks("the rooms", "last"))
}

/// The room that took the place of one, as a member or an admin sees it; nothing for whoever may not look.
pub(crate) async fn successor(
    client: &Client,
    room: &RoomId,
) -> Result<Option<OwnedRoomId>, Error> {
    let found = match state(client, room, TOMBSTONE, "").await {
        Err(error) if error.is("M_FORBIDDEN") => match content(client, room, TOMBSTONE, "").await {
            Ok(found) => Some(found),
            Err(error) if error.is("M_FORBIDDEN") || error.is_not_found() => None,
            Err(error) => return Err(error),
        },
        found => found?,
    };
    let next = |content: &Value| OwnedRoomId::try_from(content["replacement_room"].as_str()?).ok();
    Ok(found.as_ref().and_then(next).filter(|next| next != room))
}

/// Refuses to speak where nobody listens any more.
pub(crate) async fn require_current(client: &Client, room: &RoomId) -> Result<(), Error> {
    match successor(client, room).await? {
        None => Ok(()),
        Some(next) => {
            let successor = latest(client, next).await?.to_string();
            Err(Error::Upgraded { room: room.to_string(), successor })
        }
    }
}

async fn of_alias(client: &Client, alias: &OwnedRoomAliasId) -> Result<OwnedRoomId, Error> {
    let request = api::alias::Request { room_alias: alias.clone().into() };
    client.send(request).await.map(|found| found.room_id)
}

/// Refuses as the server refuses who is not in the room.
pub(crate) async fn require_joined(client: &Client, room: &RoomId) -> Result<(), Error> {
    client.send(api::joined_members::Request { room_id: room.to_owned().into() }).await.map(drop)
}

/// There is no room of that name: it may be an alias without its sign.
async fn unnamed(client: &Client, name: String) -> Error {
    let alias = format!("#{name}");
    match names::room(&alias, client.server_name()) {
        Ok(Room::Alias(full)) if of_alias(client, &full).await.is_ok() => {
            Error::OnlyAlias { name, alias }
        }
        _ => Error::NoRoom(name),
    }
}

/// All rooms of the server.
pub(crate) async fn list(client: &Client) -> Result<Vec<admin::rooms::list::Room>, Error> {
    pages(client, None).await
}

/// The part of a name by which Synapse is sure to find the room. The database makes only the letters of ASCII
/// small, Synapse all of what it is asked for; and a backslash means something else there.
pub(crate) fn searchable(name: &str) -> Option<&str> {
    let parts = name.split(|c: char| !c.is_ascii() || c == '\\');
    parts.max_by_key(|part| part.len()).filter(|part| !part.is_empty())
}

/// All rooms of the server, or those that it finds by a part of their name.
async fn pages(
    client: &Client,
    term: Option<&str>,
) -> Result<Vec<admin::rooms::list::Room>, Error> {
    let (mut rooms, mut from) = (Vec::new(), 0);
    loop {
        let term = term.map(str::to_owned);
        let request = admin::rooms::list::Request::by_name(from, PAGE, term);
        let page = client.send(request).await?;
        rooms.extend(page.rooms);
        match page.next_batch {
            Some(next) => from = next,
            None => return Ok(rooms),
        }
    }
}

/// What Synapse tells of one room; nothing for one that it does not know.
pub(crate) async fn details(
    operator: &Client,
    room: &RoomId,
) -> Result<Option<admin::rooms::list::Room>, Error> {
    let request = admin::rooms::get::Request { room_id: room.to_owned().into() };
    match operator.send(request).await {
        Ok(found) => Ok(Some(found.room)),
        Err(error) if error.is_not_found() || dendrite::is_of_no_room(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// How somebody got into a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    /// The room was open to them.
    Joined,
    /// The operator was made an admin of the room, with the power of a local member who had it.
    AsAdmin,
}

/// What a user is in a room, as a member sees it: `join`, `invite`, `leave`, `ban`, or nothing yet.
pub(crate) async fn membership(
    client: &Client,
    room: &RoomId,
    user: &UserId,
) -> Result<Option<String>, Error> {
    let found = state(client, room, "m.room.member", user.as_str()).await?;
    Ok(found.and_then(|found| found["membership"].as_str().map(str::to_owned)))
}

/// The content of a state event, as a member sees it; nothing where there is none.
pub(crate) async fn state(
    client: &Client,
    room: &RoomId,
    event_type: &str,
    state_key: &str,
) -> Result<Option<Value>, Error> {
    let request = api::state::Request {
        room_id: room.to_owned().into(),
        event_type: event_type.to_owned().into(),
        state_key: state_key.to_owned().into(),
    };
    match client.send(request).await {
        // Who has left or is only invited gets something else (`findings/state_of_who_left.sh`).
        Ok(_) if client.is_dendrite() && !is_in(client, room).await? => Err(dendrite::outside()),
        Ok(found) => Ok(Some(found.content)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

async fn is_in(client: &Client, room: &RoomId) -> Result<bool, Error> {
    let joined = client.send(api::joined_rooms::Request {}).await?.joined_rooms;
    Ok(joined.iter().any(|joined| joined == room))
}

/// The state events of one type, as an admin sees them.
pub(crate) async fn states(
    operator: &Client,
    room: &RoomId,
    event_type: &str,
) -> Result<Vec<Value>, Error> {
    let room_id = room.to_owned().into();
    let event_type = event_type.to_owned();
    let request = admin::rooms::state::Request { room_id, event_type: Some(event_type.clone()) };
    let found = operator.send(request).await?.state.into_iter();
    // A Synapse that does not know the filter gives all of them.
    Ok(found.filter(|event| event["type"] == event_type.as_str()).collect())
}

/// The state event of one type and key, as an admin sees it; nothing where there is none.
pub(crate) async fn state_event(
    operator: &Client,
    room: &RoomId,
    event_type: &str,
    state_key: &str,
) -> Result<Option<Value>, Error> {
    let found = states(operator, room, event_type).await;
    let found = found.map_err(|error| {
        if error.is_not_found() { Error::NoRoom(room.to_string()) } else { error }
    })?;
    Ok(found.into_iter().find(|event| event["state_key"] == state_key))
}

/// The content of such an event, or null.
pub(crate) async fn content(
    operator: &Client,
    room: &RoomId,
    event_type: &str,
    state_key: &str,
) -> Result<Value, Error> {
    let found = state_event(operator, room, event_type, state_key).await?;
    Ok(found.map(|mut event| event["content"].take()).unwrap_or_default())
}

/// Sets a state event; where it is so already, nothing changes.
pub(crate) async fn set_state(
    client: &Client,
    room: &RoomId,
    event_type: &str,
    state_key: &str,
    content: Value,
) -> Result<(), Error> {
    let request = api::put_state::Request {
        room_id: room.to_owned().into(),
        event_type: event_type.to_owned().into(),
        state_key: state_key.to_owned().into(),
        content,
    };
    client.send(request).await.map(drop)
}

/// Joins a room that is open, or that the user is invited to.
pub(crate) async fn join(client: &Client, room: &RoomId) -> Result<(), Error> {
    let joined = client.send(api::join::Request { room_id: room.to_owned().into() }).await;
    joined.map(drop).map_err(|error| no_entry(client.user_id(), room, error))
}

/// Why somebody cannot join a room, where the server says that.
fn no_entry(user: &UserId, room: &RoomId, error: Error) -> Error {
    let room = room.to_string();
    if error.is_blocked() {
        return Error::Blocked(room);
    }
    if error.to_string().contains("banned") {
        return Error::Banned { user: user.to_string(), room, source: Box::new(error) };
    }
    if !error.is("M_FORBIDDEN") {
        return error;
    }
    Error::NoEntry { user: user.to_string(), room, source: Box::new(error) }
}

/// Leaves a room.
pub(crate) async fn leave(client: &Client, room: &RoomId) -> Result<(), Error> {
    client.send(api::leave::Request { room_id: room.to_owned().into() }).await.map(drop)
}

/// Takes a room that the user left out of what they see.
pub(crate) async fn forget(client: &Client, room: &RoomId) -> Result<(), Error> {
    client.send(api::forget::Request { room_id: room.to_owned().into() }).await.map(drop)
}

/// Joins a room that this server may not know yet: by an alias of another server, which says who is
/// in it, or through the servers named.
pub(crate) async fn join_through(
    client: &Client,
    room: &str,
    servers: &[OwnedServerName],
) -> Result<(), Error> {
    let request =
        api::join_through::Request { room: room.to_owned().into(), via: servers.to_vec() };
    client.send(request).await.map(drop)
}

/// Lets the operator into a room: by itself where it may, otherwise through the admin API.
pub(crate) async fn enter(operator: &Client, room: &RoomId) -> Result<Entered, Error> {
    match join(operator, room).await {
        Ok(()) => return Ok(Entered::Joined),
        Err(Error::NoEntry { .. }) if !operator.is_dendrite() => {}
        Err(error) if error.is_not_found() || error.is("M_UNKNOWN") => {
            // It may be known, and have nobody through whom one could join it.
            return Err(match details(operator, room).await? {
                Some(_) => Error::Deserted(room.to_string()),
                None => Error::NoRoom(room.to_string()),
            });
        }
        Err(error) => return Err(error),
    }
    match empower(operator, room).await {
        Ok(()) => {}
        // The server has several codes for that nobody there can do it.
        Err(error @ Error::Refused { .. }) => {
            let user = operator.user_id().to_string();
            return Err(Error::NoEntry { user, room: room.to_string(), source: Box::new(error) });
        }
        Err(error) => return Err(error),
    }
    join(operator, room).await?;
    Ok(Entered::AsAdmin)
}

/// Gives the operator the power of a local member who has most of it.
pub(crate) async fn empower(operator: &Client, room: &RoomId) -> Result<(), Error> {
    let user_id = operator.user_id().to_owned();
    let request = admin::rooms::make_admin::Request { room_id: room.to_owned().into(), user_id };
    operator.send(request).await.map(drop)
}

/// Lets a local user into a room, through the operator where it is not open to them.
pub(crate) async fn admit(
    operator: &Client,
    room: &RoomId,
    user: &OwnedUserId,
) -> Result<Option<Entered>, Error> {
    if operator.is_dendrite() {
        return invited(operator, room, user).await.map(|()| None);
    }
    let request =
        || admin::rooms::join::Request { room_id: room.to_owned().into(), user_id: user.clone() };
    match operator.send(request()).await {
        Ok(_) => Ok(None),
        Err(error) if error.is_blocked() => Err(no_entry(user, room, error)),
        Err(error) if is_no_entry(&error) && leads(operator, room).await? => {
            admit_when_made(operator, room, request).await
        }
        Err(error) if error.is("M_FORBIDDEN") || error.is("M_UNKNOWN") => {
            let entered = enter(operator, room).await?;
            match operator.send(request()).await {
                Ok(_) => Ok(Some(entered)),
                // In the room, yet without the power to invite.
                Err(error) if error.is("M_FORBIDDEN") && entered == Entered::Joined => {
                    empower(operator, room).await?;
                    operator.send(request()).await?;
                    Ok(Some(Entered::AsAdmin))
                }
                Err(error) => Err(error),
            }
        }
        Err(error) if error.is_not_found() => Err(Error::NoRoom(room.to_string())),
        Err(error) => Err(error),
    }
}

/// Has a local user invited by the operator, who has to be in the room, and join: Dendrite has no other way.
async fn invited(operator: &Client, room: &RoomId, user: &OwnedUserId) -> Result<(), Error> {
    let client = super::operator::user(operator, user).await?;
    if join(&client, room).await.is_ok() {
        return Ok(());
    }
    let request = api::invite::Request { room_id: room.to_owned().into(), user_id: user.clone() };
    operator.send(request).await?;
    join(&client, room).await
}

fn is_no_entry(error: &Error) -> bool {
    error.is("M_FORBIDDEN") || error.is("M_UNKNOWN") || error.is_not_found()
}

/// What Synapse tells of a room that somebody is in, or that it does not know. One that is just being made
/// has its first member in a moment.
pub(crate) async fn inhabited(
    operator: &Client,
    room: &RoomId,
) -> Result<Option<admin::rooms::list::Room>, Error> {
    const MOMENT: Duration = Duration::from_secs(5);
    let deadline = Instant::now() + MOMENT;
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
    loop {
        match details(operator, room).await? {
            Some(found) if found.joined_members == 0 => {}
            found => return Ok(found),
        }
        if Instant::now() + backoff.peek() > deadline {
            return Err(Error::Deserted(room.to_string()));
        }
        tokio::time::sleep(backoff.pause()).await;
    }
}

/// Waits for the moment in which Synapse writes the name of a new room where it looks for names, and says
/// whether that was done.
pub(crate) async fn is_found_by_name(
    operator: &Client,
    room: &RoomId,
    name: &str,
) -> Result<bool, Error> {
    const MOMENT: Duration = Duration::from_secs(5);
    let deadline = Instant::now() + MOMENT;
    let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
    loop {
        let found = details(operator, room).await?;
        if found.is_some_and(|found| found.name.as_deref() == Some(name)) {
            return Ok(true);
        }
        if Instant::now() + backoff.peek() > deadline {
            return Ok(false);
        }
        tokio::time::sleep(backoff.pause()).await;
    }
}

/// Whether the operator made a room whose creator has all power for good (room version 12) and did not
/// leave it. Nobody can be made an admin there who is its creator: the server refuses to.
async fn leads(operator: &Client, room: &RoomId) -> Result<bool, Error> {
    let Some(found) = details(operator, room).await? else { return Ok(false) };
    let version = found.version.as_deref().and_then(|version| version.parse::<u32>().ok());
    // The server's word for a room that is just being made may lack the version.
    let for_good = version.is_none_or(|version| version >= 12);
    if !for_good || found.creator.as_deref() != Some(operator.user_id().as_str()) {
        return Ok(false);
    }
    let request = admin::rooms::members::Request { room_id: room.to_owned().into() };
    match operator.send(request).await {
        Ok(found) => {
            let own = operator.user_id();
            Ok(found.members.is_empty() || found.members.iter().any(|member| member == own))
        }
        Err(error) if error.is_not_found() => Ok(true),
        Err(error) => Err(error),
    }
}

/// Where the command that made a room was killed, the server goes on: its alias is there first, then its
/// creator, and at last its rules.
async fn admit_when_made(
    operator: &Client,
    room: &RoomId,
    request: impl Fn() -> admin::rooms::join::Request,
) -> Result<Option<Entered>, Error> {
    let deadline = Instant::now() + BEING_MADE;
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
    loop {
        match operator.send(request()).await {
            Ok(_) => return Ok(None),
            Err(error) if !is_no_entry(&error) => return Err(error),
            Err(source) if Instant::now() + backoff.peek() > deadline => {
                return Err(Error::NoEntry {
                    user: request().user_id.to_string(),
                    room: room.to_string(),
                    source: Box::new(source),
                });
            }
            Err(_) => tokio::time::sleep(backoff.pause()).await,
        }
    }
}

/// Whether a room's messages are encrypted, as a member sees it.
pub(crate) async fn is_encrypted(client: &Client, room: &RoomId) -> Result<bool, Error> {
    match state(client, room, ENCRYPTION, "").await? {
        Some(found) if is_encryption(&found) => Ok(true),
        Some(_) => Err(Error::NoAlgorithm(room.to_string())),
        None => Ok(false),
    }
}

/// An event, if it is in a room, as the operator sees it.
pub(crate) async fn require_event(
    operator: &Client,
    room: &RoomId,
    event: &EventId,
) -> Result<Value, Error> {
    let absent = || Error::NoEvent { event: event.to_string(), room: room.to_string() };
    if operator.is_dendrite() {
        // It shows an event to who is in its room.
        return match context(operator, room, event).await {
            Ok(found) => Ok(found),
            Err(error) if error.is_not_found() || error.is("M_FORBIDDEN") => Err(absent()),
            Err(error) => Err(error),
        };
    }
    let request = admin::fetch_event::Request { event_id: event.to_owned().into() };
    match operator.send(request).await {
        Ok(found) if found.event["room_id"] == room.as_str() => Ok(found.event),
        Ok(_) => Err(absent()),
        Err(Error::Refused { status: 404, .. }) => Err(absent()),
        Err(error) => Err(error),
    }
}

/// An event of a room.
pub(super) async fn context(
    operator: &Client,
    room: &RoomId,
    event: &EventId,
) -> Result<Value, Error> {
    let request = admin::rooms::context::Request {
        room_id: room.to_owned().into(),
        event_id: event.to_owned().into(),
        limit: 0,
    };
    operator.send(request).await.map(|found| found.event)
}

/// The event that took another one away, if one did. The other must be in the room.
pub(crate) async fn redaction(
    operator: &Client,
    room: &RoomId,
    event: &EventId,
) -> Result<Option<String>, Error> {
    let found = context(operator, room, event).await?;
    let because = &found["unsigned"]["redacted_because"]["event_id"];
    Ok(because.as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::searchable;

    #[test]
    fn a_room_is_searched_by_what_the_database_and_synapse_agree_on() {
        assert_eq!(searchable("War Room"), Some("War Room"));
        assert_eq!(searchable("Über Uns"), Some("ber Uns"));
        assert_eq!(searchable("a\\b c"), Some("b c"));
        assert_eq!(searchable("Привет"), None);
    }
}
