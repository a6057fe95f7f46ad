//! `content remove-hook`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{Answered, Reply},
    context::Context,
    hooks::registry,
    instance::lifecycle,
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The webhook
    pub(crate) id: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Removed {
    pub(crate) id: String,
    /// Whether it was there.
    pub(crate) removed: bool,
}

pub(crate) async fn run(Args { id }: Args, context: &Context) -> Answered<Removed> {
    let config = context.config()?;
    let removed = registry::names(&config.data).contains(&id);
    if removed {
        context.would(format_args!("take the webhook {id} away"))?;
        registry::remove(&config.data, &id)?;
        lifecycle::hooks::let_go(config).await?;
    }
    Ok(Reply::done_if(removed, Removed { id, removed }))
}

impl Sentence for Removed {
    fn sentence(&self) -> String {
        if self.removed {
            format!("removed {}; what it took is sent all the same", self.id)
        } else {
            format!("there is no webhook {}", self.id.escape_debug())
        }
    }

    fn id(&self) -> &str {
        if self.removed { &self.id } else { "" }
    }
}
