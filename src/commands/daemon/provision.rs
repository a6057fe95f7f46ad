//! `daemon provision`: the one-shot service that readies role and database. What it says is its log.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    commands::{Answered, Reply},
    context::Context,
    output::Report,
    postgres,
};

#[derive(clap::Args)]
pub(crate) struct Args {}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Provisioned {
    steps: Vec<String>,
}

pub(crate) async fn run(_: Args, context: &Context) -> Answered<Provisioned> {
    let config = context.config()?;
    let deadline = Instant::now() + config.supervision.start_timeout.0;
    let mut steps = Vec::new();
    postgres::ensure(config, deadline, &mut |step| steps.push(step.to_string())).await?;
    Ok(Reply::done(Provisioned { steps }))
}

impl Report for Provisioned {
    fn text(&self, page: &mut String) -> fmt::Result {
        if self.steps.is_empty() {
            page.push_str("role and database are ready");
        } else {
            page.push_str(&self.steps.join("\n"));
        }
        Ok(())
    }
}
