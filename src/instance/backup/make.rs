//! Making a backup while the homeserver runs: what waits to be sent is copied first, then a moment of the
//! database is held, and everything else is read after that moment. So what was acknowledged before is in it,
//! and each file that the database knows. Database and media are read at the same time; one thread writes.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
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

use super::{Error, Progress, base, store};
use crate::{
    backup::{
        self, DATABASE, Manifest, files_of, held, hold,
        manifest::{Counts, FORMAT, Schema},
        media_of,
        write::Writer,
    },
    clock,
    config::{Config, exports},
    data_dir::DataDir,
    error::Failure,
    files,
    instance::{bridges, guard},
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
const PIECE: usize = 2 << 20;
/// How often a moment of the database is tried.
const TRIES: u32 = 5;
/// Between two words on how far it is.
const TICK: Duration = Duration::from_millis(200);

/// A backup that was made.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) path: PathBuf,
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) manifest: Manifest,
    /// Whether the base backup could be made that moments are reached from, where one is to be made.
    pub(crate) based: Result<(), Failure>,
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
    to: Option<&Path>,
    deadline: Instant,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<Made, Failure> {
    guard::homeserver(config)?;
    let data = &config.data;
    let path = store::place(config, to)?;
    files::private_folder(&data.run())?;
    let _lock = Lock::try_acquire(&data.run().join("backup.lock"), "manage backup")?;
    if to.is_none() {
        files::private_folder(&data.backups())?;
    }
    if let Some(folder) = path.parent() {
        files::sweep(folder);
    }
    let waiting = data.root().join(".backing-up");
    hold(data, &waiting)?;
    let made = postgres::with_server(config, deadline, async || {
        let mut tries = 1;
        loop {
            let made = written(config, &path, &waiting, on_progress).await;
            // Synapse has dropped a table of its background updates since the moment that is held.
            let dropped = |why: &Failure| why.to_string().contains("does not exist");
            if tries == TRIES || !made.as_ref().err().is_some_and(dropped) {
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
    let manifest = made?;
    let size = fs::metadata(&path).map_err(files::Error::io("read", &path))?.len();
    Ok(Made { path, size, manifest, based: based.map(drop) })
}

async fn written(
    config: &Config,
    path: &Path,
    waiting: &Path,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<Manifest, Failure> {
    let moment = Moment::hold(config).await?;
    let tools = Tools::of(config, moment.major).await?;
    let bridges = bridges::tenants(config)?;
    let manifest = describe(config, &moment, bridges.iter().map(|it| it.name.clone()).collect())?;
    let all = u64::try_from(moment.bytes).unwrap_or_default();
    let written = Arc::new(AtomicU64::new(0));
    let (sender, receiver) = channel(2);
    let mut thread = {
        let (data, path, waiting) = (config.data.clone(), path.to_owned(), waiting.to_owned());
        let (manifest, written) = (manifest.clone(), Arc::clone(&written));
        task::spawn_blocking(move || archive(&data, &path, &waiting, &manifest, receiver, &written))
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
        (_, Ok(archived)) => Ok(archived.map(|()| manifest)?),
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
        format: FORMAT,
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

/// The thread that writes: a piece of a database whenever there is one, and files meanwhile.
fn archive(
    data: &DataDir,
    path: &Path,
    waiting: &Path,
    manifest: &Manifest,
    mut pieces: Receiver<Piece>,
    written: &AtomicU64,
) -> Result<(), backup::Error> {
    let mut writer = Writer::create(path, manifest)?;
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
        written.store(writer.bytes(), Ordering::Relaxed);
        Ok(())
    };
    for found in files_of(data)?.into_iter().chain(held(data, waiting)?) {
        writer.file(&found, false)?;
        meanwhile(&mut writer)?;
    }
    media_of(data, &mut |found| {
        writer.file(&found, true)?;
        meanwhile(&mut writer)
    })?;
    while !is_whole {
        match pieces.blocking_recv() {
            Some(Piece::Part { name, content }) => writer.whole(&name, &content)?,
            Some(Piece::Whole) => is_whole = true,
            None => return Err(backup::Error::Stopped),
        }
        written.store(writer.bytes(), Ordering::Relaxed);
    }
    writer.finish()
}
