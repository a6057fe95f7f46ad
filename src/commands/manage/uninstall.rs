//! `manage uninstall`.

use std::{
    ffi::OsStr,
    fmt::{self, Write as _},
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{Answered, Reply},
    context::Context,
    error::Failure,
    instance::install::{
        archive,
        uninstall::{self, Data},
    },
    output::{self, Report},
    postgres::drop_made::Dropped,
    targets::keep,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave data, secrets, keys and settings where they are
    #[arg(long, conflicts_with = "purge")]
    keep_data: bool,
    /// Erase data, secrets, keys and settings, and role and database if this program made them
    #[arg(long)]
    purge: bool,
    /// With --purge, erase the archives of earlier uninstalls and the backups as well
    #[arg(long, requires = "purge")]
    archives: bool,
    /// Do not ask before a purge; without a terminal to ask on, a purge needs this
    #[arg(long)]
    force: bool,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Uninstalled {
    dry_run: bool,
    /// What a dry run would do: a clause that goes on from "would".
    #[serde(skip_serializing_if = "Option::is_none")]
    would: Option<String>,
    changed: bool,
    /// Whether there was anything to take away.
    #[serde(skip)]
    needed: bool,
    /// `aside`, `keep` or `purge`.
    data: &'static str,
    /// The files and folders that this is about.
    paths: Vec<PathBuf>,
    /// The archives of earlier uninstalls and the backups that stay.
    archives: Vec<PathBuf>,
    /// The folder that now holds them.
    aside: Option<PathBuf>,
    dropped: Dropped,
    /// What names this homeserver among several.
    #[serde(skip)]
    flag: String,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Uninstalled> {
    let data = context.data()?;
    let (what, word) = match (args.keep_data, args.purge) {
        (true, _) => (Data::Keep, "keep"),
        (_, true) => (Data::Purge { archives: args.archives }, "purge"),
        _ => (Data::Aside, "aside"),
    };
    let mut report = Uninstalled {
        dry_run: context.dry_run,
        would: context
            .dry_run
            .then(|| format!("stop the homeserver, remove the program, and {}", deed(word))),
        changed: false,
        needed: true,
        data: word,
        paths: Vec::new(),
        archives: archive::earlier(&data)?,
        aside: None,
        dropped: Dropped::default(),
        flag: context.flag(),
    };
    if !uninstall::is_needed(&data, what)? {
        report.needed = false;
        return Ok(Reply::done_if(false, report));
    }
    report.paths = archive::data_of(&data)?;
    if what == Data::Aside {
        // An uninstall that was killed is gone on with.
        report.paths.extend(archive::moved(&data)?);
        report.paths.sort();
        report.paths.dedup();
    }
    if args.archives {
        report.paths.append(&mut report.archives);
    }
    if context.dry_run {
        return Ok(Reply::done(report));
    }
    if args.purge && !args.force {
        if !output::stdin_is_terminal() {
            let why =
                "there is no terminal to ask whether to erase everything, so nothing was erased";
            return Err(Failure::request(why).hinted(
                "`manage uninstall --purge --force` erases it; without `--purge` the data are archived",
            )
            .into());
        }
        let question = format!("erase everything in `{}` for good?", data.root().display());
        if !output::confirm(&question) {
            return Err(Failure::request("nothing was erased").into());
        }
    }
    let within = super::start::time(None, context, super::stop::PATIENCE);
    let progress = context.progress("uninstalling");
    keep::remove(&data).await?;
    let config = args.purge.then(|| context.config()).transpose()?;
    let mut on_wait = |who: &str| progress.now(format!("waiting for {who}"));
    let done = uninstall::uninstall(&data, config, what, within, &mut on_wait).await?;
    drop(progress);
    let Some(done) = done else {
        report.needed = false;
        return Ok(Reply::done_if(false, report));
    };
    report.changed = true;
    report.aside = done.aside;
    report.dropped = done.dropped;
    Ok(Reply::done(report))
}

/// What becomes of the data.
fn deed(word: &str) -> &'static str {
    match word {
        "keep" => "leave the data in place",
        "purge" => "erase the data for good",
        _ => "archive the data",
    }
}

impl Uninstalled {
    fn list_archives(&self, page: &mut String) -> fmt::Result {
        if self.archives.is_empty() || self.data == "keep" {
            return Ok(());
        }
        writeln!(page, "these archives and backups stay:")?;
        for path in &self.archives {
            writeln!(page, "  {}", path.display())?;
        }
        writeln!(page, "`manage uninstall --purge --archives` erases them too")
    }

    /// The files and folders that this is about, each with what is in it.
    fn list(&self, page: &mut String) -> fmt::Result {
        for path in &self.paths {
            let what = match path.file_name().and_then(OsStr::to_str) {
                Some("secrets") => "  (signing key, secrets, sessions)",
                Some("settings.yaml") => "  (settings)",
                Some("homeserver.d") => "  (settings of Synapse's own)",
                Some("media") => "  (files that were sent)",
                Some("postgres") => "  (the database)",
                Some("database.json") => "  (which database this program made)",
                _ => "",
            };
            writeln!(page, "  {}{what}", path.display())?;
        }
        Ok(())
    }
}

impl Report for Uninstalled {
    fn text(&self, page: &mut String) -> fmt::Result {
        if !self.needed {
            return page.write_str("not installed");
        }
        if self.dry_run {
            writeln!(page, "would {}:", self.would.as_deref().unwrap_or_default())?;
            self.list(page)?;
            return self.list_archives(page);
        }
        match self.data {
            "purge" if self.archives.is_empty() => {
                writeln!(page, "uninstalled, and everything is erased")?;
            }
            "purge" => {
                writeln!(page, "uninstalled, and everything is erased but earlier archives")?;
                self.list_archives(page)?;
            }
            _ => writeln!(page, "uninstalled")?,
        }
        if self.data == "keep" {
            writeln!(page, "these stay where they are:")?;
            self.list(page)?;
            if !self.paths.iter().any(|path| path.ends_with("postgres")) {
                writeln!(page, "  the database, on its server")?;
            }
            writeln!(
                page,
                "`manage install` takes them up again: the same server with its users, rooms and keys"
            )?;
            writeln!(page, "`manage uninstall` archives them, and with --purge erases them")?;
        }
        if let Some(aside) = &self.aside {
            let aside = aside.display();
            writeln!(page, "data, secrets, keys and settings are in {aside}")?;
            let flag = if self.flag.is_empty() { String::new() } else { format!("{} ", self.flag) };
            writeln!(page, "`{flag}manage install --restore {aside}` brings them back")?;
        }
        for (what, name) in [("database", &self.dropped.database), ("role", &self.dropped.role)] {
            if let Some(name) = name {
                writeln!(page, "dropped the {what} `{name}`")?;
            }
        }
        Ok(())
    }

    fn details(&self, page: &mut String) -> fmt::Result {
        // The others say it without being asked.
        let told = self.dry_run || !self.changed || self.data == "keep";
        if told { Ok(()) } else { self.list(page) }
    }

    fn id(&self) -> Option<&str> {
        Some(self.aside.as_deref().and_then(Path::to_str).unwrap_or_default())
    }
}
