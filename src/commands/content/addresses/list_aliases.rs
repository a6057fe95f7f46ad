//! `content list-aliases`.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use super::alias::{CANONICAL, said};
use crate::{
    commands::{
        content::{
            arguments::{Patience, RoomArg},
            rooms::get::found,
        },
        listing::{List, ListArgs, Listed},
    },
    context::Context,
    matrix::{api::aliases, room},
    output::Row,
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    #[command(flatten)]
    pub(crate) list: ListArgs<Alias>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Aliases {
    pub(crate) room_id: String,
}

impl Listed for Aliases {
    type Row = Alias;
    const KEY: &'static str = "aliases";
    const ORDER: &'static str = "The one that the room is known by is the first.";
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Alias {
    pub(crate) alias: String,
    /// Whether the room is known by it.
    pub(crate) main: bool,
    /// Whether the room itself names it, as its main alias or another.
    pub(crate) named: bool,
    /// Whether it is an alias of this server, which leads to the room. Those of others are not tried.
    pub(crate) local: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<List<Aliases>, Stop> {
    let operator = args.patience.operator(context)?;
    let (room_id, _) = found(context, &operator, &args.room).await?;
    let request = aliases::Request { room_id: room_id.clone().into() };
    let local: Vec<String> =
        operator.send(request).await?.aliases.into_iter().map(Into::into).collect();
    let content = room::content(&operator, &room_id, CANONICAL, "").await?;
    let (main, others) = said(&content);
    let named: Vec<&str> = main.into_iter().chain(others).collect();
    let mut all: Vec<&str> = named.clone();
    all.extend(local.iter().map(String::as_str));
    let mut aliases: Vec<Alias> = Vec::new();
    for alias in all {
        if aliases.iter().all(|it| it.alias != alias) {
            aliases.push(Alias {
                alias: alias.to_owned(),
                main: main == Some(alias),
                named: named.contains(&alias),
                local: local.iter().any(|it| it == alias),
            });
        }
    }
    Ok(List::of(args.list, Aliases { room_id: room_id.into() }, aliases))
}

impl Row for Alias {
    const HEADING: &'static [&'static str] = &["ALIAS", "MAIN", "NAMED", "LOCAL"];

    fn cells(&self) -> Vec<String> {
        let yes = |yes: bool| (if yes { "yes" } else { "no" }).to_owned();
        vec![self.alias.clone(), yes(self.main), yes(self.named), yes(self.local)]
    }

    fn id(&self) -> Cow<'_, str> {
        self.alias.as_str().into()
    }
}
