//! Rooms in the directory: what listing one and taking it out have in common.

use ruma::RoomId;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{RoomArg, Sending},
    },
    context::Context,
    error::Failure,
    matrix::{
        Error,
        api::{get_visibility, set_visibility},
        client::Client,
        room,
    },
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
pub(crate) struct Published {
    pub(crate) room_id: String,
    /// Whether the directory lists it now.
    pub(crate) published: bool,
    /// False where it was so before.
    pub(crate) changed: bool,
}

pub(super) async fn set(args: Args, context: &Context, publish: bool) -> Answered<Published> {
    let Args { room, sending } = args;
    let (client, room_id) = sending.in_room(context, &room).await?;
    let operator = sending.operator(context)?;
    if room::details(&operator, &room_id).await?.is_none() {
        return Err(Error::NoRoom(room_id.to_string()).into());
    }
    let request = get_visibility::Request { room_id: room_id.clone().into() };
    let changed = (client.send(request).await?.visibility == "public") != publish;
    if changed {
        let act = if publish { "into" } else { "out of" };
        context.would(format_args!("take {room_id} {act} the directory"))?;
        let visibility = if publish { "public" } else { "private" };
        let request = || set_visibility::Request { room_id: room_id.clone().into(), visibility };
        let set = async || client.send(request()).await.map(drop);
        sending.within(&client, &room_id, context, set).await.map_err(refused)?;
    }
    if publish && !is_shown(&operator, &room_id).await? {
        context.warn(format!(
            "Synapse shows a room there only to whom it is open: `content set-join-rule '{room_id}' public` lets anybody join, `knock` lets people ask"
        ));
    }
    let room_id = room_id.into();
    Ok(Reply::done_if(changed, Published { room_id, published: publish, changed }))
}

/// Whether Synapse shows a room that the directory lists: it leaves out what nobody could join, knock at or read.
async fn is_shown(operator: &Client, room: &RoomId) -> Result<bool, Error> {
    let rule = room::content(operator, room, "m.room.join_rules", "").await?;
    if matches!(rule["join_rule"].as_str(), Some("public" | "knock" | "knock_restricted")) {
        return Ok(true);
    }
    let history = room::content(operator, room, "m.room.history_visibility", "").await?;
    Ok(history["history_visibility"] == "world_readable")
}

fn refused(error: Error) -> Failure {
    let forbidden = error.is("M_FORBIDDEN") || matches!(error, Error::Refused { status: 403, .. });
    let failure = Failure::from(error);
    if forbidden {
        failure.hinted(
            "`room_list_publication_rules` in a file of `homeserver.d` says who may list rooms; without `--as` the operator may",
        )
    } else {
        failure
    }
}

impl Sentence for Published {
    fn sentence(&self) -> String {
        let Self { room_id, published, changed } = self;
        match (published, changed) {
            (true, true) => format!("the directory lists {room_id} now"),
            (true, false) => format!("the directory lists {room_id} already"),
            (false, true) => format!("the directory does not list {room_id} any more"),
            (false, false) => format!("the directory does not list {room_id}"),
        }
    }

    fn id(&self) -> &str {
        &self.room_id
    }
}
