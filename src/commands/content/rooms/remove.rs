//! `content remove-room`.

use std::time::Duration;

use ruma::RoomId;
use schemars::JsonSchema;
use serde::Serialize;

use super::get::named;
use crate::{
    commands::{
        Answered, Reply,
        content::{
            arguments::{Patience, RoomArg},
            background::{self, Ended, State},
        },
    },
    context::Context,
    matrix::{Error, admin::rooms, client::Client, message},
    output::{Progress, Sentence},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// Purge it even if a local user cannot be made to leave
    #[arg(long)]
    pub(crate) force: bool,
    /// Keep anybody of this server from joining it again
    #[arg(long)]
    pub(crate) block: bool,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Removed {
    pub(crate) room_id: String,
    /// Always true.
    pub(crate) removed: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Removed> {
    let operator = args.patience.operator(context)?;
    let id = named(context, &operator, &args.room).await?;
    context.would(format_args!("remove the room {id}"))?;
    let request = rooms::delete::Request {
        room_id: id.clone().into(),
        purge: true,
        force_purge: args.force,
        block: args.block,
    };
    let delete_id = operator.send(request).await?.delete_id;
    let progress = context.progress(format!("removing {id}"));
    finished(&operator, &id, &delete_id, args.patience.timeout(), &progress).await?;
    message::forget(&context.data()?, &id);
    Ok(Reply::done(Removed { room_id: id.into(), removed: true }))
}

/// Waits for the server, which removes a room in the background.
async fn finished(
    operator: &Client,
    room: &RoomId,
    delete_id: &str,
    timeout: Duration,
    progress: &Progress,
) -> Result<(), Error> {
    let failed = |reason| Err(Error::NotRemoved { room: room.to_string(), reason });
    let ask = async || {
        let request = rooms::delete_status::Request { delete_id: delete_id.to_owned().into() };
        let rooms::delete_status::Response { status, error } = operator.send(request).await?;
        Ok(State { status, error, found: () })
    };
    match background::ended(timeout, progress, &format!("removing {room}"), ask).await? {
        Ended::Complete(()) => Ok(()),
        Ended::Failed(why) => failed(why),
        Ended::AtWork => failed("it is still at work; it goes on without us".into()),
    }
}

impl Sentence for Removed {
    fn sentence(&self) -> String {
        format!("removed {}", self.room_id)
    }

    fn id(&self) -> &str {
        &self.room_id
    }
}
