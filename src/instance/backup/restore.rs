//! The way back: an archive is unpacked beside the data and compared with its sums; then its files go to their
//! places as those of an uninstall's archive do; last comes the database. A note says how far it is: killed
//! anywhere and run again, it goes on from there, and nothing starts before it is done.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tokio::{task, time::Instant};

use super::{Error, Progress, make::OWN};
use crate::{
    age::Keys,
    backup::{DATABASE, FILES, Manifest, Source, read::Reader},
    config::Config,
    data_dir::DataDir,
    error::Failure,
    files,
    instance::{bridges, install::archive},
    postgres::{
        self,
        dump::{self, Login, Tools},
    },
    process::Lock,
};

/// How far a restore is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stage {
    /// Nothing has gone to its place yet: any other backup will do as well.
    Unpacking,
    /// All of the archive is beside the data.
    Unpacked,
    /// The database was empty, and is being filled.
    Filling,
}

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    from: PathBuf,
    stage: Stage,
    manifest: Manifest,
    /// Where what was there before is now.
    #[serde(default)]
    aside: Option<PathBuf>,
}

/// A restore that has begun and not ended.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Restoring {
    pub(crate) file: PathBuf,
    /// Whether it goes on now; else it was interrupted.
    pub(crate) under_way: bool,
    /// Where what was there before is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) aside: Option<PathBuf>,
}

impl fmt::Display for Restoring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        if self.under_way {
            write!(f, "`{file}` is being restored")
        } else {
            write!(f, "restoring `{file}` was interrupted")
        }
    }
}

fn note_file(data: &DataDir) -> PathBuf {
    data.run().join("restoring.json")
}

fn note(data: &DataDir) -> Result<Option<Note>, files::Error> {
    files::read_note(&note_file(data))
}

fn tell(data: &DataDir, note: &Note) -> Result<(), files::Error> {
    files::write_note(&note_file(data), note)
}

/// Where it is unpacked.
fn beside(data: &DataDir) -> PathBuf {
    data.root().join(".restored")
}

/// The unpacked files, as an uninstall archives them.
pub(crate) fn files_of(data: &DataDir) -> PathBuf {
    beside(data).join(FILES)
}

fn lock_file(data: &DataDir) -> PathBuf {
    data.run().join("backup.lock")
}

/// The restore that goes on here, or was interrupted.
pub(crate) fn unfinished(data: &DataDir) -> Result<Option<Restoring>, files::Error> {
    let Some(Note { from: file, aside, .. }) = note(data)? else { return Ok(None) };
    let under_way = Lock::is_held(&lock_file(data))?;
    Ok(Some(Restoring { file, under_way, aside }))
}

/// What was unpacked has been archived like all else: it is finished by nobody.
pub(crate) fn give_up(data: &DataDir) -> Result<(), files::Error> {
    files::remove(&note_file(data))
}

/// Removes what was unpacked and has not gone to its place: any other backup may be restored then.
pub(crate) fn take_back(data: &DataDir) -> Result<(), files::Error> {
    files::remove(&beside(data))?;
    give_up(data)
}

/// What is said of a restore that was interrupted, and both ways out of it.
fn unfinished_one(from: PathBuf) -> Failure {
    let again = format!("`manage restore {}` again finishes it", from.display());
    Failure::from(Error::Unfinished(from))
        .hinted(format!("{again}; `manage uninstall` clears it, and another can be restored"))
}

/// Refuses a data folder in which a restore was interrupted.
pub(crate) fn require_whole(data: &DataDir) -> Result<(), Failure> {
    match note(data)? {
        Some(Note { from, .. }) => Err(unfinished_one(from)),
        None => Ok(()),
    }
}

/// Whether there is anything in the data folder that is not ours.
pub(crate) fn is_occupied(data: &DataDir) -> Result<bool, files::Error> {
    let beside = beside(data);
    let there = archive::data_of(data)?;
    Ok(note(data)?.is_none() && there.iter().any(|path| *path != beside))
}

/// One restore at a time.
pub(crate) fn lock(data: &DataDir) -> Result<Lock, files::Error> {
    files::private_folder(&data.run())?;
    Lock::try_acquire(&lock_file(data), "manage restore")
}

