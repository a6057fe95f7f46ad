//! `content list-room-media`.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, RoomArg},
    },
    context::Context,
    matrix::{Error, admin::media::of_room::Request, room},
    output::{Report, table},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Files {
    pub(crate) room_id: String,
    /// Of this server.
    pub(crate) local: Vec<String>,
    /// Of other servers.
    pub(crate) remote: Vec<String>,
    pub(crate) total: usize,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Files> {
    let operator = args.patience.operator(context)?;
    let id = args.room.resolve(context, &operator).await?;
    let details = room::details(&operator, &id).await?;
    let details = details.ok_or_else(|| Error::NoRoom(id.to_string()))?;
    if details.encryption.is_some() {
        context
            .warn("the room is encrypted: the server does not see which files its messages show");
    }
    let found = operator.send(Request { room_id: id.clone().into() }).await?;
    let total = found.local.len() + found.remote.len();
    Ok(Reply::done(Files { room_id: id.into(), local: found.local, remote: found.remote, total }))
}

impl Report for Files {
    fn text(&self, page: &mut String) -> fmt::Result {
        let row = |place: &'static str| move |uri: &String| vec![uri.clone(), place.to_owned()];
        let local = self.local.iter().map(row("this server"));
        let rows = local.chain(self.remote.iter().map(row("another server"))).collect();
        table(page, &["FILE", "OF"], rows)
    }

    fn ids(&self) -> Option<String> {
        let all = self.local.iter().chain(&self.remote).map(String::as_str);
        Some(all.collect::<Vec<_>>().join("\n"))
    }
}
