//! `content list-room-media`.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        content::arguments::{Patience, RoomArg},
        listing::{List, ListArgs, Listed},
    },
    context::Context,
    matrix::{Error, admin::media::of_room::Request, room},
    output::Row,
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    #[command(flatten)]
    pub(crate) list: ListArgs<File>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Files {
    pub(crate) room_id: String,
}

impl Listed for Files {
    type Row = File;
    const KEY: &'static str = "files";
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct File {
    /// `mxc://server/id`
    pub(crate) uri: String,
    /// Whether it is of this server.
    pub(crate) local: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<List<Files>, Stop> {
    let operator = args.patience.operator(context)?;
    let id = args.room.resolve(context, &operator).await?;
    let details = room::details(&operator, &id).await?;
    let details = details.ok_or_else(|| Error::NoRoom(id.to_string()))?;
    if details.encryption.is_some() {
        context
            .warn("the room is encrypted: the server does not see which files its messages show");
    }
    let found = operator.send(Request { room_id: id.clone().into() }).await?;
    let file = |local: bool| move |uri: String| File { uri, local };
    let remote = found.remote.into_iter().map(file(false));
    let files = found.local.into_iter().map(file(true)).chain(remote).collect();
    Ok(List::of(args.list, Files { room_id: id.into() }, files))
}

impl Row for File {
    const HEADING: &'static [&'static str] = &["FILE", "OF"];

    fn cells(&self) -> Vec<String> {
        let place = if self.local { "this server" } else { "another server" };
        vec![self.uri.clone(), place.to_owned()]
    }

    fn id(&self) -> Cow<'_, str> {
        self.uri.as_str().into()
    }
}
