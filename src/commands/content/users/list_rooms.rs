//! `content list-user-rooms`.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        content::arguments::{Patience, UserArg, user::find},
        listing::{List, ListArgs, Listed},
    },
    context::Context,
    matrix::admin::users::memberships,
    output::Row,
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
    pub(crate) list: ListArgs<Room>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Rooms {
    user_id: String,
}

impl Listed for Rooms {
    type Row = Room;
    const KEY: &'static str = "rooms";
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Room {
    room_id: String,
    /// `join`, `invite`, `knock`, `leave` or `ban`.
    membership: String,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<List<Rooms>, Stop> {
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
    Ok(List::of(args.list, Rooms { user_id: user_id.into() }, rooms))
}

impl Row for Room {
    const HEADING: &'static [&'static str] = &["ROOM", "MEMBERSHIP"];

    fn cells(&self) -> Vec<String> {
        vec![self.room_id.clone(), self.membership.clone()]
    }

    fn id(&self) -> Cow<'_, str> {
        self.room_id.as_str().into()
    }
}
