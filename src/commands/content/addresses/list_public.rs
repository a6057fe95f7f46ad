//! `content list-public-rooms`.

use std::fmt;

use ruma::OwnedServerName;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{Answered, Reply, content::arguments::Sending},
    config::sections::synapse::Mode,
    context::Context,
    error::Failure,
    matrix::{
        Error,
        api::public_rooms::{Filter, Request, Room},
    },
    output::{Report, table},
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
    /// At most so many, the largest first; 100 where it is not given
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: Option<u32>,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Public {
    pub(crate) rooms: Vec<Listed>,
    /// How many are shown.
    pub(crate) total: usize,
    /// Whether the directory has more than are shown.
    pub(crate) more: bool,
}

/// A room, as a directory has it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Listed {
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

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Public> {
    let Args { search, server, limit, sending } = args;
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
    let most = usize::try_from(limit.unwrap_or(PAGE)).unwrap_or(usize::MAX);
    let filter = Filter { generic_search_term: search };
    let (mut rooms, mut since) = (Vec::new(), None);
    loop {
        let wanted = u32::try_from(most - rooms.len()).unwrap_or(PAGE).min(PAGE);
        let (server, filter) = (server.clone(), filter.clone());
        let asked = client.send(Request { server: server.clone(), limit: wanted, since, filter });
        let page = asked.await.map_err(|error| elsewhere(error, server.as_ref()))?;
        let is_empty = page.chunk.is_empty();
        rooms.extend(page.chunk.into_iter().map(Listed::from));
        since = page.next_batch;
        if since.is_none() || is_empty || rooms.len() >= most {
            break;
        }
    }
    let more = since.is_some() || rooms.len() > most;
    rooms.truncate(most);
    Ok(Reply::done(Public { total: rooms.len(), rooms, more }))
}

/// What our server says where it cannot ask another one.
fn elsewhere(error: Error, server: Option<&OwnedServerName>) -> Failure {
    let refused = matches!(error, Error::Refused { .. });
    let failure = Failure::from(error);
    match server {
        Some(server) if refused => failure.hinted(format!(
            "`content federation-check {server}` checks the connection to it step by step; it may also keep its directory to itself"
        )),
        _ => failure,
    }
}

impl From<Room> for Listed {
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

impl Report for Public {
    fn text(&self, page: &mut String) -> fmt::Result {
        let row = |room: &Listed| {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            vec![
                room.room_id.clone(),
                text(&room.name),
                text(&room.alias),
                room.members_count.to_string(),
                text(&room.join_rule),
            ]
        };
        let heading = ["ROOM", "NAME", "ALIAS", "MEMBERS", "JOIN RULE"];
        table(page, &heading, self.rooms.iter().map(row).collect())
    }

    fn ids(&self) -> Option<String> {
        Some(self.rooms.iter().map(|room| room.room_id.as_str()).collect::<Vec<_>>().join("\n"))
    }
}
