//! `content invite`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{RoomArg, Sending, user},
        offered,
    },
    context::Context,
    matrix::{api::invite::Request, names, room},
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// The user to invite; one of another server as @user:server
    #[arg(add = offered::users())]
    pub(crate) user: String,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Invited {
    pub(crate) room_id: String,
    pub(crate) user_id: String,
    /// Whether they were in the room or invited before.
    pub(crate) already: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Invited> {
    let Args { room, user, sending } = args;
    let operator = sending.operator(context)?;
    let user_id = names::anyone(&user, operator.server_name())?;
    let account = user::require(context, &operator, &user_id).await?;
    let (client, id) = sending.in_room(context, &room).await?;
    context.would(format_args!("invite {user_id} to {id}"))?;
    let membership = async || room::membership(&client, &id, &user_id).await;
    let membership = sending.within(&client, &id, context, membership).await?;
    let already = matches!(membership.as_deref(), Some("invite" | "join"));
    if !already {
        let request = || Request { room_id: id.clone().into(), user_id: user_id.clone() };
        let invite = async || client.send(request()).await;
        sending.within(&client, &id, context, invite).await?;
    }
    if account.is_some_and(|account| account.appservice_id.is_some())
        && room::is_encrypted(&client, &id).await.unwrap_or(false)
    {
        context.warn(format!(
            "the room is encrypted, where most bridges hear nothing and {user_id} may be one of them: \
             `content create-room NAME --no-encryption` makes one for it"
        ));
    }
    let answer = Invited { room_id: id.into(), user_id: user_id.into(), already };
    Ok(Reply::done_if(!already, answer))
}

impl Sentence for Invited {
    fn sentence(&self) -> String {
        let Self { room_id, user_id, already } = self;
        if *already {
            format!("{user_id} is already in {room_id} or invited to it")
        } else {
            format!("invited {user_id} to {room_id}")
        }
    }

    fn id(&self) -> &str {
        &self.room_id
    }
}
