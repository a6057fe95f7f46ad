//! `manage adopt`.

use std::{
    fmt::{self, Write as _},
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use super::unended::unended;
use crate::{
    checks::folder,
    commands::{Answered, Reply},
    context::{Context, Own},
    data_dir::DataDir,
    error::{Explain as _, Failure},
    files,
    instance::{
        backup,
        install::{
            self, Options,
            uninstall::{self, Data},
        },
        lifecycle::{start, stop},
        moving::{
            Error,
            adopt::{self, Keep, Plan},
            import::Imported,
        },
    },
    output::Report,
    process::Lock,
    reply::Stop,
    synapse::foreign,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Its homeserver.yaml, or the folder with that: /etc/matrix-synapse, or the volume of a container
    #[arg(value_name = "PATH", required_unless_present = "undo")]
    path: Option<PathBuf>,
    /// Do it; without this it is only said what would be done
    #[arg(long)]
    yes: bool,
    /// Start the homeserver afterwards and wait until it is ready
    #[arg(long)]
    start: bool,
    /// What becomes of a database on PostgreSQL
    #[arg(long, value_name = "HOW", default_value = "keep")]
    database: Keep,
    /// A setting of theirs that is not to come along
    #[arg(long, value_name = "KEY")]
    leave: Vec<String>,
    /// Give back what was taken over
    #[arg(long, conflicts_with_all = ["path", "start", "database", "leave"])]
    undo: bool,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Answer {
    dry_run: bool,
    changed: bool,
    running: bool,
    data_dir: PathBuf,
    /// What comes along and what does not; none where it was given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<Plan>,
    /// What was counted where the database was copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    imported: Option<Imported>,
    /// Where it answers, if it was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// Where it was given back to.
    #[serde(skip_serializing_if = "Option::is_none")]
    given_back: Option<PathBuf>,
    /// Whether its database has what was written meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    database_kept: Option<bool>,
    /// Where what was ours is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    aside: Option<PathBuf>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Answer> {
    let work =
        async { if args.undo { undo(&args, context).await } else { make(&args, context).await } };
    let hint = "the same command again does the rest";
    let done = unended(Box::pin(work), "interrupted before all was done", hint).await;
    match done {
        Err(Stop::Failed(failure)) if !args.undo => Err(Stop::Failed(half_done(failure, context))),
        done => done,
    }
}

/// With the ways out, where it failed with something done.
fn half_done(failure: Failure, context: &Context) -> Failure {
    let left = context.data().ok().and_then(|data| adopt::unfinished(&data).ok().flatten());
    let Some((from, again)) = left else { return failure };
    let ways = Error::UnfinishedAdoption { from, again }.hint().unwrap_or_default();
    match &failure.hint {
        Some(hint) if hint.contains(&ways) => failure,
        Some(hint) => {
            let hint = format!("{hint}; {ways}");
            failure.hinted(hint)
        }
        None => failure.hinted(ways),
    }
}

impl Args {
    /// The options that say what is taken over.
    fn options(&self) -> Vec<String> {
        let leave = self.leave.iter().flat_map(|key| ["--leave".to_owned(), key.clone()]);
        let moves = (self.database == Keep::Move).then(|| ["--database", "move"].map(Into::into));
        moves.into_iter().flatten().chain(leave).collect()
    }

    /// Reads theirs and weighs it with the settings of this homeserver.
    async fn plan(&self, context: &Context, data: &DataDir, path: &Path) -> Result<Plan, Failure> {
        let mut plan =
            adopt::plan(&context.config_now()?, path, self.database, &self.leave).await?;
        // Those of an earlier run may be there already.
        let text = match files::read_if_exists(&data.settings())? {
            Some(text) => text,
            None => plan.settings_text(),
        };
        let config = context.config_of(&text)?;
        let ports = match context.instance() {
            Some(name) => Own::of_instance(&config, name, false)?,
            None => Vec::new(),
        };
        plan.weigh(&context.with(ports).config_of(&text)?)?;
        Ok(plan)
    }
}

async fn make(args: &Args, context: &Context) -> Answered<Answer> {
    let data = context.data()?;
    folder::data_folder(&data)?;
    let named = args.path.as_deref().unwrap_or(Path::new("/"));
    let path = match files::absolute(named) {
        Err(error) if error.is_not_found() => {
            return Err(foreign::Error::None(named.to_owned()).into());
        }
        path => path?,
    };
    let plan = args.plan(context, &data, &path).await?;
    let mut answer = Answer::new(args, context, &data);
    if answer.dry_run {
        answer.plan = Some(plan);
        return Ok(Reply::done(answer));
    }
    backup::restore::require_whole(&data)?;
    data.create()?;
    files::private_folder(&data.run())?;
    let _alone = adopt::lock(&data)?;
    let progress = context.progress("laying out what comes along");
    let mut on_step = |step: &str| progress.now(step);
    {
        let _lock = Lock::try_acquire(&data.run().join("backup.lock"), "manage adopt")?;
        adopt::lay(&data, &path, &plan, &args.options(), &mut on_step).await?;
    }
    let laid = adopt::files_of(&data);
    let options = Options { restore: Some(laid.clone()), moves: true, ..Options::default() };
    if !install::restore::is_done(&data, &laid)? {
        let wanted = context.config_from(&laid)?;
        install::bring_back(&wanted, &options, &laid, &mut on_step).await?;
    }
    let ports = match context.instance() {
        Some(name) => Own::of_instance(&context.config_now()?, name, false)?,
        None => Vec::new(),
    };
    let context = &context.with(ports);
    let config = context.config()?;
    config.warnings.iter().for_each(|warning| context.warn(warning));
    let first = Options { skip_validation: true, ..Options::default() };
    install::install(config, &context.environment, &first, &mut on_step).await?;
    let unknown = adopt::settle(config).await?;
    if !unknown.is_empty() {
        let names = unknown.join(", ");
        context.warn(format!(
            "this Synapse does not know these settings, and they are left out: {names}"
        ));
    }
    let deadline = Instant::now() + config.supervision.start_timeout.0;
    answer.imported = adopt::fill(config, &plan, deadline, &mut on_step).await?;
    adopt::add_bridges(config, &plan, &mut on_step).await?;
    let last = Options::default();
    let done = install::install(config, &context.environment, &last, &mut on_step).await?;
    done.warnings.iter().for_each(|warning| context.warn(warning));
    adopt::finish(&data)?;
    drop(progress);
    if let Some(Imported { less, missing, .. }) = &answer.imported {
        if !less.is_empty() {
            context.warn(format!("not all rows came along of {}", less.join(", ")));
        }
        if *missing > 0 {
            context.warn(format!(
                "the database knows {missing} files that were not in `{}`",
                plan.media.display()
            ));
        }
    }
    answer.changed = true;
    answer.plan = Some(plan);
    if args.start {
        let timeout = config.supervision.start_timeout.0;
        super::start::go(context, start::Options::all(timeout, false)).await?;
        answer.running = true;
        answer.url = Some(config.local_url());
    }
    Ok(Reply::done(answer))
}

async fn undo(args: &Args, context: &Context) -> Answered<Answer> {
    let data = context.data()?;
    let note = adopt::note(&data)?.ok_or(Error::NotAdopted)?;
    let mut answer = Answer {
        given_back: Some(note.from.clone()),
        database_kept: Some(note.kept),
        ..Answer::new(args, context, &data)
    };
    if answer.dry_run {
        return Ok(Reply::done(answer));
    }
    let within = super::start::time(None, context, super::stop::PATIENCE);
    let progress = context.progress("giving it back");
    let mut on_wait = |who: &str| progress.now(format!("waiting for {who}"));
    super::stop::go(context, stop::Options { timeout: within, force: false }).await?;
    adopt::give_media_back(&data, &note).await?;
    for left in [adopt::files_of(&data), data.root().join(".importing")] {
        files::remove(&left)?;
    }
    let was = uninstall::uninstall(&data, None, Data::Aside, within, &mut on_wait).await?;
    answer.aside = was.and_then(|was| was.aside);
    answer.changed = true;
    Ok(Reply::done(answer))
}

impl Report for Answer {
    fn text(&self, page: &mut String) -> fmt::Result {
        if let Some(path) = &self.given_back {
            return self.back(page, path);
        }
        let Some(plan) = &self.plan else { return Ok(()) };
        if self.dry_run {
            writeln!(page, "would take over {}", plan.server_name)?;
            for file in &plan.files {
                writeln!(page, "  as {} says", file.display())?;
            }
            writeln!(page, "  {}", plan.holds)?;
            writeln!(page, "  media in {}, linked or copied", plan.media.display())?;
            writeln!(page, "  will listen on the port {}", plan.port)?;
            for (title, words) in [
                ("keeps", &plan.keeps),
                ("changes", &plan.changes),
                ("leaves", &plan.leaves),
                ("notes", &plan.notes),
            ] {
                if !words.is_empty() {
                    writeln!(page, "\n{title}:")?;
                }
                words.iter().try_for_each(|words| writeln!(page, "  {words}"))?;
            }
            return writeln!(
                page,
                "\nNothing was changed: with --yes it is done, and theirs is only read."
            );
        }
        writeln!(page, "taken over: {} in {}", plan.server_name, self.data_dir.display())?;
        if let Some(imported) = &self.imported {
            writeln!(page, "{} rows of {} tables came along", imported.rows, imported.tables)?;
            imported.text(page)?;
        } else if plan.database == "kept" {
            writeln!(page, "its database is used where it is")?;
        }
        writeln!(
            page,
            "the old files are as they were: never start the old Synapse again beside this one"
        )?;
        if let Some(url) = &self.url {
            writeln!(page, "running: it answers at {url}")
        } else {
            writeln!(page, "not started: `manage start` starts it")
        }
    }

    fn id(&self) -> Option<&str> {
        self.data_dir.to_str()
    }
}

impl Answer {
    /// Nothing has been done yet.
    fn new(args: &Args, context: &Context, data: &DataDir) -> Self {
        Self {
            dry_run: context.dry_run || !args.yes,
            changed: false,
            running: false,
            data_dir: data.root().to_owned(),
            plan: None,
            imported: None,
            url: None,
            given_back: None,
            database_kept: None,
            aside: None,
        }
    }

    fn back(&self, page: &mut String, path: &Path) -> fmt::Result {
        let word = if self.dry_run { "would give back" } else { "given back:" };
        writeln!(page, "{word} {}", path.display())?;
        if self.database_kept == Some(true) {
            writeln!(
                page,
                "its database has all that was written since, and its media folder the files"
            )?;
        } else {
            writeln!(
                page,
                "it is as it was when it was taken over; what was written since is only in what is archived"
            )?;
        }
        match &self.aside {
            Some(aside) => writeln!(page, "what was here is in {}", aside.display()),
            None if self.dry_run => writeln!(page, "Nothing was changed: with --yes it is done."),
            None => Ok(()),
        }
    }
}
