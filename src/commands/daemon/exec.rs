//! `daemon exec`: becomes a service that ends with the supervisor.

use std::ffi::OsString;

use crate::{
    commands::reply::{Nothing, Stream},
    context::Context,
    error::Failure,
    reply::Stop,
    supervisor::job,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The process that must still be our parent
    #[arg(long)]
    parent: u32,
    /// The signal that the kernel is to send when it dies
    #[arg(long)]
    death_signal: i32,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

pub(crate) async fn run(args: Args, _: &Context) -> Result<Stream<Nothing>, Stop> {
    let Some((program, rest)) = args.command.split_first() else {
        return Err(Failure::request("no program was named").into());
    };
    let error = job::become_program(args.parent, args.death_signal, program, rest);
    let why = format!("`{}` cannot be started: {error}", program.display());
    Err(Failure::environment(why).into())
}
