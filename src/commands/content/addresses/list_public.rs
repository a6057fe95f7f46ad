//! `content list-public-rooms`.

use std::borrow::Cow;

use ruma::OwnedServerName;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        content::arguments::Sending,
        listing::{List, ListArgs, Listed, pages},
    },
    config::sections::synapse::Mode,
    context::Context,
    error::Failure,
    matrix::{
        Error,
        api::public_rooms::{Filter, Request, Room},
    },
    output::Row,
    reply::Stop,
};

/// How many rooms are asked for at once; Synapse gives no more.
const PAGE: u32 = 100;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only those whose name, topic or alias has these words
    #[arg(long, value_name = "TEXT")]
    pub(crate) search: Option<String>,
    /// The directory of this server instead of ours
    #[arg(long, value_name = "SERVER")]
    pub(crate) server: Option<OwnedServerName>,
    #[command(flatten)]
    pub(crate) list: ListArgs<Entry>,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Public {}

impl Listed for Public {
    type Row = Entry;
    const KEY: &'static str = "rooms";
    const ORDER: &'static str = "The one with the most members first.";
}

/// A room, as a directory has it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Entry {
    pub(crate) room_id: String,
    pub(crate) name: Option<String>,
    pub(crate) alias: Option<String>,
    pub(crate) topic: Option<String>,
    /// How many are in it.
    pub(crate) members_count: u64,
    /// Who may join: `public` is anybody, `knock` who asks and is let in.
    pub(crate) join_rule: Option<String>,
    /// Whether anybody may read it without being in it.
    pub(crate) world_readable: bool,
    /// Whether guests may join.
    pub(crate) guests: bool,
    /// `m.space` for a space.
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<List<Public>, Stop> {
    let Args { search, server, list, sending } = args;
    let client = sending.client(context).await?;
    let server = server.filter(|server| server != client.server_name());
    if let Some(server) = &server
        && context.config().is_ok_and(|config| config.synapse.federation == Mode::Off)
    {
        let message = format!("`{server}` is another server, and federation is off");
        return Err(Failure::request(message)
            .hinted("`config show synapse.federation` explains how to switch it on")
            .into());
    }
    let filter = Filter { generic_search_term: search };
    Ok(List::paged(list, Public {}, async move |rows| {
        let limit = rows.at_most(PAGE);
        let listed = pages(rows, &client, None, async |client, since| {
            let (server, filter) = (server.clone(), filter.clone());
            let page = client.send(Request { server, limit, since, filter }).await?;
            let next = page.next_batch.filter(|_| !page.chunk.is_empty());
            Ok((page.chunk.into_iter().map(Entry::from).collect(), next.map(Some)))
        });
        listed.await.map_err(|failure| elsewhere(failure, server.as_ref()))
    }))
}

/// What our server says where it cannot ask another one.
fn elsewhere(failure: Failure, server: Option<&OwnedServerName>) -> Failure {
    let refused = matches!(failure.error.downcast_ref(), Some(Error::Refused { .. }));
    match server {
        Some(server) if refused => failure.hinted(format!(
            "`content federation-check {server}` checks the connection to it step by step; it may also keep its directory to itself"
        )),
        _ => failure,
    }
}

impl From<Room> for Entry {
    fn from(room: Room) -> Self {
        Self {
            room_id: room.room_id.into(),
            name: room.name,
            alias: room.canonical_alias,
            topic: room.topic,
            members_count: room.num_joined_members,
            join_rule: room.join_rule,
            world_readable: room.world_readable,
            guests: room.guest_can_join,
            kind: room.room_type,
        }
    }
}

impl Row for Entry {
    const HEADING: &'static [&'static str] = &["ROOM", "NAME", "ALIAS", "MEMBERS", "JOIN RULE"];

    fn cells(&self) -> Vec<String> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        vec![
            self.room_id.clone(),
            text(&self.name),
            text(&self.alias),
            self.members_count.to_string(),
            text(&self.join_rule),
        ]
    }

    fn id(&self) -> Cow<'_, str> {
        self.room_id.as_str().into()
    }
}
