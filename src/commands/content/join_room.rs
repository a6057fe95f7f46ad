//! `content join-room`.

use serde_json::json;

use super::answer::{Answer, Reach, only_planned};
use crate::{
    commands::{Outcome, Result},
    context::Context,
    matrix::{admin::rooms, room},
    output::Output,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The room: id, alias or exact name
    room: String,
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
    if args.reach.acting.is_none() {
        super::answer::enter(&operator, &id, output).await?;
    } else if room::join(&client, &id).await.is_err()
        && room::admit(&operator, &id, &user).await?.is_some()
    {
        output.warn(format!("the operator joined the room `{id}` to let {user} in"));
    }
    output.emit(&Answer::new(format!("{user} joined {id}"), Some(id.as_str()), fields));
    Ok(Outcome::Done)
}
