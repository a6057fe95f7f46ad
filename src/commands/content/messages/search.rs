//! `content search-messages`.

use std::{borrow::Cow, cell::Cell};

use ruma::{OwnedRoomId, RoomId};
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
        Error,
        api::{self, joined_rooms, search},
        client::Client,
        room, sealed,
    },
    output::Row,
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The words, all of which a message has to have
    pub(crate) text: String,
    /// Search this room, and can be repeated; by default all that one is in. An encrypted one by itself is read whole
    #[arg(long, value_name = "ROOM", add = offered::rooms())]
    pub(crate) room: Vec<String>,
    #[command(flatten)]
    pub(crate) list: ListArgs<Message>,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Found {
    /// Rooms that were not searched, because they are encrypted: the server cannot read them, and `--room` with one of
    /// them alone has it read here.
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
    let Args { text, list, .. } = args;
    if let ([room], false) = (&rooms[..], encrypted.is_empty()) {
        let (room, found) = (room.clone(), Found { encrypted: Vec::new() });
        return Ok(List::paged(list, found, async move |rows| {
            let words = words(&text);
            let unread = Cell::new(0);
            let page =
                async |client: Client, from| read(&client, &room, from, &words, &unread).await;
            pages(rows, &client, None, page).await?;
            if unread.get() > 0 {
                client.warn(format!("{} messages of {room} cannot be read here", unread.get()));
            }
            Ok(())
        }));
    }
    if !encrypted.is_empty() {
        let several = if encrypted.len() == 1 { "room is" } else { "rooms are" };
        let cure = format!("`--room '{}'` alone searches that one", encrypted[0]);
        context.warn(format!("{} encrypted {several} not searched: {cure}", encrypted.len()));
    }
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

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_lowercase).collect()
}

/// The next older page of an encrypted room, which only who has its keys can search: what has all the words.
async fn read(
    client: &Client,
    room: &RoomId,
    from: Option<String>,
    words: &[String],
    unread: &Cell<usize>,
) -> Result<(Vec<Message>, Option<Option<String>>), Error> {
    let mut page = client.send(api::messages::Request::before(room, from, PAGE)).await?;
    sealed::open(client, room, &mut page.chunk).await?;
    let closed = page.chunk.iter().filter(|event| sealed::closed(event).is_some()).count();
    unread.set(unread.get() + closed);
    let next = page.end.filter(|_| !page.chunk.is_empty());
    let found = page.chunk.iter().filter_map(shown::happened).filter(|it| has(it, words));
    let found = found.map(|it| Message { room_id: Some(room.to_string()), ..it });
    Ok((found.collect(), next.map(Some)))
}

fn has(message: &Message, words: &[String]) -> bool {
    let body = message.body.as_deref().unwrap_or_default().to_lowercase();
    words.iter().all(|word| body.contains(word))
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
