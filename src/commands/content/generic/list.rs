//! `content list`: the contract's word.

use crate::commands::content::{arguments::Patience, generic::kind::Kind, hooks, rooms, users};
use crate::commands::reply::told;
use crate::{commands::Result, context::Context, error::Failure, output::Output};

#[derive(clap::Args)]
#[command(override_usage = "resource-matrix-synapse content list --type <TYPE> [OPTIONS]")]
pub(crate) struct Args {
    /// What to list: user, bot, hook or room
    #[arg(long = "type", value_name = "TYPE", default_value = "room")]
    kind: String,
    /// Only those where this is part of the name or id
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    #[command(flatten)]
    patience: Patience,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let Args { kind, filter, patience } = args;
    let kind = Kind::parse(&kind)?;
    match kind {
        Kind::User | Kind::Bot => {
            let bots = kind == Kind::Bot;
            let args = users::list::Args { filter, all: false, bots, patience };
            told(users::list::run(args, context).await, output)
        }
        Kind::Room => {
            told(rooms::list::run(rooms::list::Args { filter, patience }, context).await, output)
        }
        Kind::Hook => told(hooks::list::run(hooks::list::Args { filter }, context).await, output),
        Kind::Message => Err(Failure::request("messages are listed room by room")
            .hinted("`content read-messages ROOM` lists them")),
    }
}
