//! `content list-rooms`.

use serde_json::json;

use super::answer::{Answer, Reach};
use crate::{
    commands::{Outcome, Result},
    context::Context,
    matrix::room,
    output::{Output, table},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only those where this is part of the name, alias or id
    #[arg(long, value_name = "TEXT")]
    pub(super) filter: Option<String>,
    #[command(flatten)]
    pub(super) reach: Reach,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let operator = args.reach.only_operator(context)?;
    let rooms = room::list(&operator, args.filter.as_deref()).await?;
    let mut text = String::new();
    let rows = rooms.iter().map(|room| {
        vec![
            room.room_id.to_string(),
            room.name.clone().unwrap_or_default(),
            room.canonical_alias.clone().unwrap_or_default(),
            room.joined_members.to_string(),
        ]
    });
    table(&mut text, &["ROOM", "NAME", "ALIAS", "MEMBERS"], rows.collect()).ok();
    let ids: Vec<&str> = rooms.iter().map(|room| room.room_id.as_str()).collect();
    let all: Vec<_> = rooms.iter().map(super::get_room::fields).collect();
    let fields = json!({ "rooms": all, "total": rooms.len() });
    output.emit(&Answer::new(text, Some(&ids.join("\n")), fields));
    Ok(Outcome::Done)
}
