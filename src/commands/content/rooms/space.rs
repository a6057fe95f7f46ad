//! Rooms in spaces: what putting one in and taking one out have in common.

use ruma::RoomId;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    commands::{
        content::arguments::{RoomArg, Sending},
        offered,
    },
    context::Context,
    error::Failure,
    matrix::{Error, client::Client, room},
};

/// The type of a room that holds others.
pub(super) const SPACE: &str = "m.space";
pub(super) const CHILD: &str = "m.space.child";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The space: id, alias or exact name
    #[arg(add = offered::rooms())]
    pub(crate) space: String,
    #[command(flatten)]
    pub(crate) room: RoomArg,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Child {
    pub(crate) space_id: String,
    pub(crate) room_id: String,
    /// Whether the room is in the space now.
    pub(crate) member: bool,
    /// False where it was so before.
    pub(crate) changed: bool,
}

/// Makes a room one of a space, or takes it out of it.
pub(super) async fn set(
    args: Args,
    context: &Context,
    member: bool,
) -> Result<Child, crate::reply::Stop> {
    let Args { space, room, sending } = args;
    let (client, space_id) = sending.in_room(context, &RoomArg::from(space)).await?;
    let room_id = sending.room(context, &client, &room).await?;
    if space_id == room_id {
        return Err(Failure::request("a space is not a room of itself").into());
    }
    let operator = sending.operator(context)?;
    let found = room::details(&operator, &space_id).await?;
    let found = found.ok_or_else(|| Error::NoRoom(space_id.to_string()))?;
    if found.room_type.as_deref() != Some(SPACE) {
        return Err(Failure::request(format!("`{space_id}` is a room and not a space"))
            .hinted("`content create-room NAME --space` makes a space")
            .into());
    }
    if member && room::details(&operator, &room_id).await?.is_none() {
        return Err(Error::NoRoom(room_id.to_string()).into());
    }
    let is_member = async || is_child(&client, &space_id, &room_id).await;
    let changed = sending.within(&client, &space_id, context, is_member).await? != member;
    if changed {
        let act = if member { "put" } else { "take" };
        let place = if member { "into" } else { "out of" };
        context.would(format_args!("{act} {room_id} {place} {space_id}"))?;
        let via = json!({ "via": [client.server_name()] });
        let content = if member { via } else { json!({}) };
        let put = async || {
            let key = room_id.as_str();
            room::set_state(&client, &space_id, CHILD, key, content.clone()).await
        };
        sending.within(&client, &space_id, context, put).await?;
    }
    Ok(Child { space_id: space_id.into(), room_id: room_id.into(), member, changed })
}

/// Whether the content of an `m.space.child` puts a room into the space: without servers to join it
/// through it does not.
pub(super) fn is_in(content: &Value) -> bool {
    content["via"].as_array().is_some_and(|via| !via.is_empty())
}

async fn is_child(client: &Client, space: &RoomId, room: &RoomId) -> Result<bool, Error> {
    Ok(room::state(client, space, CHILD, room.as_str()).await?.as_ref().is_some_and(is_in))
}
