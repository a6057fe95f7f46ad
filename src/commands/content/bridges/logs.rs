//! `content bridge-logs`: `logs` of a bridge's service.

use crate::{
    commands::{Result, logs},
    context::Context,
    output::Output,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The bridge
    name: String,
    #[command(flatten)]
    part: logs::Part,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    logs::show(&[format!("bridge-{}", args.name)], &args.part, context, output).await
}
