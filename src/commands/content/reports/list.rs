//! `content list-reports`.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    clock,
    commands::{
        content::arguments::Patience,
        listing::{Document, List, ListArgs, Listed, one_said, pages},
    },
    context::Context,
    matrix::admin::reports::{list_events, list_users},
    output::Row,
    reply::Stop,
};

/// How many reports we ask for at once.
const PAGE: u32 = 500;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Reports of users instead of messages
    #[arg(long)]
    pub(crate) users: bool,
    #[command(flatten)]
    pub(crate) list: ListArgs<Report>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

/// A report of a message, or one of a user: what it may be asked for.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is needed")]
pub(crate) enum Report {
    Event(list_events::Report),
    User(list_users::Report),
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct OfEvents {}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct OfUsers {}

impl Listed for OfEvents {
    type Row = list_events::Report;
    const KEY: &'static str = "reports";
    const ORDER: &'static str = "Newest first.";
}

impl Listed for OfUsers {
    type Row = list_users::Report;
    const KEY: &'static str = "reports";
    const ORDER: &'static str = "Newest first.";
}

one_said!(Reports {
    Events(List<OfEvents> => Document<OfEvents>),
    Users(List<OfUsers> => Document<OfUsers>),
});

pub(crate) async fn run(args: Args, context: &Context) -> Result<Reports, Stop> {
    if args.users {
        let list = args.list.of()?;
        let operator = args.patience.operator(context)?;
        return Ok(Reports::Users(List::paged(list, OfUsers {}, async move |rows| {
            let limit = rows.at_most(PAGE);
            pages(rows, &operator, 0, async |operator, from| {
                let page = operator.send(list_users::Request { from, limit }).await?;
                Ok((page.user_reports, page.next_token))
            })
            .await
        })));
    }
    let list = args.list.of()?;
    let operator = args.patience.operator(context)?;
    Ok(Reports::Events(List::paged(list, OfEvents {}, async move |rows| {
        let limit = rows.at_most(PAGE);
        pages(rows, &operator, 0, async |operator, from| {
            let page = operator.send(list_events::Request { from, limit }).await?;
            Ok((page.event_reports, page.next_token))
        })
        .await
    })))
}

impl Row for list_events::Report {
    const HEADING: &'static [&'static str] = &["ID", "TIME", "BY", "ABOUT", "EVENT", "REASON"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            clock::of_ms(self.received_ts),
            self.user_id.clone(),
            self.sender.clone().unwrap_or_default(),
            self.event_id.clone(),
            self.reason.clone().unwrap_or_default(),
        ]
    }

    fn id(&self) -> Cow<'_, str> {
        self.id.to_string().into()
    }
}

impl Row for list_users::Report {
    const HEADING: &'static [&'static str] = &["ID", "TIME", "BY", "ABOUT", "REASON"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            clock::of_ms(self.received_ts),
            self.user_id.clone(),
            self.target_user_id.clone(),
            self.reason.clone().unwrap_or_default(),
        ]
    }

    fn id(&self) -> Cow<'_, str> {
        self.id.to_string().into()
    }
}
