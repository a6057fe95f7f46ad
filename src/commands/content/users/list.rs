//! `content list-users`.

use crate::commands::content::{
    answer::Answer, arguments::Patience, users::get::created, users::get::last_seen,
    users::get::state, users::get::what,
};
use serde_json::json;

use crate::{
    commands::{Outcome, Result},
    context::Context,
    matrix::admin::users,
    output::{Output, table},
};

const PAGE: u32 = 500;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only those where this is part of the id or the display name
    #[arg(long, value_name = "TEXT")]
    pub(in crate::commands::content) filter: Option<String>,
    /// Deactivated accounts too
    #[arg(long)]
    pub(in crate::commands::content) all: bool,
    /// Only bots
    #[arg(long)]
    pub(in crate::commands::content) bots: bool,
    #[command(flatten)]
    pub(in crate::commands::content) patience: Patience,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let operator = args.patience.operator(context)?;
    let (mut found, mut from) = (Vec::new(), None);
    loop {
        let deactivated = (!args.all).then_some(false);
        let page = operator.send(users::list::Request { from, limit: PAGE, deactivated }).await?;
        found.extend(page.users);
        from = page.next_token;
        if from.is_none() {
            break;
        }
    }
    if let Some(part) = &args.filter {
        found.retain(|user| {
            user.name.as_str().contains(part)
                || user.displayname.as_ref().is_some_and(|name| name.contains(part))
        });
    }
    if args.bots {
        found.retain(|user| user.user_type.as_deref() == Some("bot"));
    }
    let mut text = String::new();
    let rows = found.iter().map(|user| {
        let name = user.displayname.clone().unwrap_or_default();
        let mut row = vec![user.name.to_string(), name, what(user)];
        if output.verbose {
            row.extend([created(user), last_seen(user), state(user).to_owned()]);
        }
        row
    });
    let heading = ["USER", "NAME", "", "CREATED", "LAST SEEN", ""];
    let columns = if output.verbose { heading.len() } else { 3 };
    table(&mut text, &heading[..columns], rows.collect()).ok();
    let ids: Vec<&str> = found.iter().map(|user| user.name.as_str()).collect();
    let users: Vec<_> = found.iter().map(super::get::fields).collect();
    let fields = json!({ "users": users, "total": found.len() });
    output.emit(&Answer::page(text, Some(ids.join("\n")), fields));
    Ok(Outcome::Done)
}
