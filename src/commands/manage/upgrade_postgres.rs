//! `manage upgrade-postgres`.

use std::{
    fmt::{self, Write as _},
    path::PathBuf,
};

use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use super::unended::unended;
use crate::{
    commands::{Answered, Reply},
    context::Context,
    instance::guard,
    instance::major::{self, Upgraded},
    output::Report,
    postgres::major::Carried,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Go back to the cluster that was in use before; what was written since is in the newer one alone
    #[arg(long)]
    undo: bool,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Answer {
    changed: bool,
    /// The major version before, where there is another one now.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<u32>,
    /// The major version now, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<u32>,
    /// What was counted in the old cluster and in the new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    carried: Option<Carried>,
    /// Where the cluster is that was in use before.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<PathBuf>,
    #[serde(skip)]
    undo: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Answer> {
    guard::kept_by_us(&context.data()?)?;
    let hint = "the old one is in use and as it was";
    let made = Box::pin(make(args, context));
    unended(made, "interrupted before the new cluster was whole", hint).await
}

async fn make(args: Args, context: &Context) -> Answered<Answer> {
    let config = context.config()?;
    let undo = args.undo;
    if undo {
        context.would("go back to the cluster that was in use before")?;
    } else if let Some((from, to, _)) = major::plan(config).await? {
        context.would(format!("copy all of PostgreSQL {from} into a new cluster of {to}"))?;
    }
    // A cluster of many gigabytes takes its time to stop and to start.
    let deadline = Instant::now() + config.supervision.start_timeout.0;
    let progress = context.progress("looking at PostgreSQL");
    let mut on_step = |step: &str| progress.now(step);
    let done = if undo {
        major::undo(config, deadline, &mut on_step).await?
    } else {
        major::upgrade(config, deadline, &mut on_step).await?
    };
    drop(progress);
    let Some(Upgraded { from, to, carried, kept }) = done else {
        let none = Answer { changed: false, from: None, to: None, carried: None, kept: None, undo };
        return Ok(Reply::done_if(false, none));
    };
    let (from, to, kept) = (Some(from), Some(to), Some(kept));
    Ok(Reply::done(Answer { changed: true, from, to, carried, kept, undo }))
}

impl Report for Answer {
    fn text(&self, page: &mut String) -> fmt::Result {
        let (Some(from), Some(to), Some(kept)) = (self.from, self.to, &self.kept) else {
            return page.write_str(if self.undo {
                "no older cluster is kept"
            } else {
                "there is no newer PostgreSQL here"
            });
        };
        let kept = kept.display();
        if let Some(carried) = &self.carried {
            writeln!(page, "PostgreSQL {from} is {to} now")?;
            let databases = carried.databases.join(", ");
            writeln!(page, "{} rows of {databases}: as many as before", carried.rows)?;
            writeln!(page, "the old cluster is in {kept}: remove it when all is well")?;
            return writeln!(page, "`manage upgrade-postgres --undo` goes back to it");
        }
        writeln!(page, "back to PostgreSQL {to}, as it was when it was upgraded")?;
        writeln!(page, "the newer cluster is in {kept}")
    }

    fn id(&self) -> Option<&str> {
        self.kept.as_deref().and_then(|kept| kept.to_str())
    }
}
