//! `content forget-room`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{RoomArg, Sending},
    },
    context::Context,
    error::Failure,
    matrix::{Error, room},
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
pub(crate) struct Forgotten {
    pub(crate) room_id: String,
    pub(crate) user_id: String,
    /// Always true.
    pub(crate) forgotten: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Forgotten> {
    let Args { room, sending } = args;
    let client = sending.client(context).await?;
    // The very room, whatever took its place: that one was not left.
    let room_id = room.named(context, &sending.operator(context)?).await?;
    let user_id = client.user_id().to_owned();
    let operator = sending.operator(context)?;
    let member = room::content(&operator, &room_id, "m.room.member", user_id.as_str()).await;
    let member = match member {
        Ok(member) => member,
        // A room that all have left may be gone already, and be seen by who was in it all the same.
        Err(Error::NoRoom(_)) => serde_json::Value::Null,
        Err(error) => return Err(error.into()),
    };
    if let Some(now @ ("join" | "invite" | "knock")) = member["membership"].as_str() {
        let is = match now {
            "join" => "is in",
            "invite" => "is invited to",
            _ => "knocks at",
        };
        return Err(Failure::request(format!("`{user_id}` {is} the room `{room_id}`"))
            .hinted("`content leave-room ROOM --forget` leaves and forgets it")
            .into());
    }
    context.would(format_args!("have {user_id} forget {room_id}"))?;
    room::forget(&client, &room_id).await?;
    let (room_id, user_id) = (room_id.into(), user_id.into());
    Ok(Reply::done(Forgotten { room_id, user_id, forgotten: true }))
}

impl Sentence for Forgotten {
    fn sentence(&self) -> String {
        format!("{} does not see {} any more", self.user_id, self.room_id)
    }

    fn id(&self) -> &str {
        &self.room_id
    }
}
