//! `content join-room`.

use ruma::{OwnedServerName, RoomId, UserId};
use serde_json::json;

use super::answer::{Answer, Reach, only_planned};
use crate::{
    commands::{Outcome, Result},
    context::Context,
    matrix::{admin::rooms, names, room},
    output::Output,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The room: id, alias or exact name
    room: String,
    /// Join through this server, which is in the room; may be given again
    #[arg(long, value_name = "SERVER")]
    via: Vec<OwnedServerName>,
    #[command(flatten)]
    reach: Reach,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let operator = args.reach.operator(context)?;
    let client = args.reach.client(context).await?;
    let user = client.session().user_id;
    let id = args.reach.room(context, &client, &args.room).await?;
    let members = operator.send(rooms::members::Request { room_id: id.clone().into() }).await;
    let already = members.is_ok_and(|found| found.members.contains(&user));
    let fields = json!({ "room_id": id, "user_id": user, "joined": true, "already": already });
    if already {
        let text = format!("{user} is in {id} already");
        output.emit(&Answer::new(text, Some(id.as_str()), fields));
        return Ok(Outcome::Moot);
    }
    if only_planned(context, output, &format!("let {user} join {id}")) {
        return Ok(Outcome::Done);
    }
    if let Some(target) = elsewhere(&args, &id, &user) {
        room::join_through(&client, &target, &args.via).await?;
    } else if args.reach.acting.is_none() {
        super::answer::enter(&operator, &id, output).await?;
    } else if room::join(&client, &id).await.is_err()
        && room::admit(&operator, &id, &user).await?.is_some()
    {
        output.warn(format!("the operator joined the room `{id}` to let {user} in"));
    }
    output.emit(&Answer::new(format!("{user} joined {id}"), Some(id.as_str()), fields));
    Ok(Outcome::Done)
}

/// How a room is named that this server may not know yet: an alias of another server, or an id with the
/// servers that are in it.
fn elsewhere(args: &Args, id: &RoomId, user: &UserId) -> Option<String> {
    if !args.via.is_empty() {
        return Some(id.to_string());
    }
    match names::room(&args.room, user.server_name()) {
        Ok(names::Room::Alias(alias)) if alias.server_name() != user.server_name() => {
            Some(alias.to_string())
        }
        _ => None,
    }
}
