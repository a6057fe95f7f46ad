//! `content remove`: the contract's word.

use schemars::JsonSchema;
use serde::Serialize;

use super::{found, kind::Kind, one_of::one_of};
use crate::{
    commands::{
        Answered,
        content::{arguments::Patience, hooks, rooms, users},
        table::require_synapse,
    },
    context::Context,
    error::Failure,
};

#[derive(clap::Args)]
#[command(
    override_usage = "resource-matrix-synapse content remove [--type <TYPE>] --name <NAME> [OPTIONS]"
)]
pub(crate) struct Args {
    /// What it is: user, bot, hook or room; not needed for `@name`, `#alias` and `!id`, and with --force
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,
    /// Its name
    #[arg(long)]
    pub(crate) name: String,
    /// Without --type, remove what has that name; a room even if a local user cannot be made to leave, a user even if nobody else could lead its rooms
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

one_of!(Removed {
    User(users::remove::Removed),
    Room(rooms::remove::Removed),
    Hook(hooks::remove::Removed),
});

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Removed> {
    let Args { kind, name, force, patience } = args;
    let kind = match (kind, Kind::of(&name)) {
        (Some(kind), _) => Kind::of_known(&kind)?,
        (None, Some(kind)) => kind,
        (None, None) if force => found::only(&name, patience, context).await?,
        // What is gone is gone: nothing is assumed.
        (None, None) => {
            return Err(Failure::request(format!("`{name}` may be a room or a user"))
                .hinted(
                    "say which: `--type room` or `--type user`; `--force` removes what has that name",
                )
                .into());
        }
    };
    if matches!(kind, Kind::User | Kind::Bot) {
        require_synapse(context, "remove-user")?;
    }
    if kind == Kind::Bot {
        found::no_person(&name, patience, context).await?;
    }
    match kind {
        Kind::User | Kind::Bot => {
            let args = users::remove::Args { user: name.into(), erase: false, force, patience };
            Ok(users::remove::run(args, context).await?.map(Removed::from))
        }
        Kind::Room => {
            let args = rooms::remove::Args { room: name.into(), force, block: false, patience };
            Ok(rooms::remove::run(args, context).await?.map(Removed::from))
        }
        Kind::Hook => {
            let args = hooks::remove::Args { id: name };
            Ok(hooks::remove::run(args, context).await?.map(Removed::from))
        }
        Kind::Message => Err(Failure::request("a message is removed with its room and id")
            .hinted("`content redact-message ROOM EVENT` redacts it")
            .into()),
    }
}
