//! Taking over a Synapse that somebody else installed. What is to come along is laid beside the data folder's
//! own and goes to its place as the archive of an uninstall does; media are hard links where that can be. A note
//! says how far it is: killed anywhere and run again it is finished, and nothing starts before it is.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tokio::{task, time::Instant};

use super::{
    Error,
    import::{self, Imported},
    quoted,
};
use crate::{
    bridges::{Asked, Kind, Network},
    config::{
        self, Config,
        values::{setting, source::Source},
    },
    data_dir::DataDir,
    error::Failure,
    files,
    instance::{
        bridges::{self, Wanted},
        install::archive,
        lock,
    },
    postgres::{
        self,
        dump::{self, Login, Tools},
        filled, theirs,
    },
    process::{self, Lock},
    python, render,
    secret::Secret,
    synapse::{
        self, files as synapse_files,
        foreign::{self, Database, Server, Taking},
        sqlite,
    },
};

/// The schema of the Synapse that this program has a locked set for; `test/real/adopt.rs` compares it with that one's.
pub(crate) const SCHEMA: u32 = 94;
/// The operator's file that has what was theirs.
const OWN: &str = "10-adopted.yaml";
/// How deep folders of media are.
const DEPTH: u32 = 12;

/// What becomes of a database on a PostgreSQL of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Keep {
    /// It is used where it is
    Keep,
    /// It is copied into the one of this homeserver
    Move,
}

/// What would come along, in words.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Plan {
    pub(crate) server_name: String,
    pub(crate) files: Vec<PathBuf>,
    /// `sqlite`, `kept` or `moved`.
    pub(crate) database: &'static str,
    /// Of the database: where it is, and what it holds.
    pub(crate) holds: String,
    pub(crate) media: PathBuf,
    /// On which this homeserver listens then.
    pub(crate) port: u16,
    /// Clauses on what stays as it was.
    pub(crate) keeps: Vec<String>,
    /// What will be other than before.
    pub(crate) changes: Vec<String>,
    /// Settings of theirs that do not come along.
    pub(crate) leaves: Vec<String>,
    /// What else should be known of their files.
    pub(crate) notes: Vec<String>,
    #[serde(skip)]
    pub(crate) taking: Taking,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stage {
    /// All files are beside the data, or in their places.
    Laid,
    /// The database was empty, and is being filled.
    Filling,
    Done,
}

/// What was taken over, and from where: for `--undo`, and for a run that was killed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) from: PathBuf,
    stage: Stage,
    /// Where their media are.
    media: PathBuf,
    /// Whether their database is used where it is.
    pub(crate) kept: bool,
    /// The options that were typed.
    #[serde(default)]
    options: Vec<String>,
}

impl Note {
    /// The command that finishes it.
    fn again(&self) -> String {
        let mut words = vec!["manage adopt".to_owned(), quoted(&self.from.display().to_string())];
        words.extend(self.options.iter().map(|word| quoted(word)));
        words.push("--yes".into());
        words.join(" ")
    }
}

fn note_file(data: &DataDir) -> PathBuf {
    data.root().join("adopted.json")
}

pub(crate) fn note(data: &DataDir) -> Result<Option<Note>, files::Error> {
    files::read_note(&note_file(data))
}

fn tell(data: &DataDir, note: &Note) -> Result<(), files::Error> {
    files::write_note(&note_file(data), note)
}

/// From where a homeserver was being taken over when that was interrupted, and the command that finishes it.
pub(crate) fn unfinished(data: &DataDir) -> Result<Option<(PathBuf, String)>, files::Error> {
    let left = note(data)?.filter(|note| note.stage != Stage::Done);
    Ok(left.map(|note| (note.from.clone(), note.again())))
}

fn lock_file(data: &DataDir) -> PathBuf {
    data.run().join("adopting.lock")
}

/// One at a time.
pub(crate) fn lock(data: &DataDir) -> Result<Lock, files::Error> {
    Lock::try_acquire(&lock_file(data), "manage adopt")
}

/// Whether one goes on now.
pub(crate) fn goes_on(data: &DataDir) -> Result<bool, files::Error> {
    Lock::is_held(&lock_file(data))
}

