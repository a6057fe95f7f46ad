//! `content remove-alias`.

use schemars::JsonSchema;
use serde::Serialize;

use super::alias::{CANONICAL, room_of, without};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Sending, room::own_alias},
        offered,
    },
    context::Context,
    matrix::{api::remove_alias, room},
    output::Sentence,
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The alias: `ops` is `#ops:` and the server's name
    #[arg(add = offered::rooms())]
    pub(crate) alias: String,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Taken {
    /// The room that had it.
    pub(crate) room_id: String,
    pub(crate) alias: String,
    /// Always true.
    pub(crate) removed: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Taken> {
    let Args { alias, sending } = args;
    let client = sending.client(context).await?;
    let alias = own_alias(&alias, client.server_name())?;
    let absent = || Stop::absent("alias", "alias", alias.as_str());
    let room_id = room_of(&client, &alias).await?.ok_or_else(absent)?;
    context.would(format_args!("take the alias {alias} away from {room_id}"))?;
    let request = remove_alias::Request { room_alias: alias.clone().into() };
    match client.send(request).await {
        Ok(_) => {}
        Err(error) if error.is_not_found() => return Err(absent()),
        Err(error) => return Err(error.into()),
    }
    // The server changes what the room says of itself only where who asks may do so there.
    let operator = sending.operator(context)?;
    let now = room::content(&operator, &room_id, CANONICAL, "").await?;
    if let Some(content) = without(&now, alias.as_str()) {
        let set = async || room::set_state(&client, &room_id, CANONICAL, "", content.clone()).await;
        if let Err(error) = sending.with_power(&client, &room_id, context, set).await {
            context.warn(format!("{room_id} still says that {alias} leads there: {error}"));
        }
    }
    let (room_id, alias) = (room_id.into(), alias.into());
    Ok(Reply::done(Taken { room_id, alias, removed: true }))
}

impl Sentence for Taken {
    fn sentence(&self) -> String {
        format!("took the alias {} away from {}", self.alias, self.room_id)
    }

    fn id(&self) -> &str {
        &self.alias
    }
}
