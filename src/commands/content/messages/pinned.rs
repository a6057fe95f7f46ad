//! The messages that a room keeps in sight: what pinning one and unpinning it have in common.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{RoomArg, Sending},
    },
    context::Context,
    matrix::{message, names, room},
    output::Sentence,
};

const PINNED: &str = "m.room.pinned_events";

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// The message
    pub(crate) event: String,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Kept {
    pub(crate) room_id: String,
    pub(crate) event_id: String,
    /// Whether it is pinned now.
    pub(crate) pinned: bool,
    /// False where it was so before.
    pub(crate) changed: bool,
}

pub(super) async fn set(args: Args, context: &Context, pinned: bool) -> Answered<Kept> {
    let Args { room, event, sending } = args;
    let event = names::event(&event)?;
    let operator = sending.operator(context)?;
    let (client, room_id) = sending.in_room(context, &room).await?;
    if pinned {
        room::require_event(&operator, &room_id, &event).await?;
    }
    let now = room::content(&operator, &room_id, PINNED, "").await?;
    let content = with(now, event.as_str(), pinned);
    if let Some(content) = &content {
        let act = if pinned { "pin" } else { "unpin" };
        context.would(format_args!("{act} {event} in {room_id}"))?;
        message::check_size(content)?;
        let set = async || room::set_state(&client, &room_id, PINNED, "", content.clone()).await;
        sending.with_power(&client, &room_id, context, set).await?;
    }
    let changed = content.is_some();
    let (room_id, event_id) = (room_id.into(), event.into());
    Ok(Reply::done_if(changed, Kept { room_id, event_id, pinned, changed }))
}

/// The list with one more, as the newest, or one less; nothing where it is so already.
fn with(mut content: Value, event: &str, pinned: bool) -> Option<Value> {
    if !content["pinned"].is_array() {
        content = json!({ "pinned": [] });
    }
    let list = content["pinned"].as_array_mut()?;
    if list.iter().any(|it| it == event) == pinned {
        return None;
    }
    if pinned {
        list.push(event.into());
    } else {
        list.retain(|it| it != event);
    }
    Some(content)
}

impl Sentence for Kept {
    fn sentence(&self) -> String {
        let Self { room_id, event_id, pinned, changed } = self;
        match (pinned, changed) {
            (true, true) => format!("pinned {event_id} in {room_id}"),
            (true, false) => format!("{event_id} is already pinned in {room_id}"),
            (false, true) => format!("unpinned {event_id} in {room_id}"),
            (false, false) => format!("{event_id} is not pinned in {room_id}"),
        }
    }

    fn id(&self) -> &str {
        &self.event_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_others_stay_pinned_in_their_order() {
        let one = with(Value::Null, "$a", true).unwrap();
        let two = with(one.clone(), "$b", true).unwrap();
        assert_eq!(two, json!({ "pinned": ["$a", "$b"] }));
        assert_eq!(with(two.clone(), "$a", true), None);
        assert_eq!(with(two, "$b", false), Some(one));
        assert_eq!(with(Value::Null, "$a", false), None);
    }
}
