//! `completions SHELL`: a small script that asks this program, so that completions never go stale.

use std::ffi::OsString;

use clap_complete::{Shell, generate};

use crate::{
    commands::{self, NAME, Outcome, Result},
    context::Context,
    output::{self, Output},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

#[expect(clippy::unused_async, reason = "every command is async")]
pub(crate) async fn run(args: Args, _: &Context, _: &Output) -> Result {
    let mut script = Vec::new();
    let mut tree = commands::tree();
    tree.build();
    generate(args.shell, &mut tree, NAME, &mut script);
    output::print_raw(&String::from_utf8_lossy(&script));
    Ok(Outcome::Done)
}

/// Answers a shell that asks for completions.
pub(crate) fn answer(_: &[OsString]) -> Option<Outcome> {
    None
}
