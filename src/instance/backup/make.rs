//! Making a backup while the homeserver runs: what waits to be sent is copied first, then a moment of the
//! database is held, and everything else is read after that moment. So what was acknowledged before is in it,
//! and each file that the database knows. Database and media are read at the same time; one thread writes.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::AsyncReadExt as _,
    process::ChildStdout,
    sync::mpsc::{Receiver, Sender, channel, error::TryRecvError},
    task,
    time::{Instant, interval},
};

use super::{Error, Progress, base, store, store::Target};
use crate::{
    age::To,
    backup::{
        self, DATABASE, Depot, Manifest, Source,
        blobs::{Blobs, Stored},
        depot::Output,
        files_of, held, hold,
        manifest::{Apart, Counts, FORMAT, Schema, WHOLE},
        media_of,
        write::Writer,
    },
    clock,
    config::{Config, exports},
    data_dir::DataDir,
    error::Failure,
    files,
    instance::{bridges, guard},
    matrix::sealed,
    postgres::{
        self,
        dump::{self, Login, Moment, Tools},
    },
    process::Lock,
    synapse::keys,
};

/// The database in the archive that is Synapse's.
pub(super) const OWN: &str = "homeserver";
/// How much of a dump is one entry, in bytes.
const PIECE: usize = 1 << 20;
/// How often a moment of the database is tried.
const TRIES: u32 = 5;
/// How long the keys of all accounts may take.
const KEYS: Duration = Duration::from_mins(1);
/// Between two words on how far it is.
const TICK: Duration = Duration::from_millis(200);

/// A backup that was made.
#[derive(Debug)]
pub(crate) struct Made {
    /// None where it went to the standard output.
    pub(crate) source: Option<Source>,
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) manifest: Manifest,
    /// What of the data folder is a link, and is not in it.
    pub(crate) links: Vec<PathBuf>,
    /// Of an incremental one: what of the media was new.
    pub(crate) stored: Option<Stored>,
    /// Whether the base backup could be made that moments are reached from, where one is to be made.
    pub(crate) based: Result<(), Failure>,
}

/// What a backup is to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Where it goes; none as the settings say.
    pub(crate) to: Option<Target>,
    /// Whom it is encrypted for.
    pub(crate) seal: Option<To>,
    /// Each file of the media is stored once beside it.
    pub(crate) incremental: bool,
    /// Set, it is given up, and nothing of it stays.
    pub(crate) given_up: Arc<AtomicBool>,
}

/// What is said of an archive that was written.
struct Written {
    size: u64,
    links: Vec<PathBuf>,
    stored: Option<Stored>,
}

enum Piece {
    Part {
        name: PathBuf,
        content: Vec<u8>,
    },
    /// All databases are in it.
    Whole,
}

