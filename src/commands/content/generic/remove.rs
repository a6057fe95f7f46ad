//! `content remove`: the contract's word.

use crate::commands::content::{arguments::Patience, generic::kind::Kind, hooks, rooms, users};
use crate::commands::reply::told;
use crate::{commands::Result, context::Context, error::Failure, output::Output};

#[derive(clap::Args)]
#[command(
    override_usage = "resource-matrix-synapse content remove --type <TYPE> --name <NAME> [OPTIONS]"
)]
pub(crate) struct Args {
    /// What it is: user, bot, hook or room; not needed for `@name`, `#alias` and `!id`
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Its name
    #[arg(long)]
    name: String,
    /// Remove a room even if a local user cannot be made to leave
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    patience: Patience,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let Args { kind, name, force, patience } = args;
    let kind = match kind {
        Some(kind) => Kind::parse(&kind)?,
        // What is gone is gone: nothing is assumed.
        None => Kind::of(&name).ok_or_else(|| {
            Failure::request(format!("`{name}` may be a room or a user"))
                .hinted("say which: `--type room` or `--type user`")
        })?,
    };
    match kind {
        Kind::User | Kind::Bot => {
            let args = users::remove::Args { user: name.into(), erase: false, patience };
            told(users::remove::run(args, context).await, output)
        }
        Kind::Room => {
            let args = rooms::remove::Args { room: name.into(), force, block: false, patience };
            told(rooms::remove::run(args, context).await, output)
        }
        Kind::Hook => told(hooks::remove::run(hooks::remove::Args { id: name }, context).await, output),
        Kind::Message => Err(Failure::request("a message is removed with its room and id")
            .hinted("`content redact-message ROOM EVENT` takes it away")),
    }
}
