//! `content list-user-rooms`.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, UserArg, user::find},
    },
    context::Context,
    matrix::admin::users::memberships,
    output::{Report, table},
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) user: UserArg,
    /// Also those that the user has left, is invited to or is banned from
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Rooms {
    user_id: String,
    rooms: Vec<Room>,
    total: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Room {
    room_id: String,
    /// `join`, `invite`, `knock`, `leave` or `ban`.
    membership: String,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Rooms> {
    let operator = args.patience.operator(context)?;
    let user_id = args.user.resolve(operator.server_name())?;
    if find(&operator, &user_id).await?.is_none() {
        return Err(Stop::absent("user", "user_id", user_id));
    }
    let found = operator.send(memberships::Request { user_id: user_id.clone().into() }).await?;
    let mut rooms: Vec<Room> = found
        .memberships
        .into_iter()
        .filter(|(_, membership)| args.all || membership == "join")
        .map(|(room_id, membership)| Room { room_id, membership })
        .collect();
    rooms.sort_by(|a, b| (&a.membership, &a.room_id).cmp(&(&b.membership, &b.room_id)));
    Ok(Reply::done(Rooms { user_id: user_id.into(), total: rooms.len(), rooms }))
}

impl Report for Rooms {
    fn text(&self, page: &mut String) -> fmt::Result {
        let row = |room: &Room| vec![room.room_id.clone(), room.membership.clone()];
        table(page, &["ROOM", "MEMBERSHIP"], self.rooms.iter().map(row).collect())
    }

    fn ids(&self) -> Option<String> {
        Some(self.rooms.iter().map(|room| room.room_id.as_str()).collect::<Vec<_>>().join("\n"))
    }
}
