//! `content list`: the contract's word.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::{kind::Kind, one_of::one_of};
use crate::{
    commands::{
        Answered, Reply,
        content::{
            arguments::Patience,
            hooks::{self, list::Hook},
            rooms::{self, shown::Room},
            users::{self, get::Shown as User},
        },
    },
    context::Context,
    error::Failure,
    matrix::admin,
    output::{Report, table},
    reply::Stop,
};

#[derive(clap::Args)]
#[command(override_usage = "resource-matrix-synapse content list [--type <TYPE>] [OPTIONS]")]
pub(crate) struct Args {
    /// What to list: user, bot, hook or room; by default all of them
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,
    /// Only those where this is part of the name or id, in capitals or not
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

one_of!(List {
    Rooms(rooms::list::Rooms),
    Users(users::list::Users),
    Hooks(hooks::list::Hooks),
    All(All),
});

/// What there is of all types.
#[derive(Serialize, JsonSchema)]
pub(crate) struct All {
    items: Vec<Item>,
    total: usize,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Item {
    /// `room`, `user`, `bot` or `hook`.
    #[serde(rename = "type")]
    kind: &'static str,
    id: String,
    name: Option<String>,
    /// The same as in the list of that type.
    details: Details,
}

#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum Details {
    Room(Room),
    User(User),
    Hook(Hook),
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<List> {
    let Args { kind, filter, patience } = args;
    let Some(kind) = kind else {
        return Ok(Reply::done(List::from(all(filter, patience, context).await?)));
    };
    let kind = Kind::of_known(&kind)?;
    match kind {
        Kind::User | Kind::Bot => {
            let bots = kind == Kind::Bot;
            let args = users::list::Args { filter, all: false, bots, patience };
            Ok(users::list::run(args, context).await?.map(List::from))
        }
        Kind::Room => {
            let args = rooms::list::Args { filter, patience };
            Ok(rooms::list::run(args, context).await?.map(List::from))
        }
        Kind::Hook => {
            let args = hooks::list::Args { filter };
            Ok(hooks::list::run(args, context).await?.map(List::from))
        }
        Kind::Message => Err(Failure::request("messages are listed room by room")
            .hinted("`content read-messages ROOM` lists them")
            .into()),
    }
}

async fn all(filter: Option<String>, patience: Patience, context: &Context) -> Result<All, Stop> {
    let args = rooms::list::Args { filter: filter.clone(), patience };
    let rooms = rooms::list::run(args, context).await?.answer.rooms;
    let args = users::list::Args { filter: filter.clone(), all: false, bots: false, patience };
    let users = users::list::run(args, context).await?.answer.users;
    let hooks = hooks::list::run(hooks::list::Args { filter }, context).await?.answer.hooks;
    let is_bot = |user: &User| user.kind.as_deref() == Some(admin::users::get::BOT);
    let (bots, users): (Vec<User>, Vec<User>) = users.into_iter().partition(is_bot);
    let items = rooms.into_iter().map(Item::room);
    let items = items.chain(users.into_iter().map(|user| Item::user(Kind::User, user)));
    let items = items.chain(bots.into_iter().map(|bot| Item::user(Kind::Bot, bot)));
    let items: Vec<Item> = items.chain(hooks.into_iter().map(Item::hook)).collect();
    Ok(All { total: items.len(), items })
}

impl Item {
    fn room(room: Room) -> Self {
        let (id, name) = (room.room_id.clone(), room.name.clone());
        Self { kind: Kind::Room.word(), id, name, details: Details::Room(room) }
    }

    fn user(kind: Kind, user: User) -> Self {
        let (id, name) = (user.user_id.clone(), user.display_name.clone());
        Self { kind: kind.word(), id, name, details: Details::User(user) }
    }

    fn hook(hook: Hook) -> Self {
        Self {
            kind: Kind::Hook.word(),
            id: hook.id.clone(),
            name: None,
            details: Details::Hook(hook),
        }
    }
}

impl Report for All {
    fn text(&self, page: &mut String) -> fmt::Result {
        let row = |item: &Item| {
            vec![item.kind.to_owned(), item.id.clone(), item.name.clone().unwrap_or_default()]
        };
        table(page, &["TYPE", "ID", "NAME"], self.items.iter().map(row).collect())
    }

    fn ids(&self) -> Option<String> {
        Some(self.items.iter().map(|item| item.id.as_str()).collect::<Vec<_>>().join("\n"))
    }
}
