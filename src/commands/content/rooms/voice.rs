//! Who may write in a room: `content close-room`, `content open-room`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::change;
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{RoomArg, Sending},
    },
    context::Context,
    matrix::{Error, leaders::Powers},
    output::Sentence,
};

/// What a moderator has.
const MODERATOR: i64 = 50;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    room: RoomArg,
    #[command(flatten)]
    sending: Sending,
}

/// Who may write from now on.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Voice {
    room_id: String,
    /// The power level that one has to have to write.
    power: i64,
    changed: bool,
}

pub(super) async fn set(args: Args, context: &Context, closed: bool) -> Answered<Voice> {
    let Args { room, sending } = args;
    let (client, room_id) = sending.in_room(context, &room).await?;
    let powers = Powers::of(&sending.operator(context)?, &room_id).await?;
    if !powers.levels.is_object() {
        return Err(Error::lacks("the room", "m.room.power_levels").into());
    }
    let everybodys = powers.everybodys();
    let before = powers.to_write();
    let is_closed = before > everybodys;
    let power = match (closed, is_closed) {
        (true, false) => MODERATOR.max(everybodys + 1),
        (false, true) => everybodys,
        _ => before,
    };
    let changed = power != before;
    if changed {
        context.would(format_args!("have who writes in {room_id} need the power {power}"))?;
        let content = with(powers.levels, power);
        change::put((&client, &room_id), &sending, context, "m.room.power_levels", content).await?;
    }
    let voice = Voice { room_id: room_id.into(), power, changed };
    Ok(Reply::done_if(changed, voice))
}

/// The levels with what one needs to write; all else stays as it is.
fn with(mut levels: Value, power: i64) -> Value {
    levels["events_default"] = json!(power);
    if let Some(messages) = levels.get_mut("events").and_then(|it| it.get_mut("m.room.message")) {
        *messages = json!(power);
    }
    levels
}

impl Sentence for Voice {
    fn sentence(&self) -> String {
        let Self { room_id, power, .. } = self;
        format!("who has the power {power} in {room_id} may write there")
    }

    fn id(&self) -> &str {
        &self.room_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_need_what_all_else_that_one_writes_does() {
        let levels = json!({ "ban": 50, "events": { "m.room.name": 50 } });
        let closed = with(levels, 50);
        assert_eq!(
            closed,
            json!({ "ban": 50, "events_default": 50, "events": { "m.room.name": 50 } })
        );
        assert_eq!(with(json!({ "ban": 50 }), 50), json!({ "ban": 50, "events_default": 50 }));
        let closed = with(json!({ "events": { "m.room.message": 0 } }), 50);
        assert_eq!(closed["events"]["m.room.message"], 50);
    }
}
