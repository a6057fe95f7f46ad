//! `content leave-room`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{RoomArg, Sending},
    },
    context::Context,
    error::Failure,
    matrix::{api::joined_rooms, leaders::is_only_leader, room},
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// Leave even if nobody who stays could lead the room
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Left {
    pub(crate) room_id: String,
    pub(crate) user_id: String,
    /// False where they were not in the room.
    pub(crate) left: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Left> {
    let (client, room) = args.sending.in_room(context, &args.room).await?;
    let user = client.user_id().to_owned();
    let left = client.send(joined_rooms::Request {}).await?.joined_rooms.contains(&room);
    if left {
        let operator = args.sending.operator(context)?;
        if !args.force && is_only_leader(&operator, &room, &user).await? {
            let message = format!("nobody who stays in `{room}` could lead it without `{user}`");
            let hint =
                "`--force` leaves all the same; `content remove-room ROOM` ends the room for all";
            return Err(Failure::request(message).hinted(hint).into());
        }
        context.would(format_args!("let {user} leave {room}"))?;
        room::leave(&client, &room).await?;
        let left = room::details(&operator, &room).await?;
        if left.is_some_and(|left| left.joined_members == 0) {
            context.warn(format!(
                "nobody is in the room any more, and nobody can enter it: `content remove-room '{room}'` removes it"
            ));
        }
    }
    Ok(Reply::done_if(left, Left { room_id: room.into(), user_id: user.into(), left }))
}

impl Sentence for Left {
    fn sentence(&self) -> String {
        let Self { room_id, user_id, left } = self;
        if *left {
            format!("{user_id} left {room_id}")
        } else {
            format!("{user_id} is not in {room_id}")
        }
    }

    fn id(&self) -> &str {
        &self.room_id
    }
}