pub(crate) async fn make(
    config: &Config,
    wanted: &Wanted,
    deadline: Instant,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<Made, Failure> {
    guard::homeserver(config)?;
    let data = &config.data;
    files::private_folder(&data.run())?;
    let _lock = Lock::try_acquire(&data.run().join("backup.lock"), "manage backup")?;
    if let Some(seal) = wanted.seal.clone() {
        task::spawn_blocking(move || seal.prepare()).await.map_err(|_| Error::Interrupted)??;
    }
    let place = match &wanted.to {
        Some(Target::Stdout) => None,
        Some(Target::Place(place)) => Some(Some(place)),
        None => Some(None),
    };
    let source = match place {
        None => None,
        Some(to) => {
            let (config, to) = (config.clone(), to.cloned());
            let (is_sealed, is_incremental) = (wanted.seal.is_some(), wanted.incremental);
            let placed = task::spawn_blocking(move || {
                store::place(&config, to.as_ref(), is_sealed, is_incremental)
            });
            Some(placed.await.unwrap_or(Err(Error::Interrupted.into()))?)
        }
    };
    if source.is_none() && wanted.incremental {
        return Err(Error::NoDepot("-".into()).into());
    }
    if let Some(Source { depot: Depot::Folder(folder), .. }) = &source {
        if *folder == data.backups() {
            files::private_folder(folder)?;
        }
        files::sweep(folder);
        files::sweep_own(folder, &store::own(config));
    }
    // Held for as long as a thread writes or takes back what it wrote.
    let others = Arc::new(match &source {
        Some(source) if wanted.incremental => source.depot.lock("manage backup")?,
        _ => None,
    });
    // Without them it is a backup all the same.
    if let Err(error) = sealed::save_all(data, KEYS).await {
        tracing::warn!(
            "not all keys of encrypted rooms are in this backup: {}",
            Failure::from(error)
        );
    }
    let waiting = data.root().join(".backing-up");
    hold(data, &waiting)?;
    let made = postgres::with_server(config, deadline, async || {
        if dump::is_empty(config).await? {
            return Ok((Err(Error::NeverRan.into()), Ok(None)));
        }
        let mut tries = 1;
        loop {
            let made =
                written(config, source.as_ref(), wanted, &others, &waiting, on_progress).await;
            // Synapse has dropped a table of its background updates since the moment that is held.
            let dropped = |why: &Failure| why.to_string().contains("does not exist");
            if tries == TRIES || source.is_none() || !made.as_ref().err().is_some_and(dropped) {
                // With each backup, so that the way to any moment is short.
                let based = if made.is_ok() { base::make_base(config).await } else { Ok(None) };
                return Ok((made, based));
            }
            tries += 1;
            hold(data, &waiting)?;
        }
    });
    let made = made.await;
    files::remove(&waiting)?;
    let (made, based) = made?;
    let (manifest, Written { size, links, stored }) = made?;
    Ok(Made { source, size, manifest, links, stored, based: based.map(drop) })
}

async fn written(
    config: &Config,
    source: Option<&Source>,
    wanted: &Wanted,
    others: &Arc<Option<Lock>>,
    waiting: &Path,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<(Manifest, Written), Failure> {
    let moment = Moment::hold(config).await?;
    let tools = Tools::of(config, moment.major).await?;
    let bridges = bridges::tenants(config)?;
    let mut manifest =
        describe(config, &moment, bridges.iter().map(|it| it.name.clone()).collect())?;
    if wanted.incremental {
        manifest.format = FORMAT;
        let is_sealed = wanted.seal.is_some();
        manifest.media_apart = Some(if is_sealed { Apart::Encrypted } else { Apart::Plain });
    }
    let all = u64::try_from(moment.bytes).unwrap_or_default();
    let written = Arc::new(AtomicU64::new(0));
    let (sender, receiver) = channel(2);
    let mut thread = {
        let (data, source, waiting) = (config.data.clone(), source.cloned(), waiting.to_owned());
        let (manifest, written, seal) =
            (manifest.clone(), Arc::clone(&written), wanted.seal.clone());
        let (incremental, given_up) = (wanted.incremental, Arc::clone(&wanted.given_up));
        let others = Arc::clone(others);
        task::spawn_blocking(move || {
            let _others = others;
            let (output, blobs) = match source {
                Some(Source { depot, name }) => {
                    let begin = || Blobs::begin(&data, depot.clone(), &name, seal.as_ref());
                    let blobs = incremental.then(begin).transpose()?;
                    (depot.create(&name)?, blobs)
                }
                None => (Output::stdout(), None),
            };
            let writer = Writer::create(output, seal.as_ref(), &manifest)?;
            let so_far = SoFar { written: &written, given_up: &given_up };
            archive(&data, writer, blobs, &waiting, receiver, so_far)
        })
    };
    let mut ticks = interval(TICK);
    let snapshot = moment.snapshot.clone();
    // It owns its end of the channel: with it goes the word that all is there.
    let mut dumping = std::pin::pin!(async move {
        let own = Login::homeserver(config)?;
        dumped(&tools, &own, Some(&snapshot), OWN, &sender).await?;
        for tenant in &bridges {
            dumped(&tools, &Login::tenant(config, tenant)?, None, &tenant.name, &sender).await?;
        }
        // If the thread has ended it says itself why.
        drop(sender.send(Piece::Whole).await);
        Ok::<_, Failure>(())
    });
    let mut result = None;
    let archived = loop {
        tokio::select! {
            dumped = &mut dumping, if result.is_none() => result = Some(dumped),
            archived = &mut thread => break archived,
            _ = ticks.tick() => {
                on_progress(Progress { done: written.load(Ordering::Relaxed), all });
            }
        }
    };
    moment.release().await;
    match (result, archived) {
        (Some(Err(why)), Ok(Err(backup::Error::Stopped)) | Err(_)) => Err(why),
        (_, Ok(archived)) => Ok(archived.map(|written| (manifest, written))?),
        (_, Err(_)) => Err(Error::Interrupted.into()),
    }
}

fn describe(config: &Config, moment: &Moment, bridges: Vec<String>) -> Result<Manifest, Failure> {
    let data = &config.data;
    let version = exports::version(data).ok_or_else(|| Error::NoVersion(data.root().to_owned()))?;
    let key = data.signing_key();
    let key = keys::id(&files::read(&key)?).ok_or(Error::BadKey(key))?;
    let [users, rooms, events, media] = moment.counts;
    let (version_of_tables, compat) = moment.schema;
    Ok(Manifest {
        format: WHOLE,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: clock::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        server_name: config.server.name.to_string(),
        synapse: version,
        schema: Schema { version: version_of_tables, compat },
        postgres: moment.server_version.clone(),
        postgres_major: moment.major,
        key,
        bridges,
        counts: Counts { users, rooms, events, media },
        bucket: config.media.s3_bucket.as_ref().map(|bucket| bucket.0.clone()),
        media_apart: None,
    })
}

/// One database, piece by piece.
async fn dumped(
    tools: &Tools,
    login: &Login,
    snapshot: Option<&str>,
    name: &str,
    to: &Sender<Piece>,
) -> Result<(), Failure> {
    let mut child = tools.dump(login, snapshot)?;
    let (stdout, said) = (child.stdout.take(), child.stderr.take());
    let read = match stdout {
        Some(mut stdout) => pieces(&mut stdout, name, to).await,
        None => Ok(()),
    };
    if let Err(error) = read {
        // What it says itself is the better reason.
        dump::ended(child, said).await?;
        return Err(Failure::environment(format!("the database cannot be read: {error}")));
    }
    Ok(dump::ended(child, said).await?)
}

async fn pieces(from: &mut ChildStdout, name: &str, to: &Sender<Piece>) -> std::io::Result<()> {
    for number in 1_u64.. {
        let mut content = Vec::with_capacity(PIECE);
        while content.len() < PIECE {
            let left = (PIECE - content.len()) as u64;
            if (&mut *from).take(left).read_buf(&mut content).await? == 0 {
                break;
            }
        }
        let is_last = content.len() < PIECE;
        if !content.is_empty() {
            let name = PathBuf::from(format!("{DATABASE}/{name}/{number:06}"));
            if to.send(Piece::Part { name, content }).await.is_err() {
                // The thread says itself why.
                return Ok(());
            }
        }
        if is_last {
            break;
        }
    }
    Ok(())
}

/// What the thread that writes and those who wait for it tell each other.
#[derive(Clone, Copy)]
struct SoFar<'a> {
    written: &'a AtomicU64,
    given_up: &'a AtomicBool,
}

impl SoFar<'_> {
    fn is(self, writer: &Writer) -> Result<(), backup::Error> {
        self.written.store(writer.bytes(), Ordering::Relaxed);
        if self.given_up.load(Ordering::Relaxed) { Err(backup::Error::Stopped) } else { Ok(()) }
    }
}

