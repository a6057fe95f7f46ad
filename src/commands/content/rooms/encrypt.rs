//! `content encrypt-room`.

use schemars::JsonSchema;
use serde::Serialize;

use super::change;
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{RoomArg, Sending},
    },
    context::Context,
    error::Failure,
    matrix::{message, new_room, room, sealed},
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Set {
    pub(crate) room_id: String,
    /// False where it was encrypted before.
    pub(crate) changed: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Set> {
    let Args { room, sending } = args;
    let operator = sending.operator(context)?;
    let (client, room_id) = sending.in_room(context, &room).await?;
    let now = room::content(&operator, &room_id, new_room::ENCRYPTION, "").await?;
    let changed = !new_room::is_encryption(&now);
    if changed {
        if room::content(&operator, &room_id, "m.room.create", "").await?["type"] == "m.space" {
            let message = format!("`{room_id}` is a space, in which nobody talks");
            let hint = format!("`content list-space '{room_id}'` lists its rooms");
            return Err(Failure::request(message).hinted(hint).into());
        }
        context.would(format_args!("encrypt {room_id}, for good"))?;
        let (about, content) = ((&client, &*room_id), new_room::algorithm());
        change::put(about, &sending, context, new_room::ENCRYPTION, content).await?;
        message::forget(&context.data()?, &room_id);
        if sending.acting.is_none() {
            // What others say before the operator does is read by it too.
            sealed::prepare(&client).await;
        }
    }
    Ok(Reply::done_if(changed, Set { room_id: room_id.into(), changed }))
}

impl Sentence for Set {
    fn sentence(&self) -> String {
        let Self { room_id, changed } = self;
        if *changed {
            format!("{room_id} is encrypted from now on, which cannot be taken back")
        } else {
            format!("{room_id} is encrypted already")
        }
    }

    fn id(&self) -> &str {
        &self.room_id
    }
}
