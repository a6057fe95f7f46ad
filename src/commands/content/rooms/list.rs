//! `content list-rooms`.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use super::shown::Room;
use crate::{
    commands::{
        content::arguments::Patience,
        listing::{List, ListArgs, Listed, pages},
    },
    context::Context,
    matrix::{
        admin::rooms::list::{self, Request},
        names,
        room::PAGE,
    },
    output::Row,
    reply::Stop,
};

/// The fields that Synapse sorts by; those with `true` begin with the highest.
const SORTED: &[(&str, &str, bool)] = &[
    ("name", "name", false),
    ("alias", "canonical_alias", false),
    ("members_count", "joined_members", true),
    ("local_members_count", "joined_local_members", true),
    ("version", "version", true),
    ("creator", "creator", false),
    ("join_rule", "join_rules", false),
    ("public", "public", false),
];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only those whose name, alias or id contains this, in capitals or not
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    #[command(flatten)]
    pub(crate) list: ListArgs<Room>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Rooms {}

impl Listed for Rooms {
    type Row = Room;
    const KEY: &'static str = "rooms";
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<List<Rooms>, Stop> {
    let operator = args.patience.operator(context)?;
    let Args { filter, mut list, patience: _ } = args;
    let order = list.ordered(SORTED);
    // Synapse would find an id only whole.
    let part = filter.map(|it| it.to_lowercase());
    Ok(List::paged(list, Rooms {}, async move |rows| {
        let limit = if part.is_some() { PAGE } else { rows.at_most(PAGE) };
        pages(rows, &operator, 0, async |operator, from| {
            let order = order.clone();
            let request =
                Request { from, limit, search_term: None, order_by: order.by, dir: order.dir };
            let page = operator.send(request).await?;
            let is_wanted =
                |room: &list::Room| part.as_deref().is_none_or(|part| is_in(part, room));
            let found = page.rooms.into_iter().filter(is_wanted).map(Room::from).collect();
            Ok((found, page.next_batch))
        })
        .await
    }))
}

fn is_in(part: &str, room: &list::Room) -> bool {
    let alias = room.canonical_alias.as_deref();
    let texts = [Some(room.room_id.as_str()), room.name.as_deref(), alias];
    names::is_in(part, texts.into_iter().flatten())
}

impl Row for Room {
    const HEADING: &'static [&'static str] =
        &["ROOM", "NAME", "ALIAS", "MEMBERS", "ENCRYPTED", "LOCAL", "VERSION", "CREATOR"];
    const FIRST: usize = 5;

    fn cells(&self) -> Vec<String> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        vec![
            self.room_id.clone(),
            text(&self.name),
            text(&self.alias),
            self.members_count.to_string(),
            (if self.encrypted { "yes" } else { "" }).to_owned(),
            self.local_members_count.to_string(),
            text(&self.version),
            text(&self.creator),
        ]
    }

    fn id(&self) -> Cow<'_, str> {
        self.room_id.as_str().into()
    }
}
