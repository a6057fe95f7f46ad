//! `manage uninstall`.

use std::{
    fmt::{self, Write as _},
    path::PathBuf,
};

use serde::Serialize;

use crate::{
    commands::{Outcome, Result},
    context::Context,
    error::Failure,
    instance::{
        aside,
        uninstall::{self, Data},
    },
    output::{self, Output, Report},
    postgres::drop_made::Dropped,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave data, secrets, keys and settings where they are
    #[arg(long, conflicts_with = "purge")]
    keep_data: bool,
    /// Erase data, secrets, keys and settings, and role and database if this program made them
    #[arg(long)]
    purge: bool,
    /// Do not ask
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct Uninstalled {
    dry_run: bool,
    changed: bool,
    /// `aside`, `keep` or `purge`.
    data: &'static str,
    /// The files and folders that this is about.
    paths: Vec<PathBuf>,
    /// The folder that now holds them.
    aside: Option<PathBuf>,
    dropped: Dropped,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let data = context.data()?;
    let (what, word) = match (args.keep_data, args.purge) {
        (true, _) => (Data::Keep, "keep"),
        (_, true) => (Data::Purge, "purge"),
        _ => (Data::Aside, "aside"),
    };
    let mut report = Uninstalled {
        dry_run: context.dry_run,
        changed: false,
        data: word,
        paths: Vec::new(),
        aside: None,
        dropped: Dropped::default(),
    };
    if !uninstall::is_needed(&data, what)? {
        output.emit(&report);
        return Ok(Outcome::Moot);
    }
    report.paths = aside::data_of(&data)?;
    if context.dry_run {
        output.emit(&report);
        return Ok(Outcome::Done);
    }
    if what == Data::Purge && !args.force && output::stdin_is_terminal() {
        let question = format!("erase everything in `{}` for good?", data.root().display());
        if !output::confirm(&question) {
            return Err(Failure::request("nothing was erased"));
        }
    }
    let within = super::start::time(None, context, super::stop::PATIENCE);
    let progress = output.progress("uninstalling");
    let config = (what == Data::Purge).then(|| context.config()).transpose()?;
    let done = uninstall::uninstall(&data, config, what, within).await?;
    drop(progress);
    report.changed = true;
    report.aside = done.aside;
    report.dropped = done.dropped;
    output.emit(&report);
    Ok(Outcome::Done)
}

impl Report for Uninstalled {
    fn text(&self, page: &mut String) -> fmt::Result {
        if self.dry_run {
            writeln!(
                page,
                "would stop the homeserver, remove the program, and {} ",
                match self.data {
                    "keep" => "leave in place:",
                    "purge" => "erase for good:",
                    _ => "set aside:",
                }
            )?;
            return self.paths.iter().try_for_each(|path| writeln!(page, "  {}", path.display()));
        }
        if !self.changed {
            return page.write_str("not installed");
        }
        writeln!(page, "uninstalled")?;
        if let Some(aside) = &self.aside {
            let aside = aside.display();
            writeln!(page, "data, secrets, keys and settings are in {aside}")?;
            writeln!(page, "`manage install --restore {aside}` brings them back")?;
        }
        for (what, name) in [("database", &self.dropped.database), ("role", &self.dropped.role)] {
            if let Some(name) = name {
                writeln!(page, "dropped the {what} `{name}`")?;
            }
        }
        Ok(())
    }
}
