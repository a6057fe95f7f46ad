//! `content get-event`.

use std::fmt::{self, Write as _};

use ruma::OwnedRoomId;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{
    commands::{
        Answered, Reply,
        content::{arguments::Patience, messages::read::masked},
    },
    context::Context,
    matrix::{Error, admin::fetch_event::Request, client::Client, names, sealed},
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
    /// The event; one of an encrypted room is opened where the operator can read it, without the keys of its file.
    pub(crate) event: Value,
    /// Why it could not be opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) closed: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Found> {
    let event = names::event(&args.event)?;
    let operator = args.patience.operator(context)?;
    match operator.send(Request { event_id: event.clone().into() }).await {
        Ok(found) => Ok(Reply::done(opened(&operator, found.event).await?)),
        Err(Error::Refused { status: 404, .. }) => Err(Stop::absent("event", "event_id", event)),
        Err(error) => Err(error.into()),
    }
}

async fn opened(operator: &Client, mut event: Value) -> Result<Found, Error> {
    if let Some(room) = event["room_id"].as_str().and_then(|room| OwnedRoomId::try_from(room).ok())
    {
        sealed::open(operator, &room, std::slice::from_mut(&mut event)).await?;
    }
    let closed = event.as_object_mut().and_then(|event| event.remove(sealed::CLOSED));
    let closed = closed.and_then(|why| why.as_str().map(str::to_owned));
    for key in ["/content/file/key/k", "/content/info/thumbnail_file/key/k"] {
        event = masked(&event, key);
    }
    Ok(Found { event, closed })
}

impl Report for Found {
    fn text(&self, page: &mut String) -> fmt::Result {
        harmless::document(page, &self.event)?;
        match &self.closed {
            Some(why) => writeln!(page, "it cannot be read: {}", harmless::one_line(why)),
            None => Ok(()),
        }
    }
}
