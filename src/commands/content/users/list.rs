//! `content list-users`.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::get::Shown;
use crate::{
    commands::{Answered, Reply, content::arguments::Patience},
    context::Context,
    matrix::{admin::users, names},
    output::{Report, table},
};

const PAGE: u32 = 500;

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
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Users {
    pub(crate) users: Vec<Shown>,
    pub(crate) total: usize,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Users> {
    let operator = args.patience.operator(context)?;
    let (mut found, mut from) = (Vec::new(), None);
    loop {
        let deactivated = (!args.all).then_some(false);
        let page = operator
            .send(users::list::Request { from, limit: PAGE, deactivated, locked: true, name: None })
            .await?;
        found.extend(page.users);
        from = page.next_token;
        if from.is_none() {
            break;
        }
    }
    // Synapse's own `name` takes `_` and `%` for any letter, and makes only what a database calls small
    // small.
    if let Some(part) = args.filter.as_deref().map(str::to_lowercase) {
        found.retain(|user| {
            names::is_in(
                &part,
                [Some(user.name.as_str()), user.displayname.as_deref()].into_iter().flatten(),
            )
        });
    }
    if args.bots {
        found.retain(users::get::User::is_bot);
    }
    let users: Vec<Shown> = found.into_iter().map(Shown::from).collect();
    Ok(Reply::done(Users { total: users.len(), users }))
}

impl Users {
    fn table(&self, page: &mut String, columns: usize) -> fmt::Result {
        let heading = ["USER", "NAME", "", "CREATED", "LAST SEEN"];
        let row = |user: &Shown| {
            let mut row = vec![
                user.user_id.clone(),
                user.display_name.clone().unwrap_or_default(),
                [user.what(), user.state().to_owned()].join(" ").trim().to_owned(),
                user.created(),
                user.last_seen(),
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
        self.table(page, 5)
    }

    fn ids(&self) -> Option<String> {
        Some(self.users.iter().map(|user| user.user_id.as_str()).collect::<Vec<_>>().join("\n"))
    }
}
