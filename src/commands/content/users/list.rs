//! `content list-users`.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::get::Shown;
use crate::{
    commands::{
        Answered, Reply,
        content::{arguments::Patience, bots::add::BOT},
    },
    context::Context,
    matrix::{
        Error,
        admin::users::{self, get::User},
        client::Client,
    },
    output::{Report, table},
};

const PAGE: u32 = 500;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only those where this is part of the id or the display name
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// Deactivated accounts too
    #[arg(long)]
    pub(crate) all: bool,
    /// Only bots
    #[arg(long)]
    pub(crate) bots: bool,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Users {
    pub(crate) users: Vec<Shown>,
    pub(crate) total: usize,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Users> {
    let operator = args.patience.operator(context)?;
    let mut users: Vec<Shown> =
        accounts(&operator, args.all).await?.into_iter().map(Shown::from).collect();
    if let Some(part) = &args.filter {
        users.retain(|user| {
            user.user_id.contains(part)
                || user.display_name.as_ref().is_some_and(|name| name.contains(part))
        });
    }
    users.retain(|user| !args.bots || user.kind() == BOT);
    Ok(Reply::done(Users { total: users.len(), users }))
}

/// Page by page.
async fn accounts(operator: &Client, all: bool) -> Result<Vec<User>, Error> {
    let (mut found, mut from) = (Vec::new(), None);
    loop {
        let deactivated = (!all).then_some(false);
        let page = operator.send(users::list::Request { from, limit: PAGE, deactivated }).await?;
        found.extend(page.users);
        from = page.next_token;
        if from.is_none() {
            return Ok(found);
        }
    }
}

/// What an account is beside a user's: `admin`, `bot`, both or nothing.
fn what(user: &Shown) -> String {
    let words = [if user.admin { "admin" } else { "" }, user.kind()];
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A word for an account that cannot be used, and nothing for others.
fn state(user: &Shown) -> &'static str {
    match (user.deactivated, user.locked) {
        (true, _) => "deactivated",
        (_, true) => "locked",
        _ => "",
    }
}

impl Users {
    fn table(&self, page: &mut String, columns: usize) -> fmt::Result {
        let heading = ["USER", "NAME", "", "CREATED", "LAST SEEN", ""];
        let row = |user: &Shown| {
            let mut row = vec![
                user.user_id.clone(),
                user.display_name.clone().unwrap_or_default(),
                what(user),
                user.created(),
                user.last_seen(),
                state(user).to_owned(),
            ];
            row.truncate(columns);
            row
        };
        table(page, &heading[..columns], self.users.iter().map(row).collect())
    }
}

impl Report for Users {
    fn text(&self, page: &mut String) -> fmt::Result {
        self.table(page, 3)
    }

    fn long(&self, page: &mut String) -> fmt::Result {
        self.table(page, 6)
    }

    fn ids(&self) -> Option<String> {
        Some(self.users.iter().map(|user| user.user_id.as_str()).collect::<Vec<_>>().join("\n"))
    }
}
