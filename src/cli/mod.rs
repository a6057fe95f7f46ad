//! argv -> command -> exit code.

mod help;

use std::{ffi::OsString, path::PathBuf, process::ExitCode, sync::Arc};

use clap::{ArgMatches, error::ErrorKind};
use rustix::{fs::Mode, process::Signal};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    commands::{
        self,
        reply::deliver,
        tree::TREE,
        typed::{self, Typed},
    },
    config::{self, sources::environment::Environment},
    context::{Context, Flags},
    error::Failure,
    mcp,
    output::{self, Format, Output, View},
    reply::{Interrupted, Outcome},
};

/// The whole program.
pub(crate) fn main() -> ExitCode {
    let_nobody_else_write();
    let argv: Vec<OsString> = std::env::args_os().collect();
    let outcome = commands::completions::answer(&argv).unwrap_or_else(|| answer(&argv));
    let outcome = if output::got_out() { outcome } else { Outcome::Failed };
    ExitCode::from(outcome.code())
}

/// Whatever the caller's umask is: what we make, and what we start makes, is programs that run as us.
fn let_nobody_else_write() {
    let others = Mode::WGRP | Mode::WOTH;
    let asked = rustix::process::umask(others);
    if !others.contains(asked) {
        rustix::process::umask(asked | others);
    }
}

fn answer(argv: &[OsString]) -> Outcome {
    let Some(typed) = Typed::of(argv) else { return without_command(argv) };
    let (command, line) = typed.command(argv);
    let matches = match command.try_get_matches_from(line) {
        Ok(matches) => matches,
        Err(error) => return refused(argv, &error),
    };
    let output = output_of(&matches);
    run(&typed, &matches, &output).unwrap_or_else(|failure| {
        output.fail(&failure);
        let by_signal = failure.error.downcast_ref::<Interrupted>();
        by_signal.map_or(Outcome::Failed, |by| Outcome::Interrupted(by.signal))
    })
}

/// Help, the version, or a line that cannot be understood.
fn without_command(argv: &[OsString]) -> Outcome {
    let mut line = for_clap(argv);
    let mut parsed = commands::tree::tree().try_get_matches_from(&line);
    // Flags without a command ask for help, as nothing at all does.
    if parsed.as_ref().is_err_and(|error| error.kind() == ErrorKind::MissingSubcommand) {
        line.push("--help".into());
        parsed = commands::tree::tree().try_get_matches_from(&line);
    }
    if let Err(error) = parsed {
        return refused(argv, &error);
    }
    let output = Output::new(View { format: asked_format(argv), ..View::default() });
    output.fail(&Failure::request("no command was given").hinted("`help` lists the commands"));
    Outcome::Failed
}

fn run(typed: &Typed, matches: &ArgMatches, output: &Output) -> Result<Outcome, Failure> {
    let Typed { entry, is_alias, .. } = typed;
    if output.view.format == Format::Env && entry.name != "credentials" {
        return Err(Failure::request("only `credentials` has the format `env`")
            .hinted("the formats are text, table, json, jsonl and yaml"));
    }
    let mut flags = Flags {
        data_dir: matches.get_one::<PathBuf>("data-dir").cloned(),
        instance: matches.get_one::<String>("instance").cloned(),
        set: matches.get_many::<String>("set").unwrap_or_default().cloned().collect(),
        dry_run: matches.get_flag("dry-run"),
    };
    config::check_flags(&flags.set)?;
    let environment = Environment::of_this_process();
    // A folder that was typed is the one that is meant, also by what we start ourselves.
    if flags.instance.is_none() && flags.data_dir.is_none() {
        flags.instance = environment.get("MATRIX_SYNAPSE_INSTANCE");
    }
    let context = Context::new(flags, environment, Arc::clone(&output.talk));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::environment(format!("the runtime cannot be started: {error}")))?;
    {
        // A file that may not grow is an error of the write, as a pipe without a reader is, and not the
        // end of us in the middle of something. Unlike an ignored signal this is not inherited.
        let _within = runtime.enter();
        drop(signal(SignalKind::from_raw(Signal::XFSZ.as_raw())));
    }
    let ended = runtime.block_on(async {
        // It calls verbs, so that it is none of them.
        if entry.name == "mcp" {
            return mcp::serve(commands::table::parsed(matches)?, &context).await;
        }
        deliver((entry.run)(matches, &context).await, &context, output).await
    });
    let words: Vec<&str> = TREE.iter().map(commands::tree::Node::name).collect();
    let outcome = ended.map_err(|failure| context.explained(failure, &words))?;
    // Vrooli tries the top-level word after the `manage` form said 2, and takes any non-zero for a
    // failure: "already so" is success there.
    Ok(if *is_alias && outcome == Outcome::Moot { Outcome::Done } else { outcome })
}

fn output_of(matches: &ArgMatches) -> Output {
    let json = matches.get_flag("json");
    let format = match matches.get_one::<String>("format").map(String::as_str) {
        Some("json") => Format::Json,
        Some("jsonl") => Format::Jsonl,
        Some("yaml") => Format::Yaml,
        Some("env") => Format::Env,
        _ if json => Format::Json,
        _ => Format::Text,
    };
    let flag = |name| matches.get_flag(name);
    Output::new(View {
        format,
        quiet: flag("quiet"),
        verbose: flag("verbose"),
        show_secrets: flag("show-secrets"),
    })
}

/// clap's own answers: help and the version are data, everything else is a usage error.
fn refused(argv: &[OsString], error: &clap::Error) -> Outcome {
    let output = Output::new(View { format: asked_format(argv), ..View::default() });
    let printed = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            output.print(&help::Page::of(error))
        }
        ErrorKind::DisplayVersion => output.print(&help::Version::OURS),
        _ => Err(help::usage_error(argv, error)),
    };
    if let Err(failure) = &printed {
        output.fail(failure);
    }
    if printed.is_ok() { Outcome::Done } else { Outcome::Failed }
}

/// The format that was asked for in a line that clap did not take.
fn asked_format(argv: &[OsString]) -> Format {
    let mut format = Format::Text;
    let mut words = argv.iter().skip(1).filter_map(|word| word.to_str());
    while let Some(word) = words.next() {
        let named = match word {
            "--" => break,
            "--json" => Some("json"),
            "--format" => words.next(),
            word => word.strip_prefix("--format="),
        };
        match named {
            Some("json") => format = Format::Json,
            Some("jsonl") => format = Format::Jsonl,
            Some("yaml") => format = Format::Yaml,
            _ => {}
        }
    }
    format
}

/// The line for clap, whose `help` takes nothing but commands: our flags beside it are read by us.
fn for_clap(argv: &[OsString]) -> Vec<OsString> {
    let words: Vec<&str> = typed::words(argv).collect();
    if words.first() != Some(&"help") {
        return argv.to_vec();
    }
    argv.iter().take(1).cloned().chain(words.into_iter().map(OsString::from)).collect()
}
