//! `content set-history`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::change;
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
    /// Who sees what was said
    pub(crate) history: History,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum History {
    /// Members, also what was said before they came
    Shared,
    /// Members, what was said since they were invited
    Invited,
    /// Members, what was said since they joined
    Joined,
    /// Anybody, without being in the room
    WorldReadable,
}

impl History {
    /// As Matrix has it.
    fn word(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Invited => "invited",
            Self::Joined => "joined",
            Self::WorldReadable => "world_readable",
        }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Set {
    pub(crate) room_id: String,
    /// `shared`, `invited`, `joined` or `world_readable`.
    pub(crate) history_visibility: &'static str,
    /// False where it was so before.
    pub(crate) changed: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Set> {
    let Args { room, history, sending } = args;
    let word = history.word();
    let content = json!({ "history_visibility": word });
    let what = ("m.room.history_visibility", "who sees the history");
    let wanted = ("history_visibility", word);
    let (room_id, changed) =
        change::set_word((&room, &sending), context, what, wanted, content).await?;
    let answer = Set { room_id: room_id.into(), history_visibility: word, changed };
    Ok(Reply::done_if(changed, answer))
}

impl Sentence for Set {
    fn sentence(&self) -> String {
        let Self { room_id, history_visibility, changed } = self;
        let is = if *changed { "is now" } else { "is already" };
        format!("the history of {room_id} {is} `{history_visibility}`")
    }

    fn id(&self) -> &str {
        &self.room_id
    }
}
