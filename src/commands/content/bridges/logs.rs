//! `content bridge-logs`: `logs` of a bridge's service.

use crate::{
    commands::{
        logs::{self, Logs, Shown},
        offered,
        reply::Live,
    },
    context::Context,
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The bridge
    #[arg(add = offered::bridges())]
    name: String,
    #[command(flatten)]
    part: logs::Part,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Live<Logs, Shown>, Stop> {
    logs::show(&[format!("bridge-{}", args.name)], &args.part, context).await
}