/// Where all is laid.
pub(crate) fn files_of(data: &DataDir) -> PathBuf {
    data.root().join(".adopting")
}

/// Reads theirs and refuses what cannot be taken over; changes nothing anywhere.
pub(crate) async fn plan(
    config: &Config,
    path: &Path,
    keep: Keep,
    leave: &[String],
) -> Result<Plan, Failure> {
    let taking = foreign::read(path, leave)?;
    idle(&taking)?;
    let operator = config.server.operator.0.as_str();
    let mut changes = taking.changes.clone();
    let (database, holds, seen) = match &taking.database {
        Database::Sqlite(file) => {
            if !files::exists(file)? {
                let (file, from) = (file.clone(), path.to_owned());
                return Err(Error::NoDatabase { file, from }.into());
            }
            import::check(file)?;
            let python = python::interpreter().await?;
            let seen = if sqlite::parts(file).len() == 1 {
                import::looked(file, sqlite::look(&python, file, operator).await)?
            } else {
                // What was not written into it yet is seen in a copy alone.
                sqlite::Looked { is_synapse: true, ..sqlite::Looked::default() }
            };
            if !seen.is_synapse {
                return Err(Error::NotSynapse(file.clone()).into());
            }
            if seen.vacuums {
                return Err(Error::Vacuums(file.clone()).into());
            }
            let size = fs::metadata(file).map_or(0, |it| it.len());
            let holds = format!("SQLite in {}, {} MB", file.display(), size.div_ceil(1 << 20));
            changes.push("the database is copied from SQLite to PostgreSQL".into());
            ("sqlite", holds, (seen.server_name, seen.version, seen.operator))
        }
        Database::Postgres(server) => {
            let seen = theirs::look(server, operator).await?;
            if seen.sessions > 0 {
                let name = server.name.clone();
                return Err(Error::Sessions { name, sessions: seen.sessions }.into());
            }
            let [users, rooms, events, media] = seen.counts;
            let holds = format!(
                "PostgreSQL {} at {}:{}, database {}, {} MB: {users} accounts, {rooms} rooms, {events} events, {media} files",
                seen.version,
                server.host,
                server.port,
                server.name,
                seen.bytes.max(0) >> 20
            );
            let schema = u32::try_from(seen.schema).unwrap_or_default();
            let word = match keep {
                Keep::Move => {
                    may_be_read(config, &seen).await?;
                    changes.push("the database is copied into the one of this homeserver".into());
                    "moved"
                }
                Keep::Keep => {
                    if let Some(sorts) = seen.sorts {
                        return Err(Error::Sorts { name: server.name.clone(), sorts }.into());
                    }
                    if server.password.is_none() {
                        return Err(Error::NoPassword(server.user.clone()).into());
                    }
                    "kept"
                }
            };
            (word, holds, (seen.server_name, schema, seen.operator))
        }
    };
    let (name, schema, has_operator) = seen;
    if let Some(theirs) = name.filter(|name| *name != taking.server_name) {
        return Err(Error::OtherServer { theirs, ours: taking.server_name }.into());
    }
    if config.synapse.version.is_none() && schema > SCHEMA {
        return Err(Error::Newer { theirs: schema, ours: SCHEMA }.into());
    }
    if has_operator {
        return Err(Error::Operator(operator.to_owned()).into());
    }
    changes.push(format!("a new account @{operator}:{} acts for this program", taking.server_name));
    Ok(Plan {
        server_name: taking.server_name.clone(),
        files: taking.files.clone(),
        database,
        holds,
        media: taking.media.clone(),
        port: 0,
        keeps: Vec::new(),
        changes,
        leaves: taking.leaves.clone(),
        notes: taking.notes.clone(),
        taking,
    })
}

/// Refuses to copy into a PostgreSQL of ours that is older than theirs, as far as that is known before it is there.
async fn may_be_read(config: &Config, seen: &theirs::Seen) -> Result<(), Failure> {
    if !postgres::target(config)?.is_embedded() {
        return Ok(());
    }
    match postgres::embedded::found(&config.data).await {
        Ok((_, ours)) if ours < seen.major => {
            let (theirs, ours) = (seen.version.clone(), ours.to_string());
            Err(Error::OlderPostgres { theirs, ours }.into())
        }
        _ => Ok(()),
    }
}

