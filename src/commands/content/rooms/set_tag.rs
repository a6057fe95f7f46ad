//! `content set-tag`.

use super::tagged::{Tagged, named};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{RoomArg, Sending},
    },
    context::Context,
    matrix::api::tags,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// `favourite`, `lowpriority`, or a word of one's own
    pub(crate) tag: String,
    /// The place among the rooms of that tag, from 0 to 1: the smaller the higher
    #[arg(long, value_name = "NUMBER", value_parser = place)]
    pub(crate) order: Option<f64>,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

fn place(text: &str) -> Result<f64, &'static str> {
    let number = text.parse::<f64>().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or("must be a number from 0 to 1")
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Tagged> {
    let Args { room, tag, order, sending } = args;
    let tag = named(&tag)?;
    let (client, room) = sending.in_room(context, &room).await?;
    let user = client.user_id().to_owned();
    let (user_id, room_id) = (user.clone().into(), room.clone().into());
    let known = client.send(tags::list::Request { user_id, room_id }).await?.tags;
    let changed = known.get(&tag).is_none_or(|it| it["order"].as_f64() != order);
    if changed {
        context.would(format_args!("put the tag {tag} on {room}"))?;
        let (user_id, room_id) = (user.clone().into(), room.clone().into());
        client
            .send(tags::set::Request { user_id, room_id, tag: tag.clone().into(), order })
            .await?;
    }
    let (room_id, user_id) = (room.into(), user.into());
    Ok(Reply::done_if(changed, Tagged { room_id, user_id, tag, order, tagged: true, changed }))
}