/// The thread that writes: a piece of a database whenever there is one, and files meanwhile.
fn archive(
    data: &DataDir,
    mut writer: Writer,
    mut blobs: Option<Blobs>,
    waiting: &Path,
    mut pieces: Receiver<Piece>,
    so_far: SoFar<'_>,
) -> Result<Written, backup::Error> {
    let mut links = Vec::new();
    let mut is_whole = false;
    let mut meanwhile = |writer: &mut Writer| {
        loop {
            match pieces.try_recv() {
                Ok(Piece::Part { name, content }) => writer.whole(&name, &content)?,
                Ok(Piece::Whole) => is_whole = true,
                Err(TryRecvError::Disconnected) if !is_whole => return Err(backup::Error::Stopped),
                Err(_) => break,
            }
        }
        so_far.is(writer)
    };
    for found in files_of(data, &mut links)?.into_iter().chain(held(data, waiting)?) {
        writer.file(&found, false)?;
        meanwhile(&mut writer)?;
    }
    media_of(data, &mut links, &mut |found| {
        match &mut blobs {
            Some(blobs) => writer.beside(&found, blobs)?,
            None => writer.file(&found, true)?,
        };
        meanwhile(&mut writer)
    })?;
    while !is_whole {
        match pieces.blocking_recv() {
            Some(Piece::Part { name, content }) => writer.whole(&name, &content)?,
            Some(Piece::Whole) => is_whole = true,
            None => return Err(backup::Error::Stopped),
        }
        so_far.is(&writer)?;
    }
    // What it needs is there before it has its name.
    let beside = blobs.map(Blobs::finish).transpose()?;
    let size = writer.finish()?;
    let stored = beside.map(|(stored, fresh)| {
        fresh.stay();
        stored
    });
    Ok(Written { size, links, stored })
}
