//! `content list-rooms`.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::shown::Room;
use crate::{
    commands::{Answered, Reply, content::arguments::Patience},
    context::Context,
    matrix::room,
    output::{Report, table},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only those whose name, alias or id contains this, in capitals or not
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Rooms {
    pub(crate) rooms: Vec<Room>,
    pub(crate) total: usize,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Rooms> {
    let operator = args.patience.operator(context)?;
    let rooms = room::list(&operator, args.filter.as_deref()).await?;
    let rooms: Vec<Room> = rooms.into_iter().map(Room::from).collect();
    Ok(Reply::done(Rooms { total: rooms.len(), rooms }))
}

impl Rooms {
    fn table(&self, page: &mut String, columns: usize) -> fmt::Result {
        let heading =
            ["ROOM", "NAME", "ALIAS", "MEMBERS", "LOCAL", "VERSION", "ENCRYPTED", "CREATOR"];
        let row = |room: &Room| {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let mut row = vec![
                room.room_id.clone(),
                text(&room.name),
                text(&room.alias),
                room.members_count.to_string(),
                room.local_members_count.to_string(),
                text(&room.version),
                (if room.encrypted { "yes" } else { "no" }).to_owned(),
                text(&room.creator),
            ];
            row.truncate(columns);
            row
        };
        table(page, &heading[..columns], self.rooms.iter().map(row).collect())
    }
}

impl Report for Rooms {
    fn text(&self, page: &mut String) -> fmt::Result {
        self.table(page, 4)
    }

    fn long(&self, page: &mut String) -> fmt::Result {
        self.table(page, 8)
    }

    fn ids(&self) -> Option<String> {
        Some(self.rooms.iter().map(|room| room.room_id.as_str()).collect::<Vec<_>>().join("\n"))
    }
}
