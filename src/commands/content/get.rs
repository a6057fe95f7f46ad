//! `content get`: the contract's word.

use super::{answer::Patience, get_room, get_user, kind::Kind};
use crate::{commands::Result, context::Context, error::Failure, output::Output};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What it is: user, bot or room; by default `@name` is a user and anything else a room
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Its name
    #[arg(long)]
    name: String,
    #[command(flatten)]
    patience: Patience,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let Args { kind, name, patience } = args;
    let kind = match kind {
        Some(kind) => Kind::parse(&kind)?,
        None => Kind::of(&name).unwrap_or_else(|| {
            output.warn(format!("`{name}` was taken for a room; `--type user` asks for a user"));
            Kind::Room
        }),
    };
    match kind {
        Kind::User | Kind::Bot => {
            get_user::run(get_user::Args { name, patience }, context, output).await
        }
        Kind::Room => get_room::run(get_room::Args { room: name, patience }, context, output).await,
        Kind::Message => Err(Failure::request("messages are read room by room")
            .hinted("`content read-messages ROOM` shows them")),
    }
}