/// Unpacks the archive of this manifest, or finds that it has been. `aside` is where what was there before is now.
pub(crate) async fn unpack(
    data: &DataDir,
    source: &Source,
    keys: &Keys,
    manifest: Manifest,
    aside: Option<&Path>,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<Manifest, Failure> {
    let file = source.path();
    let mut aside = aside.map(Path::to_owned);
    match note(data)? {
        Some(before) if before.stage == Stage::Unpacking => aside = aside.or(before.aside),
        Some(Note { from, manifest, .. }) if from == file => return Ok(manifest),
        Some(Note { from, .. }) => return Err(unfinished_one(from)),
        None if is_occupied(data)? => {
            return Err(Error::Occupied(data.root().to_owned()).into());
        }
        None => {}
    }
    let mut note = Note { from: file, stage: Stage::Unpacking, manifest, aside };
    tell(data, &note)?;
    let beside = beside(data);
    files::remove(&beside)?;
    files::private_folder(&beside)?;
    let (from, keys) = (source.clone(), keys.clone());
    let all = task::spawn_blocking(move || from.size()).await.unwrap_or(Ok(None))?;
    let (all, source) = (all.unwrap_or_default(), source.clone());
    let (sender, mut receiver) = tokio::sync::watch::channel(0);
    let to = beside.clone();
    let mut thread = task::spawn_blocking(move || {
        Reader::open(&source, &keys)?.unpack(&to, &mut |bytes| {
            let _unheard = sender.send(bytes);
        })
    });
    let unpacked = loop {
        tokio::select! {
            done = &mut thread => break done,
            Ok(()) = receiver.changed() => on_progress(Progress { done: *receiver.borrow(), all }),
        }
    };
    note.manifest = match unpacked {
        Ok(Ok(manifest)) => manifest,
        Ok(Err(error)) => {
            // Nothing has been changed by it.
            take_back(data)?;
            return Err(error.into());
        }
        Err(_) => return Err(Error::Interrupted.into()),
    };
    // Before the note says so it is on the disk.
    files::settle(data.root()).unwrap_or(());
    note.stage = Stage::Unpacked;
    tell(data, &note)?;
    Ok(note.manifest)
}

/// Fills the databases, and ends the restore. Role and database are there.
pub(crate) async fn fill(
    config: &Config,
    deadline: Instant,
    on_step: &mut dyn FnMut(&str),
) -> Result<(), Failure> {
    let data = &config.data;
    let Some(mut note) = note(data)? else { return Ok(()) };
    let filled = postgres::with_server(config, deadline, async || {
        Ok(filled(config, &mut note, deadline, on_step).await)
    });
    filled.await??;
    files::remove(&beside(data))?;
    Ok(files::remove(&note_file(data))?)
}

async fn filled(
    config: &Config,
    note: &mut Note,
    deadline: Instant,
    on_step: &mut dyn FnMut(&str),
) -> Result<(), Failure> {
    let data = &config.data;
    let (major, here) = dump::version(config).await?;
    if major < note.manifest.postgres_major {
        return Err(Error::OlderPostgres { backup: note.manifest.postgres.clone(), here }.into());
    }
    let tools = Tools::of(config, major).await?;
    let own = Login::homeserver(config)?;
    if note.stage == Stage::Unpacked {
        if !dump::is_empty(config).await? {
            return Err(Error::NotEmpty(config.database.name.to_string()).into());
        }
        note.stage = Stage::Filling;
        tell(data, note)?;
    } else {
        dump::clear(&own, config).await?;
    }
    let dump_of = |name: &str| beside(data).join(DATABASE).join(name).with_extension("dump");
    on_step("filling the database");
    tools.restore(&own, &dump_of(OWN)).await?;
    dump::raise_sequences(config).await?;
    for tenant in bridges::tenants(config)? {
        if !note.manifest.bridges.contains(&tenant.name) {
            continue;
        }
        on_step(&format!("filling the database of {}", tenant.name));
        tenant.ensure(config, deadline, &mut |step| on_step(&step.to_string())).await?;
        let login = Login::tenant(config, &tenant)?;
        dump::clear(&login, config).await?;
        tools.restore(&login, &dump_of(&tenant.name)).await?;
    }
    Ok(())
}
