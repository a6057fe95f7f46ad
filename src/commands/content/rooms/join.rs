//! `content join-room`.

use ruma::{OwnedServerName, RoomId, UserId};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{RoomArg, Sending, sending::enter},
    },
    context::Context,
    matrix::{admin::rooms, direct, names, room},
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// Join through this server, which is in the room; may be given again
    #[arg(long, value_name = "SERVER")]
    pub(crate) via: Vec<OwnedServerName>,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Joined {
    pub(crate) room_id: String,
    pub(crate) user_id: String,
    /// Always true.
    pub(crate) joined: bool,
    /// Whether they were in the room before.
    pub(crate) already: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Joined> {
    let operator = args.sending.operator(context)?;
    let (client, id) = args.sending.in_room(context, &args.room).await?;
    let user = client.user_id().to_owned();
    let members = operator.send(rooms::members::Request { room_id: id.clone().into() }).await;
    let already = members.is_ok_and(|found| found.members.contains(&user));
    if !already {
        context.would(format_args!("let {user} join {id}"))?;
        // As their own programs do: what they were invited to as a direct room is one for them too.
        let direct = direct::invited_by(&operator, &id, &user).await.ok().flatten();
        if let Some(target) = elsewhere(&args.room, &args.via, &id, &user) {
            room::join_through(&client, &target, &args.via).await?;
        } else if args.sending.acting.is_none() {
            enter(&operator, &id, context).await?;
        } else if room::join(&client, &id).await.is_err()
            && room::admit(&operator, &id, &user).await?.is_some()
        {
            context.warn(format!("the operator joined the room `{id}` to let {user} in"));
        }
        if let Some(other) = direct
            && let Err(error) = direct::mark(&context.data()?, &client, &other, &id).await
        {
            context.warn(format!("{id} is not among the direct rooms of {user}: {error}"));
        }
    }
    let answer = Joined { room_id: id.into(), user_id: user.into(), joined: true, already };
    Ok(Reply::done_if(!already, answer))
}

/// How a room is named that this server may not know yet: an alias of another server, or an id with the
/// servers that are in it.
pub(super) fn elsewhere(
    room: &RoomArg,
    via: &[OwnedServerName],
    id: &RoomId,
    user: &UserId,
) -> Option<String> {
    if !via.is_empty() {
        return Some(id.to_string());
    }
    match names::room(room.as_str(), user.server_name()) {
        Ok(names::Room::Alias(alias)) if alias.server_name() != user.server_name() => {
            Some(alias.to_string())
        }
        _ => None,
    }
}

impl Sentence for Joined {
    fn sentence(&self) -> String {
        let Self { room_id, user_id, already, .. } = self;
        if *already {
            format!("{user_id} is in {room_id} already")
        } else {
            format!("{user_id} joined {room_id}")
        }
    }

    fn id(&self) -> &str {
        &self.room_id
    }
}
