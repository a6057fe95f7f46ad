//! One state event of a room: what the verbs that set one have in common.

use ruma::{OwnedRoomId, RoomId};
use serde_json::Value;

use crate::{
    commands::content::arguments::{RoomArg, Sending},
    context::Context,
    matrix::{Error, client::Client, room},
    reply::Stop,
};

/// Sets the state event of a type to what `wanted` makes of its content of now, or leaves it where that is
/// nothing; `what` is how a dry run calls it. Returns the room, and whether something changed.
pub(in crate::commands::content) async fn set(
    (room, sending): (&RoomArg, &Sending),
    context: &Context,
    (event_type, what): (&str, &str),
    wanted: impl FnOnce(&Value) -> Option<Value>,
) -> Result<(OwnedRoomId, bool), Stop> {
    let operator = sending.operator(context)?;
    let (client, room_id) = sending.in_room(context, room).await?;
    let id: &RoomId = &room_id;
    let now = room::content(&operator, id, event_type, "").await?;
    let wanted = wanted(&now);
    let changed = wanted.is_some();
    if let Some(content) = wanted {
        context.would(format_args!("set {what} of {id}"))?;
        put((&client, id), sending, context, event_type, content).await?;
    }
    Ok((room_id, changed))
}

/// Sets the state event of a type, with the power that this needs.
pub(super) async fn put(
    (client, room): (&Client, &RoomId),
    sending: &Sending,
    context: &Context,
    event_type: &str,
    content: Value,
) -> Result<(), Error> {
    let set = async || room::set_state(client, room, event_type, "", content.clone()).await;
    sending.with_power(client, room, context, set).await
}

/// The same for an event of one word, `field`, where that is not `text` already.
pub(super) async fn set_word(
    about: (&RoomArg, &Sending),
    context: &Context,
    (event_type, what): (&str, &str),
    (field, text): (&str, &str),
    content: Value,
) -> Result<(OwnedRoomId, bool), Stop> {
    let is_so = |now: &Value| now[field].as_str().unwrap_or_default() == text;
    set(about, context, (event_type, what), |now| (!is_so(now)).then_some(content)).await
}
