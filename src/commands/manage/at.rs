//! `manage restore --at`: the database as it was at a moment.

use std::{
    fmt::{self, Write as _},
    path::PathBuf,
};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    backup::manifest::Counts,
    commands::{Answered, Reply},
    context::Context,
    instance::{backup::at, lifecycle::start},
    output::Report,
};

#[derive(Serialize, JsonSchema)]
pub(crate) struct Reached {
    changed: bool,
    running: bool,
    /// RFC 3339, UTC.
    at: String,
    /// What is in the database now.
    counts: Counts,
    /// The database as it was until now.
    before: PathBuf,
}

pub(super) async fn run(context: &Context, at: Timestamp, start: bool) -> Answered<Reached> {
    let config = context.config()?;
    let base = at::begin(config, at)?;
    let shown = at.strftime("%Y-%m-%dT%H:%M:%S%.fZ").to_string();
    context.would(format!(
        "bring the database back as it was at {shown}, from a base backup of {}, and keep the one that is used now",
        base.at.strftime("%Y-%m-%dT%H:%M:%SZ")
    ))?;
    let progress = context.progress("bringing the database back");
    let back = at::restore(config, &base, at, &mut |step| progress.now(step)).await?;
    drop(progress);
    let [users, rooms, events, media] = back.counts;
    let reached = Reached {
        changed: true,
        running: start || back.was_running,
        at: shown,
        counts: Counts { users, rooms, events, media },
        before: back.before,
    };
    if reached.running {
        let timeout = config.supervision.start_timeout.0;
        let started = super::start::go(context, start::Options::all(timeout, false)).await;
        started.map_err(|why| {
            let hint = why.hint.clone().unwrap_or_else(|| "`logs` says more".into());
            why.hinted(format!(
                "the database is back, only the start failed: {hint}; the one that was used until then is in `{}`",
                reached.before.display()
            ))
        })?;
    }
    Ok(Reply::done(reached))
}

impl Report for Reached {
    fn text(&self, page: &mut String) -> fmt::Result {
        let Self { at, counts, before, running, .. } = self;
        writeln!(page, "restored: the database as it was at {at}")?;
        writeln!(
            page,
            "{} accounts, {} rooms, {} events",
            counts.users, counts.rooms, counts.events
        )?;
        writeln!(page, "the database as it was until now is in {}", before.display())?;
        if *running {
            writeln!(page, "running")
        } else {
            writeln!(page, "not started: `manage start` starts it")
        }
    }

    fn id(&self) -> Option<&str> {
        self.before.to_str()
    }
}
