//! What pausing background updates and letting them go on have in common.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{Answered, Reply, content::arguments::Patience},
    context::Context,
    matrix::admin::background_updates::{enable, status},
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Paused {
    /// Whether they are paused now; the next start of the server lets them go on.
    pub(crate) paused: bool,
    /// False where it was so before.
    pub(crate) changed: bool,
}

pub(super) async fn set(args: Args, context: &Context, paused: bool) -> Answered<Paused> {
    let operator = args.patience.operator(context)?;
    let changed = operator.send(status::Request {}).await?.enabled == paused;
    if changed {
        let act = if paused { "pause" } else { "resume" };
        context.would(format_args!("{act} background updates"))?;
        operator.send(enable::Request { enabled: !paused }).await?;
    }
    Ok(Reply::done_if(changed, Paused { paused, changed }))
}

impl Sentence for Paused {
    fn sentence(&self) -> String {
        let is = match (self.paused, self.changed) {
            (true, true) => "are paused until the server starts again",
            (true, false) => "are already paused",
            (false, true) => "go on",
            (false, false) => "are not paused",
        };
        format!("background updates {is}")
    }
}
