//! `manage restore`.

use std::{
    fmt::{self, Write as _},
    path::{Path, PathBuf},
};

use indicatif::HumanBytes;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use super::{
    at,
    opening::{Opening, Seen, look, source, waiting},
    unended::unended,
};
use crate::{
    age::Keys,
    backup::{Manifest, Source, read::Reader},
    checks::folder,
    commands::{Answered, Reply, moment},
    config::Config,
    context::{Context, Own},
    data_dir::DataDir,
    error::Failure,
    files,
    instance::{
        backup::{Error, restore, store},
        install::{
            self, Options,
            uninstall::{self, Data},
        },
        lifecycle::start,
        upgrade,
    },
    output::Report,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The backup
    #[arg(value_name = "FILE", required_unless_present = "at")]
    file: Option<PathBuf>,
    /// Bring the database alone back to a moment, such as 2026-11-28T10:00Z or 2h, where `backup.point_in_time` is set
    #[arg(long, value_name = "TIME", value_parser = moment::moment, conflicts_with_all = ["file", "force"])]
    at: Option<Timestamp>,
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
    /// The version of Synapse that it is brought back with.
    version: String,
    backup: Manifest,
    /// Where what was there before is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    aside: Option<PathBuf>,
}

/// What an environment of Synapse takes, in bytes.
const ENVIRONMENT: u64 = 600 << 20;

/// What came back: all of a backup, or the database as it was at a moment.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Answer {
    Backup(Box<Restored>),
    Moment(Box<at::Reached>),
}

impl Report for Answer {
    fn text(&self, page: &mut String) -> fmt::Result {
        match self {
            Self::Backup(restored) => restored.text(page),
            Self::Moment(reached) => reached.text(page),
        }
    }

