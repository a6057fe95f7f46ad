//! Installing: everything is looked at before anything is changed; what is there already stays. It can
//! be killed anywhere and run again.

pub(crate) mod archive;
mod options;
pub(crate) mod persist;
mod preflight;
pub(crate) mod restore;
pub(crate) mod sibling;
pub(crate) mod uninstall;

use std::{
    fmt, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use rand::rng;
use serde::Serialize;
use tokio::time::Instant;

pub(crate) use options::Options;
pub(in crate::instance) use persist::is_passing;
pub(in crate::instance) use preflight::ENVIRONMENT;
use preflight::Program;

use super::lock;
use crate::{
    checks::identity,
    config::{
        self, Config, exports, sections::server::Kind,
        sources::environment::Environment as Variables,
    },
    error::Failure,
    files, postgres, process, proxy,
    python::{self, Environment, Set},
    render, s3, services,
    supervisor::control,
    synapse::{self, keys},
    tls,
};

/// What was found or done.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Installed {
    /// Whether anything had to be done.
    pub(crate) changed: bool,
    /// The program that is the homeserver.
    #[serde(skip)]
    pub(crate) kind: Kind,
    /// Its version.
    pub(crate) version: String,
    /// In the order in which it was done, or would be.
    pub(crate) steps: Vec<String>,
    /// The settings that came by variable or flag and were written down for later.
    pub(crate) kept: Vec<Kept>,
    /// The packages of a Synapse that this program ships no lock for, which were found out now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lock: Option<Lock>,
    #[serde(skip)]
    pub(crate) warnings: Vec<String>,
}

/// A list of packages with their hashes that was made here.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Lock {
    pub(crate) path: PathBuf,
    /// The version of Synapse whose packages it is compared with.
    pub(crate) against: String,
    /// The packages that are others.
    pub(crate) differs: Vec<python::Differs>,
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, against, differs } = self;
        writeln!(f, "packages, with their hashes: {}", path.display())?;
        let shown = differs.iter().map(|it| match (&it.before, &it.after) {
            (Some(before), Some(after)) => format!("{} {before} -> {after}", it.name),
            (None, Some(after)) => format!("{} {after} is new", it.name),
            (_, None) => format!("{} goes", it.name),
        });
        let shown: Vec<String> = shown.collect();
        writeln!(f, "other than with Synapse {against}: {}", shown.join(", "))
    }
}

impl Installed {
    /// The steps as a clause that goes on from "would".
    pub(crate) fn would(&self) -> String {
        if self.steps.is_empty() { "do nothing".to_owned() } else { self.steps.join("; ") }
    }

    /// Each is said once.
    fn warn(&mut self, warnings: Vec<String>) {
        let new = warnings.into_iter().filter(|it| !self.warnings.contains(it));
        self.warnings.extend(new.collect::<Vec<_>>());
    }
}

/// A setting that holds from now on, whatever the next command is called with.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Kept {
    pub(crate) key: &'static str,
    /// What it came from, such as `variable MATRIX_SYNAPSE_PORT`.
    pub(crate) from: String,
    /// Where it was written: `settings.yaml` or `secrets`.
    pub(crate) to: &'static str,
}

/// The folder of those settings that are secrets.
const SECRETS: &str = "secrets";
/// The step of the client for browsers.
const BUILD: &str = "build the web client hydrogen with npm";

