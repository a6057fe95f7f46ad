//! argv -> command -> exit code.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{ArgMatches, error::ErrorKind};

use crate::{
    commands::{self, Entry, Node, Outcome, TREE},
    config::environment::Environment,
    context::{Context, Flags},
    error::Failure,
    output::{self, Format, Output},
};

/// The whole program.
pub(crate) fn main() -> ExitCode {
    let argv: Vec<OsString> = std::env::args_os().collect();
    let outcome = commands::completions::answer(&argv).unwrap_or_else(|| answer(&argv));
    let outcome = if output::got_out() { outcome } else { Outcome::Failed };
    ExitCode::from(outcome.code())
}

fn answer(argv: &[OsString]) -> Outcome {
    let matches = match commands::tree(argv).try_get_matches_from(argv) {
        Ok(matches) => matches,
        Err(error) => return refused(argv, &error),
    };
    let output = output_of(&matches);
    run(&matches, &output).unwrap_or_else(|failure| {
        output.fail(&failure);
        Outcome::Failed
    })
}

fn run(matches: &ArgMatches, output: &Output) -> commands::Result {
    let Some((entry, matches, alias)) = chosen(matches) else {
        return Err(Failure::request("no command was given").hinted("`help` lists the commands"));
    };
    if output.format == Format::Env && entry.name != "credentials" {
        return Err(Failure::request("only `credentials` has the format `env`")
            .hinted("the formats are text, json and yaml"));
    }
    let flags = Flags {
        data_dir: matches.get_one::<PathBuf>("data-dir").cloned(),
        set: matches.get_many::<String>("set").unwrap_or_default().cloned().collect(),
        dry_run: matches.get_flag("dry-run"),
    };
    let context = Context::new(flags, Environment::of_this_process());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::environment(format!("the runtime cannot be started: {error}")))?;
    let outcome = runtime
        .block_on((entry.run)(matches, &context, output))
        .map_err(|failure| context.explained(failure))?;
    // Vrooli tries the top-level word after the `manage` form said 2, and takes any non-zero for a
    // failure: "already so" is success there.
    Ok(if alias && outcome == Outcome::Moot { Outcome::Done } else { outcome })
}

/// The command that was typed, its arguments, and whether it is a top-level alias.
fn chosen(matches: &ArgMatches) -> Option<(&'static Entry, &ArgMatches, bool)> {
    let (word, matches) = matches.subcommand()?;
    TREE.iter().find_map(|node| match node {
        Node::Leaf(entry) if entry.name == word => Some((*entry, matches, false)),
        Node::Alias(entry) if entry.name == word => Some((*entry, matches, true)),
        Node::Group { name, entries, .. } if *name == word => {
            let (word, matches) = matches.subcommand()?;
            let entry = entries.iter().find(|entry| entry.name == word)?;
            Some((entry, matches, false))
        }
        _ => None,
    })
}

fn output_of(matches: &ArgMatches) -> Output {
    let mut leaf = matches;
    while let Some((_, deeper)) = leaf.subcommand() {
        leaf = deeper;
    }
    let json = leaf.get_flag("json");
    let format = match leaf.get_one::<String>("format").map(String::as_str) {
        Some("json") => Format::Json,
        Some("yaml") => Format::Yaml,
        Some("env") => Format::Env,
        _ if json => Format::Json,
        _ => Format::Text,
    };
    let flag = |name| leaf.get_flag(name);
    Output::new(format, flag("quiet"), flag("verbose"), flag("show-secrets"))
}

/// clap's own answers: help and the version are data, everything else is a usage error.
fn refused(argv: &[OsString], error: &clap::Error) -> Outcome {
    let text = error.render();
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            output::print_raw(&text.ansi().to_string());
            return Outcome::Done;
        }
        _ => {}
    }
    let words = || argv.iter().filter_map(|word| word.to_str());
    let asked = |pair: [&str; 2]| words().zip(words().skip(1)).any(|(a, b)| [a, b] == pair);
    let format =
        if asked(["--format", "json"]) || words().any(|w| w == "--json" || w == "--format=json") {
            Format::Json
        } else if asked(["--format", "yaml"]) || words().any(|word| word == "--format=yaml") {
            Format::Yaml
        } else {
            Format::Text
        };
    let output = Output::new(format, false, false, false);
    let text = text.to_string();
    let message = text.trim_start_matches("error: ").trim_end();
    let (first, rest) = message.split_once("\n\n").unwrap_or((message, ""));
    let mut hint =
        rest.trim().trim_start_matches("tip: ").replace("  tip: ", "").replace("\n\n", "\n");
    if error.kind() == ErrorKind::InvalidSubcommand {
        hint.push_str("\n`help` lists the commands");
    }
    let hint = hint.trim().to_owned();
    output.fail(&Failure::request(first.trim()).hinted(hint));
    Outcome::Failed
}
