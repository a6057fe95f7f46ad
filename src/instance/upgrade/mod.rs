//! Another version of Synapse, later or earlier, in the place of the one that is installed. All that can be known
//! before is known before: the other one is installed beside, imported, and has judged settings and database,
//! while the old one runs. Then they are exchanged; where the new one does not do, the old one comes back.
//!
//! Killed anywhere the link leads to the old one or to the new one, and both are whole. A note says what it was
//! about; run again, it goes on from there.

mod away;
mod error;
mod note;
pub(crate) mod plan;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::Instant;

use self::{
    note::{Note, Side},
    plan::{Needs, Obstacle, Plan, Schema},
};
use super::{
    backup::{
        self, Wanted,
        sealing::{self, Sealing},
    },
    error::Error as Started,
    guard,
    install::{self, ENVIRONMENT, Lock as Locked, restore, sweep_environments},
    lifecycle::{
        launch::Standby,
        restart,
        start::{self, start},
        stop::{self, stop},
    },
    step::Step,
};
use crate::{
    backup::{Depot, Manifest, Source, read::Reader},
    config::{
        self, Config, exports, sections::backup::Place, sources::edit,
        sources::environment::Environment as Variables,
    },
    error::Failure,
    files, postgres,
    process::Lock,
    python::{self, Environment},
    render, services,
    supervisor::control,
    synapse::{self, facts, version},
};

pub(crate) use self::{error::Error, note::interrupted};

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To the version that the settings ask for, or another one.
    On,
    /// To the one that was used before, or another one.
    Back,
}

#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) way: Way,
    pub(crate) to: Option<String>,
    pub(crate) backup: bool,
    /// A folder of wheels to install from.
    pub(crate) offline: Option<PathBuf>,
    /// How long the start may take.
    pub(crate) timeout: Duration,
    /// How long the stop may take.
    pub(crate) patience: Duration,
}

impl Options {
    fn purpose(&self) -> &'static str {
        match self.way {
            Way::On => "manage upgrade",
            Way::Back => "manage rollback",
        }
    }
}

