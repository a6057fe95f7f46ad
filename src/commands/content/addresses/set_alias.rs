//! `content set-alias`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::alias::{CANONICAL, room_of, taken, with_main};
use crate::{
    commands::{
        Answered, Reply,
        content::{
            arguments::{RoomArg, Sending, room::allowed},
            rooms::change,
        },
        offered,
    },
    context::Context,
    error::Failure,
    matrix::names,
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// An alias that the room has; an empty text leaves it none that it is known by
    #[arg(add = offered::rooms())]
    pub(crate) alias: String,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Set {
    pub(crate) room_id: String,
    /// The alias that the room is known by now.
    pub(crate) alias: Option<String>,
    /// False where it was so before.
    pub(crate) changed: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Set> {
    let Args { room, alias, sending } = args;
    let (client, room_id) = sending.in_room(context, &room).await?;
    let mut main = None;
    if !alias.is_empty() {
        let alias = names::alias(&alias, client.server_name())?;
        allowed(context, &client, &alias)?;
        match room_of(&client, &alias).await? {
            Some(found) if found == room_id => {}
            Some(found) => return Err(taken(&alias, &found).into()),
            None => {
                return Err(Failure::request(format!("there is no alias `{alias}`"))
                    .hinted(format!(
                        "`content add-alias '{room_id}' '{alias}'` gives it to the room"
                    ))
                    .into());
            }
        }
        main = Some(alias.to_string());
    }
    let about = (&RoomArg::from(room_id.as_str()), &sending);
    let wanted = |now: &Value| with_main(now, main.as_deref());
    let (room_id, changed) =
        change::set(about, context, (CANONICAL, "the main alias"), wanted).await?;
    Ok(Reply::done_if(changed, Set { room_id: room_id.into(), alias: main, changed }))
}

impl Sentence for Set {
    fn sentence(&self) -> String {
        let Self { room_id, alias, changed } = self;
        match (alias, changed) {
            (Some(alias), true) => format!("{room_id} is known as {alias} now"),
            (Some(alias), false) => format!("{room_id} is known as {alias} already"),
            (None, true) => format!("{room_id} is known by no alias any more"),
            (None, false) => format!("{room_id} is known by no alias"),
        }
    }

    fn id(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.room_id)
    }
}
