//! `content find-event`.

use jiff::Timestamp;
use ruma::api::Direction;
use schemars::JsonSchema;
use serde::Serialize;

use super::get::found;
use crate::{
    clock,
    commands::{
        Answered, Reply,
        content::arguments::{Patience, RoomArg},
        moment::moment,
    },
    context::Context,
    matrix::{Error, admin::rooms::at::Request},
    output::Sentence,
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// Find the first event since then: a time such as 2026-11-21T05:00:00Z, or 2h for two hours ago
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) at: Timestamp,
    /// Find the last event until then instead
    #[arg(long)]
    pub(crate) backwards: bool,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Found {
    pub(crate) room_id: String,
    pub(crate) event_id: String,
    /// In milliseconds since the epoch.
    pub(crate) time_ms: u64,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Found> {
    let operator = args.patience.operator(context)?;
    let (id, _) = found(context, &operator, &args.room).await?;
    let dir = if args.backwards { Direction::Backward } else { Direction::Forward };
    let request = Request { room_id: id.clone().into(), ts: args.at.as_millisecond(), dir };
    match operator.send(request).await {
        Ok(found) => Ok(Reply::done(Found {
            room_id: id.into(),
            event_id: found.event_id.into(),
            time_ms: found.origin_server_ts,
        })),
        Err(Error::Refused { status: 404, .. }) => {
            Err(Stop::absent("event since or until", "at", args.at.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}

impl Sentence for Found {
    fn sentence(&self) -> String {
        format!("{} is of {}", self.event_id, clock::of_ms(self.time_ms))
    }

    fn id(&self) -> &str {
        &self.event_id
    }
}
