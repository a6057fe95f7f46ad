//! `completions SHELL`: a small script that asks this program, so that completions never go stale.

use std::{ffi::OsString, fmt};

use clap_complete::env::{CompleteEnv, Shells};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{Answered, NAME, Reply, tree},
    context::Context,
    error::Failure,
    output::Report,
    reply::Outcome,
};

/// How a shell says that it wants an answer.
const VARIABLE: &str = "RESOURCE_MATRIX_SYNAPSE_COMPLETE";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The shell
    #[arg(value_parser = ["bash", "zsh", "fish"])]
    shell: String,
}

/// Text is the script itself, for `source`; in a document it is one field.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Completions {
    shell: String,
    script: String,
}

pub(crate) async fn run(args: Args, _: &Context) -> Answered<Completions> {
    let mut script = Vec::new();
    Shells::builtins()
        .completer(&args.shell)
        .ok_or_else(|| Failure::request(format!("`{}` is no shell we know", args.shell)))?
        .write_registration(VARIABLE, NAME, NAME, NAME, &mut script)
        .map_err(|error| Failure::environment(error.to_string()))?;
    let script = String::from_utf8_lossy(&script).into_owned();
    Ok(Reply::done(Completions { shell: args.shell, script }))
}

impl Report for Completions {
    fn text(&self, page: &mut String) -> fmt::Result {
        page.push_str(&self.script);
        Ok(())
    }
}

/// Answers a shell that asks for completions.
pub(crate) fn answer(argv: &[OsString]) -> Option<Outcome> {
    #[expect(clippy::disallowed_methods, reason = "a question, not a setting")]
    std::env::var_os(VARIABLE)?;
    let answered = CompleteEnv::with_factory(|| tree_for(argv))
        .var(VARIABLE)
        .try_complete(argv.iter().cloned(), None);
    match answered {
        Ok(true) => Some(Outcome::Done),
        Ok(false) => None,
        Err(_) => Some(Outcome::Failed),
    }
}

/// The command tree, with arguments only for the command that stands in the line: building those of
/// all others would cost more than everything else.
fn tree_for(argv: &[OsString]) -> clap::Command {
    let typed = |name: &str| argv.iter().any(|word| word == name);
    tree::root(&|entry| if typed(entry.name) { entry.command() } else { entry.bare() })
}
