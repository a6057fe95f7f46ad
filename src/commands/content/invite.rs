//! `content invite`.

use http::Method;
use serde_json::json;

use super::answer::{Answer, Reach, only_planned};
use crate::{
    commands::{Outcome, Result},
    context::Context,
    matrix::{Error, names, room, segment::escaped},
    output::Output,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The room: id, alias or exact name
    room: String,
    /// The user to invite; one of another server as @user:server
    user: String,
    #[command(flatten)]
    reach: Reach,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let client = args.reach.client(context).await?;
    let server = client.session().server_name;
    let user = names::anyone(&args.user, &server)?;
    if user.server_name() == server
        && super::add_user::find(&args.reach.operator(context)?, &user).await?.is_none()
    {
        return Err(Error::NoUser(user.to_string()).into());
    }
    let id = args.reach.room(context, &client, &args.room).await?;
    if only_planned(context, output, &format!("invite {user} to {id}")) {
        return Ok(Outcome::Done);
    }
    let asked = args
        .reach
        .within(&client, &id, output, async || room::membership(&client, &id, &user).await);
    let already = matches!(asked.await?.as_deref(), Some("invite" | "join"));
    if !already {
        let path = format!("/_matrix/client/v3/rooms/{}/invite", escaped(&id));
        let body = json!({ "user_id": user });
        let invite = async || client.raw(Method::POST, &path, Some(&body)).await;
        args.reach.within(&client, &id, output, invite).await?;
    }
    let text = if already {
        format!("{user} is in {id} or invited already")
    } else {
        format!("invited {user} to {id}")
    };
    let fields = json!({ "room_id": id, "user_id": user, "already": already });
    output.emit(&Answer::new(text, Some(id.as_str()), fields));
    Ok(if already { Outcome::Moot } else { Outcome::Done })
}
