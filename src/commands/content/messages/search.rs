//! `content search-messages`.

use std::fmt::{self, Write as _};

use ruma::OwnedRoomId;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    cut,
    read::{
        line::line,
        shown::{self, Message},
    },
};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{RoomArg, Sending},
        offered,
    },
    context::Context,
    error::Failure,
    matrix::{
        Error,
        api::{joined_rooms, search},
        client::Client,
        room,
    },
    output::Report,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The words, all of which a message has to have
    pub(crate) text: String,
    /// Search this room, and can be repeated; by default all that one is in
    #[arg(long, value_name = "ROOM", add = offered::rooms())]
    pub(crate) room: Vec<String>,
    /// Show at most this many messages
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Found {
    /// The newest first, each with its room.
    messages: Vec<Message>,
    total: usize,
    /// Whether there are older ones that the limit cut off.
    more: bool,
    /// Rooms that were not searched, because they are encrypted and the server cannot read them.
    encrypted: Vec<String>,
}

/// How many we ask for at once.
const PAGE: u32 = 100;

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Found> {
    if args.text.trim().is_empty() {
        return Err(Failure::request("there is no word to search for")
            .hinted("`content search-messages 'disk full'` finds messages with both words")
            .into());
    }
    let client = args.sending.client(context).await?;
    let mut rooms = Vec::new();
    for name in &args.room {
        let room = args.sending.room(context, &client, &RoomArg::from(name.as_str())).await?;
        // The server searches only what who asks is in, and is silent about the rest.
        let joined = async || room::require_joined(&client, &room).await;
        args.sending.within(&client, &room, context, joined).await?;
        rooms.push(room);
    }
    let encrypted = encrypted(&args, context, &client, &rooms).await?;
    if !encrypted.is_empty() {
        let several = if encrypted.len() == 1 { "room is" } else { "rooms are" };
        context.warn(format!("{} encrypted {several} not searched", encrypted.len()));
    }
    let (messages, more) = found(&client, &args, &rooms).await?;
    cut::say(context, more, args.limit);
    Ok(Reply::done(Found { total: messages.len(), messages, more, encrypted }))
}

async fn found(
    client: &Client,
    args: &Args,
    rooms: &[OwnedRoomId],
) -> Result<(Vec<Message>, bool), Error> {
    let limit = args.limit as usize;
    let (mut messages, mut next) = (Vec::new(), None);
    loop {
        let request = search::Request::newest(&args.text, rooms, PAGE, next);
        let page = client.afresh().send(request).await?.search_categories.room_events;
        for hit in &page.results {
            let Some(mut message) = shown::happened(&hit.result) else { continue };
            message.room_id = hit.result["room_id"].as_str().map(str::to_owned);
            messages.push(message);
        }
        next = page.next_batch.filter(|_| !page.results.is_empty());
        if next.is_none() || messages.len() > limit {
            let more = messages.len() > limit;
            messages.truncate(limit);
            return Ok((messages, more));
        }
    }
}

/// Those of the rooms that the server cannot search.
async fn encrypted(
    args: &Args,
    context: &Context,
    client: &Client,
    rooms: &[OwnedRoomId],
) -> Result<Vec<String>, Failure> {
    let searched = match rooms {
        [] => client.send(joined_rooms::Request {}).await?.joined_rooms,
        rooms => rooms.to_vec(),
    };
    let all = room::list(&args.sending.operator(context)?).await?;
    let sealed = all.into_iter().filter(|it| it.encryption.is_some());
    let sealed = sealed.filter(|it| searched.contains(&it.room_id));
    Ok(sealed.map(|it| it.room_id.to_string()).collect())
}

impl Found {
    fn lines(&self, page: &mut String, verbose: bool) -> fmt::Result {
        for message in &self.messages {
            let room = message.room_id.as_deref().unwrap_or_default();
            writeln!(page, "{room} {}", line(message, verbose))?;
        }
        Ok(())
    }
}

impl Report for Found {
    fn text(&self, page: &mut String) -> fmt::Result {
        self.lines(page, false)
    }

    fn long(&self, page: &mut String) -> fmt::Result {
        self.lines(page, true)
    }

    fn ids(&self) -> Option<String> {
        let ids = self.messages.iter().map(|message| message.event_id.as_str());
        Some(ids.collect::<Vec<_>>().join("\n"))
    }
}