/// What would be done; changes nothing, and waits for nobody.
pub(crate) async fn plan(config: &Config, options: &Options) -> Result<Installed, Failure> {
    let checked = preflight::check(config, options).await?;
    let data = &config.data;
    let mut steps = Vec::new();
    if let Some(folder) = &options.restore {
        restore::may_be(data, folder)?;
        let how = if options.moves { "move" } else { "copy" };
        steps.push(format!("{how} secrets, keys and data back from {}", folder.display()));
    }
    for key in persist::pending(config) {
        steps.push(format!("keep the setting {key}"));
    }
    if let Program::Dendrite(plan) = &checked.homeserver
        && (options.force || !plan.is_done())
    {
        steps.push(plan.step());
    }
    let plans = [checked.homeserver.synapse(), checked.postgres.as_ref(), checked.redis.as_ref()];
    for plan in plans.into_iter().flatten() {
        if options.force || !plan.is_done() && !plan.is_as_it_was() {
            let (set, tool) = (&plan.set, plan.tool());
            steps.push(format!("install {} {} with {tool}", set.name, set.version));
        }
    }
    if checked.web.is_some() {
        steps.push(BUILD.into());
    }
    if options.restore.is_none() {
        match postgres::plan(config, Instant::now()).await {
            Ok(plan) => steps.extend(plan.steps.iter().map(ToString::to_string)),
            Err(error @ postgres::Error::Unreachable { .. }) => {
                steps.push(format!("create role and database if missing; now {error}"));
            }
            Err(error) => return Err(error.into()),
        }
        if !data.signing_key().exists() {
            steps.push("create a signing key and the secrets".into());
        }
    }
    if tls::pair(config)?.is_some_and(|pair| !pair.certificate.exists()) {
        steps.push("create a certificate, signed by our own CA".into());
    }
    let wanted = render::render(config)?;
    if !render::is_current(config, &wanted)? {
        steps.push(if config.is_dendrite() {
            "render dendrite.yaml".into()
        } else {
            "render homeserver.yaml and let Synapse check it".into()
        });
    }
    if !proxy::is_current(config, &wanted.homeserver).await? {
        steps.push("render nginx.conf and let nginx check it".into());
    }
    let version = checked.homeserver.version().to_owned();
    let mut warnings = checked.warnings;
    warnings.extend(stays(config, options, &version));
    let kind = config.server.kind;
    Ok(Installed { changed: false, kind, version, steps, kept: Vec::new(), lock: None, warnings })
}

/// Brings back the archive of an uninstall, settings among it. `config` is what these will be; all is
/// looked at before anything is copied.
pub(crate) async fn bring_back(
    config: &Config,
    options: &Options,
    folder: &Path,
    on_wait: &mut dyn FnMut(&str),
) -> Result<(), Failure> {
    let data = &config.data;
    preflight::check(config, options).await?;
    restore::may_be(data, folder)?;
    data.create()?;
    let deadline = Instant::now() + Duration::from_mins(1);
    let _lock = lock::wait(data, "manage install", deadline, on_wait).await?;
    restore::restore(data, folder, options.moves)?;
    Ok(data.create()?)
}

