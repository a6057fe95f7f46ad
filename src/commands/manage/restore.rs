//! `manage restore`.

use std::{
    fmt::{self, Write as _},
    path::{Path, PathBuf},
};

use indicatif::HumanBytes;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use super::opening::{Opening, Seen, look, source, waiting};
use crate::{
    age::Keys,
    backup::{Manifest, Source, read::Reader},
    checks::folder,
    commands::{Answered, Reply},
    context::{Context, Own},
    error::Failure,
    files,
    instance::{
        backup::{Error, restore},
        install::{
            self, Options,
            uninstall::{self, Data},
        },
        lifecycle::start,
    },
    output::Report,
    process::Ending,
    reply::Interrupted,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Start the homeserver afterwards and wait until it is ready
    #[arg(long)]
    start: bool,
    /// Archive what is in the data folder first, as `manage uninstall` does
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    opening: Opening,
}

/// A backup and what it is opened with.
#[derive(Clone)]
pub(super) struct Backup {
    pub(super) source: Source,
    pub(super) keys: Keys,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Restored {
    dry_run: bool,
    /// What a dry run would do: a clause that goes on from "would".
    #[serde(skip_serializing_if = "Option::is_none")]
    would: Option<String>,
    changed: bool,
    running: bool,
    file: PathBuf,
    data_dir: PathBuf,
    backup: Manifest,
    /// Where what was there before is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    aside: Option<PathBuf>,
}

/// What an environment of Synapse takes, in bytes.
const ENVIRONMENT: u64 = 600 << 20;

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Restored> {
    let mut signals = Ending::new()?;
    tokio::select! {
        done = make(args, context) => done,
        signal = signals.next() => {
            let said = "interrupted before all was restored".to_owned();
            Err(Failure::from(Interrupted { signal, said })
                .hinted("`manage restore FILE` again finishes it")
                .into())
        }
    }
}

async fn make(args: Args, context: &Context) -> Answered<Restored> {
    let backup = Backup { source: source(context, &args.file)?, keys: args.opening.keys(context)? };
    let file = backup.source.path();
    let data = context.data()?;
    folder::data_folder(&data)?;
    let Seen { manifest, .. } = look(&backup.source, &backup.keys).await?;
    let mut done = Restored {
        dry_run: context.dry_run,
        would: None,
        changed: true,
        running: false,
        file: file.clone(),
        data_dir: data.root().to_owned(),
        backup: manifest,
        aside: None,
    };
    let is_occupied = data.root().exists() && restore::is_occupied(&data)?;
    if is_occupied && !args.force {
        return Err(Failure::from(Error::Occupied(data.root().to_owned())).into());
    }
    if context.dry_run {
        let first = if is_occupied { "archive what is there, then " } else { "" };
        done.would = Some(format!(
            "{first}restore `{}` as it was at {} into {}",
            done.backup.server_name,
            done.backup.made_at,
            data.root().display()
        ));
        return Ok(Reply::done(done));
    }
    if is_occupied {
        // Nothing that works is given up for what does not.
        let progress = context.progress("reading the backup");
        let (Backup { source, keys }, root) = (backup.clone(), data.root().to_owned());
        let all = waiting(move || Reader::open(&source, &keys)?.check()).await?;
        // The files beside the data, the database they fill, and Synapse itself.
        let (needed, left) = (all * 2 + ENVIRONMENT, files::space_left(&root)?);
        if left < needed {
            return Err(Failure::from(Error::NoRoom { path: root, needed, left }).into());
        }
        let within = super::start::time(None, context, super::stop::PATIENCE);
        progress.now("archiving what is there");
        let mut on_wait = |who: &str| progress.now(format!("waiting for {who}"));
        let was = uninstall::uninstall(&data, None, Data::Aside, within, &mut on_wait).await?;
        done.aside = was.and_then(|was| was.aside);
    }
    let brought = bring_back(context, &backup, &mut |_| Ok(())).await;
    if let (Err(_), Some(aside)) = (&brought, &done.aside) {
        context.warn(format!("what was there before is in `{}`", aside.display()));
    }
    brought?;
    if args.start {
        let config = context.config_now()?;
        let timeout = config.supervision.start_timeout.0;
        let services = Vec::new();
        let options =
            start::Options { services, timeout, force: false, keep_profile: false, standby: None };
        super::start::go(context, options).await?;
        done.running = true;
    }
    Ok(Reply::done(done))
}

/// Brings everything back but starts nothing. `prepare` sees the unpacked files before they go to their places.
pub(super) async fn bring_back(
    context: &Context,
    backup: &Backup,
    prepare: &mut dyn FnMut(&Path) -> Result<(), files::Error>,
) -> Result<Manifest, Failure> {
    let data = context.data()?;
    data.create()?;
    let _lock = restore::lock(&data)?;
    let progress = context.progress("unpacking the backup");
    let manifest = restore::unpack(&data, &backup.source, &backup.keys, &mut |so_far| {
        progress.now(format!("unpacking the backup: {}", shown(so_far.done)));
    })
    .await?;
    let unpacked = restore::files_of(&data);
    let options = Options { restore: Some(unpacked.clone()), moves: true, ..Options::default() };
    if !install::restore::is_done(&data, &unpacked)? {
        prepare(&unpacked)?;
        let wanted = context.config_from(&unpacked)?;
        let here = wanted.server.name.to_string();
        if here != manifest.server_name {
            return Err(Error::OtherServer { backup: manifest.server_name, here }.into());
        }
        let mut on_wait = |who: &str| progress.now(format!("waiting for {who}"));
        install::bring_back(&wanted, &options, &unpacked, &mut on_wait).await?;
    }
    let ports = match context.instance() {
        Some(name) => Own::of_instance(&context.config_now()?, name)?,
        None => Vec::new(),
    };
    let context = context.with(ports);
    let config = context.config()?;
    config.warnings.iter().for_each(|warning| context.warn(warning));
    let options = Options { restore: None, ..options };
    let mut on_step = |step: &str| progress.now(step);
    install::install(config, &context.environment, &options, &mut on_step).await?;
    let deadline = Instant::now() + config.supervision.start_timeout.0;
    restore::fill(config, deadline, &mut on_step).await?;
    Ok(manifest)
}

/// Bytes as people read them.
pub(super) fn shown(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

impl Report for Restored {
    fn text(&self, page: &mut String) -> fmt::Result {
        if let Some(would) = &self.would {
            return writeln!(page, "would {would}");
        }
        let Manifest { server_name, made_at, counts, .. } = &self.backup;
        writeln!(
            page,
            "restored: {server_name} as it was at {made_at}, in {}",
            self.data_dir.display()
        )?;
        writeln!(
            page,
            "{} accounts, {} rooms, {} events, {} files",
            counts.users, counts.rooms, counts.events, counts.media
        )?;
        if let Some(aside) = &self.aside {
            writeln!(page, "what was there before is in {}", aside.display())?;
        }
        if self.running {
            writeln!(page, "running")
        } else {
            writeln!(page, "not started: `manage start` starts it")
        }
    }

    fn id(&self) -> Option<&str> {
        self.data_dir.to_str()
    }
}
