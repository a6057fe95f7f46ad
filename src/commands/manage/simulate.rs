//! `manage scale --simulate`: what the model of the load predicts, and by which measured costs.

use std::fmt::{self, Write as _};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    config::Config,
    error::Failure,
    output::{Report, table},
    synapse::workers::{
        self,
        costs::{self, Cost},
        load::{self, Demand, Prediction, Proposal, Verdict},
    },
};

#[derive(clap::Args)]
#[group(id = "simulation")]
pub(super) struct Args {
    /// Say what a load takes, and change nothing
    #[arg(long, requires_all = ["users", "messages_per_second"])]
    pub(super) simulate: bool,
    /// People who are there, each with one client that waits for news
    #[arg(long, value_name = "N", requires = "simulate")]
    users: Option<u32>,
    /// What all of them say together
    #[arg(long, value_name = "M", requires = "simulate", value_parser = rate)]
    messages_per_second: Option<f64>,
    /// How many wait for news in the room of a message, on average
    #[arg(long, value_name = "L", requires = "simulate", default_value_t = load::LISTENERS, value_parser = rate)]
    listeners: f64,
}

fn rate(text: &str) -> Result<f64, &'static str> {
    let number: Option<f64> = text.parse().ok();
    number.filter(|it| it.is_finite() && *it >= 0.0).ok_or("must be a number that is not negative")
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Simulation {
    demand: Demand,
    assumptions: Assumptions,
    #[serde(flatten)]
    proposal: Proposal,
    one_process: Prediction,
    /// What is set now; none where the profile has no workers.
    as_set: Option<Prediction>,
    costs: &'static [Cost],
}

/// What nobody gave and the model takes for granted.
#[derive(Serialize, JsonSchema)]
struct Assumptions {
    /// After how long a client that got no news asks again, in seconds.
    sync_every: f64,
    /// How busy a process may be, as a share of a core.
    full_process: f64,
    /// How busy all cores may be, as a share of them.
    full_cores: f64,
    not_modelled: &'static str,
}

pub(super) fn run(args: &Args, cores: Option<u32>, config: &Config) -> Result<Simulation, Failure> {
    let demand = Demand {
        users: args.users.unwrap_or_default(),
        messages_per_second: args.messages_per_second.unwrap_or_default(),
        cores: cores.unwrap_or_else(|| workers::cores(config)),
        listeners: args.listeners,
        connections_a_process: config.database.connections_max,
    };
    let mut set = load::Counts::new();
    for worker in workers::chosen(config)? {
        *set.entry(worker.kind).or_default() += 1;
    }
    Ok(Simulation {
        demand,
        assumptions: Assumptions {
            sync_every: load::SYNC_EVERY,
            full_process: load::FULL,
            full_cores: load::ALL_FULL,
            not_modelled: load::NOT_MODELLED,
        },
        proposal: load::propose(&demand),
        one_process: load::predict(&load::Counts::new(), &demand),
        as_set: (!set.is_empty()).then(|| load::predict(&set, &demand)),
        costs: costs::ALL,
    })
}

fn listed(prediction: &Prediction) -> String {
    let counts = prediction.workers.iter().map(|(kind, count)| format!("{kind}={count}"));
    counts.collect::<Vec<_>>().join(",")
}

fn highest(prediction: &Prediction) -> String {
    let Prediction { highest, first_full, .. } = prediction;
    match *first_full {
        "cores" => format!("{highest:.0} messages a second at most, when all cores are full"),
        name => format!("{highest:.0} messages a second at most, when `{name}` is full"),
    }
}

impl Report for Simulation {
    fn text(&self, page: &mut String) -> fmt::Result {
        let Demand { users, messages_per_second, cores, listeners, .. } = self.demand;
        writeln!(
            page,
            "{users} users, {messages_per_second} messages a second for {listeners} who wait, {cores} cores"
        )?;
        let best = &self.proposal.best;
        let workers = listed(best);
        match self.proposal.verdict {
            Verdict::OneProcess => writeln!(page, "one process carries it: no workers are needed")?,
            Verdict::Workers => writeln!(page, "these workers carry it: {workers}")?,
            Verdict::TooMuch if workers.is_empty() => {
                writeln!(page, "nothing carries it; one process comes nearest")?;
            }
            Verdict::TooMuch => {
                writeln!(page, "nothing carries it; these workers come nearest: {workers}")?;
            }
        }
        if let Some(highest) = self.proposal.with_workers
            && self.proposal.verdict == Verdict::TooMuch
        {
            writeln!(
                page,
                "workers would carry {highest:.0} messages a second on {cores} cores: each hears of every message"
            )?;
        }
        page.push('\n');
        let share = |core: f64| format!("{:.0} %", core * 100.0);
        let mut rows: Vec<Vec<String>> = best
            .processes
            .iter()
            .map(|process| {
                vec![
                    process.name.to_owned(),
                    process.processes.to_string(),
                    share(process.core),
                    format!("{:.0} MB", process.memory),
                    process.connections.to_string(),
                ]
            })
            .collect();
        rows.push(vec![
            "all".to_owned(),
            String::new(),
            share(best.cores),
            format!("{:.0} MB", best.memory),
            best.connections.to_string(),
        ]);
        table(page, &["PROCESS", "NUMBER", "OF A CORE EACH", "MEMORY", "CONNECTIONS"], rows)?;
        writeln!(page, "\nthis: {}", highest(best))?;
        if !best.workers.is_empty() {
            writeln!(page, "one process: {}", highest(&self.one_process))?;
        }
        if let Some(set) = &self.as_set {
            writeln!(page, "as it is set ({}): {}", listed(set), highest(set))?;
        }
        let Assumptions { sync_every, full_process, full_cores, not_modelled } = &self.assumptions;
        writeln!(
            page,
            "\nassumed: a client asks again after {sync_every} s; a process is full at {} of a core, all cores at {}",
            share(*full_process),
            share(*full_cores)
        )?;
        writeln!(page, "not in it: {not_modelled}")?;
        page.push_str("measured costs (CPU time; `-v` explains them):");
        for Cost { name, value, unit, .. } in self.costs {
            write!(page, " {name} {value} {unit};")?;
        }
        page.push('\n');
        Ok(())
    }

    fn details(&self, page: &mut String) -> fmt::Result {
        page.push('\n');
        let row = |cost: &Cost| {
            vec![
                cost.name.to_owned(),
                format!("{} {}", cost.value, cost.unit),
                cost.what.to_owned(),
            ]
        };
        table(page, &["COST", "VALUE", "OF"], self.costs.iter().map(row).collect())
    }
}
