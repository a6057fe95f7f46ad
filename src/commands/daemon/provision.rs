//! `daemon provision`: the one-shot service that readies role and database. What it says is its log.

use std::fmt;

use serde::Serialize;
use tokio::time::Instant;

use crate::{
    commands::{Outcome, Result},
    context::Context,
    output::{Output, Report},
    postgres,
};

#[derive(clap::Args)]
pub(crate) struct Args {}

#[derive(Serialize)]
struct Provisioned {
    steps: Vec<String>,
}

pub(crate) async fn run(_: Args, context: &Context, output: &Output) -> Result {
    let config = context.config()?;
    let deadline = Instant::now() + config.supervision.start_timeout.0;
    let mut steps = Vec::new();
    postgres::ensure(config, deadline, &mut |step| steps.push(step.to_string())).await?;
    output.emit(&Provisioned { steps });
    Ok(Outcome::Done)
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
