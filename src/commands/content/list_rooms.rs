//! `content list-rooms`.

use serde_json::json;

use super::answer::{Answer, Patience};
use crate::{
    commands::{Outcome, Result},
    context::Context,
    matrix::room,
    output::{Output, table},
};

const HEADING: [&str; 8] =
    ["ROOM", "NAME", "ALIAS", "MEMBERS", "LOCAL", "VERSION", "ENCRYPTED", "CREATOR"];
/// How many columns there are without `-v`.
const BRIEF: usize = 4;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only those where this is part of the name, alias or id
    #[arg(long, value_name = "TEXT")]
    pub(super) filter: Option<String>,
    #[command(flatten)]
    pub(super) patience: Patience,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let operator = args.patience.operator(context)?;
    let rooms = room::list(&operator, args.filter.as_deref()).await?;
    let mut text = String::new();
    let columns = if output.verbose { HEADING.len() } else { BRIEF };
    let rows = rooms.iter().map(|room| {
        let encrypted = if room.encryption.is_some() { "yes" } else { "no" };
        let mut row = vec![
            room.room_id.to_string(),
            room.name.clone().unwrap_or_default(),
            room.canonical_alias.clone().unwrap_or_default(),
            room.joined_members.to_string(),
            room.joined_local_members.to_string(),
            room.version.clone().unwrap_or_default(),
            encrypted.to_owned(),
            room.creator.clone().unwrap_or_default(),
        ];
        row.truncate(columns);
        row
    });
    table(&mut text, &HEADING[..columns], rows.collect()).ok();
    let ids: Vec<&str> = rooms.iter().map(|room| room.room_id.as_str()).collect();
    let all: Vec<_> = rooms.iter().map(super::get_room::fields).collect();
    let fields = json!({ "rooms": all, "total": rooms.len() });
    output.emit(&Answer::page(text, Some(ids.join("\n")), fields));
    Ok(Outcome::Done)
}
