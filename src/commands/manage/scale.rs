//! `manage scale`.

use std::fmt::{self, Write as _};

use serde::Serialize;

use super::simulate;
use crate::{
    commands::{Outcome, Result},
    config::values::shape::Span,
    context::{Context, Own},
    instance::workers::scale::{self, Plan},
    output::{Output, Report},
    synapse::workers,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many of each kind, such as `event_persister=2,synchrotron=2`; without it they are shown
    #[arg(
        long,
        value_name = "LIST",
        conflicts_with_all = ["preset", "simulate"]
    )]
    workers: Option<String>,
    /// A set of workers: none, small, one-of-each or by-load
    #[arg(long, value_name = "NAME", conflicts_with = "simulate")]
    preset: Option<String>,
    /// The cores that by-load or the simulation counts with; otherwise those of this machine
    #[arg(
        long,
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(1..=1024),
        conflicts_with = "workers"
    )]
    cores: Option<u32>,
    /// How long it may take until all is ready, such as 90 or 3m
    #[arg(long, value_name = "TIME")]
    timeout: Option<Span>,
    #[command(flatten)]
    simulate: simulate::Args,
}

#[derive(Serialize)]
struct Scaled {
    changed: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    /// `event_persister=2,synchrotron=2`
    list: String,
    #[serde(flatten)]
    plan: Plan,
}

fn asked(args: &Args) -> Vec<Own> {
    let own = |key, word, value: &str| Own { key, word, value: value.to_owned() };
    let mut asked = Vec::new();
    match (&args.workers, &args.preset) {
        (Some(list), _) => asked.push(own("workers.list", "--workers", list)),
        (None, Some(preset)) => {
            asked.push(own("workers.preset", "--preset", preset));
            // A list would win over it.
            asked.push(own("workers.list", "--preset", ""));
        }
        (None, None) => {}
    }
    if let Some(cores) = args.cores {
        asked.push(own("workers.cores", "--cores", &cores.to_string()));
    }
    asked
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    if args.simulate.simulate {
        let config = context.config()?;
        output.emit(&simulate::run(&args.simulate, args.cores, config)?);
        return Ok(Outcome::Done);
    }
    let asked = asked(&args);
    let old = context.config()?;
    let new = context.with(asked.iter().cloned()).config_now()?;
    let timeout = args.timeout.unwrap_or(new.supervision.start_timeout).0;
    let list = workers::listed(&new)?;
    let (plan, _) = scale::plan(old, &new).await?;
    let keys: Vec<(&str, String)> = asked.iter().map(|own| (own.key, own.value.clone())).collect();
    if context.dry_run || plan.is_empty() {
        let changed = !plan.is_empty();
        if !context.dry_run {
            scale::keep(&new, &keys)?;
        }
        output.emit(&Scaled { changed: false, dry_run: context.dry_run, list, plan });
        // Without anything asked for they were only to be shown.
        return Ok(if changed || asked.is_empty() { Outcome::Done } else { Outcome::Moot });
    }
    let progress = output.progress("scaling");
    let done = scale::scale(old, &new, &keys, timeout, &mut |step| progress.now(step)).await;
    drop(progress);
    output.emit(&Scaled { changed: true, dry_run: false, list, plan: done? });
    Ok(Outcome::Done)
}

impl Report for Scaled {
    fn text(&self, page: &mut String) -> fmt::Result {
        let Plan { running, workers, starts, stops, restarts, elsewhere } = &self.plan;
        if workers.is_empty() {
            page.push_str("workers: none");
        } else {
            write!(page, "workers: {}", workers.join(", "))?;
        }
        let words = if self.changed {
            [("started", starts), ("stopped", stops), ("restarted", restarts)]
        } else {
            [("to start", starts), ("to stop", stops), ("to restart", restarts)]
        };
        for (word, names) in words.iter().filter(|(_, names)| !names.is_empty()) {
            write!(page, "\n{word}: {}", names.join(", "))?;
        }
        if !elsewhere.is_empty() {
            let names = elsewhere.join(", ");
            write!(page, "\non other machines, with a new file of `manage join-file`: {names}")?;
        }
        if self.plan.is_empty() {
            page.push_str("\nnothing to change");
        } else if !running {
            page.push_str("\nthe homeserver does not run: the next `manage start` takes it up");
        }
        Ok(())
    }

    fn id(&self) -> Option<&str> {
        Some(&self.list)
    }
}