/// Refuses one that runs.
fn idle(taking: &Taking) -> Result<(), Error> {
    if let Some(pid) = taking.pid_file.as_deref().and_then(foreign::runs_by) {
        return Err(Error::OldRuns { how: format!("its process {pid} is there") });
    }
    for port in &taking.ports {
        if let Some((pid, program)) = process::listener(*port) {
            let how = format!("{program} (pid {pid}) listens on its port {port}");
            return Err(Error::OldRuns { how });
        }
    }
    Ok(())
}

impl Plan {
    /// Theirs as settings of ours, with how their database is reached where it is used where it is.
    fn settings(&self) -> Vec<(&'static str, Value)> {
        let mut settings = self.taking.settings.clone();
        if let ("kept", Database::Postgres(server)) = (self.database, &self.taking.database) {
            settings.extend(reached(server));
        }
        settings
    }

    /// What the settings file will say.
    pub(crate) fn settings_text(&self) -> String {
        text_of(&nested(self.settings()))
    }

    /// With the settings as they will be: what stays as it was, and where a variable or a flag counts more than
    /// what is taken over.
    pub(crate) fn weigh(&mut self, config: &Config) -> Result<(), Failure> {
        let (ours, theirs) = (config.server.name.to_string(), self.server_name.clone());
        if ours != theirs {
            let source = config.source("server.name");
            return Err(Failure::from(Error::OtherServer { theirs, ours }).hinted(format!(
                "leave `server.name` to the homeserver that is taken over: it is set by {source}"
            )));
        }
        let mut instead = Vec::new();
        for (key, theirs) in self.settings() {
            let Some((ours, source)) = config.values.0.get(key) else { continue };
            let (ours, theirs) = (setting::shown(ours), setting::shown(&theirs));
            if *source > Source::SettingsFile && ours != theirs {
                instead.push(key);
                self.changes.push(format!("`{key}` is {ours} and not {theirs} ({source})"));
            }
        }
        let mut secrets: Vec<_> = self.taking.secrets.iter().map(|(a, b)| (*a, b)).collect();
        if let ("kept", Database::Postgres(Server { password: Some(password), .. })) =
            (self.database, &self.taking.database)
        {
            secrets.push(("database_password", password));
        }
        for (name, secret) in secrets {
            let is_it = |it: &&setting::Setting| it.secret && it.secret_file() == name;
            let Some(found) = config::settings().find(is_it) else { continue };
            let Some((ours, source)) = config.values.0.get(found.key) else { continue };
            if *source > Source::SecretFile && setting::shown(ours) != secret.expose() {
                instead.push(name);
                self.changes.push(format!("`{}` is not the one of theirs ({source})", found.key));
            }
        }
        self.port = config.server.port.0;
        self.keeps = keeps(&self.taking, self.database, &instead);
        Ok(())
    }
}

/// `instead` are the settings and secrets of theirs that do not count.
fn keeps(taking: &Taking, database: &str, instead: &[&str]) -> Vec<String> {
    let mut keeps = vec![
        format!("the name {} and the key it signs with", taking.server_name),
        "accounts, sessions, rooms, messages and files".to_owned(),
    ];
    let kept = taking.secrets.iter().map(|(name, _)| *name).filter(|name| !instead.contains(name));
    let kept: Vec<&str> = kept.collect();
    if !kept.is_empty() {
        keeps.push(format!("the secrets {}", kept.join(", ")));
    }
    let elsewhere = ["kind", "host", "port", "name"].map(|name| format!("database.{name}"));
    if database == "kept" && !elsewhere.iter().any(|key| instead.contains(&key.as_str())) {
        keeps.push("the database, where it is".into());
    }
    let listens = taking.settings.iter().find(|(key, _)| *key == "server.port");
    if let Some((key, port)) = listens
        && !instead.contains(key)
    {
        keeps.push(format!("the port {port}"));
    }
    for file in &taking.registrations {
        keeps.push(format!("the bridge of {}", file.display()));
    }
    let own = taking.own.keys().map(String::as_str).filter(|key| !taking.unsaid.contains(key));
    let own: Vec<&str> = own.collect();
    if !own.is_empty() {
        keeps.push(format!("in homeserver.d, as they are: {}", own.join(", ")));
    }
    if !taking.unsaid.is_empty() {
        keeps.push("devices and rooms that were left, as long as before".into());
    }
    keeps
}

