//! SQLite to PostgreSQL, with Synapse's own tools and on a copy: its file stays as it was. A note says how far
//! it is; killed anywhere and run again, it goes on from there, and nothing starts before it is done.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    fs, io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::{task, time::Instant};

use super::Error;
use crate::{
    config::Config,
    data_dir::DataDir,
    error::Failure,
    files,
    instance::{backup::verify, guard, lock},
    postgres::{
        self,
        dump::{self, Login},
        filled,
    },
    process::{Lock, opened_by},
    render,
    supervisor::control,
    synapse::{self, files::DatabaseSettings, keys, sqlite},
};

/// What has to be equal afterwards.
const MUST: [&str; 4] = ["users", "rooms", "events", "local_media_repository"];

/// What was carried over.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Imported {
    /// How many were counted before and after.
    pub(crate) tables: usize,
    /// How many are in these now.
    pub(crate) rows: i64,
    /// Of `users`, `rooms`, `events` and `local_media_repository`.
    pub(crate) counts: BTreeMap<String, i64>,
    /// How many updates Synapse had not finished, and finished now.
    pub(crate) updates: u32,
    /// How many files the database knows of that are not in the media folder: they are in no database.
    pub(crate) missing: usize,
    /// Tables of which not every row came along, such as rows with characters that PostgreSQL does not take.
    pub(crate) less: Vec<String>,
}

