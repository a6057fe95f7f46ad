//! `content list-users`.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use super::get::Shown;
use crate::{
    commands::{
        content::arguments::Patience,
        listing::{List, ListArgs, Listed, pages},
    },
    context::Context,
    matrix::{admin::users, names},
    output::Row,
    reply::Stop,
};

/// How many we ask for at once: for each page Synapse looks at all accounts.
const PAGE: u32 = 1000;

/// The fields that Synapse sorts by.
const SORTED: &[(&str, &str, bool)] = &[
    ("user_id", "name", false),
    ("display_name", "displayname", false),
    ("avatar_url", "avatar_url", false),
    ("admin", "admin", false),
    ("deactivated", "deactivated", false),
    ("locked", "locked", false),
    ("shadow_banned", "shadow_banned", false),
    ("type", "user_type", false),
    ("created_ms", "creation_ts", false),
    ("last_seen_ms", "last_seen_ts", false),
];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only those where this is part of the id or the display name, in capitals or not
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// Deactivated accounts too
    #[arg(long)]
    pub(crate) all: bool,
    /// Only bots
    #[arg(long)]
    pub(crate) bots: bool,
    #[command(flatten)]
    pub(crate) list: ListArgs<Shown>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Users {}

impl Listed for Users {
    type Row = Shown;
    const KEY: &'static str = "users";
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<List<Users>, Stop> {
    let operator = args.patience.operator(context)?;
    let Args { filter, all, bots, mut list, patience: _ } = args;
    let order = list.ordered(SORTED);
    let is_filtered = bots || filter.is_some();
    // Synapse's own `name` takes `_` and `%` for any letter, and makes only what a database calls small
    // small.
    let part = filter.map(|it| it.to_lowercase());
    let is_wanted = move |user: &users::get::User| {
        let name = user.displayname.as_deref();
        let texts = [Some(user.name.as_str()), name].into_iter().flatten();
        part.as_ref().is_none_or(|part| names::is_in(part, texts)) && (!bots || user.is_bot())
    };
    Ok(List::paged(list, Users {}, async move |rows| {
        let limit = if is_filtered { PAGE } else { rows.at_most(PAGE) };
        pages(rows, &operator, None, async |operator, from| {
            let (deactivated, order) = ((!all).then_some(false), order.clone());
            let request = users::list::Request {
                from,
                limit,
                deactivated,
                locked: true,
                name: None,
                order_by: order.by,
                dir: order.dir,
            };
            let page = operator.send(request).await?;
            let found = page.users.into_iter().filter(&is_wanted).map(Shown::from).collect();
            Ok((found, page.next_token.map(Some)))
        })
        .await
    }))
}

impl Row for Shown {
    const HEADING: &'static [&'static str] = &["USER", "NAME", "", "CREATED", "LAST SEEN"];
    const FIRST: usize = 3;

    fn cells(&self) -> Vec<String> {
        vec![
            self.user_id.clone(),
            self.display_name.clone().unwrap_or_default(),
            [self.what(), self.state().to_owned()].join(" ").trim().to_owned(),
            self.created(),
            self.last_seen(),
        ]
    }

    fn id(&self) -> Cow<'_, str> {
        self.user_id.as_str().into()
    }
}
