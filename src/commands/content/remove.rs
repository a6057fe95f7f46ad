//! `content remove`: the contract's word.

use super::{answer::Reach, get::guessed, kind::Kind, remove_room, remove_user};
use crate::{commands::Result, context::Context, error::Failure, output::Output};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What it is: user, bot or room; by default the name says it
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Its name
    #[arg(long)]
    name: String,
    /// Remove a room even if a local user cannot be made to leave
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    reach: Reach,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let Args { kind, name, force, reach } = args;
    match guessed(kind.as_deref(), &name)? {
        Kind::User | Kind::Bot => {
            let args = remove_user::Args { name, erase: false, reach };
            remove_user::run(args, context, output).await
        }
        Kind::Room => {
            let args = remove_room::Args { room: name, force, block: false, reach };
            remove_room::run(args, context, output).await
        }
        Kind::Message => Err(Failure::request("a message is removed with its room and id")
            .hinted("`content redact-message ROOM EVENT` takes it away")),
    }
}
