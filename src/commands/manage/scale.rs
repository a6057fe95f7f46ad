//! `manage scale`.

use std::fmt::{self, Write as _};

use schemars::JsonSchema;
use serde::Serialize;

use super::simulate::{self, Simulation};
use crate::{
    commands::{Answered, Reply, arguments::ReadyArg, offered},
    context::{Context, Own},
    instance::guard,
    instance::workers::scale::{self, Plan},
    output::Report,
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
    #[arg(long, value_name = "NAME", conflicts_with = "simulate", add = offered::presets())]
    preset: Option<String>,
    /// The cores that by-load or the simulation counts with; otherwise those of this machine
    #[arg(
        long,
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(1..=1024),
        conflicts_with = "workers"
    )]
    cores: Option<u32>,
    #[command(flatten)]
    ready: ReadyArg,
    #[command(flatten)]
    simulate: simulate::Args,
}

/// What was done, or what the model of the load predicts.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Answer {
    Scaled(Scaled),
    Simulated(Box<Simulation>),
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Scaled {
    changed: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    /// What a dry run would do: a clause that goes on from "would".
    #[serde(skip_serializing_if = "Option::is_none")]
    would: Option<String>,
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

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Answer> {
    guard::kept_by_us(&context.data()?)?;
    if args.simulate.simulate {
        let config = context.config()?;
        let simulation = simulate::run(&args.simulate, args.cores, config)?;
        return Ok(Reply::done(Answer::Simulated(Box::new(simulation))));
    }
    let asked = asked(&args);
    let old = context.config()?;
    let new = context.with(asked.iter().cloned()).config_now()?;
    let timeout = args.ready.or_set(&new);
    let list = workers::listed(&new)?;
    let dry_run = context.dry_run;
    if dry_run || asked.is_empty() {
        match scale::nothing_waits(&new).await {
            Err(why) if asked.is_empty() => context.warn(why.to_string()),
            may => may?,
        }
        let (plan, _) = scale::plan(old, &new).await?;
        // Without anything asked for they were only to be shown.
        let says_something = asked.is_empty() || !plan.is_empty();
        let would = dry_run.then(|| clause(&plan));
        let answer = Scaled { changed: false, dry_run, would, list, plan };
        return Ok(Reply::done_if(says_something, Answer::Scaled(answer)));
    }
    let keys: Vec<(&str, String)> = asked.iter().map(|own| (own.key, own.value.clone())).collect();
    let progress = context.progress("scaling");
    let done = scale::scale(old, &new, &keys, timeout, &mut |step| progress.now(step)).await;
    drop(progress);
    let plan = done?;
    let changed = !plan.is_empty();
    let answer = Scaled { changed, dry_run, would: None, list, plan };
    Ok(Reply::done_if(changed, Answer::Scaled(answer)))
}

fn clause(plan: &Plan) -> String {
    let Plan { starts, stops, restarts, .. } = plan;
    let all = [("start", starts), ("stop", stops), ("restart", restarts)];
    let some = all.iter().filter(|(_, names)| !names.is_empty());
    let clauses: Vec<String> =
        some.map(|(verb, names)| format!("{verb} {}", names.join(", "))).collect();
    if clauses.is_empty() { "change nothing".to_owned() } else { clauses.join("; ") }
}

impl Report for Answer {
    fn text(&self, page: &mut String) -> fmt::Result {
        match self {
            Self::Scaled(scaled) => scaled.text(page),
            Self::Simulated(simulation) => simulation.text(page),
        }
    }

    fn details(&self, page: &mut String) -> fmt::Result {
        match self {
            Self::Scaled(_) => Ok(()),
            Self::Simulated(simulation) => simulation.details(page),
        }
    }

    fn id(&self) -> Option<&str> {
        match self {
            Self::Scaled(scaled) => Some(&scaled.list),
            Self::Simulated(_) => None,
        }
    }
}

impl Scaled {
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
        } else if !self.changed && !self.dry_run && *running {
            write!(
                page,
                "\n`manage scale --workers {}` does it",
                shlex::try_quote(&self.list).map_err(|_| fmt::Error)?
            )?;
        } else if !running {
            page.push_str("\nthe homeserver does not run: the next `manage start` takes it up");
        }
        Ok(())
    }
}
