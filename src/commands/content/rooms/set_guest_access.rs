//! `content set-guest-access`.

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
    /// Whether users without an account may join
    pub(crate) guests: Guests,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Guests {
    /// Guests may join where the join rule lets them
    CanJoin,
    /// Only accounts may join
    Forbidden,
}

impl Guests {
    /// As Matrix has it.
    fn word(self) -> &'static str {
        match self {
            Self::CanJoin => "can_join",
            Self::Forbidden => "forbidden",
        }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Set {
    pub(crate) room_id: String,
    /// `can_join` or `forbidden`.
    pub(crate) guest_access: &'static str,
    /// False where it was so before.
    pub(crate) changed: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Set> {
    let Args { room, guests, sending } = args;
    let word = guests.word();
    let content = json!({ "guest_access": word });
    let what = ("m.room.guest_access", "the access of guests");
    let wanted = ("guest_access", word);
    let (room_id, changed) =
        change::set_word((&room, &sending), context, what, wanted, content).await?;
    let answer = Set { room_id: room_id.into(), guest_access: word, changed };
    Ok(Reply::done_if(changed, answer))
}

impl Sentence for Set {
    fn sentence(&self) -> String {
        let Self { room_id, guest_access, changed } = self;
        let is = if *changed { "is now" } else { "is already" };
        format!("the access of guests to {room_id} {is} `{guest_access}`")
    }

    fn id(&self) -> &str {
        &self.room_id
    }
}