impl Imported {
    pub(crate) fn text(&self, page: &mut String) -> fmt::Result {
        let of = |table: &str| self.counts.get(table).copied().unwrap_or_default();
        writeln!(
            page,
            "{} accounts, {} rooms, {} events, {} files: as many as before",
            of("users"),
            of("rooms"),
            of("events"),
            of("local_media_repository")
        )?;
        if self.missing > 0 {
            writeln!(page, "the content of {} files is not here", self.missing)?;
        }
        if self.updates > 0 {
            let updates = self.updates;
            writeln!(page, "{updates} updates that the old Synapse had not finished are done")?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stage {
    /// The copy is whole.
    Copied,
    /// Nothing is unfinished in it.
    Settled,
    /// Nor in the new database, which may have rows by now.
    Ready,
}

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    from: PathBuf,
    /// Size and time of each part of it, by which a change would be seen.
    seen: Vec<(u64, u64)>,
    stage: Stage,
    #[serde(default)]
    updates: u32,
}

fn note_file(data: &DataDir) -> PathBuf {
    data.run().join("importing.json")
}

fn note(data: &DataDir) -> Result<Option<Note>, files::Error> {
    files::read_note(&note_file(data))
}

fn tell(data: &DataDir, note: &Note) -> Result<(), files::Error> {
    files::write_note(&note_file(data), note)
}

/// The file whose import was interrupted.
pub(crate) fn unfinished(data: &DataDir) -> Result<Option<PathBuf>, files::Error> {
    Ok(note(data)?.map(|note| note.from))
}

/// Whether an import goes on now.
pub(crate) fn goes_on(data: &DataDir) -> Result<bool, files::Error> {
    Lock::is_held(&lock_file(data))
}

/// What was to be imported has been archived like all else.
pub(crate) fn give_up(data: &DataDir) -> Result<(), files::Error> {
    files::remove(&note_file(data))
}

fn lock_file(data: &DataDir) -> PathBuf {
    data.run().join("backup.lock")
}

fn beside(data: &DataDir) -> PathBuf {
    data.root().join(".importing")
}

fn seen(file: &Path) -> Result<Vec<(u64, u64)>, files::Error> {
    let of = |part: PathBuf| {
        let found = fs::metadata(&part).map_err(files::Error::io("read", &part))?;
        let changed = found.modified().ok().and_then(|it| it.duration_since(UNIX_EPOCH).ok());
        Ok((found.len(), changed.map_or(0, |it| it.as_secs())))
    };
    sqlite::parts(file).into_iter().map(of).collect()
}

/// Refuses what cannot be imported, as far as that can be seen from outside; changes nothing.
pub(crate) fn check(file: &Path) -> Result<(), Failure> {
    match sqlite::is_one(file) {
        Err(error) if error.is_not_found() => return Err(Error::NoFile(file.to_owned()).into()),
        Ok(false) => return Err(Error::NotSqlite(file.to_owned()).into()),
        is_one => drop(is_one?),
    }
    match sqlite::parts(file).iter().find_map(|part| opened_by(part)) {
        Some(who) => Err(Error::InUse { file: file.to_owned(), who }.into()),
        None => Ok(()),
    }
}

/// Carries all of it over. `anew` forgets what an earlier run did; `on_begun` is called when a note says that it
/// has begun.
pub(crate) async fn import(
    config: &Config,
    file: &Path,
    anew: bool,
    deadline: Instant,
    on_step: &mut dyn FnMut(&str),
    on_begun: &mut dyn FnMut() -> Result<(), files::Error>,
) -> Result<Imported, Failure> {
    guard::homeserver(config)?;
    let data = &config.data;
    if control::status(data).await?.is_some() {
        return Err(Error::Running.into());
    }
    check(file)?;
    files::private_folder(&data.run())?;
    let _backups = Lock::try_acquire(&lock_file(data), "manage import-sqlite")?;
    let mut wait = |who: &str| on_step(&format!("waiting for {who}"));
    let _lock = lock::wait(data, "manage import-sqlite", deadline, &mut wait).await?;
    let mut note = match note(data)? {
        Some(old) if old.from != file => return Err(Error::UnfinishedImport(old.from).into()),
        Some(old) if !anew && old.seen == seen(file)? => old,
        Some(_) if !anew => return Err(Error::Changed(file.to_owned()).into()),
        old => begin(config, file, old.is_some(), deadline, on_step).await?,
    };
    on_begun()?;
    let copy = beside(data).join("homeserver.db");
    let environment = render::environment(config);
    let log = data.logs().join("import.log");
    if note.stage == Stage::Copied {
        let looked = looked(file, sqlite::count(&environment, &copy).await)?;
        judge(&looked, file, config)?;
        has_same_key(&looked.keys, config)?;
        if looked.updates > 0 {
            on_step(&format!("finishing {} updates of the old database", looked.updates));
        }
        note.updates = looked.updates;
        sqlite::settle(config, &environment, &copy, None, &log).await?;
        files::settle(data.root())?;
        note.stage = Stage::Settled;
        tell(data, &note)?;
    }
    let looked = looked(file, sqlite::count(&environment, &copy).await)?;
    let to = database(config)?;
    let mut told = Told::new(&looked.tables);
    on_step("preparing the database");
    let ported = postgres::with_server(config, deadline, async || {
        if note.stage == Stage::Settled {
            // The port tool does the same, but rests for most of a second after each update.
            let ready = sqlite::settle(config, &environment, &copy, Some(&to), &log).await;
            if let Err(error) = ready {
                return Ok(Err(Failure::from(error)));
            }
            note.stage = Stage::Ready;
            tell(data, &note)?;
        }
        let mut heard = |line: &str| {
            if let Some(step) = told.hear(line) {
                on_step(&step);
            }
        };
        let ported = sqlite::port(config, &environment, &copy, &to, &log, &mut heard).await;
        if let Err(error) = ported {
            return Ok(Err(Failure::from(error)));
        }
        on_step("counting what has arrived");
        let rows = filled::rows(config, looked.tables.keys().map(String::as_str)).await?;
        let mut compared = compare(&looked.tables, &rows).map_err(Failure::from);
        if let Ok(imported) = &mut compared {
            imported.missing = missing(config).await?;
            filled::tidy(config).await?;
        }
        Ok(compared)
    });
    let ported = ported.await??;
    let imported = Imported { updates: note.updates, ..ported };
    files::remove(&note_file(data))?;
    files::remove(&beside(data))?;
    Ok(imported)
}

/// What a look into it found; else why it cannot be looked into, of what Python says the last line.
pub(super) fn looked<T>(file: &Path, looked: Result<T, synapse::Error>) -> Result<T, Failure> {
    looked.map_err(|error| match error {
        synapse::Error::Sqlite(words) => {
            let why = words.lines().next_back().unwrap_or_default().to_owned();
            Error::Damaged { file: file.to_owned(), why }.into()
        }
        error => error.into(),
    })
}

/// How many files the database knows of that are not in the media folder; none where they may be in a store.
pub(super) async fn missing(config: &Config) -> Result<usize, postgres::Error> {
    if config.media.s3_bucket.is_some() {
        return Ok(0);
    }
    let mut missing = 0;
    dump::media(config, &mut |id, _| {
        missing += usize::from(!verify::medium(&config.data, id).exists());
    })
    .await?;
    Ok(missing)
}

/// Copies the file into the data folder; what an earlier import left goes first.
async fn begin(
    config: &Config,
    file: &Path,
    again: bool,
    deadline: Instant,
    on_step: &mut dyn FnMut(&str),
) -> Result<Note, Failure> {
    let data = &config.data;
    let emptied = postgres::with_server(config, deadline, async || {
        if again {
            dump::clear(&Login::homeserver(config)?, config).await?;
        }
        dump::is_empty(config).await
    });
    if !emptied.await? {
        return Err(Error::NotEmpty(config.database.name.to_string()).into());
    }
    let beside = beside(data);
    files::remove(&note_file(data))?;
    files::remove(&beside)?;
    let seen = seen(file)?;
    let size: u64 = seen.iter().map(|(size, _)| size).sum();
    // The copy with what its updates need, and the same in PostgreSQL.
    let (needed, left) = (size.saturating_mul(3), files::space_left(data.root())?);
    if left < needed {
        return Err(Error::NoRoom { path: data.root().to_owned(), needed, left }.into());
    }
    files::private_folder(&beside)?;
    on_step("copying the old database");
    let parts: Vec<_> = sqlite::parts(file)
        .into_iter()
        .map(|part| {
            let end = part.display().to_string().split_off(file.display().to_string().len());
            (part, beside.join(format!("homeserver.db{end}")))
        })
        .collect();
    let copied = task::spawn_blocking(move || {
        parts.iter().try_for_each(|(from, to)| {
            fs::copy(from, to).map(drop).map_err(files::Error::io("copy", from))
        })
    });
    copied.await.map_err(|error| files::Error::io("copy", file)(io::Error::other(error)))??;
    files::settle(data.root())?;
    let note = Note { from: file.to_owned(), seen, stage: Stage::Copied, updates: 0 };
    tell(data, &note)?;
    Ok(note)
}

/// Whether what the copy holds is of this homeserver, and not of a newer Synapse.
fn judge(looked: &sqlite::Looked, file: &Path, config: &Config) -> Result<(), Error> {
    if !looked.is_synapse {
        return Err(Error::NotSynapse(file.to_owned()));
    }
    let ours = config.server.name.to_string();
    match &looked.server_name {
        Some(theirs) if *theirs != ours => {
            return Err(Error::OtherServer { theirs: theirs.clone(), ours });
        }
        _ => {}
    }
    if looked.vacuums {
        return Err(Error::Vacuums(file.to_owned()));
    }
    match looked.newest {
        // Here nothing is gone back on: it has to be able to go on with it.
        Some(ours) if looked.version > ours => Err(Error::Newer { theirs: looked.version, ours }),
        _ => Ok(()),
    }
}

/// Refuses to go on under the old name with another key: nobody would believe what was signed with the old one.
fn has_same_key(theirs: &[String], config: &Config) -> Result<(), Failure> {
    let key = config.data.signing_key();
    let ours = files::read_if_exists(&key)?.and_then(|text| keys::id(&text)).unwrap_or_default();
    if theirs.is_empty() || theirs.contains(&ours) {
        return Ok(());
    }
    Err(Error::OtherKey { theirs: theirs.join(", "), ours, key }.into())
}

fn database(config: &Config) -> Result<DatabaseSettings, postgres::Error> {
    postgres::write_passfile(config)?;
    let settings = postgres::client_settings(config)?;
    Ok(DatabaseSettings {
        host: settings.host,
        port: settings.port,
        user: settings.user,
        dbname: settings.dbname,
        sslmode: settings.sslmode.to_owned(),
        sslrootcert: settings.sslrootcert.map(str::to_owned),
        passfile: settings.passfile,
    })
}

pub(super) fn compare(
    theirs: &BTreeMap<String, i64>,
    ours: &BTreeMap<String, i64>,
) -> Result<Imported, Error> {
    let mut done = Imported::default();
    let mut missing = Vec::new();
    for (table, count) in theirs {
        let Some(here) = ours.get(table) else {
            if *count > 0 {
                done.less.push(format!("{table} (not known here any more)"));
            }
            continue;
        };
        done.tables += 1;
        done.rows += here;
        let is_less = here < count;
        if MUST.contains(&table.as_str()) {
            done.counts.insert(table.clone(), *here);
            if here != count {
                missing.push(format!("{table} has {here} rows instead of {count}"));
            }
        } else if is_less {
            done.less.push(format!("{table} ({here} of {count})"));
        }
    }
    if missing.is_empty() { Ok(done) } else { Err(Error::Differs(missing.join(", "))) }
}

/// What the tool says, as how far it is in all.
struct Told {
    all: i64,
    /// Rows of each table so far.
    done: BTreeMap<String, i64>,
}

impl Told {
    fn new(tables: &BTreeMap<String, i64>) -> Self {
        Self { all: tables.values().sum(), done: BTreeMap::new() }
    }

    /// `events: 12% (1000/8123)`, or a heading.
    fn hear(&mut self, line: &str) -> Option<String> {
        if let Some(heading) = line.strip_suffix("...") {
            return Some(heading.to_lowercase());
        }
        let (table, rest) = line.split_once(": ")?;
        let done = rest.split_once('(')?.1.split_once('/')?.0.parse().ok()?;
        self.done.insert(table.to_owned(), done);
        let so_far: i64 = self.done.values().sum();
        let all = self.all.max(1);
        Some(format!("copying to PostgreSQL: {} %", (so_far * 100 / all).min(100)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[(&str, i64)]) -> BTreeMap<String, i64> {
        rows.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn people_rooms_events_and_files_have_to_arrive_and_the_rest_is_told() {
        let theirs = rows(&[("users", 2), ("events", 9), ("pushers", 3), ("gone", 1), ("none", 0)]);
        let all = rows(&[("users", 2), ("events", 9), ("pushers", 2)]);
        let done = compare(&theirs, &all).unwrap();
        assert_eq!(
            (done.tables, done.rows, done.counts),
            (3, 13, rows(&[("users", 2), ("events", 9)]))
        );
        assert_eq!(done.less, ["gone (not known here any more)", "pushers (2 of 3)"]);
        let less = rows(&[("users", 2), ("events", 8), ("pushers", 3)]);
        let error = compare(&theirs, &less).unwrap_err().to_string();
        assert_eq!(error, "not all has arrived: events has 8 rows instead of 9");
    }

    #[test]
    fn what_the_tool_says_becomes_how_far_it_is() {
        let mut told = Told::new(&rows(&[("a", 100), ("b", 100)]));
        assert_eq!(told.hear("Fetching tables...").unwrap(), "fetching tables");
        assert_eq!(told.hear("a: 100% (100/100)").unwrap(), "copying to PostgreSQL: 50 %");
        assert_eq!(told.hear("b: 50% (50/100)").unwrap(), "copying to PostgreSQL: 75 %");
        assert_eq!(told.hear("something else"), None);
    }

    #[test]
    fn an_import_that_was_interrupted_is_named_until_it_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        data.create().unwrap();
        crate::instance::moving::require_whole(&data).unwrap();
        let note =
            Note { from: "/a.db".into(), seen: vec![(1, 2)], stage: Stage::Settled, updates: 1 };
        tell(&data, &note).unwrap();
        let error = crate::instance::moving::require_whole(&data).unwrap_err();
        assert_eq!(error.to_string(), "importing `/a.db` was interrupted");
        assert_eq!(
            error.hint.as_deref().unwrap(),
            "`manage import-sqlite /a.db` again finishes it; `manage uninstall` gives it up"
        );
        let moving = crate::instance::moving::unfinished(&data).unwrap().unwrap();
        assert_eq!(moving.to_string(), error.to_string());
        assert!(moving.import && !moving.under_way);
        let lock = Lock::try_acquire(&lock_file(&data), "manage import-sqlite").unwrap();
        let moving = crate::instance::moving::unfinished(&data).unwrap().unwrap();
        assert_eq!(moving.to_string(), "`/a.db` is being imported");
        drop(lock);
        give_up(&data).unwrap();
        crate::instance::moving::require_whole(&data).unwrap();
    }

    #[test]
    fn of_a_damaged_file_the_error_is_told_and_not_where_it_was_met() {
        let words =
            "Traceback (most recent call last):\n  File \"x\"\nsqlite3.DatabaseError: malformed";
        let failed: Result<(), _> = Err(synapse::Error::Sqlite(words.into()));
        let error = looked(Path::new("/a.db"), failed).unwrap_err();
        let said = "`/a.db` cannot be looked into: sqlite3.DatabaseError: malformed";
        assert_eq!(error.to_string(), said);
        assert!(error.hint.unwrap().contains("`sqlite3 /a.db 'PRAGMA integrity_check'`"));
    }
}