/// Lays all files of theirs beside the data, unless an earlier run has.
pub(crate) async fn lay(
    data: &DataDir,
    path: &Path,
    plan: &Plan,
    options: &[String],
    on_step: &mut dyn FnMut(&str),
) -> Result<(), Failure> {
    let kept = plan.database == "kept";
    match note(data)? {
        Some(note) if note.from == path && note.kept == kept && note.stage != Stage::Done => {
            return Ok(());
        }
        Some(Note { stage: Stage::Done, .. }) => {
            return Err(Error::Occupied(data.root().to_owned()).into());
        }
        Some(note) => {
            let again = note.again();
            return Err(Error::UnfinishedAdoption { from: note.from, again }.into());
        }
        None => {}
    }
    let beside = files_of(data);
    if archive::data_of(data)?.iter().any(|path| *path != beside) {
        return Err(Error::Occupied(data.root().to_owned()).into());
    }
    files::remove(&beside)?;
    let to = DataDir::new(beside.clone());
    for folder in [beside.clone(), to.secrets(), to.overrides()] {
        files::private_folder(&folder)?;
    }
    let taking = &plan.taking;
    let secret = |path: &Path, secret: &Secret| {
        files::write_atomically(path, secret.expose().as_bytes(), files::PRIVATE)
    };
    secret(&to.signing_key(), &taking.signing_key)?;
    for (name, value) in &taking.secrets {
        secret(&to.secret(name), value)?;
    }
    if let (true, Database::Postgres(Server { password: Some(password), .. })) =
        (kept, &taking.database)
    {
        secret(&to.secret("database_password"), password)?;
    }
    write(&to.settings(), "# Taken over; `config set` changes it.\n", &nested(plan.settings()))?;
    write(&to.overrides().join(OWN), "# Synapse's own settings, taken over.\n", &taking.own)?;
    on_step("linking the media");
    let (from, media) = (taking.media.clone(), to.media());
    if from.is_dir() {
        let carried = task::spawn_blocking(move || carry(&from, &media, DEPTH)).await;
        carried.map_err(|error| files::Error::io("copy", &beside)(io::Error::other(error)))??;
    }
    files::settle(data.root())?;
    let (from, media) = (path.to_owned(), taking.media.clone());
    let note = Note { from, stage: Stage::Laid, media, kept, options: options.to_vec() };
    Ok(tell(data, &note)?)
}

/// How their PostgreSQL is reached, as settings of ours.
fn reached(server: &Server) -> Vec<(&'static str, Value)> {
    let tls = server.tls().1;
    vec![
        ("database.kind", "shared".into()),
        ("database.host", server.host.clone().into()),
        ("database.port", server.port.into()),
        ("database.name", server.name.clone().into()),
        ("database.user", server.user.clone().into()),
        ("database.tls", tls.into()),
    ]
}

