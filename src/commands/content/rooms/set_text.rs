//! What a room says of itself: what setting its name and its topic have in common.

use ruma::{OwnedRoomId, RoomId};
use serde_json::Value;

use crate::{
    commands::content::arguments::{RoomArg, Sending},
    context::Context,
    matrix::room,
    reply::Stop,
};

/// Sets the state event of a type where its `field` is not `text` already. Returns the room, and whether
/// something changed.
pub(super) async fn set(
    (room, sending): (&RoomArg, &Sending),
    context: &Context,
    (event_type, field, text): (&str, &str, &str),
    content: &Value,
) -> Result<(OwnedRoomId, bool), Stop> {
    let operator = sending.operator(context)?;
    let (client, room_id) = sending.in_room(context, room).await?;
    let id: &RoomId = &room_id;
    let now = room::content(&operator, id, event_type, "").await?;
    let changed = now[field].as_str().unwrap_or_default() != text;
    if changed {
        context.would(format_args!("set the {field} of {id}"))?;
        let set = async || room::set_state(&client, id, event_type, "", content.clone()).await;
        sending.with_power(&client, id, context, set).await?;
    }
    Ok((room_id, changed))
}
