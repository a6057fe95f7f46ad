//! `content list-destinations`.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    clock,
    commands::{
        content::arguments::Patience,
        listing::{List, ListArgs, Listed, pages},
    },
    context::Context,
    matrix::admin::federation::list,
    output::Row,
    reply::Stop,
};

/// How many servers we ask for at once.
const PAGE: u32 = 500;

/// The fields that Synapse sorts by.
const SORTED: &[(&str, &str, bool)] =
    &[("server", "destination", false), ("failing_since_ms", "failure_ts", false)];

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) list: ListArgs<Destination>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Destinations {}

impl Listed for Destinations {
    type Row = Destination;
    const KEY: &'static str = "destinations";
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Destination {
    pub(crate) server: String,
    /// Since when it has failed, in milliseconds since the epoch; nothing where all is well.
    pub(crate) failing_since_ms: Option<u64>,
    /// When it is tried again, in milliseconds since the epoch.
    pub(crate) next_try_ms: Option<u64>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<List<Destinations>, Stop> {
    let operator = args.patience.operator(context)?;
    let mut list = args.list;
    let order = list.ordered(SORTED);
    let shown = |it: list::Destination| Destination {
        server: it.destination,
        failing_since_ms: it.failure_ts,
        next_try_ms: (it.retry_interval > 0)
            .then(|| it.retry_last_ts.saturating_add(it.retry_interval)),
    };
    Ok(List::paged(list, Destinations {}, async move |rows| {
        let limit = rows.at_most(PAGE);
        pages(rows, &operator, 0, async |operator, from| {
            let order = order.clone();
            let request = list::Request { from, limit, order_by: order.by, dir: order.dir };
            let page = operator.send(request).await?;
            let found = page.destinations.into_iter().map(shown).collect();
            Ok((found, page.next_token.and_then(|next| next.parse().ok())))
        })
        .await
    }))
}

impl Row for Destination {
    const HEADING: &'static [&'static str] = &["SERVER", "FAILING SINCE", "NEXT TRY"];

    fn cells(&self) -> Vec<String> {
        let time = |ms: Option<u64>| ms.map(clock::of_ms).unwrap_or_default();
        vec![self.server.clone(), time(self.failing_since_ms), time(self.next_try_ms)]
    }

    fn id(&self) -> Cow<'_, str> {
        self.server.as_str().into()
    }
}
