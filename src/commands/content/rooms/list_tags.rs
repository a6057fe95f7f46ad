//! `content list-tags`.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{RoomArg, Sending},
    },
    context::Context,
    matrix::api::tags,
    output::{Report, table},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Tags {
    room_id: String,
    user_id: String,
    tags: Vec<Tag>,
    total: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Tag {
    tag: String,
    /// The place among the rooms of that tag, from 0 to 1: the smaller the higher.
    order: Option<f64>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Tags> {
    let (client, room) = args.sending.in_room(context, &args.room).await?;
    let user = client.user_id().to_owned();
    let (user_id, room_id) = (user.clone().into(), room.clone().into());
    let known = client.send(tags::list::Request { user_id, room_id }).await?.tags;
    let tags: Vec<Tag> =
        known.into_iter().map(|(tag, it)| Tag { tag, order: it["order"].as_f64() }).collect();
    let (room_id, user_id) = (room.into(), user.into());
    Ok(Reply::done(Tags { room_id, user_id, total: tags.len(), tags }))
}

impl Report for Tags {
    fn text(&self, page: &mut String) -> fmt::Result {
        let order = |order: f64| order.to_string();
        let row = |it: &Tag| vec![it.tag.clone(), it.order.map(order).unwrap_or_default()];
        table(page, &["TAG", "ORDER"], self.tags.iter().map(row).collect())
    }

    fn ids(&self) -> Option<String> {
        let tags = self.tags.iter().map(|it| it.tag.as_str());
        Some(tags.collect::<Vec<_>>().join("\n"))
    }
}
