//! `content set-typing`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{RoomArg, Sending},
    },
    context::Context,
    matrix::api::typing,
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// Seem to type for this many seconds, unless a message comes before
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=120))]
    pub(crate) seconds: u64,
    /// Stop at once
    #[arg(long, conflicts_with = "seconds")]
    pub(crate) stop: bool,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Typing {
    room_id: String,
    user_id: String,
    typing: bool,
    /// After how many seconds it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<u64>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Typing> {
    let Args { room, seconds, stop, sending } = args;
    let (client, room_id) = sending.in_room(context, &room).await?;
    let (typing, user) = (!stop, client.user_id().to_owned());
    let seconds = typing.then_some(seconds);
    context.would(format_args!("let {room_id} see whether {user} is typing"))?;
    let set = async || {
        let timeout = seconds.map(|seconds| seconds * 1000);
        let (room_id, user_id) = (room_id.clone().into(), user.clone().into());
        client.send(typing::Request { room_id, user_id, typing, timeout }).await
    };
    sending.within(&client, &room_id, context, set).await?;
    Ok(Reply::done(Typing { room_id: room_id.into(), user_id: user.into(), typing, seconds }))
}

impl Sentence for Typing {
    fn sentence(&self) -> String {
        let Self { room_id, user_id, seconds, .. } = self;
        match seconds {
            Some(seconds) => format!("{user_id} is typing in {room_id} for {seconds} seconds"),
            None => format!("{user_id} is not typing in {room_id}"),
        }
    }

    fn id(&self) -> &str {
        &self.room_id
    }
}