/// `section.name` as a mapping of mappings.
fn nested(settings: Vec<(&'static str, Value)>) -> Map<String, Value> {
    let mut all = Map::new();
    for (key, value) in settings {
        let Some((section, name)) = key.split_once('.') else { continue };
        let section = all.entry(section).or_insert_with(|| Value::Object(Map::new()));
        section[name] = value;
    }
    all
}

fn write(path: &Path, head: &str, content: &Map<String, Value>) -> Result<(), files::Error> {
    files::write_atomically(path, format!("{head}{}", text_of(content)).as_bytes(), files::PRIVATE)
}

fn text_of(content: &Map<String, Value>) -> String {
    // JSON is YAML.
    let json = || serde_json::to_string_pretty(content).unwrap_or_default();
    serde_yaml::to_string(content).unwrap_or_else(|_| json())
}

/// Links all files of a folder into another, and copies what cannot be linked: their owner may not be ours, or
/// the disk another. Files that are there stay.
fn carry(from: &Path, to: &Path, depth: u32) -> Result<(), files::Error> {
    files::private_folder(to)?;
    for path in files::entries(from)? {
        let target = to.join(path.file_name().unwrap_or_default());
        let found = fs::metadata(&path).map_err(files::Error::io("read", &path))?;
        if found.is_dir() && depth > 0 {
            carry(&path, &target, depth - 1)?;
        } else if found.is_file() && !target.exists() {
            let real = files::absolute(&path)?;
            if fs::hard_link(&real, &target).is_err() {
                let half = target.with_extension("half");
                fs::copy(&real, &half).map_err(files::Error::io("copy", &path))?;
                fs::rename(&half, &target).map_err(files::Error::io("copy", &path))?;
            }
        }
    }
    Ok(())
}

/// Leaves out what this Synapse does not know: the names of such settings.
pub(crate) async fn settle(config: &Config) -> Result<Vec<String>, Failure> {
    let path = config.data.overrides().join(OWN);
    let environment = render::environment(config);
    let mut left = Vec::new();
    loop {
        let rendered = render::render(config)?;
        let unknown = match synapse_files::check(config, &rendered, &environment).await {
            Err(synapse::Error::Unknown(unknown)) => unknown,
            checked => {
                checked?;
                return Ok(left);
            }
        };
        let text = files::read(&path)?;
        let mut own: Value = serde_yaml::from_str(&text).unwrap_or_default();
        let before = left.len();
        for key in unknown.into_iter().map(|it| it.key) {
            if remove(&mut own, &key.split('.').collect::<Vec<_>>()) {
                left.push(key);
            }
        }
        // What is unknown is not in it: Synapse is right to be asked by whoever has it.
        if left.len() == before {
            synapse_files::check(config, &rendered, &environment).await?;
            return Ok(left);
        }
        if let Value::Object(own) = &own {
            write(&path, "# Synapse's own settings, taken over.\n", own)?;
        }
    }
}

/// Takes a key out, `a.b` or `a[].b`; whether it was there.
fn remove(value: &mut Value, path: &[&str]) -> bool {
    let [first, rest @ ..] = path else { return false };
    let (name, is_list) = first.strip_suffix("[]").map_or((*first, false), |name| (name, true));
    let Some(map) = value.as_object_mut() else { return false };
    if rest.is_empty() {
        return map.remove(name).is_some();
    }
    match map.get_mut(name) {
        Some(Value::Array(list)) if is_list => {
            list.iter_mut().map(|item| remove(item, rest)).filter(|done| *done).count() > 0
        }
        Some(inner) => remove(inner, rest),
        None => false,
    }
}

/// Fills the database, where theirs does not go on being used.
pub(crate) async fn fill(
    config: &Config,
    plan: &Plan,
    deadline: Instant,
    on_step: &mut dyn FnMut(&str),
) -> Result<Option<Imported>, Failure> {
    let data = &config.data;
    let Some(mut note) = note(data)? else { return Ok(None) };
    match &plan.taking.database {
        _ if note.stage == Stage::Done || note.kept => Ok(None),
        Database::Sqlite(file) => {
            // A run that was killed behind it has nothing more to do.
            if note.stage == Stage::Filling && import::unfinished(data)?.is_none() {
                let counts =
                    postgres::with_server(config, deadline, async || dump::is_empty(config).await);
                if !counts.await? {
                    return Ok(None);
                }
            }
            note.stage = Stage::Filling;
            let mut begun = || tell(data, &note);
            import::import(config, file, false, deadline, on_step, &mut begun).await.map(Some)
        }
        Database::Postgres(server) => {
            let mut wait = |who: &str| on_step(&format!("waiting for {who}"));
            let _lock = lock::wait(data, "manage adopt", deadline, &mut wait).await?;
            let moved = postgres::with_server(config, deadline, async || {
                Ok(moved(config, server, &mut note, on_step).await)
            });
            moved.await?.map(Some)
        }
    }
}

async fn moved(
    config: &Config,
    server: &Server,
    note: &mut Note,
    on_step: &mut dyn FnMut(&str),
) -> Result<Imported, Failure> {
    let data = &config.data;
    let (major, here) = dump::version(config).await?;
    let seen = theirs::look(server, "").await?;
    if major < seen.major {
        return Err(Error::OlderPostgres { theirs: seen.version, ours: here }.into());
    }
    let (from, into) = (Tools::of(config, seen.major).await?, Tools::of(config, major).await?);
    let login = Login::homeserver(config)?;
    if note.stage == Stage::Filling {
        dump::clear(&login, config).await?;
    } else if !dump::is_empty(config).await? {
        return Err(Error::NotEmpty(config.database.name.to_string()).into());
    }
    let size = u64::try_from(seen.bytes).unwrap_or_default();
    let (needed, left) = (size.saturating_mul(2), files::space_left(data.root())?);
    if left < needed {
        return Err(Error::NoRoom { path: data.root().to_owned(), needed, left }.into());
    }
    note.stage = Stage::Filling;
    tell(data, note)?;
    let file = data.root().join(".adopting.dump");
    files::remove(&file)?;
    on_step("reading the old database");
    from.dump_to(&Login::theirs(server), &file).await?;
    on_step("filling the database");
    into.restore(&login, &file).await?;
    files::remove(&file)?;
    on_step("counting what has arrived");
    let rows = theirs::rows(server).await?;
    let here = filled::rows(config, rows.keys().map(String::as_str)).await?;
    filled::analyze(config).await?;
    let missing = import::missing(config).await?;
    Ok(Imported { missing, ..import::compare(&rows, &here)? })
}

/// Adds the bridges that theirs had.
pub(crate) async fn add_bridges(
    config: &Config,
    plan: &Plan,
    on_step: &mut dyn FnMut(&str),
) -> Result<Vec<String>, Failure> {
    let mut added = Vec::new();
    for path in &plan.taking.registrations {
        let text = Secret::new(files::read(path)?);
        let name = name(path);
        let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(text.expose()));
        let asked = Asked {
            kind: Kind::Custom,
            owner: None,
            program: None,
            command: Vec::new(),
            port: None,
            digest: Some(digest),
        };
        let network = Network { api_id: None, api_hash: None, bot_token: None };
        let registration = Some((path.clone(), text));
        let wanted = Wanted { name, asked, network, registration, offline: None };
        let timeout = config.supervision.start_timeout.0;
        added.push(bridges::add(config, &wanted, timeout, on_step).await?.bridge);
    }
    Ok(added)
}

