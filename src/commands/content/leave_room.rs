//! `content leave-room`.

use ruma::api::client::membership::joined_rooms;
use serde_json::json;

use super::answer::{Answer, Reach, only_planned};
use crate::{
    commands::{Outcome, Result},
    context::Context,
    matrix::room,
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
    let client = args.reach.client(context).await?;
    let user = client.session().user_id;
    let id = args.reach.room(context, &client, &args.room).await?;
    let rooms = client.send(joined_rooms::v3::Request::new()).await?.joined_rooms;
    let inside = rooms.contains(&id);
    if inside && only_planned(context, output, &format!("let {user} leave {id}")) {
        return Ok(Outcome::Done);
    }
    if inside {
        room::leave(&client, &id).await?;
    }
    let text = if inside { format!("{user} left {id}") } else { format!("{user} is not in {id}") };
    let fields = json!({ "room_id": id, "user_id": user, "left": inside });
    output.emit(&Answer::new(text, Some(id.as_str()), fields));
    Ok(if inside { Outcome::Done } else { Outcome::Moot })
}
