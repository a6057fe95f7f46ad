//! `content list-tags`.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        content::arguments::{RoomArg, Sending},
        listing::{List, ListArgs, Listed},
    },
    context::Context,
    matrix::api::tags,
    output::Row,
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    #[command(flatten)]
    pub(crate) list: ListArgs<Tag>,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Tags {
    room_id: String,
    user_id: String,
}

impl Listed for Tags {
    type Row = Tag;
    const KEY: &'static str = "tags";
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Tag {
    tag: String,
    /// The place among the rooms of that tag, from 0 to 1: the smaller the higher.
    order: Option<f64>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<List<Tags>, Stop> {
    let (client, room) = args.sending.in_room(context, &args.room).await?;
    let user = client.user_id().to_owned();
    let (user_id, room_id) = (user.clone().into(), room.clone().into());
    let known = client.send(tags::list::Request { user_id, room_id }).await?.tags;
    let tags =
        known.into_iter().map(|(tag, it)| Tag { tag, order: it["order"].as_f64() }).collect();
    let (room_id, user_id) = (room.into(), user.into());
    Ok(List::of(args.list, Tags { room_id, user_id }, tags))
}

impl Row for Tag {
    const HEADING: &'static [&'static str] = &["TAG", "ORDER"];

    fn cells(&self) -> Vec<String> {
        vec![self.tag.clone(), self.order.map(|order| order.to_string()).unwrap_or_default()]
    }

    fn id(&self) -> Cow<'_, str> {
        self.tag.as_str().into()
    }
}
