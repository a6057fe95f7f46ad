//! `content list-destinations`.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    clock,
    commands::{Answered, Reply, content::arguments::Patience},
    context::Context,
    matrix::admin::federation::list::Request,
    output::{Report, table},
};

/// How many servers we ask for at once.
const PAGE: u32 = 500;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Destinations {
    pub(crate) destinations: Vec<Destination>,
    pub(crate) total: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Destination {
    pub(crate) server: String,
    /// Since when it has failed, in milliseconds since the epoch; nothing where all is well.
    pub(crate) failing_since_ms: Option<u64>,
    /// When it is tried again, in milliseconds since the epoch.
    pub(crate) next_try_ms: Option<u64>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Destinations> {
    let operator = args.patience.operator(context)?;
    let (mut destinations, mut from) = (Vec::new(), 0);
    loop {
        let page = operator.send(Request { from, limit: PAGE }).await?;
        destinations.extend(page.destinations.into_iter().map(|it| Destination {
            server: it.destination,
            failing_since_ms: it.failure_ts,
            next_try_ms:
                (it.retry_interval > 0).then(|| it.retry_last_ts.saturating_add(it.retry_interval)),
        }));
        let Some(next) = page.next_token.and_then(|next| next.parse().ok()) else { break };
        from = next;
    }
    Ok(Reply::done(Destinations { total: destinations.len(), destinations }))
}

impl Report for Destinations {
    fn text(&self, page: &mut String) -> fmt::Result {
        let row = |it: &Destination| {
            let time = |ms: Option<u64>| ms.map(clock::of_ms).unwrap_or_default();
            vec![it.server.clone(), time(it.failing_since_ms), time(it.next_try_ms)]
        };
        let heading = ["SERVER", "FAILING SINCE", "NEXT TRY"];
        table(page, &heading, self.destinations.iter().map(row).collect())
    }

    fn ids(&self) -> Option<String> {
        Some(self.destinations.iter().map(|it| it.server.as_str()).collect::<Vec<_>>().join("\n"))
    }
}
