//! Our own database as it was at a moment: made beside the one that is used, which goes on meanwhile; then all
//! is stopped for as long as two names are exchanged. What was in use before is kept.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Error, base::is_possible, restore};
use crate::{
    clock,
    config::Config,
    error::Failure,
    files,
    instance::{guard, lifecycle::stop, lock},
    output::amount,
    postgres::{
        self, Written,
        embedded::{
            self,
            history::{self, Base},
            recover,
        },
    },
};

/// What was done.
#[derive(Debug)]
pub(crate) struct Back {
    /// The database as it was until now.
    pub(crate) before: PathBuf,
    /// Users, rooms, events, media.
    pub(crate) counts: [i64; 4],
    /// Whether the homeserver ran.
    pub(crate) was_running: bool,
}

/// Where it would begin: refuses a moment that cannot be reached.
pub(crate) fn begin(config: &Config, at: Timestamp) -> Result<Base, Failure> {
    guard::homeserver(config)?;
    is_possible(config)?;
    if at > clock::now() {
        return Err(Error::ToCome.into());
    }
    let bases = history::list(&config.data)?;
    match (history::before(&bases, at), bases.first()) {
        (Some(base), _) => Ok(base.clone()),
        (None, Some(first)) => Err(Error::TooEarly(shown(first.at)).into()),
        (None, None) => Err(Error::NoHistory.into()),
    }
}

fn shown(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Brings the database back.
pub(crate) async fn restore(
    config: &Config,
    base: &Base,
    at: Timestamp,
    on_step: &mut dyn FnMut(&str),
) -> Result<Back, Failure> {
    let data = &config.data;
    let _lock = restore::lock(data)?;
    // There are two of them then, and the one that is used has to go on.
    let needed = bytes(&embedded::cluster(data))?.saturating_add(files::LEAST_SPACE);
    let left = files::space_left(data.root())?;
    if left < needed {
        return Err(Error::NoRoom { path: data.root().to_owned(), needed, left }.into());
    }
    on_step("looking what was written until now");
    let deadline = Instant::now() + config.supervision.start_timeout.0;
    postgres::with_server(config, deadline, async || recover::flush(config, deadline).await)
        .await?;
    let recovered = recover::recover(config, base, at, on_step).await?;
    // What cannot start again is not stopped.
    if let Err(full) = files::has_space(data.root()) {
        recovered.give_up()?;
        return Err(full.into());
    }
    on_step("stopping the homeserver");
    let timeout = config.supervision.stop_timeout.0;
    let options = stop::Options { timeout, force: false };
    let stopped = stop::stop(data, options, &mut |_| ()).await?;
    let deadline = Instant::now() + timeout;
    let mut wait = |who: &str| on_step(&format!("waiting for {who}"));
    let _instance = lock::wait(data, "manage restore", deadline, &mut wait).await?;
    // Somebody may have started it meanwhile.
    stop::ask(data, false, timeout).await?;
    stop::clear(data).await?;
    // The homeserver will know less of them than they have given away.
    files::remove(&data.keys())?;
    let before = recover::exchange(data, &recovered)?;
    let was_running = stopped == stop::Stopped::Now;
    Ok(Back { before, counts: recovered.counts, was_running })
}

/// What it takes to keep all that the database writes.
pub(crate) async fn costs(config: &Config) -> String {
    let window = config.backup.point_in_time_window;
    let asked = async {
        let mut inside = postgres::connect(config, postgres::Who::Synapse).await?;
        postgres::written(&mut inside).await
    };
    let kept = "all that the database writes is kept";
    let bases = "and with each backup a base backup of the database";
    match asked.await {
        // What is set up or restored writes more than what is used.
        Ok(Written { hours, database, .. }) if hours < 24 => format!(
            "{kept}, {bases} (about {} before it is compressed), for {window}: how much that is a day can be said when PostgreSQL has run for a day",
            amount(database)
        ),
        Ok(Written { a_day, hours, database }) => format!(
            "{kept}, about {} a day (as in the last {hours} h), {bases} (about {} before it is compressed), for {window}: see that the disk has room for that",
            amount(a_day),
            amount(database)
        ),
        Err(_) => format!(
            "{kept}, {bases}, for {window}: how much that is a day is said while PostgreSQL runs"
        ),
    }
}

/// What a folder takes on the disk.
fn bytes(folder: &Path) -> Result<u64, files::Error> {
    let mut all = 0;
    for path in files::entries(folder)? {
        match std::fs::symlink_metadata(&path) {
            Ok(it) if it.is_dir() => all += bytes(&path)?,
            Ok(it) => all += it.len(),
            // Removed since its folder was read.
            Err(_) => {}
        }
    }
    Ok(all)
}
