//! `content search-messages`.

use std::borrow::Cow;

use ruma::OwnedRoomId;
use schemars::JsonSchema;
use serde::Serialize;

use super::read::{
    line::excerpt,
    shown::{self, Message},
};
use crate::{
    clock,
    commands::{
        content::arguments::{RoomArg, Sending},
        listing::{List, ListArgs, Listed, pages},
        offered,
    },
    context::Context,
    error::Failure,
    matrix::{
        api::{joined_rooms, search},
        client::Client,
        room,
    },
    output::Row,
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The words, all of which a message has to have
    pub(crate) text: String,
    /// Search this room, and can be repeated; by default all that one is in
    #[arg(long, value_name = "ROOM", add = offered::rooms())]
    pub(crate) room: Vec<String>,
    #[command(flatten)]
    pub(crate) list: ListArgs<Message>,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Found {
    /// Rooms that were not searched, because they are encrypted and the server cannot read them.
    encrypted: Vec<String>,
}

impl Listed for Found {
    type Row = Message;
    const KEY: &'static str = "messages";
    const ORDER: &'static str = "The newest first, each with its room.";
}

/// How many we ask for at once, also where fewer are wanted: Synapse looks at ten times as many hits
/// for some that may be seen, and then says that there are no more.
const PAGE: u32 = 100;

pub(crate) async fn run(args: Args, context: &Context) -> Result<List<Found>, Stop> {
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
    let Args { text, list, .. } = args;
    Ok(List::paged(list, Found { encrypted }, async move |rows| {
        pages(rows, &client, None, async |client, next| {
            let request = search::Request::newest(&text, &rooms, PAGE, next);
            let page = client.send(request).await?.search_categories.room_events;
            let next = page.next_batch.filter(|_| !page.results.is_empty());
            Ok((page.results.iter().filter_map(hit).collect(), next.map(Some)))
        })
        .await
    }))
}

/// A message that was found, with its room.
fn hit(hit: &search::Hit) -> Option<Message> {
    let room_id = hit.result["room_id"].as_str().map(str::to_owned);
    Some(Message { room_id, ..shown::happened(&hit.result)? })
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

impl Row for Message {
    const HEADING: &'static [&'static str] = &["EVENT", "ROOM", "BY", "TIME", "TEXT"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.event_id.clone(),
            self.room_id.clone().unwrap_or_default(),
            self.sender.clone(),
            self.sent_ms.map(clock::of_ms).unwrap_or_default(),
            excerpt(self),
        ]
    }

    fn id(&self) -> Cow<'_, str> {
        self.event_id.as_str().into()
    }
}
