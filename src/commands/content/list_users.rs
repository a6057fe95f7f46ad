//! `content list-users`.

use crate::{
    commands::{Outcome, Result},
    context::Context,
    output::Output,
};

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, context: &Context, output: &Output) -> Result {
    output.say(context.config()?.local_url());
    Ok(Outcome::Done)
}