/// Installs, or brings an installation up to date with the settings.
pub(crate) async fn install(
    config: &Config,
    variables: &Variables,
    options: &Options,
    on_step: &mut dyn FnMut(&str),
) -> Result<Installed, Failure> {
    restore::require_whole(&config.data)?;
    let mut checked = preflight::check(config, options).await?;
    let data = &config.data;
    let deadline = Instant::now() + config.supervision.start_timeout.0;
    if !postgres::target(config)?.is_embedded() {
        // What does not fit on somebody else's server is refused before anything is kept here.
        on_step("looking at the database");
        postgres::plan(config, deadline).await?;
        if !options.fresh_keys {
            identity::key_is_not_lost(config, deadline).await?;
        }
    }
    data.create()?;
    files::private_folder(&data.environments())?;
    let mut waited = false;
    let mut wait = |who: &str| {
        waited = true;
        on_step(&format!("waiting for {who}"));
    };
    let _lock = lock::wait(data, "manage install", deadline, &mut wait).await?;
    if waited {
        // Whoever it waited for may have done all that was to do.
        checked = preflight::check(config, options).await?;
    }
    let was_installed = data.is_installed();
    let mut done = Installed {
        changed: false,
        kind: config.server.kind,
        version: checked.homeserver.version().to_owned(),
        steps: Vec::new(),
        kept: Vec::new(),
        lock: None,
        warnings: checked.warnings,
    };
    done.warnings.extend(stays(config, options, &done.version));
    if let (false, Some(folder)) =
        (data.signing_key().exists() || options.fresh_keys, identity::with_keys(data)?.first())
    {
        let folder = folder.display();
        done.warnings.push(format!(
            "this is a new homeserver; `manage install --restore {folder}` into an empty data folder brings the old one back"
        ));
    }
    let now = control::status(data).await.ok().flatten();
    let running = now.is_some();
    let is_asked = options.skip_validation || checked.homeserver.is_there();
    let synapse = match checked.homeserver {
        Program::Synapse(plan) => Some(plan),
        Program::Dendrite(plan) => {
            if options.force || !plan.is_done() {
                on_step(&plan.step());
                plan.apply().await?;
                done.steps.push(format!("installed Dendrite {}", plan.version));
            }
            // What runs, runs in the old one; that is removed the next time.
            plan.sweep(running)?;
            None
        }
    };
    let plans = [synapse, checked.postgres, checked.redis];
    for plan in plans.into_iter().flatten() {
        if (plan.is_done() || plan.is_as_it_was()) && !options.force {
            if plan.set.name == python::SYNAPSE && plan.set.locked {
                // For a program that ships another one.
                python::keep(&data.locks(), &plan.set)?;
            }
            plan.sweep(running)?;
            continue;
        }
        let plan = if plan.is_open() {
            let (plan, lock) = locked(config, plan, on_step).await?;
            done.lock = Some(lock);
            plan
        } else {
            plan
        };
        let (set, tool) = (&plan.set, plan.tool());
        on_step(&format!("installing {} {} with {tool}", set.name, set.version));
        let (environment, tool) = plan.make(options.force).await?;
        if set.name == python::SYNAPSE && was_installed && !options.skip_validation {
            // A Synapse that runs and dies would come back with it: only with one that takes the settings.
            on_step("checking the settings");
            render::prepare_homeserver(config)?;
            render::judge(config, &render::render(config)?, &environment).await?;
        }
        plan.switch(&environment)?;
        // What runs, runs in the old one; that is removed the next time.
        plan.sweep(running)?;
        done.steps.push(format!("installed {} {} with {tool}", set.name, set.version));
        if set.name == python::SYNAPSE {
            python::keep(&data.locks(), set)?;
        }
    }
    if !is_asked && !config.is_dendrite() {
        // It can only be asked by what was just installed.
        s3::ask(config, &render::environment(config)).await?;
    }
    if let Some(plan) = checked.web {
        on_step("building the web client with npm");
        plan.apply(options.force).await?;
        done.steps.push("built the web client hydrogen".into());
    }
    // Where the database is ours the keys come first: a cluster without a key is one that lost it.
    let embedded = postgres::target(config)?.is_embedded();
    if embedded {
        make_keys(config, on_step, &mut done)?;
    }
    on_step("looking after the database");
    let deadline = Instant::now() + config.supervision.start_timeout.0;
    // A secret is where Synapse reads it before it is judged, and then it does not wait any more.
    let pending = persist::pending(config);
    let mut told = |step: &postgres::Step| on_step(&step.to_string());
    let ensured = postgres::ensure(config, deadline, &mut told);
    let database = if embedded && !options.skip_validation {
        tokio::join!(ensured, look_ahead(config)).0?
    } else {
        ensured.await?
    };
    done.steps.extend(database.steps.iter().map(ToString::to_string));
    if !embedded {
        make_keys(config, on_step, &mut done)?;
    }
    on_step("checking the settings");
    let environment = render::environment(config);
    // If the Synapse that runs died, it would come back with files that are new, where nobody looks for it.
    let keeps = now.as_ref().and_then(services::pid).is_some();
    let new = write_files(config, &environment, options, (keeps, pending), &mut done).await?;
    if new && !keeps {
        done.steps.push(format!("wrote {}", config.server.kind.settings_name()));
    }
    if running && (new || done.kept.iter().any(|kept| kept.to == SECRETS)) {
        done.warnings.push(
            "the running server does not use the new settings yet: `manage restart` applies them"
                .into(),
        );
    }
    let runs = now.as_ref().and_then(services::pid).and_then(exports::running);
    if let Some(old) = runs.filter(|old| *old != done.version) {
        done.warnings.push(format!(
            "the running server is still {} {old}: `manage restart` runs {}",
            done.kind.name(),
            done.version
        ));
    }
    // What runs listens where it did until it is restarted.
    let url = now.as_ref().and_then(services::listens).unwrap_or_else(|| config.local_url());
    if exports::write(config, &url, &done.version)? {
        done.steps.push("wrote instance.env".into());
    }
    done.changed = !was_installed || !done.steps.is_empty();
    if let Err(why) = register(variables).await {
        done.warnings.push(format!("it is not registered with Vrooli: {why}"));
    }
    Ok(done)
}

/// Finds out which packages a version needs that no lock is there for, and writes them down.
pub(in crate::instance) async fn locked(
    config: &Config,
    plan: python::Plan,
    on_step: &mut dyn FnMut(&str),
) -> Result<(python::Plan, Lock), Failure> {
    let locks = config.data.locks();
    let version = plan.set.version.clone();
    on_step(&format!("finding out the packages of Synapse {version}"));
    let plan = plan.lock(&locks).await?;
    let there = exports::version(&config.data).filter(|_| config.data.is_installed());
    let there = there.unwrap_or_else(|| Set::synapse(None).version);
    let before = Set::synapse_in(&there, &locks)?;
    // An open one names no package's version.
    let before = if before.locked { before } else { Set::synapse(None) };
    let differs = python::difference(&before, &plan.set);
    let path = python::place(&locks, &version);
    Ok((plan, Lock { path, against: before.version, differs }))
}

