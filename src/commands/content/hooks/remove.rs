//! `content remove-hook`.

use crate::commands::content::{answer::Answer, answer::only_planned};
use serde_json::json;

use crate::{
    commands::{Outcome, Result},
    context::Context,
    hooks::registry,
    instance::lifecycle,
    output::Output,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The webhook
    pub(in crate::commands::content) id: String,
}

pub(crate) async fn run(Args { id }: Args, context: &Context, output: &Output) -> Result {
    let config = context.config()?;
    let data = &config.data;
    if !registry::names(data).contains(&id) {
        let text = format!("there is no webhook {}", id.escape_debug());
        output.emit(&Answer::new(text, None, json!({ "id": id, "removed": false })));
        return Ok(Outcome::Moot);
    }
    if only_planned(context, output, &format!("take the webhook {id} away")) {
        return Ok(Outcome::Done);
    }
    registry::remove(data, &id)?;
    lifecycle::hooks::let_go(config).await?;
    let text = format!("removed {id}; what it took is sent all the same");
    output.emit(&Answer::new(text, Some(&id), json!({ "id": id, "removed": true })));
    Ok(Outcome::Done)
}
