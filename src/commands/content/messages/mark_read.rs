//! `content mark-read`.

use ruma::{OwnedEventId, RoomId};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{RoomArg, Sending},
    },
    context::Context,
    error::Failure,
    matrix::{
        Error,
        api::{messages, read_markers},
        client::Client,
        names, room,
    },
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// The last event that was read; by default the newest
    pub(crate) event: Option<String>,
    /// Let nobody else in the room see it
    #[arg(long)]
    pub(crate) private: bool,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Marked {
    room_id: String,
    user_id: String,
    /// The last event that was read.
    event_id: String,
    private: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Marked> {
    let Args { room, event, private, sending } = args;
    let given = event.as_deref().map(names::event).transpose()?;
    let (client, room_id) = sending.in_room(context, &room).await?;
    let event = if let Some(event) = given {
        room::require_event(&sending.operator(context)?, &room_id, &event).await?;
        event
    } else {
        let newest = async || newest(&client, &room_id).await;
        sending.within(&client, &room_id, context, newest).await?.ok_or_else(|| {
            Failure::request(format!("there is nothing in {room_id} that could be read"))
        })?
    };
    let user = client.user_id().to_owned();
    context.would(format_args!("mark {room_id} as read by {user} up to {event}"))?;
    let mark = async || {
        let shown = Some(event.clone());
        let (read, read_privately) = if private { (None, shown) } else { (shown, None) };
        let (room_id, fully_read) = (room_id.clone().into(), event.clone());
        client.send(read_markers::Request { room_id, fully_read, read, read_privately }).await
    };
    sending.within(&client, &room_id, context, mark).await?;
    let (room_id, event_id) = (room_id.into(), event.into());
    Ok(Reply::done(Marked { room_id, user_id: user.into(), event_id, private }))
}

/// The newest event of a room, as a member sees it.
async fn newest(client: &Client, room: &RoomId) -> Result<Option<OwnedEventId>, Error> {
    let page = client.send(messages::Request::before(room, None, 1)).await?;
    Ok(page.chunk.first().and_then(|event| event["event_id"].as_str()?.try_into().ok()))
}

impl Sentence for Marked {
    fn sentence(&self) -> String {
        let Self { room_id, user_id, event_id, .. } = self;
        format!("{user_id} has read {room_id} up to {event_id}")
    }

    fn id(&self) -> &str {
        &self.event_id
    }
}