/// Removes the environments of Synapse that neither this version nor the way back is in.
pub(in crate::instance) async fn sweep_environments(
    config: &Config,
    version: &str,
) -> Result<(), Failure> {
    let log = config.data.logs().join("install.log");
    let set = synapse::version::packages(config, version)?;
    let plan = python::plan(&config.data.environments(), &log, set, None).await?;
    Ok(plan.sweep(false)?)
}

/// What is said of a version that stays although the settings ask for another one.
fn stays(config: &Config, options: &Options, version: &str) -> Option<String> {
    if config.is_dendrite() {
        return None;
    }
    let wanted = synapse::version::wanted(config);
    let stays = options.version.is_none() && wanted != version;
    stays.then(|| {
        format!(
            "Synapse {version} stays: `manage upgrade` brings {wanted}, with a backup and a way back"
        )
    })
}

fn make_keys(
    config: &Config,
    on_step: &mut dyn FnMut(&str),
    done: &mut Installed,
) -> Result<(), Failure> {
    on_step("looking after secrets and keys");
    keys::secrets(config, &mut rng())?;
    if keys::signing(&config.data, &mut rng())? {
        done.steps.push("created the signing key and the secrets".into());
    }
    Ok(())
}

/// Has Synapse look at the settings already, while a cluster is made: a good answer is remembered, any other comes
/// again where it is waited for.
async fn look_ahead(config: &Config) {
    if render::prepare_homeserver(config).is_ok()
        && let Ok(new) = render::render(config)
    {
        drop(render::judge(config, &new, &render::environment(config)).await);
    }
}

/// Writes what the processes read; true if that of Synapse is new. Where Synapse `keeps` what it has until a
/// restart, that waits for it. `pending` are the settings that come with this command.
async fn write_files(
    config: &Config,
    environment: &Environment,
    options: &Options,
    (keeps, pending): (bool, Vec<&'static str>),
    done: &mut Installed,
) -> Result<bool, Failure> {
    if let Some(ready) = render::prepare(config)? {
        if ready.made {
            done.steps.push("created a certificate, signed by our own CA".into());
        }
        done.warn(ready.warnings);
    }
    let new = render::render(config)?;
    if !options.skip_validation {
        done.warn(render::judge(config, &new, environment).await?);
    }
    let differs = !render::is_current(config, &new)?;
    let waits = keeps && differs;
    if waits {
        // What nginx would refuse after the restart is refused now.
        proxy::check(config, &new.homeserver).await?;
    } else if proxy::refresh(config, &new.homeserver).await? {
        done.steps.push("wrote nginx.conf".into());
    }
    // What came with this command is kept once it has proved good, and not before.
    let mut kept = persist::keep(config)?;
    kept.extend(pending);
    kept.sort_unstable();
    kept.dedup();
    for key in kept {
        done.steps.push(format!("kept the setting {key}"));
        let secret = config::find(key).is_ok_and(|setting| setting.secret);
        let to = if secret { SECRETS } else { "settings.yaml" };
        done.kept.push(Kept { key, from: config.source(key).to_string(), to });
    }
    if !waits {
        render::put(config, &new)?;
    }
    Ok(differs)
}

/// Registers this resource with the platform that called us, where there is one.
async fn register(variables: &Variables) -> Result<(), String> {
    let (Some(root), Some(folder)) = (variables.vrooli_root(), variables.resource_dir()) else {
        return Ok(());
    };
    let script = root.join("scripts/lib/resources/install-resource-cli.sh");
    if !script.exists() {
        return Ok(());
    }
    let executable = fs::metadata(&script).is_ok_and(|it| it.permissions().mode() & 0o111 != 0);
    let mut command = if executable {
        process::command(&script)
    } else {
        let mut bash = process::command("bash");
        bash.arg(&script);
        bash
    };
    let work = process::tool(command.arg(folder));
    match tokio::time::timeout(Duration::from_secs(30), work).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("it takes too long".into()),
    }
}
