//! Our own cluster as it was at a moment: made beside the one that there is, which goes on meanwhile, and put
//! into its place by one exchange of names when all of it is there.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use rand::rng;
use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};
use tokio::{
    task,
    time::{Instant, sleep},
};

use super::{
    super::{Error, Who, connect, dump, scram},
    Launch, SUPERUSER, Temporary, base, binaries, cluster,
    history::{self, Base},
    runner, text,
};
use crate::{clock, config::Config, data_dir::DataDir, files, secret::Secret};

/// A log of days may take hours to be read.
const LONGEST: Duration = Duration::from_hours(7 * 24);
const PAUSE: Duration = Duration::from_millis(50);
/// Who may enter while nobody but us can reach its socket.
const HBA: &str = "pg_hba.recovering";

/// A cluster that is ready to be put into its place.
#[derive(Debug)]
pub(crate) struct Recovered {
    folder: PathBuf,
    /// Users, rooms, events, media.
    pub(crate) counts: [i64; 4],
}

fn sockets(data: &DataDir) -> PathBuf {
    data.sockets().join("pg-at")
}

/// Has the server that runs hand over all that it has written until now.
pub(crate) async fn flush(config: &Config, deadline: Instant) -> Result<(), Error> {
    let failed = || Error::query("hand over what it has written");
    let mut admin = connect(config, Who::Admin).await?;
    // A recovery knows that it has come far enough by a transaction that is later.
    sqlx::query("SELECT pg_current_xact_id()").execute(&mut admin).await.map_err(failed())?;
    let name: String = sqlx::query_scalar(
        "SELECT pg_walfile_name(here) FROM pg_current_wal_insert_lsn() AS here, pg_switch_wal()",
    )
    .fetch_one(&mut admin)
    .await
    .map_err(failed())?;
    let file = history::log(&config.data).join(name);
    while !file.exists() {
        if Instant::now() > deadline {
            return Err(Error::NotHandedOver);
        }
        sleep(PAUSE).await;
    }
    Ok(())
}

/// Makes the cluster as it was at that moment, and nothing else of it runs.
pub(crate) async fn recover(
    config: &Config,
    base: &Base,
    at: Timestamp,
    on_step: &mut dyn FnMut(&str),
) -> Result<Recovered, Error> {
    let data = &config.data;
    let folder = history::beside(data);
    files::remove(&folder)?;
    on_step("unpacking the base backup");
    let (from, to) = (base.clone(), folder.clone());
    let unpacked = task::spawn_blocking(move || base::unpack(&from, &to)).await;
    let unpacked = unpacked.unwrap_or_else(|error| {
        Err(files::Error::io("unpack", &base.path)(std::io::Error::other(error)))
    });
    let recovered = match unpacked {
        Ok(()) => reached(config, &folder, at, on_step).await,
        Err(error) => Err(error.into()),
    };
    files::remove(&sockets(data))?;
    if recovered.is_err() {
        // While all of it is there: a server that stopped for that does not say so.
        let space = files::has_space(data.root());
        files::remove(&folder)?;
        space?;
    }
    recovered
}

impl Recovered {
    /// Removes it: it does not get into the place.
    pub(crate) fn give_up(self) -> Result<(), files::Error> {
        files::remove(&self.folder)
    }
}

async fn reached(
    config: &Config,
    folder: &Path,
    at: Timestamp,
    on_step: &mut dyn FnMut(&str),
) -> Result<Recovered, Error> {
    let data = &config.data;
    let binaries = binaries::find(data).await?;
    let runner = runner::choose(data).await?;
    let (hba, signal) = (folder.join(HBA), folder.join("recovery.signal"));
    files::write_atomically(&hba, b"local all all trust\n", files::PRIVATE)?;
    files::write_atomically(&signal, b"", files::PRIVATE)?;
    runner.give(folder)?;
    let sockets = sockets(data);
    files::private_folder(&sockets)?;
    runner.give(&sockets)?;
    let settings = [
        format!("unix_socket_directories={}", text(&sockets)),
        format!("hba_file={}", text(&hba)),
        format!("restore_command={}", history::restore_command(data)?),
        format!("recovery_target_time={}", at.strftime("%Y-%m-%d %H:%M:%S%.f+00")),
        "recovery_target_action=promote".into(),
        "hot_standby=off".into(),
        // What it has to hand over it does when it is in its place.
        "archive_mode=on".into(),
        "archive_command=".into(),
    ];
    let folder_text = text(folder);
    let mut words = vec!["-D", &folder_text];
    for setting in &settings {
        words.extend(["-c", setting]);
    }
    let (program, args) = runner.wrap(&binaries.program("postgres"), &words);
    let port = config.database.embedded_port;
    let ready = vec![
        text(&binaries.program("pg_isready")),
        "--quiet".into(),
        "--timeout=3".into(),
        format!("--host={}", text(&sockets)),
        format!("--port={port}"),
        "--dbname=postgres".into(),
    ];
    let env = vec![("LC_ALL".into(), "C".into())];
    on_step("reading what was written until then");
    let launch = Launch { program, args, env, ready };
    let log = data.logs().join("postgres-recovery.log");
    let started = Temporary::of(launch, &log, Instant::now() + LONGEST).await;
    let server = started.map_err(|error| match error {
        Error::NotReady { last_words } => Error::NotReached { last_words, log },
        other => other,
    })?;
    on_step("making it ready");
    let prepared = prepared(config, &sockets).await;
    server.stop().await?;
    let counts = prepared?;
    files::remove(&hba)?;
    // What the disk refuses by now is seen by whoever reads it.
    files::settle(folder).unwrap_or(());
    Ok(Recovered { folder: folder.to_owned(), counts })
}

/// What every restore does, before Synapse first starts on it.
async fn prepared(config: &Config, sockets: &Path) -> Result<[i64; 4], Error> {
    let failed = || Error::query("make the recovered database ready");
    let port = config.database.embedded_port.0;
    let enter = async |database: &str| {
        let options = PgConnectOptions::new_without_pgpass().socket(sockets).port(port);
        let options = options.username(SUPERUSER).database(database);
        PgConnection::connect_with(&options).await.map_err(failed())
    };
    let mut inside = enter(&config.database.name.0).await?;
    dump::forget_given(&mut inside).await?;
    dump::raise(&mut inside).await?;
    let counts = dump::counted(&mut inside).await?;
    let mut admin = enter("postgres").await?;
    // It may have had another one then.
    let password = Secret::read(&config.data.superuser_password())?;
    let verifier = scram::verifier(&password, &mut rng());
    let statement = format!("ALTER ROLE {SUPERUSER} PASSWORD '{}'", verifier.expose());
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut admin).await.map_err(failed())?;
    sqlx::query("CHECKPOINT").execute(&mut admin).await.map_err(failed())?;
    Ok(counts)
}

/// Puts a recovered cluster into the place of the one that there is, which must not run; where that is then.
pub(crate) fn exchange(data: &DataDir, recovered: &Recovered) -> Result<PathBuf, Error> {
    let place = cluster(data);
    let before = data.postgres().join(format!("before-{}", clock::stamp(clock::now())));
    // The name first: from the exchange on it is the one that must not be lost.
    std::fs::rename(&recovered.folder, &before).map_err(files::Error::io("rename", &before))?;
    files::exchange(&before, &place)?;
    Ok(before)
}