/// What a bridge is called here, by the name of its file.
fn name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let stem = stem.trim_end_matches("registration").trim_end_matches(['-', '_', '.']);
    let plain = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' };
    let name: String = stem.chars().map(plain).take(24).collect();
    let name = name.trim_matches(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit());
    if name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name.to_owned()
    } else {
        format!("bridge-{name}").trim_end_matches('-').chars().take(24).collect()
    }
}

/// From now on it is ours.
pub(crate) fn finish(data: &DataDir) -> Result<(), Failure> {
    if let Some(mut note) = note(data)? {
        note.stage = Stage::Done;
        tell(data, &note)?;
    }
    Ok(files::remove(&files_of(data))?)
}

/// Before it is given back: files that were sent meanwhile go to theirs, where their database knows of them.
pub(crate) async fn give_media_back(data: &DataDir, note: &Note) -> Result<(), Failure> {
    if !note.kept {
        return Ok(());
    }
    let (from, to) = (data.media(), note.media.clone());
    if !from.is_dir() {
        return Ok(());
    }
    let given = task::spawn_blocking(move || give(&from, &to, DEPTH)).await;
    given.map_err(|error| files::Error::io("copy", &note.media)(io::Error::other(error)))??;
    Ok(())
}

/// Copies what is missing; it is theirs then, as the folder is.
fn give(from: &Path, to: &Path, depth: u32) -> Result<(), files::Error> {
    use std::os::unix::fs::{MetadataExt as _, lchown};
    let parent = fs::metadata(to).map_err(files::Error::io("read", to))?;
    let owned = |path: &Path| {
        if rustix::process::geteuid().is_root() {
            lchown(path, Some(parent.uid()), Some(parent.gid()))
                .map_err(files::Error::io("give away", path))?;
        }
        Ok(())
    };
    for path in files::entries(from)? {
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() && depth > 0 {
            if !target.exists() {
                fs::create_dir(&target).map_err(files::Error::io("make", &target))?;
                owned(&target)?;
            }
            give(&path, &target, depth - 1)?;
        } else if path.is_file() && !target.exists() {
            fs::copy(&path, &target).map_err(files::Error::io("copy", &path))?;
            owned(&target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use serde_json::json;

    use super::*;

    /// A file with this in it.
    fn put(path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        files::write_atomically(path.as_ref(), content.as_ref(), files::PRIVATE).unwrap();
    }

    #[test]
    fn media_are_the_same_files_and_nothing_of_theirs_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("local_content/ab")).unwrap();
        put(from.join("local_content/ab/file"), "x");
        std::os::unix::fs::symlink(from.join("local_content/ab/file"), from.join("link")).unwrap();
        carry(&from, &to, DEPTH).unwrap();
        carry(&from, &to, DEPTH).unwrap();
        let inode = |path: PathBuf| fs::metadata(path).unwrap().ino();
        assert_eq!(
            inode(from.join("local_content/ab/file")),
            inode(to.join("local_content/ab/file"))
        );
        assert!(fs::symlink_metadata(to.join("link")).unwrap().is_file());
        // What is sent later goes back, and nothing else.
        put(to.join("local_content/new"), "y");
        give(&to, &from, DEPTH).unwrap();
        assert_eq!(fs::read_to_string(from.join("local_content/new")).unwrap(), "y");
        assert_eq!(fs::read_to_string(from.join("local_content/ab/file")).unwrap(), "x");
    }

    #[test]
    fn settings_are_written_by_their_sections() {
        let all = nested(vec![("a.b", json!(1)), ("a.c", json!("x")), ("d.e", json!(true))]);
        assert_eq!(Value::Object(all), json!({"a": {"b": 1, "c": "x"}, "d": {"e": true}}));
    }

    #[test]
    fn a_key_that_synapse_does_not_know_is_taken_out_wherever_it_is() {
        let mut own = json!({"a": 1, "b": {"c": 1, "d": 2}, "e": [{"f": 1, "g": 2}, {"g": 3}]});
        assert!(remove(&mut own, &["a"]) && remove(&mut own, &["b", "c"]));
        assert!(remove(&mut own, &["e[]", "f"]));
        assert!(!remove(&mut own, &["none"]) && !remove(&mut own, &["b", "none", "x"]));
        assert_eq!(own, json!({"b": {"d": 2}, "e": [{"g": 2}, {"g": 3}]}));
    }

    #[test]
    fn a_bridge_is_called_as_its_file_is() {
        let name = |path: &str| name(Path::new(path));
        assert_eq!(name("/data/mautrix-telegram_registration.yaml"), "mautrix-telegram");
        assert_eq!(name("/data/registration.yaml"), "bridge");
        assert_eq!(name("/data/IRC.yaml"), "irc");
        assert_eq!(name("/data/1.yaml"), "bridge-1");
    }

    #[test]
    fn one_that_was_interrupted_is_named_until_it_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        data.create().unwrap();
        let options = vec!["--leave".into(), "a b".into()];
        let (from, media) = ("/etc/s".into(), "/m".into());
        let note = Note { from, stage: Stage::Laid, media, kept: true, options };
        tell(&data, &note).unwrap();
        let error = crate::instance::moving::require_whole(&data).unwrap_err();
        assert_eq!(error.to_string(), "taking over `/etc/s` was interrupted");
        let hint = error.hint.unwrap();
        assert!(hint.starts_with("`manage adopt /etc/s --leave 'a b' --yes` again"), "{hint}");
        let moving = crate::instance::moving::unfinished(&data).unwrap().unwrap();
        assert!(!moving.import && !moving.under_way);
        assert_eq!(moving.give_up, "manage adopt --undo --yes");
        finish(&data).unwrap();
        crate::instance::moving::require_whole(&data).unwrap();
        assert!(self::note(&data).unwrap().unwrap().kept);
    }
}
