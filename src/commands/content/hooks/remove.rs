//! `content remove-hook`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{Answered, Reply, offered},
    context::Context,
    hooks::registry,
    instance::lifecycle,
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The webhook
    #[arg(add = offered::hooks())]
    pub(crate) id: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Removed {
    pub(crate) id: String,
    /// False where there is no such webhook.
    pub(crate) removed: bool,
}

pub(crate) async fn run(Args { id }: Args, context: &Context) -> Answered<Removed> {
    let config = context.config()?;
    let data = &config.data;
    let removed = registry::names(data).contains(&id);
    if removed {
        context.would(format_args!("take the webhook {id} away"))?;
        registry::remove(data, &id)?;
        lifecycle::hooks::let_go(config).await?;
    }
    Ok(Reply::done_if(removed, Removed { id, removed }))
}

impl Sentence for Removed {
    fn sentence(&self) -> String {
        let Self { id, removed } = self;
        if *removed {
            format!("removed {id}; the messages it has accepted are still sent")
        } else {
            format!("there is no webhook {}", id.escape_debug())
        }
    }

    fn id(&self) -> &str {
        if self.removed { &self.id } else { "" }
    }
}
