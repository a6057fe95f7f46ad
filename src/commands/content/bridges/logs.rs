//! `content bridge-logs`: `logs` of a bridge's service.

use crate::{
    bridges,
    commands::{
        logs::{self, Logs, Shown},
        offered,
        reply::Live,
    },
    context::Context,
    error::Failure,
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
    let name = args.name;
    bridges::check_name(&name)?;
    if bridges::of(&context.data()?, &name).is_none() {
        let absent = Failure::request(format!("there is no bridge `{name}`"));
        return Err(absent.hinted("`content list-bridges` lists them").into());
    }
    logs::show(&[format!("bridge-{name}")], &args.part, context).await
}