/// What is told as it happens.
pub(crate) enum Event<'a> {
    Step(&'a str),
    Plan(&'a Plan),
    Warns(&'a str),
}

type Tell<'a> = &'a mut dyn FnMut(Event<'_>);

#[derive(Debug)]
pub(crate) struct Changed {
    pub(crate) plan: Option<Plan>,
    pub(crate) version: String,
    /// The version before; none where nothing was changed.
    pub(crate) from: Option<String>,
    pub(crate) backup: Option<PathBuf>,
    /// For how long nobody was answered, where it ran.
    pub(crate) away: Option<Duration>,
    pub(crate) running: bool,
    /// The later version that is kept beside, where a rollback had nothing to do.
    pub(crate) onward: Option<String>,
}

/// What would be done; changes nothing. A plan that cannot be done is told, and refused.
pub(crate) async fn plan(
    config: &Config,
    options: &Options,
    tell: Tell<'_>,
) -> Result<Option<Plan>, Failure> {
    let looked = look(config, options)?;
    if looked.is_there(config) {
        return Ok(None);
    }
    let found = considered(config, options, &looked, None, tell).await?;
    if found.obstacles.is_empty() {
        return Ok(Some(found.plan));
    }
    tell(Event::Plan(&found.plan));
    Err(looked.refused(config, found.obstacles).into())
}

/// Changes the version.
pub(crate) async fn change(
    config: &Config,
    options: &Options,
    tell: Tell<'_>,
) -> Result<Changed, Failure> {
    guard::homeserver(config)?;
    backup::restore::require_whole(&config.data)?;
    restore::require_whole(&config.data)?;
    let data = &config.data;
    files::private_folder(&data.run())?;
    let _lock = Lock::try_acquire(&data.run().join("upgrade.lock"), options.purpose())?;
    let looked = look(config, options)?;
    let now = control::status(data).await.unwrap_or(None);
    if let Some(now) = &now {
        restart::not_in_foreground(config, now)?;
    }
    let runs = now.as_ref().and_then(services::pid).is_some();
    // What an interrupted one has stopped is to run again.
    let ran = runs || looked.note.as_ref().is_some_and(|note| note.ran);
    if let Some(note) = looked.goes_on(config) {
        tell(Event::Step("going on with what was interrupted"));
        let backup = note.backup.clone();
        let (from, version) = (note.from.version.clone(), note.to.version.clone());
        let (away, running) = exchange(config, options, &note, tell).await?;
        let from = Some(from);
        return Ok(Changed { plan: None, version, from, backup, away, running, onward: None });
    }
    if looked.is_there(config) {
        let running = now.is_some_and(|now| now.ready);
        let version = looked.to;
        let onward = if options.way == Way::Back { was_left(config)? } else { None };
        let nothing =
            Changed { plan: None, version, from: None, backup: None, away: None, running, onward };
        return Ok(nothing);
    }
    if runs {
        tell(Event::Step("looking whether it could start again"));
        let mut on_wait = |who: &str| tell(Event::Step(&format!("waiting for {who}")));
        restart::check(config, false, true, options.timeout, &mut on_wait).await?;
    }
    // Nothing is installed that has no room. What is here already is asked below.
    if here(config, options, &looked.to).await?.is_none() {
        let first = considered(config, options, &looked, None, tell).await?;
        if !first.obstacles.is_empty() {
            tell(Event::Plan(&first.plan));
            return Err(looked.refused(config, first.obstacles).into());
        }
    }
    let (environment, lock) = made(config, options, &looked, tell).await?;
    let found = considered(config, options, &looked, Some((&environment, lock)), tell).await?;
    tell(Event::Plan(&found.plan));
    if !found.obstacles.is_empty() {
        return Err(looked.refused(config, found.obstacles).into());
    }
    // A Synapse that never ran has nothing to lose.
    let backup = if options.backup && found.plan.schema.now.is_some() {
        tell(Event::Step("making a backup"));
        let deadline = Instant::now() + options.timeout;
        let mut on_progress = |_| tell(Event::Step("making a backup"));
        let wanted = Wanted {
            seal: Sealing::default().to(config)?,
            incremental: config.backup.incremental,
            ..Wanted::default()
        };
        backup::make(config, &wanted, deadline, &mut on_progress).await?.source.map(|it| it.path())
    } else {
        None
    };
    if !environment.is_complete() {
        return Err(Error::Gone(looked.to).into());
    }
    // The backup may have taken what a start needs.
    if runs && let Err(full) = files::has_space(data.root()) {
        let made = backup.map(|file| {
            format!("; the backup `{}` is made, and `--no-backup` makes no other", file.display())
        });
        let hint = format!("{}{}", files::FREE_SPACE, made.unwrap_or_default());
        return Err(restart::not_stopped(Failure::from(full).hinted(hint)));
    }
    let note = Note {
        is_back: options.way == Way::Back,
        from: Side { version: looked.from.clone(), folder: linked(config).unwrap_or_default() },
        to: Side { version: looked.to.clone(), folder: environment.identity().unwrap_or_default() },
        previous: previous(config),
        backup: backup.clone(),
        ran,
        schema: found.schema,
    };
    let (away, running) = exchange(config, options, &note, tell).await?;
    let (plan, from) = (Some(found.plan), Some(looked.from));
    Ok(Changed { plan, version: looked.to, from, backup, away, running, onward: None })
}

/// After a change that was interrupted from outside: the old version again. True if there was something to undo.
pub(crate) async fn undo(
    config: &Config,
    options: &Options,
    tell: Tell<'_>,
) -> Result<bool, Failure> {
    let data = &config.data;
    let Some(note) = note::read(data)? else { return Ok(false) };
    let _lock = Lock::try_acquire(&data.run().join("upgrade.lock"), options.purpose())?;
    back(config, options, &note, tell).await?;
    Ok(true)
}

/// What is there and what is wanted.
struct Looked {
    from: String,
    to: String,
    note: Option<Note>,
}

fn look(config: &Config, options: &Options) -> Result<Looked, Failure> {
    guard::homeserver(config)?;
    let data = &config.data;
    let note = note::read(data)?;
    let from = exports::version(data).unwrap_or_default();
    let before = || python::before(&data.synapse_environment())?.version();
    let to = match (&options.to, options.way, &note) {
        (Some(to), ..) => to.clone(),
        // What was interrupted goes on, or is taken back.
        (None, way, Some(note)) if note.is_back == (way == Way::Back) => note.to.version.clone(),
        (None, Way::Back, Some(note)) => note.from.version.clone(),
        // Once it is back, the one that it came from is no way back.
        (None, Way::Back, None) => match before().ok_or(Error::NoWayBack)? {
            _ if was_left(config)?.is_some() => from.clone(),
            before => before,
        },
        (None, Way::On, _) => onward(config, &from),
    };
    Ok(Looked { from, to, note })
}

/// The version that the last rollback came from, which is still kept.
fn was_left(config: &Config) -> Result<Option<String>, Failure> {
    let Some(before) = python::before(&config.data.synapse_environment()) else { return Ok(None) };
    let is_left = note::was_left(&config.data, &before.identity().unwrap_or_default())?;
    Ok(before.version().filter(|_| is_left))
}

/// The version that comes next: the one that the settings ask for; the one that this program ships, where that is
/// there already and is an earlier one.
fn onward(config: &Config, installed: &str) -> String {
    let (wanted, shipped) = (version::wanted(config), python::Set::synapse(None).version);
    let is_there = wanted == installed && pinned(config).is_none();
    if is_there && version::is_before(installed, &shipped) { shipped } else { wanted }
}

impl Looked {
    /// Whether there is nothing to do.
    fn is_there(&self, config: &Config) -> bool {
        self.from == self.to && self.note.is_none() && render::environment(config).is_complete()
    }

    fn refused(self, config: &Config, obstacles: Vec<Obstacle>) -> Error {
        let Self { from, to, .. } = self;
        let back = version::is_before(&to, &from);
        let backup = back.then(|| last_backup(config, &to)).flatten();
        Error::Refused { from, to, obstacles, back, backup }
    }

    /// What was interrupted after the link was switched to what is wanted.
    fn goes_on(&self, config: &Config) -> Option<Note> {
        let note = self.note.as_ref()?;
        let is_switched = linked(config).as_deref() == Some(&note.to.folder);
        (is_switched && note.to.version == self.to).then(|| note.clone())
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The name of the folder that is in use.
fn linked(config: &Config) -> Option<String> {
    fs::read_link(config.data.synapse_environment()).ok().map(|it| name_of(&it))
}

fn previous(config: &Config) -> Option<String> {
    python::before(&config.data.synapse_environment())?.identity()
}

/// The environment that was used before, where it is of that version: nothing has to be brought for it.
fn kept(config: &Config, version: &str) -> Option<Environment> {
    let before = python::before(&config.data.synapse_environment())?;
    (before.version().as_deref() == Some(version)).then_some(before)
}

/// The environment of a version, where nothing has to be installed for it.
async fn here(
    config: &Config,
    options: &Options,
    version: &str,
) -> Result<Option<Environment>, Failure> {
    let plan = packages(config, options, version).await?;
    Ok(plan.made().or_else(|| kept(config, version)))
}

/// The environment of the other version, made beside the one in use where it is not there yet.
async fn made(
    config: &Config,
    options: &Options,
    looked: &Looked,
    tell: Tell<'_>,
) -> Result<(Environment, Option<Locked>), Failure> {
    let data = &config.data;
    let mut plan = packages(config, options, &looked.to).await?;
    if plan.made().is_none()
        && let Some(environment) = kept(config, &looked.to)
    {
        return Ok((environment, None));
    }
    let mut lock = None;
    if plan.is_open() {
        let (with, made) =
            install::locked(config, plan, &mut |step| tell(Event::Step(step))).await?;
        (plan, lock) = (with, Some(made));
    }
    tell(Event::Step(&format!("installing Synapse {} with {}", looked.to, plan.tool())));
    let (environment, _) = plan.make(false).await?;
    python::keep(&data.locks(), &plan.set)?;
    Ok((environment, lock))
}

async fn packages(
    config: &Config,
    options: &Options,
    version: &str,
) -> Result<python::Plan, Failure> {
    let log = config.data.logs().join("install.log");
    let set = version::packages(config, version)?;
    let wheels = options.offline.as_deref();
    Ok(python::plan(&config.data.environments(), &log, set, wheels).await?)
}

/// What was found out about a change.
struct Considered {
    plan: Plan,
    obstacles: Vec<Obstacle>,
    /// The version of the tables that the other Synapse makes.
    schema: i32,
}

/// Looks at the database and asks the other Synapse, where it is `there`.
async fn considered(
    config: &Config,
    options: &Options,
    looked: &Looked,
    there: Option<(&Environment, Option<Locked>)>,
    tell: Tell<'_>,
) -> Result<Considered, Failure> {
    let data = &config.data;
    let (from, to) = (looked.from.clone(), looked.to.clone());
    tell(Event::Step("looking at the database"));
    let deadline = Instant::now() + options.timeout;
    let tables = postgres::tables(config, deadline).await?;
    let lock = there.as_ref().and_then(|(_, lock)| lock.clone());
    let environment = match &there {
        Some((environment, _)) => Some((*environment).clone()),
        None => here(config, options, &to).await?,
    };
    let makes = environment.is_none();
    let mut obstacles = Vec::new();
    let mut notes = plan::notes(&from, &to);
    let (mut then, mut way_back) = (None, None);
    if let Some(environment) = &environment {
        tell(Event::Step(&format!("asking Synapse {to}")));
        let old = render::environment(config);
        let (new, old) =
            tokio::join!(facts::ask(environment, &tables.updates), facts::ask(&old, &[]),);
        if new.is_err() && there.is_some() && kept(config, &to).is_none() {
            // The next try makes it anew.
            files::remove(&data.environments().join(environment.identity().unwrap_or_default()))?;
        }
        let new = new?;
        obstacles.extend(plan::obstacles(&tables, &new));
        // One that is broken is no way back.
        way_back = Some(old.is_ok_and(|old| plan::leads_back(&old, &new)));
        if there.is_some() {
            tell(Event::Step(&format!("letting Synapse {to} check the settings")));
            match judged(config, environment).await {
                Ok(warnings) => notes.extend(warnings),
                Err(why) => obstacles.push(Obstacle::Settings(why.to_string())),
            }
        }
        then = Some(new);
    }
    let saved = options.backup.then_some(tables.bytes + tables.media);
    let needed = saved.unwrap_or_default() + if makes { ENVIRONMENT } else { 0 };
    let left = files::space_left(data.root())?;
    if left < needed {
        obstacles.push(Obstacle::Disk { needed, left });
    }
    if let Some(asked) = pinned(config).filter(|asked| *asked != to) {
        notes.push(format!(
            "a variable or flag asks for Synapse {asked}: the next `manage upgrade` without `--to` brings that"
        ));
    }
    if !options.backup && way_back == Some(false) {
        notes.push("there will be no way back: no backup is made".into());
    }
    let mut steps = Vec::new();
    if makes {
        steps.push(format!("install Synapse {to} beside {from}"));
    }
    if there.is_none() {
        steps.push(format!("let Synapse {to} check settings and database"));
    }
    if options.backup && tables.schema.is_some() {
        steps.push("make a backup".into());
    }
    steps.push(format!("stop Synapse {from}, start {to} and wait until it is ready"));
    let plan = Plan {
        asked: then.is_some(),
        steps,
        obstacles: obstacles.iter().map(ToString::to_string).collect(),
        notes,
        schema: Schema {
            now: tables.schema.map(|it| it.0),
            compat: tables.schema.map(|it| it.1),
            then: then.as_ref().map(|it| it.schema),
            compat_then: then.as_ref().map(|it| it.compat),
        },
        postgres: Needs {
            here: Some(tables.postgres.to_string()),
            needs: then.as_ref().and_then(|it| it.needs_postgres).map(|it| it.to_string()),
        },
        python: Needs {
            here: then.as_ref().map(|it| it.python.clone()),
            needs: then.as_ref().and_then(|it| it.needs_python.clone()),
        },
        background_updates: tables.updates,
        room_versions: tables.rooms.into_iter().collect(),
        modules: config.synapse.modules.as_ref().map(|list| list.display().to_string()),
        lock,
        disk_needed: needed,
        disk_left: left,
        seconds: plan::seconds(makes, saved),
        way_back,
        from,
        to,
    };
    Ok(Considered { plan, obstacles, schema: then.map_or(0, |it| it.schema) })
}

/// The version that a backup is brought back with: its own, unless a variable or flag asks for another one.
pub(crate) fn of_backup(config: &Config, manifest: &Manifest) -> String {
    pinned(config).unwrap_or_else(|| manifest.synapse.clone())
}

/// Refuses a backup whose tables the installed Synapse cannot read. That it is of the same version is enough.
pub(crate) async fn can_read(config: &Config, manifest: &Manifest) -> Result<(), Failure> {
    let version = exports::version(&config.data).unwrap_or_default();
    if version == manifest.synapse {
        return Ok(());
    }
    let facts = facts::ask(&render::environment(config), &[]).await?;
    if facts.schema < manifest.schema.compat {
        return Err(Error::NewerBackup {
            version,
            backup: manifest.synapse.clone(),
            needs: manifest.schema.compat,
            knows: facts.schema,
        }
        .into());
    }
    Ok(())
}

/// The version that holds whatever `settings.yaml` says.
fn pinned(config: &Config) -> Option<String> {
    let pinned = install::is_passing(config, "synapse.version");
    pinned.then(|| config.synapse.version.clone()).flatten()
}

/// Lets the Synapse of an environment check the settings and the bridges' registrations; what should be known.
async fn judged(config: &Config, environment: &Environment) -> Result<Vec<String>, Failure> {
    render::prepare_homeserver(config)?;
    let rendered = render::render(config)?;
    let warnings = synapse::files::check(config, &rendered, environment).await?;
    render::bridges_are_read_by(config, environment).await?;
    Ok(warnings)
}

/// The last backup of that version, where there is one that can be read.
fn last_backup(config: &Config, version: &str) -> Option<PathBuf> {
    let Place::Folder(folder) = backup::store::usual(config) else { return None };
    let keys = sealing::keys(Some(config), &[], None).ok()?;
    let all = backup::store::list(&Depot::Folder(folder)).ok()?;
    let is_of = |source: &Source| {
        let manifest = Reader::open(source, &keys).and_then(Reader::manifest);
        manifest.is_ok_and(|manifest| manifest.synapse == version)
    };
    all.into_iter().rev().map(|(source, _)| source).find(is_of).map(|source| source.path())
}

/// Has this version be the installed one; the other folder is the way back.
fn use_side(config: &Config, side: &Side, back: Option<&str>) -> Result<(), Failure> {
    let data = &config.data;
    let folder = |name: &str| data.environments().join(name);
    let back = back.map(folder);
    python::switch(&data.synapse_environment(), &folder(&side.folder), back.as_deref())?;
    let known = exports::read(data)?.unwrap_or_default();
    let url = known.get("MATRIX_SYNAPSE_URL").cloned().unwrap_or_else(|| config.local_url());
    exports::write(config, &url, &side.version)?;
    Ok(())
}

/// The version that runs.
async fn running(config: &Config) -> Option<String> {
    let now = control::status(&config.data).await.ok().flatten()?;
    services::pid(&now).and_then(exports::running)
}

/// Exchanges the versions, and brings the old one back where the new one does not do. How long nobody was
/// answered, and whether it runs.
async fn exchange(
    config: &Config,
    options: &Options,
    note: &Note,
    tell: Tell<'_>,
) -> Result<(Option<Duration>, bool), Failure> {
    let data = &config.data;
    note::tell(data, note)?;
    let away = match exchanged(config, options, note, tell).await {
        Ok(away) => away,
        Err(why) => {
            let (to, from) = (&note.to.version, &note.from.version);
            return Err(match back(config, options, note, tell).await {
                Ok(()) => error::is_back(to, from, why),
                Err(worse) => error::is_stuck(to, from, note.backup.clone(), worse),
            });
        }
    };
    if let Err(why) = written_down(config, &note.to.version) {
        tell(Event::Warns(&format!("`synapse.version` cannot be written: {why}")));
    }
    note::end(data, note)?;
    // Older ones than the way back.
    sweep_environments(config, &note.to.version).await?;
    Ok((away, note.ran))
}

async fn exchanged(
    config: &Config,
    options: &Options,
    note: &Note,
    tell: Tell<'_>,
) -> Result<Option<Duration>, Failure> {
    let from_before = linked(config).as_deref() == Some(&note.from.folder);
    use_side(config, &note.to, Some(&note.from.folder))?;
    if !note.ran {
        return Ok(None);
    }
    let runs = running(config).await;
    let is_new = !from_before && runs.as_deref() == Some(&note.to.version);
    let (mut watch, mut standby) = (None, None);
    if !is_new {
        tell(Event::Step("getting the new processes ready"));
        standby = Standby::launch(config).await;
        if runs.is_some() {
            watch = Some(away::Watch::begin(&config.local_url()));
        }
        halt(config, options, tell).await?;
    }
    begin(config, options, standby, tell).await?;
    let away = match watch {
        Some(watch) => watch.end().await,
        None => None,
    };
    let runs = running(config).await.unwrap_or_default();
    if runs != note.to.version {
        return Err(Error::Other { runs, wanted: note.to.version.clone() }.into());
    }
    let deadline = Instant::now() + options.timeout;
    let is = postgres::tables(config, deadline).await?.schema.map_or(0, |it| it.0);
    if is < note.schema {
        return Err(Error::OldTables { is, wanted: note.schema }.into());
    }
    Ok(away)
}

/// The old version again, running where it ran.
async fn back(
    config: &Config,
    options: &Options,
    note: &Note,
    tell: Tell<'_>,
) -> Result<(), Failure> {
    tell(Event::Step(&format!("bringing Synapse {} back", note.from.version)));
    let runs = running(config).await;
    use_side(config, &note.from, note.previous.as_deref())?;
    if note.ran {
        if runs.as_deref() != Some(&note.from.version) {
            halt(config, options, tell).await?;
        }
        begin(config, options, None, tell).await?;
    }
    Ok(note::remove(&config.data)?)
}

async fn halt(config: &Config, options: &Options, tell: Tell<'_>) -> Result<(), Failure> {
    let mut on_step = |step: stop::Step<'_>| match step {
        stop::Step::WaitsFor(who) => tell(Event::Step(&format!("waiting for {who}"))),
        stop::Step::Changed(_) => tell(Event::Step("stopping")),
    };
    let options = stop::Options { timeout: options.patience, force: false };
    stop(&config.data, options, &mut on_step).await?;
    Ok(())
}

async fn begin(
    config: &Config,
    options: &Options,
    standby: Option<Standby>,
    tell: Tell<'_>,
) -> Result<(), Failure> {
    let mut on_step = |step: Step<'_>| match step {
        Step::Warns(warning) => tell(Event::Warns(warning)),
        Step::WaitsFor(who) => tell(Event::Step(&format!("waiting for {who}"))),
        _ => tell(Event::Step("starting")),
    };
    let options = start::Options { standby, ..start::Options::all(options.timeout, true) };
    match start(config, options, &mut on_step).await {
        Ok(_) => Ok(()),
        // The operator's own services do not keep the homeserver from running.
        Err(why) if matches!(why.error.downcast_ref(), Some(Started::Partly(_))) => {
            tell(Event::Warns(&why.to_string()));
            Ok(())
        }
        Err(why) => Err(why),
    }
}

/// Has the settings ask for what is installed. The version that this program ships is asked for by nothing.
fn written_down(config: &Config, version: &str) -> Result<(), Failure> {
    let data = &config.data;
    let shipped = python::Set::synapse(None).version;
    let wanted = if version == shipped { "" } else { version };
    let kept = Config::load(data.clone(), &[], &Variables::default())?;
    if kept.synapse.version.as_deref().unwrap_or_default() != wanted {
        edit::set(data, config::find("synapse.version")?, &wanted.into())?;
    }
    Ok(())
}
