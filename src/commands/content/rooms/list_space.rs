//! `content list-space`.

use std::{borrow::Cow, cell::RefCell, collections::BTreeMap};

use schemars::JsonSchema;
use serde::Serialize;

use super::get::found;
use crate::{
    commands::{
        content::arguments::{Patience, RoomArg},
        listing::{List, ListArgs, Listed, pages},
    },
    context::Context,
    matrix::admin::rooms::hierarchy::Request,
    output::Row,
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    #[command(flatten)]
    pub(crate) list: ListArgs<Part>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Space {
    pub(crate) room_id: String,
}

impl Listed for Space {
    type Row = Part;
    const KEY: &'static str = "rooms";
    const ORDER: &'static str = "What is in it, however deep, each below what it is in.";
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

pub(crate) async fn run(args: Args, context: &Context) -> Result<List<Space>, Stop> {
    let operator = args.patience.operator(context)?;
    let (id, _) = found(context, &operator, &args.room).await?;
    let space = Space { room_id: id.to_string() };
    Ok(List::paged(args.list, space, async move |rows| {
        let depths = RefCell::new(BTreeMap::new());
        pages(rows, &operator, None, async |operator, from| {
            let page = operator.send(Request { room_id: id.clone().into(), from }).await?;
            let (mut found, mut depths) = (Vec::new(), depths.borrow_mut());
            for room in page.rooms {
                let depth = depths.get(room.room_id.as_str()).copied().unwrap_or_default();
                for child in room.children_state.iter().filter_map(|it| it["state_key"].as_str()) {
                    depths.entry(child.to_owned()).or_insert(depth + 1);
                }
                if room.room_id != id {
                    found.push(Part {
                        space: room.room_type.as_deref() == Some(super::space::SPACE),
                        room_id: room.room_id.into(),
                        name: room.name,
                        members_count: room.num_joined_members,
                        depth,
                    });
                }
            }
            Ok((found, page.next_batch.map(Some)))
        })
        .await
    }))
}

impl Row for Part {
    const HEADING: &'static [&'static str] = &["ROOM", "MEMBERS", "KIND", "NAME"];

    fn cells(&self) -> Vec<String> {
        let name = self.name.clone().unwrap_or_default();
        let indent = "  ".repeat(self.depth.saturating_sub(1));
        vec![
            self.room_id.clone(),
            self.members_count.to_string(),
            (if self.space { "space" } else { "room" }).to_owned(),
            format!("{indent}{name}"),
        ]
    }

    fn id(&self) -> Cow<'_, str> {
        self.room_id.as_str().into()
    }
}
