//! `content list-aliases`.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::alias::{CANONICAL, said};
use crate::{
    commands::{
        Answered, Reply,
        content::{
            arguments::{Patience, RoomArg},
            rooms::get::found,
        },
    },
    context::Context,
    matrix::{api::aliases, room},
    output::{Report, table},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Aliases {
    pub(crate) room_id: String,
    /// The one that the room is known by is the first.
    pub(crate) aliases: Vec<Alias>,
    pub(crate) total: usize,
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

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Aliases> {
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
    Ok(Reply::done(Aliases { room_id: room_id.into(), total: aliases.len(), aliases }))
}

impl Report for Aliases {
    fn text(&self, page: &mut String) -> fmt::Result {
        let yes = |yes: bool| (if yes { "yes" } else { "no" }).to_owned();
        let row = |it: &Alias| vec![it.alias.clone(), yes(it.main), yes(it.named), yes(it.local)];
        table(page, &["ALIAS", "MAIN", "NAMED", "LOCAL"], self.aliases.iter().map(row).collect())
    }

    fn ids(&self) -> Option<String> {
        Some(self.aliases.iter().map(|it| it.alias.as_str()).collect::<Vec<_>>().join("\n"))
    }
}
