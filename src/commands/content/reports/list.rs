//! `content list-reports`.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    clock,
    commands::{Answered, Reply, content::arguments::Patience},
    context::Context,
    matrix::admin::reports::{list_events, list_users},
    output::{Report, table},
};

/// How many reports we ask for at once.
const PAGE: u32 = 500;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Reports of users instead of messages
    #[arg(long)]
    pub(crate) users: bool,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

/// Newest first.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Reports {
    Events { reports: Vec<list_events::Report>, total: usize },
    Users { reports: Vec<list_users::Report>, total: usize },
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Reports> {
    let operator = args.patience.operator(context)?;
    let mut from = 0;
    if args.users {
        let mut reports = Vec::new();
        loop {
            let page = operator.send(list_users::Request { from, limit: PAGE }).await?;
            reports.extend(page.user_reports);
            let Some(next) = page.next_token else { break };
            from = next;
        }
        return Ok(Reply::done(Reports::Users { total: reports.len(), reports }));
    }
    let mut reports = Vec::new();
    loop {
        let page = operator.send(list_events::Request { from, limit: PAGE }).await?;
        reports.extend(page.event_reports);
        let Some(next) = page.next_token else { break };
        from = next;
    }
    Ok(Reply::done(Reports::Events { total: reports.len(), reports }))
}

impl Report for Reports {
    fn text(&self, page: &mut String) -> fmt::Result {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        match self {
            Self::Events { reports, .. } => {
                let row = |it: &list_events::Report| {
                    vec![
                        it.id.to_string(),
                        clock::of_ms(it.received_ts),
                        it.user_id.clone(),
                        text(&it.sender),
                        it.event_id.clone(),
                        text(&it.reason),
                    ]
                };
                let heading = ["ID", "TIME", "BY", "ABOUT", "EVENT", "REASON"];
                table(page, &heading, reports.iter().map(row).collect())
            }
            Self::Users { reports, .. } => {
                let row = |it: &list_users::Report| {
                    vec![
                        it.id.to_string(),
                        clock::of_ms(it.received_ts),
                        it.user_id.clone(),
                        it.target_user_id.clone(),
                        text(&it.reason),
                    ]
                };
                let heading = ["ID", "TIME", "BY", "ABOUT", "REASON"];
                table(page, &heading, reports.iter().map(row).collect())
            }
        }
    }

    fn ids(&self) -> Option<String> {
        let ids: Vec<String> = match self {
            Self::Events { reports, .. } => reports.iter().map(|it| it.id.to_string()).collect(),
            Self::Users { reports, .. } => reports.iter().map(|it| it.id.to_string()).collect(),
        };
        Some(ids.join("\n"))
    }
}
