//! `content get`: the contract's word.

use super::{answer::Reach, get_room, get_user, kind::Kind};
use crate::{commands::Result, context::Context, error::Failure, output::Output};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What it is: user, bot or room; by default the name says it
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Its name
    #[arg(long)]
    name: String,
    #[command(flatten)]
    reach: Reach,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let Args { kind, name, reach } = args;
    match guessed(kind.as_deref(), &name)? {
        Kind::User | Kind::Bot => {
            get_user::run(get_user::Args { name, reach }, context, output).await
        }
        Kind::Room => get_room::run(get_room::Args { room: name, reach }, context, output).await,
        Kind::Message => Err(Failure::request("messages are read room by room")
            .hinted("`content read-messages ROOM` shows them")),
    }
}

/// `!…` and `#…` are rooms, `@…` users; anything else is a room unless said otherwise.
pub(super) fn guessed(kind: Option<&str>, name: &str) -> std::result::Result<Kind, Failure> {
    match kind {
        Some(kind) => Kind::parse(kind),
        None if name.starts_with('@') => Ok(Kind::User),
        None => Ok(Kind::Room),
    }
}
