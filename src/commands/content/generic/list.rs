//! `content list`: the contract's word.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use super::kind::Kind;
use crate::{
    commands::{
        content::{
            arguments::Patience,
            hooks::{self, list::Hook},
            rooms::{self, shown::Room},
            users::{self, get::Shown as User},
        },
        listing::{Document, List, ListArgs, Listed, one_said},
        table::require_synapse,
    },
    context::Context,
    error::Failure,
    matrix::admin,
    output::Row,
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
    pub(crate) list: ListArgs<Anything>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

/// Anything that can be listed: what it may be asked for.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is needed")]
pub(crate) enum Anything {
    Item(Item),
    Room(Room),
    User(User),
    Hook(Hook),
}

one_said!(
    /// A list of one type, or of all.
    Lists {
        Rooms(List<rooms::list::Rooms> => Document<rooms::list::Rooms>),
        Users(List<users::list::Users> => Document<users::list::Users>),
        Hooks(List<hooks::list::Hooks> => Document<hooks::list::Hooks>),
        All(List<All> => Document<All>),
    }
);

/// What there is of all types.
#[derive(Serialize, JsonSchema)]
pub(crate) struct All {}

impl Listed for All {
    type Row = Item;
    const KEY: &'static str = "items";
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

pub(crate) async fn run(args: Args, context: &Context) -> Result<Lists, Stop> {
    let Args { kind, filter, list, patience } = args;
    let Some(kind) = kind else {
        let list = list.of()?;
        return Ok(Lists::All(List::of(list, All {}, all(filter, patience, context).await?)));
    };
    let kind = Kind::of_known(&kind)?;
    match kind {
        Kind::User | Kind::Bot => {
            require_synapse(context, "list-users")?;
            let (bots, list) = (kind == Kind::Bot, list.of()?);
            let args = users::list::Args { filter, all: false, bots, list, patience };
            Ok(Lists::Users(users::list::run(args, context).await?))
        }
        Kind::Room => {
            let args = rooms::list::Args { filter, list: list.of()?, patience };
            Ok(Lists::Rooms(rooms::list::run(args, context).await?))
        }
        Kind::Hook => {
            let args = hooks::list::Args { filter, list: list.of()? };
            Ok(Lists::Hooks(hooks::list::run(args, context).await?))
        }
        Kind::Message => Err(Failure::request("messages are listed room by room")
            .hinted("`content read-messages ROOM` lists them")
            .into()),
    }
}

async fn all(
    filter: Option<String>,
    patience: Patience,
    context: &Context,
) -> Result<Vec<Item>, Stop> {
    let list = ListArgs::default();
    let args = rooms::list::Args { filter: filter.clone(), list, patience };
    let rooms = rooms::list::run(args, context).await?.all().await?;
    let (filter_of_users, list) = (filter.clone(), ListArgs::default());
    let args =
        users::list::Args { filter: filter_of_users, all: false, bots: false, list, patience };
    let users = if context.data()?.is_dendrite() {
        context.warn("users are not among them: Dendrite has no list of them");
        Vec::new()
    } else {
        users::list::run(args, context).await?.all().await?
    };
    let args = hooks::list::Args { filter, list: ListArgs::default() };
    let hooks = hooks::list::run(args, context).await?.all().await?;
    let is_bot = |user: &User| user.kind.as_deref() == Some(admin::users::get::BOT);
    let (bots, users): (Vec<User>, Vec<User>) = users.into_iter().partition(is_bot);
    let items = rooms.into_iter().map(Item::room);
    let items = items.chain(users.into_iter().map(|user| Item::user(Kind::User, user)));
    let items = items.chain(bots.into_iter().map(|bot| Item::user(Kind::Bot, bot)));
    Ok(items.chain(hooks.into_iter().map(Item::hook)).collect())
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

impl Row for Item {
    const HEADING: &'static [&'static str] = &["TYPE", "ID", "NAME"];

    fn cells(&self) -> Vec<String> {
        vec![self.kind.to_owned(), self.id.clone(), self.name.clone().unwrap_or_default()]
    }

    fn id(&self) -> Cow<'_, str> {
        self.id.as_str().into()
    }
}
