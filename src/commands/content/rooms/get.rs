//! `content get-room`.

use std::fmt;

use ruma::OwnedRoomId;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{shown::Room, space};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, RoomArg},
    },
    context::Context,
    matrix::{Error, admin::rooms, client::Client, room},
    output::{self, Report},
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Details {
    #[serde(flatten)]
    pub(crate) room: Room,
    /// What it is about. The list of rooms does not have it: the server tells it of one room at a time.
    pub(crate) topic: Option<String>,
    /// The ids of all who are in it.
    pub(crate) members: Vec<String>,
    /// The ids of those who are invited and did not answer.
    pub(crate) invited: Vec<String>,
    /// The room that took its place, where it was upgraded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) successor_id: Option<String>,
    /// The ids of the rooms in a space.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rooms: Option<Vec<String>>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Details> {
    let operator = args.patience.operator(context)?;
    let (room_id, mut room) = found(context, &operator, &args.room).await?;
    let request = rooms::members::Request { room_id: room_id.clone().into() };
    let members = operator.send(request).await?.members;
    let members = members.into_iter().map(Into::into).collect();
    let request = rooms::state::Request { room_id: room_id.into(), event_type: None };
    let state = operator.send(request).await?.state;
    // The server's own list of rooms follows only a moment later.
    let now = |kind: &str, field: &str| {
        let event = state.iter().find(|event| event["type"] == kind && event["state_key"] == "");
        let text = event.and_then(|event| event["content"][field].as_str());
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    room.name = now("m.room.name", "name");
    room.canonical_alias = now("m.room.canonical_alias", "alias");
    room.topic = now("m.room.topic", "topic");
    let successor_id = now("m.room.tombstone", "replacement_room");
    let invited = keys(&state, "m.room.member", |content| content["membership"] == "invite");
    let is_space = room.room_type.as_deref() == Some(space::SPACE);
    let rooms = is_space.then(|| keys(&state, space::CHILD, space::is_in));
    Ok(Reply::done(Details {
        topic: room.topic.take(),
        room: room.into(),
        members,
        invited,
        successor_id,
        rooms,
    }))
}

/// The state keys of those events of a type whose content is as it should be.
fn keys(events: &[Value], kind: &str, is_wanted: impl Fn(&Value) -> bool) -> Vec<String> {
    let of_type = events.iter().filter(|event| event["type"] == kind);
    let wanted = of_type.filter(|event| is_wanted(&event["content"]));
    wanted.filter_map(|event| event["state_key"].as_str().map(str::to_owned)).collect()
}

/// The room that was meant, if the server knows it.
pub(in crate::commands::content) async fn found(
    context: &Context,
    operator: &Client,
    room: &RoomArg,
) -> Result<(OwnedRoomId, rooms::list::Room), Stop> {
    known(operator, room, room.resolve(context, operator).await).await
}

/// The same of the very room that was named, for what cannot be undone: nobody who means an old room loses the
/// one that took its place.
pub(super) async fn named(
    context: &Context,
    operator: &Client,
    room: &RoomArg,
) -> Result<OwnedRoomId, Stop> {
    Ok(known(operator, room, room.named(context, operator).await).await?.0)
}

async fn known(
    operator: &Client,
    room: &RoomArg,
    id: Result<OwnedRoomId, Error>,
) -> Result<(OwnedRoomId, rooms::list::Room), Stop> {
    let absent = || Stop::absent("room", "room", room.as_str());
    let id = match id {
        Err(error) if error.is_not_found() => return Err(absent()),
        resolved => resolved?,
    };
    let details = room::details(operator, &id).await?.ok_or_else(absent)?;
    Ok((id, details))
}

impl Details {
    fn rows(&self) -> Vec<(&'static str, String)> {
        let Self { room, topic, members, invited, successor_id, rooms } = self;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        vec![
            ("Room", room.room_id.clone()),
            ("Name", text(&room.name)),
            ("Alias", text(&room.alias)),
            ("Topic", text(topic)),
            ("Successor", text(successor_id)),
            ("Version", text(&room.version)),
            ("Encrypted", room.encrypted.to_string()),
            ("Members", members.join(", ")),
            ("Invited", invited.join(", ")),
            ("Join Rule", text(&room.join_rule)),
            ("Rooms", rooms.as_deref().unwrap_or_default().join(", ")),
            ("Creator", text(&room.creator)),
            ("Type", text(&room.kind)),
            ("Public", room.public.to_string()),
        ]
    }

    fn fields(&self, page: &mut String, count: usize) -> fmt::Result {
        let mut rows = self.rows();
        rows.truncate(count);
        rows.retain(|(_, value)| !value.is_empty());
        output::fields(page, &rows)
    }
}

impl Report for Details {
    fn text(&self, page: &mut String) -> fmt::Result {
        self.fields(page, 11)
    }

    fn long(&self, page: &mut String) -> fmt::Result {
        self.fields(page, 14)
    }

    fn id(&self) -> Option<&str> {
        Some(&self.room.room_id)
    }
}
