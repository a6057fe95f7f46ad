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
    backup::{Manifest, Source, read::Reader, sweep},
    checks::folder,
    commands::{Answered, Reply, moment},
    config::{Config, values::source::Source as Setting},
    context::{Context, Own},
    data_dir::DataDir,
    error::Failure,
    files,
    instance::{
        backup::{Error, restore, store},
        guard,
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
    guard::kept_by_us(&context.data()?)?;
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
    let Seen { manifest, size, .. } = look(&backup.source, &backup.keys).await?;
    same_server(context, &manifest)?;
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
        require_room(&root, all * 2 + ENVIRONMENT)?;
        let within = super::start::time(None, context, super::stop::PATIENCE);
        progress.now("archiving what is there");
        let mut on_wait = |who: &str| progress.now(format!("waiting for {who}"));
        let was = uninstall::uninstall(&data, None, Data::Aside, within, &mut on_wait).await?;
        done.aside = was.and_then(|was| was.aside);
    } else if restore::unfinished(&data)?.is_none() {
        // As far as it can be known before all is read.
        let source = backup.source.clone();
        let media = waiting(move || Ok(sweep::media_size(&source))).await?;
        require_room(
            data.root(),
            size.saturating_mul(2).saturating_add(media).saturating_add(ENVIRONMENT),
        )?;
    }
    let left = restore::unfinished(&data)?.and_then(|it| it.aside);
    done.aside = done.aside.or(left);
    let brought =
        bring_back(context, &backup, done.backup.clone(), done.aside.as_deref(), &mut |_| Ok(()))
            .await;
    brought.map_err(|why| {
        let why = way_on(&data, why, &file);
        match &done.aside {
            Some(aside) => way_back(&data, why, aside),
            None => why,
        }
    })?;
    let config = context.config_now()?;
    of_backups(context, before.as_ref(), &config);
    if args.start {
        let timeout = config.supervision.start_timeout.0;
        // What was read before is of the homeserver that was there before.
        let afresh = context.with([]);
        let started = super::start::go(&afresh, start::Options::all(timeout, false)).await;
        started.map_err(|why| {
            let hint = why.hint.clone().unwrap_or_else(|| "`logs` says more".into());
            why.hinted(format!("all is restored, only the start failed: {hint}"))
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

/// Refuses what the disk has no room for, also where the data folder is still to be made.
fn require_room(root: &Path, needed: u64) -> Result<(), Failure> {
    let there = root.ancestors().find(|it| it.exists()).unwrap_or(Path::new("."));
    let left = files::space_left(there)?;
    if left < needed {
        return Err(Error::NoRoom { path: root.to_owned(), needed, left }.into());
    }
    Ok(())
}

/// Refuses a backup of another server than a flag or a variable says: these count more than its settings.
fn same_server(context: &Context, manifest: &Manifest) -> Result<(), Failure> {
    let config = context.config_now()?;
    let is_said = matches!(config.source("server.name"), Setting::Flag | Setting::Environment(_));
    if is_said { is_of(&config, manifest) } else { Ok(()) }
}

fn is_of(config: &Config, manifest: &Manifest) -> Result<(), Failure> {
    let here = config.server.name.to_string();
    if here == manifest.server_name {
        return Ok(());
    }
    Err(Error::OtherServer { backup: manifest.server_name.clone(), here }.into())
}

/// The settings that a backup brings, as they will be.
fn brought(
    context: &Context,
    unpacked: &Path,
    manifest: &Manifest,
    prepare: &mut dyn FnMut(&Path) -> Result<(), files::Error>,
) -> Result<Config, Failure> {
    prepare(unpacked)?;
    let wanted = context.config_from(unpacked)?;
    is_of(&wanted, manifest)?;
    Ok(wanted)
}

/// What was begun can be finished. A database on a full disk may not say why it fails.
fn way_on(data: &DataDir, why: Failure, file: &Path) -> Failure {
    if !restore::unfinished(data).is_ok_and(|begun| begun.is_some_and(|it| it.file == file)) {
        return why;
    }
    let is_said = why.error.downcast_ref().is_some_and(files::Error::is_full_disk);
    let why = match files::has_space(data.root()) {
        Err(full @ files::Error::Full { .. }) if !is_said => why.because(full),
        _ => why,
    };
    let on = format!("`manage restore {}` again finishes it", file.display());
    let hint = why.hint.as_ref().map_or_else(|| on.clone(), |hint| format!("{hint}; {on}"));
    why.hinted(hint)
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
    same_server(context, &manifest)?;
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
        let wanted = match brought(context, &unpacked, &manifest, prepare) {
            Ok(wanted) => wanted,
            Err(why) => {
                // Nothing is at its place yet, unless an earlier one was interrupted in the middle of that.
                if install::restore::require_whole(&data).is_ok() {
                    restore::take_back(&data)?;
                }
                return Err(why);
            }
        };
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
    use crate::{config::sources::environment::Environment, context::Flags, output::Talk};

    const MANIFEST: &str = r#"{"format":1,"program":"1","made_at":"","server_name":"a","synapse":"1","schema":{"version":1,"compat":1},"postgres":"15.1","postgres_major":15,"key":"k","bridges":[],"counts":{"users":0,"rooms":0,"events":0,"media":0}}"#;

    /// A data folder in which a restore was interrupted.
    fn interrupted(folder: &Path, stage: &str) -> DataDir {
        let data = DataDir::new(folder.to_owned());
        files::private_folder(&data.run()).unwrap();
        let note = format!(r#"{{"from":"/b","stage":"{stage}","manifest":{MANIFEST}}}"#);
        let file = data.run().join("restoring.json");
        files::write_atomically(&file, note.as_bytes(), files::PRIVATE).unwrap();
        data
    }

    fn context(folder: &Path, variables: &[(&str, &str)]) -> Context {
        let flags = Flags { data_dir: Some(folder.to_owned()), ..Flags::default() };
        Context::new(flags, Environment::with(variables), std::sync::Arc::new(Talk::default()))
    }

    #[test]
    fn a_backup_of_another_server_than_a_variable_says_is_refused_before_anything_is_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let manifest: Manifest = serde_json::from_str(MANIFEST).unwrap();
        // That nothing says so is not another one, whatever a new homeserver would be called.
        same_server(&context(folder.path(), &[]), &manifest).unwrap();
        let other = [("MATRIX_SYNAPSE_SERVER_NAME", "other.org")];
        let error = same_server(&context(folder.path(), &other), &manifest).unwrap_err();
        assert_eq!(error.to_string(), "the backup is of `a`, and `server.name` is `other.org`");
    }

    #[tokio::test]
    async fn what_was_unpacked_of_a_wrong_backup_blocks_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let data = interrupted(folder.path(), "unpacked");
        let unpacked = restore::files_of(&data);
        files::private_folder(&unpacked).unwrap();
        let settings = unpacked.join("settings.yaml");
        files::write_atomically(&settings, b"server:\n  name: b\n", files::PRIVATE).unwrap();
        let source = Source::file(Path::new("/b")).unwrap();
        let backup = Backup { source, keys: Keys::default() };
        let manifest: Manifest = serde_json::from_str(MANIFEST).unwrap();
        let context = context(folder.path(), &[]);
        let error = bring_back(&context, &backup, manifest, None, &mut |_| Ok(())).await;
        let error = error.unwrap_err().to_string();
        assert_eq!(error, "the backup is of `a`, and `server.name` is `b`");
        assert!(restore::unfinished(&data).unwrap().is_none());
        assert!(!restore::is_occupied(&data).unwrap() && !unpacked.exists());
    }

    #[test]
    fn what_was_interrupted_says_both_ways_out() {
        let folder = tempfile::tempdir().unwrap();
        let data = interrupted(folder.path(), "filling");
        let hint = restore::require_whole(&data).unwrap_err().hint.unwrap();
        assert!(hint.contains("`manage restore /b` again finishes it"), "{hint}");
        assert!(hint.contains("`manage uninstall` clears it"), "{hint}");
    }

    #[test]
    fn what_has_no_room_is_refused_also_where_the_folder_is_still_to_be_made() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("none/yet");
        require_room(&root, 1).unwrap();
        let error = require_room(&root, u64::MAX).unwrap_err().to_string();
        assert!(error.starts_with("restoring takes about"), "{error}");
    }

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
        // What was begun is in the way of that.
        let data = interrupted(data.root(), "filling");
        let hint = way_back(&data, Failure::request("no"), Path::new("/a")).hint.unwrap();
        assert!(
            hint.contains("`manage uninstall` and then `manage install --restore /a`"),
            "{hint}"
        );
        let unfinished = restore::unfinished(&data).unwrap().unwrap();
        assert_eq!(unfinished.to_string(), "restoring `/b` was interrupted");
        let on = |file: &str| way_on(&data, Failure::request("no"), Path::new(file)).hint;
        assert_eq!(on("/b").unwrap(), "`manage restore /b` again finishes it");
        assert_eq!(on("/c"), None);
        restore::give_up(&data).unwrap();
        assert!(restore::unfinished(&data).unwrap().is_none());
    }
}
