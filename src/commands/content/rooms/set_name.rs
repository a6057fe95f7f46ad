//! `content set-name`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::{change, create::name_fits};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{RoomArg, Sending},
    },
    context::Context,
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// What the room is called from now on
    #[arg(value_name = "TEXT")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Set {
    pub(crate) room_id: String,
    pub(crate) name: String,
    pub(crate) changed: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Set> {
    let Args { room, name, sending } = args;
    name_fits(&name)?;
    let content = json!({ "name": name });
    let what = ("m.room.name", "the name");
    let wanted = ("name", name.as_str());
    let (room_id, changed) =
        change::set_word((&room, &sending), context, what, wanted, content).await?;
    Ok(Reply::done_if(changed, Set { room_id: room_id.into(), name, changed }))
}

impl Sentence for Set {
    fn sentence(&self) -> String {
        let Self { room_id, name, changed } = self;
        let is = if *changed { "is now" } else { "is already" };
        format!("the name of {room_id} {is} {name}")
    }

    fn id(&self) -> &str {
        &self.room_id
    }
}
