//! `manage services`: what the profile consists of, drawn as a tree of needs.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{Answered, Reply, arguments::ProfileArg},
    context::Context,
    instance::status,
    output::Report,
    services,
    supervisor::{
        service::{Condition, Need, Service},
        state::Phase,
    },
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    profile: ProfileArg,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct List {
    profile: String,
    summary: String,
    services: Vec<Line>,
    total: usize,
}

#[derive(Serialize, JsonSchema)]
struct Line {
    name: String,
    summary: String,
    /// `stopped` where no supervisor runs.
    state: Phase,
    needs: Vec<Need>,
    command: Vec<String>,
    /// `always`, `on-failure` or `never`.
    restart: &'static str,
    tags: Vec<String>,
    endpoints: BTreeMap<String, String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<List> {
    let context = &args.profile.within(context);
    let config = context.config()?;
    // Before an install there is no PostgreSQL to ask how it is started.
    let services = if config.data.is_installed() {
        services::all(config).await?
    } else {
        services::outline(config)?
    };
    let now = context.supervisor().await?;
    let state = |name: &str| {
        let report = now.as_ref().and_then(|now| now.services.get(name));
        report.map_or(Phase::Stopped, |report| report.state)
    };
    // One that is there only while another one starts is none that runs.
    let is_in_cluster = config.data.is_in_cluster();
    // Nor is what a cluster does in another way.
    let is_there = |service: &Service| {
        !is_in_cluster || now.as_ref().is_none_or(|now| now.services.contains_key(&service.name))
    };
    let kept = services.into_iter().filter(|service| !service.goes() && is_there(service));
    let services: Vec<Line> =
        kept.map(|service| Line::new(state(&service.name), service)).collect();
    let profile = config.profile.name.clone();
    let summary = config.profile.summary.replace("Synapse", config.server.kind.name());
    Ok(Reply::done(List { profile, summary, total: services.len(), services }))
}

impl Line {
    fn new(state: Phase, service: Service) -> Self {
        let Service { name, summary, needs, launch, restart, tags, endpoints, .. } = service;
        let words = launch.wrapper.into_iter().chain([launch.program.into()]).chain(launch.args);
        let words = words.map(|word| word.to_string_lossy().into_owned());
        let command = words.filter(|word| !word.is_empty()).collect();
        Self { name, summary, state, needs, command, restart: restart.word(), tags, endpoints }
    }

    /// What it hangs below in the tree: of what it needs, what starts last.
    fn parent<'a>(&self, lines: &'a [Self]) -> Option<&'a str> {
        let needs = |line: &&&Self| self.needs.iter().any(|need| need.service == line.name);
        lines.iter().rev().find(|line| needs(&line)).map(|line| line.name.as_str())
    }
}

impl Report for List {
    fn text(&self, page: &mut String) -> fmt::Result {
        writeln!(page, "profile {}: {}", self.profile, self.summary)?;
        self.branch(page, None, "")
    }
}

impl List {
    /// Draws those below `parent`, and theirs below them.
    fn branch(&self, page: &mut String, parent: Option<&str>, indent: &str) -> fmt::Result {
        let below: Vec<&Line> =
            self.services.iter().filter(|line| line.parent(&self.services) == parent).collect();
        for (i, line) in below.iter().enumerate() {
            let last = i + 1 == below.len();
            let (corner, bar) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            let state = status::word(line.state);
            write!(page, "{indent}{corner}{} [{state}] {}", line.name, line.summary)?;
            let others: Vec<String> = line
                .needs
                .iter()
                .filter(|need| Some(need.service.as_str()) != parent)
                .map(|need| match need.condition {
                    Condition::Started => format!("{} started", need.service),
                    Condition::Healthy => need.service.clone(),
                    Condition::Completed => format!("{} completed", need.service),
                })
                .collect();
            if !others.is_empty() {
                write!(page, "; also needs {}", others.join(", "))?;
            }
            page.push('\n');
            self.branch(page, Some(&line.name), &format!("{indent}{bar}"))?;
        }
        Ok(())
    }
}
