//! `content list-space`.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::Serialize;

use super::get::found;
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, RoomArg},
    },
    context::Context,
    matrix::admin::rooms::hierarchy::Request,
    output::{Report, table},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Space {
    pub(crate) room_id: String,
    /// What is in it, however deep, each below what it is in.
    pub(crate) rooms: Vec<Part>,
    pub(crate) total: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Part {
    pub(crate) room_id: String,
    pub(crate) name: Option<String>,
    /// How many are in it.
    pub(crate) members_count: u64,
    /// Whether it is a space itself.
    pub(crate) space: bool,
    /// How many spaces it is below.
    pub(crate) depth: usize,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Space> {
    let operator = args.patience.operator(context)?;
    let (id, _) = found(context, &operator, &args.room).await?;
    let (mut rooms, mut from) = (Vec::new(), None);
    let mut depths = BTreeMap::new();
    loop {
        let page = operator.send(Request { room_id: id.clone().into(), from }).await?;
        for room in page.rooms {
            let depth = depths.get(room.room_id.as_str()).copied().unwrap_or_default();
            for child in room.children_state.iter().filter_map(|it| it["state_key"].as_str()) {
                depths.entry(child.to_owned()).or_insert(depth + 1);
            }
            if room.room_id != id {
                rooms.push(Part {
                    space: room.room_type.as_deref() == Some(super::space::SPACE),
                    room_id: room.room_id.into(),
                    name: room.name,
                    members_count: room.num_joined_members,
                    depth,
                });
            }
        }
        from = page.next_batch;
        if from.is_none() {
            break;
        }
    }
    Ok(Reply::done(Space { room_id: id.into(), total: rooms.len(), rooms }))
}

impl Report for Space {
    fn text(&self, page: &mut String) -> fmt::Result {
        let row = |part: &Part| {
            let name = part.name.clone().unwrap_or_default();
            let indent = "  ".repeat(part.depth.saturating_sub(1));
            vec![
                part.room_id.clone(),
                part.members_count.to_string(),
                (if part.space { "space" } else { "room" }).to_owned(),
                format!("{indent}{name}"),
            ]
        };
        table(page, &["ROOM", "MEMBERS", "KIND", "NAME"], self.rooms.iter().map(row).collect())
    }

    fn ids(&self) -> Option<String> {
        Some(self.rooms.iter().map(|it| it.room_id.as_str()).collect::<Vec<_>>().join("\n"))
    }
}
