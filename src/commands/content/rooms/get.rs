//! `content get-room`.

use std::fmt;

use ruma::OwnedRoomId;
use schemars::JsonSchema;
use serde::Serialize;

use super::shown::Room;
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, RoomArg},
    },
    context::Context,
    matrix::{admin::rooms, client::Client, room},
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
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Details> {
    let operator = args.patience.operator(context)?;
    let (room_id, mut room) = found(context, &operator, &args.room).await?;
    let request = rooms::members::Request { room_id: room_id.into() };
    let members = operator.send(request).await?.members;
    let members = members.into_iter().map(Into::into).collect();
    Ok(Reply::done(Details { topic: room.topic.take(), room: room.into(), members }))
}

/// The room that was meant, if the server knows it.
pub(super) async fn found(
    context: &Context,
    operator: &Client,
    room: &RoomArg,
) -> Result<(OwnedRoomId, rooms::list::Room), Stop> {
    let absent = || Stop::absent("room", "room", room.as_str());
    let id = match room.resolve(context, operator).await {
        Err(error) if error.is_not_found() => return Err(absent()),
        resolved => resolved?,
    };
    let details = room::details(operator, &id).await?.ok_or_else(absent)?;
    Ok((id, details))
}

impl Details {
    fn rows(&self) -> Vec<(&'static str, String)> {
        let Self { room, topic, members } = self;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        vec![
            ("Room", room.room_id.clone()),
            ("Name", text(&room.name)),
            ("Alias", text(&room.alias)),
            ("Topic", text(topic)),
            ("Version", text(&room.version)),
            ("Encrypted", room.encrypted.to_string()),
            ("Members", members.join(", ")),
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
        self.fields(page, 7)
    }

    fn long(&self, page: &mut String) -> fmt::Result {
        self.fields(page, 10)
    }

    fn id(&self) -> Option<&str> {
        Some(&self.room.room_id)
    }
}
