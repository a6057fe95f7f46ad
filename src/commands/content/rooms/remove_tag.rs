//! `content remove-tag`.

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
    #[command(flatten)]
    pub(crate) sending: Sending,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Tagged> {
    let Args { room, tag, sending } = args;
    let tag = named(&tag)?;
    let (client, room) = sending.in_room(context, &room).await?;
    let user = client.user_id().to_owned();
    let (user_id, room_id) = (user.clone().into(), room.clone().into());
    let known = client.send(tags::list::Request { user_id, room_id }).await?.tags;
    let changed = known.contains_key(&tag);
    if changed {
        context.would(format_args!("take the tag {tag} off {room}"))?;
        let (user_id, room_id) = (user.clone().into(), room.clone().into());
        client.send(tags::remove::Request { user_id, room_id, tag: tag.clone().into() }).await?;
    }
    let (room_id, user_id) = (room.into(), user.into());
    let answer = Tagged { room_id, user_id, tag, order: None, tagged: false, changed };
    Ok(Reply::done_if(changed, answer))
}