    fn id(&self) -> Option<&str> {
        match self {
            Self::Backup(restored) => restored.id(),
            Self::Moment(reached) => reached.id(),
        }
    }
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Answer> {
    if let Some(at) = args.at {
        let said = "interrupted before the database was brought back";
        let hint = "`status` shows how the homeserver is; run it again";
        let done = unended(at::run(context, at, args.start), said, hint).await?;
        return Ok(done.map(|reached| Answer::Moment(Box::new(reached))));
    }
    let Some(file) = &args.file else {
        return Err(Failure::request("which backup is not said").into());
    };
    let hint =
        "`manage restore FILE` again finishes it, and `status` says where what was there before is";
    let done =
        unended(Box::pin(make(file, &args, context)), "interrupted before all was restored", hint);
    Ok(done.await?.map(|restored| Answer::Backup(Box::new(restored))))
}

async fn make(file: &Path, args: &Args, context: &Context) -> Answered<Restored> {
    let backup = Backup { source: source(context, file)?, keys: args.opening.keys(context)? };
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
        version: upgrade::of_backup(&context.config_now()?, &manifest),
        backup: manifest,
        aside: None,
    };
    let is_occupied = data.root().exists() && restore::is_occupied(&data)?;
    // What cannot be read now is no reason not to restore.
    let before = context.config_now().ok().filter(|_| is_occupied);
    if is_occupied && !args.force {
        return Err(Failure::from(Error::Occupied(data.root().to_owned())).into());
    }
    if context.dry_run {
        let first = if is_occupied { "archive what is there, then " } else { "" };
        done.would = Some(format!(
            "{first}restore `{}` as it was at {} into {}, with Synapse {}",
            done.backup.server_name,
            done.backup.made_at,
            data.root().display(),
            done.version
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
    let left = restore::unfinished(&data)?.and_then(|it| it.aside);
    done.aside = done.aside.or(left);
    let brought =
        bring_back(context, &backup, done.backup.clone(), done.aside.as_deref(), &mut |_| Ok(()))
            .await;
    brought.map_err(|why| match &done.aside {
        Some(aside) => way_back(&data, why, aside),
        None => why,
    })?;
    let config = context.config_now()?;
    of_backups(context, before.as_ref(), &config);
    if args.start {
        let timeout = config.supervision.start_timeout.0;
        let started = super::start::go(context, start::Options::all(timeout, false)).await;
        started.map_err(|why| {
            let hint = why.hint.clone().unwrap_or_else(|| "`logs` says more".into());
            why.hinted(format!(
                "all is restored, only the start failed: {hint}; then `manage start`"
            ))
        })?;
        done.running = true;
    }
    Ok(Reply::done(done))
}

/// What becomes of the backups: the settings are those of the archive.
fn of_backups(context: &Context, before: Option<&Config>, now: &Config) {
    let (set, was) = (&now.backup, before.map(|before| &before.backup));
    match (was.and_then(|was| was.schedule.as_ref()), &set.schedule) {
        (Some(cron), None) => context.warn(format!(
            "no backups are made by schedule any more: the backup is of before that. `manage backup schedule '{cron}'` sets it again"
        )),
        (None, Some(cron)) => context.warn(format!(
            "this homeserver makes backups by `{cron}` into `{}`, as the one did that the backup is of: `manage backup schedule --off` ends that",
            store::usual(now)
        )),
        _ => {}
    }
    if was.is_some_and(|was| was.point_in_time) && !set.point_in_time {
        context.warn(
            "`backup.point_in_time` is not set any more: the backup is of before that. `config set backup.point_in_time true` sets it again",
        );
    }
}

/// What was there before is not lost, and how it comes back.
fn way_back(data: &DataDir, why: Failure, aside: &Path) -> Failure {
    let aside = aside.display();
    let first = match restore::unfinished(data) {
        Ok(None) => "",
        _ => "`manage uninstall` and then ",
    };
    let back = format!(
        "what was there before is in `{aside}`: {first}`manage install --restore {aside}` brings that back"
    );
    let hint = why.hint.as_ref().map_or_else(|| back.clone(), |hint| format!("{hint}; {back}"));
    why.hinted(hint)
}

/// Brings everything back but starts nothing. `prepare` sees the unpacked files before they go to their places.
pub(super) async fn bring_back(
    context: &Context,
    backup: &Backup,
    manifest: Manifest,
    aside: Option<&Path>,
    prepare: &mut dyn FnMut(&Path) -> Result<(), files::Error>,
) -> Result<Manifest, Failure> {
    let data = context.data()?;
    data.create()?;
    let _lock = restore::lock(&data)?;
    let progress = context.progress("unpacking the backup");
    let Backup { source, keys } = backup;
    let manifest = restore::unpack(&data, source, keys, manifest, aside, &mut |so_far| {
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
        let version = Some(upgrade::of_backup(&wanted, &manifest));
        let options = Options { version, ..options.clone() };
        install::bring_back(&wanted, &options, &unpacked, &mut on_wait).await?;
    }
    let ports = match context.instance() {
        Some(name) => Own::of_instance(&context.config_now()?, name, true)?,
        None => Vec::new(),
    };
    let context = context.with(ports);
    let config = context.config()?;
    config.warnings.iter().for_each(|warning| context.warn(warning));
    let version = upgrade::of_backup(config, &manifest);
    if version != manifest.synapse {
        context.warn(format!(
            "the backup is of Synapse {}; a variable or flag asks for {version}",
            manifest.synapse
        ));
    }
    let options = Options { restore: None, version: Some(version), ..options };
    let mut on_step = |step: &str| progress.now(step);
    install::install(config, &context.environment, &options, &mut on_step).await?;
    upgrade::can_read(config, &manifest).await?;
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
            "{} accounts, {} rooms, {} events, {} files, with Synapse {}",
            counts.users, counts.rooms, counts.events, counts.media, self.version
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_fails_is_told_how_what_was_there_before_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        let why = Failure::request("no").hinted("mend it");
        let hint = way_back(&data, why, Path::new("/a/aside/1")).hint.unwrap();
        assert_eq!(
            hint,
            "mend it; what was there before is in `/a/aside/1`: `manage install --restore /a/aside/1` brings that back"
        );
        files::private_folder(&data.run()).unwrap();
        // What was begun is in the way of that.
        let note = r#"{"from":"/b","stage":"filling","manifest":MANIFEST}"#;
        let manifest = r#"{"format":1,"program":"1","made_at":"","server_name":"a","synapse":"1","schema":{"version":1,"compat":1},"postgres":"15.1","postgres_major":15,"key":"k","bridges":[],"counts":{"users":0,"rooms":0,"events":0,"media":0}}"#;
        let note = note.replace("MANIFEST", manifest);
        let file = data.run().join("restoring.json");
        files::write_atomically(&file, note.as_bytes(), files::PRIVATE).unwrap();
        let hint = way_back(&data, Failure::request("no"), Path::new("/a")).hint.unwrap();
        assert!(
            hint.contains("`manage uninstall` and then `manage install --restore /a`"),
            "{hint}"
        );
        let unfinished = restore::unfinished(&data).unwrap().unwrap();
        assert_eq!(unfinished.to_string(), "restoring `/b` was interrupted");
        restore::give_up(&data).unwrap();
        assert!(restore::unfinished(&data).unwrap().is_none());
    }
}
