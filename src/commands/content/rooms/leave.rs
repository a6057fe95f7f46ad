//! `content leave-room`.

use ruma::{RoomId, UserId};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{RoomArg, Sending},
    },
    context::Context,
    error::Failure,
    matrix::{
        admin::rooms::members, api::joined_rooms, client::Client, leaders::is_only_leader, room,
    },
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// Leave even if nobody who stays could lead the room
    #[arg(long)]
    pub(crate) force: bool,
    /// Forget it as well: it is not seen any more
    #[arg(long)]
    pub(crate) forget: bool,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Left {
    pub(crate) room_id: String,
    pub(crate) user_id: String,
    /// False where they were not in the room.
    pub(crate) left: bool,
    /// Whether they do not see it any more because of that.
    pub(crate) forgotten: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Left> {
    let (client, room) = args.sending.in_room(context, &args.room).await?;
    let user = client.user_id().to_owned();
    let operator = args.sending.operator(context)?;
    let joined = client.send(joined_rooms::Request {}).await?.joined_rooms.contains(&room);
    let left = joined || is_at_the_door(&operator, &room, &user).await;
    if left {
        if !args.force && is_only_leader(&operator, &room, &user).await? {
            let message = format!("nobody who stays in `{room}` could lead it without `{user}`");
            let hint =
                "`--force` leaves all the same; `content remove-room ROOM` ends the room for all";
            return Err(Failure::request(message).hinted(hint).into());
        }
        context.would(format_args!("let {user} leave {room}"))?;
        room::leave(&client, &room).await?;
        // The room's details count who is there a moment later.
        let request = members::Request { room_id: room.clone().into() };
        if operator.send(request).await.is_ok_and(|left| left.members.is_empty()) {
            context.warn(format!(
                "nobody is in the room any more, and nobody can enter it: `content remove-room '{room}'` removes it"
            ));
        }
    }
    if args.forget {
        context.would(format_args!("have {user} forget {room}"))?;
        room::forget(&client, &room).await?;
    }
    let (done, forgotten) = (left || args.forget, args.forget);
    let answer = Left { room_id: room.into(), user_id: user.into(), left, forgotten };
    Ok(Reply::done_if(done, answer))
}

/// Whether they are invited or knocked: then to leave is to decline or to knock no more.
async fn is_at_the_door(operator: &Client, room: &RoomId, user: &UserId) -> bool {
    let member = room::content(operator, room, "m.room.member", user.as_str()).await;
    member.is_ok_and(|it| matches!(it["membership"].as_str(), Some("invite" | "knock")))
}

impl Sentence for Left {
    fn sentence(&self) -> String {
        let Self { room_id, user_id, left, forgotten } = self;
        if *left {
            let more = if *forgotten { " and does not see it any more" } else { "" };
            format!("{user_id} left {room_id}{more}")
        } else if *forgotten {
            format!("{user_id} does not see {room_id} any more")
        } else {
            format!("{user_id} is not in {room_id}")
        }
    }

    fn id(&self) -> &str {
        &self.room_id
    }
}
