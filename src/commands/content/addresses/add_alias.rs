//! `content add-alias`.

use schemars::JsonSchema;
use serde::Serialize;

use super::alias::{room_of, taken};
use crate::{
    commands::{
        Answered, Reply,
        content::{
            arguments::{RoomArg, Sending, room::own_alias},
            rooms::made,
        },
    },
    context::Context,
    error::Failure,
    matrix::{Error, api::add_alias, room},
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// The alias: `ops` is `#ops:` and the server's name
    pub(crate) alias: String,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Given {
    pub(crate) room_id: String,
    pub(crate) alias: String,
    /// Whether the room had it before.
    pub(crate) already: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Given> {
    let Args { room, alias, sending } = args;
    let client = sending.client(context).await?;
    let alias = own_alias(&alias, client.server_name())?;
    let room_id = sending.room(context, &client, &room).await?;
    // Who makes a room with this alias at the same time waits, or is waited for.
    let _turn = made::turn(context, &alias, sending.timeout()).await;
    let mut already = false;
    match room_of(&client, &alias).await? {
        Some(found) if found == room_id => already = true,
        Some(found) => return Err(taken(&alias, &found).into()),
        None => {
            context.would(format_args!("give {room_id} the alias {alias}"))?;
            if room::details(&sending.operator(context)?, &room_id).await?.is_none() {
                return Err(Error::NoRoom(room_id.to_string()).into());
            }
            let request = || add_alias::Request {
                room_alias: alias.clone().into(),
                room_id: room_id.clone(),
            };
            let add = async || client.send(request()).await;
            if let Err(error) = sending.within(&client, &room_id, context, add).await {
                // Somebody else took it since we looked, or ours was done before its answer was lost.
                match room_of(&client, &alias).await {
                    Ok(Some(found)) if found == room_id => {}
                    Ok(Some(found)) => return Err(taken(&alias, &found).into()),
                    _ => return Err(refused(error).into()),
                }
            }
        }
    }
    let (room_id, alias) = (room_id.into(), alias.into());
    Ok(Reply::done_if(!already, Given { room_id, alias, already }))
}

fn refused(error: Error) -> Failure {
    let reserved = error.is("M_EXCLUSIVE");
    let failure = Failure::from(error);
    if reserved {
        failure
            .hinted("`content list-bridges` lists the bridges: to one of them such aliases belong")
    } else {
        failure
    }
}

impl Sentence for Given {
    fn sentence(&self) -> String {
        let has = if self.already { "already has" } else { "now has" };
        format!("{} {has} the alias {}", self.room_id, self.alias)
    }

    fn id(&self) -> &str {
        &self.alias
    }
}
