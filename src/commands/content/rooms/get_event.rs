//! `content get-event`.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{
    commands::{Answered, Reply, content::arguments::Patience},
    context::Context,
    matrix::{Error, admin::fetch_event::Request, names},
    output::{Report, harmless},
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The event, of whichever room
    pub(crate) event: String,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Found {
    /// The event, as it is.
    pub(crate) event: Value,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Found> {
    let event = names::event(&args.event)?;
    let operator = args.patience.operator(context)?;
    match operator.send(Request { event_id: event.clone().into() }).await {
        Ok(found) => Ok(Reply::done(Found { event: found.event })),
        Err(Error::Refused { status: 404, .. }) => Err(Stop::absent("event", "event_id", event)),
        Err(error) => Err(error.into()),
    }
}

impl Report for Found {
    fn text(&self, page: &mut String) -> fmt::Result {
        harmless::document(page, &self.event)
    }
}
