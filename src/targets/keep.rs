//! Has somebody else keep the services: what he is to start is written where he looks for it, and from then on he is
//! asked to start, stop and restart them.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{Error, Target, Written, compose, folder, kubernetes, quadlet, systemd};
use crate::{
    config::{Config, sections::stack},
    data_dir::DataDir,
    error::Failure,
    files, process, services as all,
    supervisor::{
        control,
        kept::{Compose, Keeper, Kept, Kubernetes, Scope, Systemd},
        record::{Report, Snapshot},
        state::Phase,
    },
};

/// How often it is looked how far a start is, and how often in a cluster, where that costs more.
const LOOK: Duration = Duration::from_millis(250);
const LOOK_FAR: Duration = Duration::from_secs(2);
/// How many of the last lines of a service that failed are shown.
const LAST_WORDS: usize = 6;

/// What a flow does, told as it happens.
pub(crate) enum Step<'a> {
    Does(&'a str),
    Waits(&'a Snapshot),
    Warns(String),
}

/// The files of a target, and where they belong on this machine.
pub(crate) struct Plan {
    pub(crate) folder: PathBuf,
    pub(crate) files: Vec<Written>,
    /// What the names of those begin with that may come and go.
    pub(crate) prefix: String,
    /// The data folder that they are about.
    pub(crate) data: PathBuf,
    /// None where only the files are written.
    kept: Option<Kept>,
    program: PathBuf,
}

impl Plan {
    /// Whose files they are: by their names, and by what they say.
    pub(crate) fn whose(&self) -> (&str, &Path) {
        (&self.prefix, &self.data)
    }

    /// Writes the files into a folder, and what an image is made of beside them; the names of what changed.
    pub(crate) fn write(&self, folder: &Path, force: bool) -> Result<Vec<PathBuf>, Error> {
        let mut changed = folder::write(folder, self.whose(), &self.files, force)?;
        let has_image = self.files.iter().any(|it| it.path.starts_with(compose::PROGRAMS));
        if has_image && compose::programs(folder, &self.program)? {
            changed.push(compose::PROGRAMS.into());
        }
        Ok(changed)
    }
}

/// The settings with the profile of that name.
type WithProfile<'a> = Box<dyn Fn(&str) -> Result<Config, Failure> + 'a>;

/// The settings, and what they would be with another profile.
pub(crate) struct Settings<'a> {
    pub(crate) config: &'a Config,
    pub(crate) with_profile: WithProfile<'a>,
}

/// What that target makes of the services on this machine.
pub(crate) async fn plan(
    settings: &Settings<'_>,
    target: Target,
    with_secrets: bool,
) -> Result<Plan, Failure> {
    let config = settings.config;
    let profile = &config.profile.name;
    let interval = config.supervision.probe_interval.0;
    let program = program()?;
    let prefix = super::prefix(config);
    let data = config.data.root().to_owned();
    match target {
        Target::Systemd => {
            // How PostgreSQL is started is found out by trying, which only its owner can.
            let is_ours = another(config.data.root()).is_none();
            let list = if config.data.is_installed() && is_ours {
                super::services(config).await?
            } else {
                super::outline(config)?
            };
            let is_root = rustix::process::geteuid().is_root();
            let scope = if is_root { Scope::System } else { Scope::User };
            let user = (scope == Scope::System).then(|| owner(config.data.root()));
            let whose = systemd::For { scope, user, program: &program };
            let files = systemd::render(config, &list, &whose);
            let files = owned(files, &data);
            let keeper = Keeper::Systemd(Systemd { prefix: prefix.clone(), scope });
            let kept = Kept::new(keeper, profile, interval, &list, &[all::BACKUPS]);
            Ok(Plan { folder: units(scope), prefix, data, files, kept: Some(kept), program })
        }
        Target::Compose => {
            let list = super::contained(config)?;
            let mut profiles = vec![(profile.clone(), list.clone())];
            for named in stack::typed().filter(|it| it.name != profile) {
                let other = (settings.with_profile)(named.name)?;
                profiles.push((named.name.to_owned(), super::contained(&other)?));
            }
            profiles.sort_by(|a, b| a.0.cmp(&b.0));
            let (uid, gid) = owner_ids(config.data.root());
            let whose = compose::For { user: (uid, gid), image: None, profiles };
            let files = compose::render(config, &whose)?;
            let folder = config.data.root().join("compose");
            let project = prefix.clone();
            let keeper = Keeper::Compose(Compose { project, folder: folder.clone() });
            let kept = Kept::new(keeper, profile, interval, &list, &[]);
            Ok(Plan { folder, prefix, data, files, kept: Some(kept), program })
        }
        Target::Quadlet => {
            let list = super::contained(config)?;
            let user = owner_ids(config.data.root());
            let profiles = vec![(profile.clone(), list.clone())];
            let whose = compose::For { user, image: None, profiles };
            let files =
                quadlet::render(config, &list, &whose, !rustix::process::geteuid().is_root());
            let files = owned(files, &data);
            Ok(Plan { folder: quadlets(), prefix, data, files, kept: None, program })
        }
        Target::Kubernetes => {
            let list = super::contained(config)?;
            let files = kubernetes::render(config, &list, with_secrets)?;
            let folder = config.data.cluster();
            let (prefix, pods) = kubernetes::pods(config, &list)?;
            let keeper = Keeper::Kubernetes(Kubernetes {
                context: config.kubernetes.context.clone(),
                namespace: config.kubernetes.namespace.0.clone(),
                prefix: prefix.clone(),
                folder: folder.clone(),
            });
            let kept = Kept::new(keeper, profile, interval, &pods, &[]);
            Ok(Plan { folder, prefix, data, files, kept: Some(kept), program })
        }
    }
}

/// The same, with whose they are; what the image is made of is the same for all.
fn owned(files: Vec<Written>, data: &Path) -> Vec<Written> {
    let is_of_image = |file: &Written| file.path.starts_with(compose::PROGRAMS);
    let of = |file: Written| if is_of_image(&file) { file } else { file.of(data) };
    files.into_iter().map(of).collect()
}

/// The folder in which Podman's generator looks (podman-systemd.unit(5)).
fn quadlets() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return "/etc/containers/systemd".into();
    }
    std::env::home_dir().unwrap_or_default().join(".config/containers/systemd")
}

/// This program, where it stays.
fn program() -> Result<PathBuf, Failure> {
    let found =
        std::env::current_exe().map_err(files::Error::io("find", Path::new("/proc/self/exe")));
    Ok(found?)
}

/// The folder in which systemd looks for units (systemd.unit(5)).
fn units(scope: Scope) -> PathBuf {
    match scope {
        Scope::System => "/etc/systemd/system".into(),
        Scope::User => std::env::home_dir().unwrap_or_default().join(".config/systemd/user"),
    }
}

/// The account whose data folder it is, where we are root and it is another one.
pub(crate) fn another(data: &Path) -> Option<String> {
    let is_anothers = fs::metadata(data).is_ok_and(|it| it.uid() != 0);
    (rustix::process::geteuid().is_root() && is_anothers).then(|| owner(data).0)
}

/// Numbers of the account whose data folder it is, or will be.
fn owner_ids(data: &Path) -> (u32, u32) {
    let ours = || (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    fs::metadata(data).map_or_else(|_| ours(), |it| (it.uid(), it.gid()))
}

/// Name and group of that account; numbers where they have no name.
fn owner(data: &Path) -> (String, String) {
    let (uid, gid) = owner_ids(data);
    let named = |file: &str, id: u32| {
        let text = files::read(Path::new(file)).unwrap_or_default();
        let of = |line: &str| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
        };
        text.lines().find_map(of).unwrap_or_else(|| id.to_string())
    };
    (named("/etc/passwd", uid), named("/etc/group", gid))
}

/// Whether what that target is to be can be made, and whoever is to keep it answers. Changes nothing.
pub(crate) async fn reachable(settings: &Settings<'_>, target: Target) -> Result<(), Failure> {
    let plan = plan(settings, target, false).await?;
    let kept = plan.kept.as_ref().ok_or(Error::OnlyFiles(target.word()))?;
    Ok(answers(&kept.keeper).await?)
}

/// Has it keep the services from now on; whether anything changed. They are not started by that.
pub(crate) async fn install(
    settings: &Settings<'_>,
    target: Target,
    force: bool,
) -> Result<bool, Failure> {
    let data = &settings.config.data;
    stays(data, Some(target))?;
    if target == Target::Kubernetes {
        // What is written says by a hash which they are.
        kubernetes::make(settings.config)?;
    }
    let plan = plan(settings, target, false).await?;
    let kept = plan.kept.as_ref().ok_or(Error::OnlyFiles(target.word()))?;
    answers(&kept.keeper).await?;
    // One that is damaged is written anew.
    let mut before = Kept::read(data).ok().flatten();
    if let Some(other) = before.take_if(|it| it.keeper.name() != kept.keeper.name()) {
        // Two would keep the same services.
        tracing::info!("{} gives them back", other.keeper.name());
        Box::pin(remove(data)).await?;
    }
    if let Some(before) = &before {
        // What the settings no longer have would run on, and nobody would know of it.
        let is_gone = |name: &String| !kept.services.iter().any(|fact| fact.name == *name);
        let mut gone: Vec<String> = before.services.iter().map(|it| it.name.clone()).collect();
        gone.retain(is_gone);
        if !gone.is_empty() {
            before.stop(&gone).await.map_err(Error::from)?;
        }
    }
    let changed = plan.write(&plan.folder, force)?;
    let mut has_changed = !changed.is_empty();
    match &kept.keeper {
        Keeper::Systemd(systemd) => {
            if has_changed {
                run(systemd, &["daemon-reload"]).await?;
            }
            if run(systemd, &["is-enabled", &systemd.target()]).await.is_err() {
                run(systemd, &["enable", "--quiet", &systemd.target()]).await?;
                has_changed = true;
            }
        }
        Keeper::Compose(compose) => {
            let is_other = changed.iter().any(|path| path.starts_with(compose::PROGRAMS));
            if is_other || !compose.has_image(super::PREPARE).await {
                let log = data.logs().join("install.log");
                files::private_folder(&data.logs())?;
                let mut build = compose.compose();
                process::logged(build.args(["build", super::PREPARE]), &log).await?;
            }
        }
        Keeper::Kubernetes(cluster) => {
            let config = settings.config;
            let (first, secrets) = (kubernetes::first(config)?, kubernetes::secrets(config)?);
            // It may be there, and not for us to change.
            if let Err(error) = cluster.apply(&[first], force).await {
                let mut look = cluster.kubectl();
                look.args(["get", "namespace", &cluster.namespace]);
                process::tool(&mut look).await.map_err(|_| Error::Cluster(error))?;
            }
            cluster.apply(&secrets, force).await.map_err(Error::Cluster)?;
            if force {
                cluster.apply(&cluster.objects()?, true).await.map_err(Error::Cluster)?;
            }
            has_changed |= cluster.prune(false).await?;
        }
    }
    let is_new = before.as_ref() != Some(kept);
    if is_new {
        kept.write(data)?;
        own_by(data.root(), &data.kept())?;
    }
    Ok(has_changed || is_new)
}

/// Makes the keys and secrets of a homeserver that is to be in a cluster, where it has none.
pub(crate) fn make_keys(config: &Config) -> Result<(), Failure> {
    config.data.create()?;
    kubernetes::make(config)
}

/// Refuses to move a homeserver into a cluster or out of one by another keeper alone: its database and its media would
/// stay behind, and there would be two of one name. `to` is none for our own supervisor.
pub(crate) fn stays(data: &DataDir, to: Option<Target>) -> Result<(), Failure> {
    let kept = Kept::read(data).ok().flatten();
    let is_there = kept.is_some_and(|kept| matches!(kept.keeper, Keeper::Kubernetes(_)));
    let goes_there = to == Some(Target::Kubernetes);
    if is_there && !goes_there {
        return Err(Error::StaysThere.into());
    }
    if goes_there && !is_there && data.homeserver_yaml().exists() {
        return Err(Error::StaysHere(data.root().to_owned()).into());
    }
    Ok(())
}

/// What root writes into the folder of another account is that one's.
fn own_by(folder: &Path, file: &Path) -> Result<(), files::Error> {
    let metadata = fs::metadata(folder).map_err(files::Error::io("read", folder))?;
    if rustix::process::geteuid().is_root() && metadata.uid() != 0 {
        let (uid, gid) = (Some(metadata.uid()), Some(metadata.gid()));
        std::os::unix::fs::lchown(file, uid, gid).map_err(files::Error::io("give away", file))?;
    }
    Ok(())
}

async fn answers(keeper: &Keeper) -> Result<(), Error> {
    let mut command = match keeper {
        Keeper::Systemd(systemd) => {
            if systemd.scope == Scope::System && !rustix::process::geteuid().is_root() {
                return Err(Error::NotRoot);
            }
            let mut command = systemd.systemctl();
            // A machine that is `degraded` answers as well, with a bad code.
            command.args(["show", "--property=Version"]);
            command
        }
        Keeper::Compose(compose) => {
            let mut command = compose.compose();
            command.arg("version");
            let said = process::asked(&mut command).await;
            said.map_err(|source| Error::NoEngine("`docker compose`", source))?;
            let mut command = process::command("docker");
            command.args(["version", "--format", "{{.Server.Version}}"]);
            let said = process::asked(&mut command).await;
            return said.map(drop).map_err(|source| Error::NoEngine("Docker", source));
        }
        Keeper::Kubernetes(cluster) => {
            let mut command = cluster.kubectl();
            command.args(["version", "--output=json"]);
            return process::asked(&mut command).await.map(drop).map_err(Error::Cluster);
        }
    };
    let said = process::asked(&mut command).await;
    match said {
        Err(late @ process::Error::Late { .. }) => Err(Error::NoEngine(keeper.name(), late)),
        said => said.map(drop).map_err(|_| Error::NoKeeper(keeper.name())),
    }
}

async fn run(systemd: &Systemd, words: &[&str]) -> Result<String, Error> {
    Ok(process::tool(systemd.systemctl().args(words)).await?)
}

/// Takes them back: they are stopped, and what was written for him is removed. Whether he had them.
pub(crate) async fn remove(data: &DataDir) -> Result<bool, Failure> {
    let Some(kept) = Kept::read(data)? else { return Ok(false) };
    let is_there = match answers(&kept.keeper).await {
        Ok(()) => true,
        // Where he is gone, nothing of it runs.
        Err(Error::NoKeeper(_)) => false,
        Err(Error::NoEngine(_, process::Error::Start { .. })) => false,
        Err(error) => return Err(error.into()),
    };
    if is_there {
        stop(&kept, &[]).await?;
    }
    match &kept.keeper {
        Keeper::Systemd(systemd) => {
            if is_there {
                run(systemd, &["disable", "--quiet", &systemd.target()]).await.ok();
            }
            let mut names = vec![systemd.target()];
            for fact in &kept.services {
                names.extend([systemd.unit(&fact.name), systemd.started(fact)]);
            }
            folder::remove(&units(systemd.scope), data.root(), &names)?;
            run(systemd, &["daemon-reload"]).await.ok();
        }
        Keeper::Compose(compose) => {
            if is_there {
                process::tool(compose.compose().args(["down", "--remove-orphans"]))
                    .await
                    .map_err(Error::from)?;
            }
            files::remove(&compose.folder)?;
        }
        Keeper::Kubernetes(cluster) => {
            cluster.prune(true).await?;
            files::remove(&cluster.folder)?;
        }
    }
    files::remove(&data.kept())?;
    Ok(true)
}

/// Installs what containers work with, in one of them; whether that changed anything.
pub(crate) async fn lay(data: &DataDir) -> Result<bool, Failure> {
    let Some(kept) = Kept::read(data)? else { return Ok(false) };
    let Keeper::Compose(compose) = &kept.keeper else { return Ok(false) };
    // A run would replace the network under the feet of what runs.
    let mut network = compose.compose();
    network.args(["up", "--detach", "--no-build", "--no-recreate", "--no-deps", compose::NETWORK]);
    process::tool(&mut network).await.map_err(Error::from)?;
    let mut command = compose.compose();
    command.args(["run", "--rm", "--no-deps", "--no-TTY"]);
    command.args([super::PREPARE, "manage", "install", "--format", "json"]);
    let output = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .await
        .map_err(|source| process::Error::Start { program: "docker".to_owned(), source })?;
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    if kept.snapshot().await?.is_none() {
        // The network that it was given is of no more use.
        kept.stop(&[]).await.map_err(Error::from)?;
    }
    match output.status.code() {
        Some(0) => Ok(true),
        Some(2) => Ok(false),
        _ => {
            let why = &answer["error"];
            let said = String::from_utf8_lossy(&output.stderr);
            let said = why["message"].as_str().unwrap_or(said.trim());
            let failure =
                Failure::environment(format!("the container that installs failed: {said}"));
            Err(match why["hint"].as_str() {
                Some(hint) => failure.hinted(hint),
                None => failure.hinted("`logs install` may tell more"),
            })
        }
    }
}

/// Which target that is.
fn target(keeper: &Keeper) -> Target {
    match keeper {
        Keeper::Systemd(_) => Target::Systemd,
        Keeper::Compose(_) => Target::Compose,
        Keeper::Kubernetes(_) => Target::Kubernetes,
    }
}

/// Starts these and what they need, or all, and waits until they are ready; whether that was needed. `anew` says that what
/// they are made from has changed.
pub(crate) async fn start(
    settings: &Settings<'_>,
    names: &[String],
    timeout: Duration,
    anew: bool,
    on_step: &mut dyn FnMut(Step<'_>),
) -> Result<(Snapshot, bool), Failure> {
    let until = Instant::now() + timeout;
    let data = &settings.config.data;
    let before = Kept::read(data)?.ok_or(Error::NoKeeper("nobody"))?;
    on_step(Step::Does("writing down the services"));
    let changed = match Box::pin(install(settings, target(&before.keeper), false)).await {
        Ok(changed) => changed,
        // What a person made of them is what is started.
        Err(failure) => match failure.error.downcast_ref() {
            Some(Error::Edited(_)) => {
                on_step(Step::Warns(failure.to_string()));
                false
            }
            _ => return Err(failure),
        },
    };
    let kept = Kept::read(data)?.ok_or(Error::NoKeeper("nobody"))?;
    let now = kept.snapshot().await?;
    if let Some(now) = now.filter(|now| is_up(now, names) && !(changed || anew)) {
        return Ok((now, false));
    }
    on_step(Step::Does("starting the services"));
    if let Err(error) = kept.start(names).await {
        // What failed says more of it, with what it wrote.
        let now = kept.snapshot().await?;
        let failed = now.as_ref().and_then(|now| now.failed().next());
        return Err(match failed {
            Some((name, _)) => failed_with(&kept, name).await,
            None => Error::from(error).into(),
        });
    }
    follow(&kept, data, names, until, timeout, on_step).await
}

async fn failed_with(kept: &Kept, name: &str) -> Failure {
    let words = kept.last_words(name, LAST_WORDS).await;
    Error::Failed { service: name.to_owned(), words }.into()
}

fn is_up(now: &Snapshot, names: &[String]) -> bool {
    let ready = |name: &String| now.services.get(name).is_some_and(Report::is_ready);
    if names.is_empty() { now.order.iter().all(ready) } else { names.iter().all(ready) }
}

/// Waits until whoever is asked how the services are says so too.
async fn agreed(data: &DataDir, names: &[String]) {
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        if control::status(data).await.is_ok_and(|now| now.is_some_and(|now| is_up(&now, names))) {
            return;
        }
        sleep(LOOK).await;
    }
}

async fn follow(
    kept: &Kept,
    data: &DataDir,
    names: &[String],
    until: Instant,
    timeout: Duration,
    on_step: &mut dyn FnMut(Step<'_>),
) -> Result<(Snapshot, bool), Failure> {
    loop {
        let now = kept.snapshot().await?;
        if let Some(now) = now {
            on_step(Step::Waits(&now));
            if is_up(&now, names) {
                agreed(data, names).await;
                return Ok((now, true));
            }
            if let Some((name, _)) = now.failed().next() {
                return Err(failed_with(kept, name).await);
            }
            if Instant::now() > until {
                let found = now
                    .order
                    .iter()
                    .find(|name| now.services.get(*name).is_some_and(|report| !report.is_ready()));
                let service = found.cloned().unwrap_or_default();
                let why = kept.last_words(&service, LAST_WORDS).await;
                let seconds = timeout.as_secs();
                return Err(Error::Slow { service, seconds, why }.into());
            }
        } else if Instant::now() > until {
            return Err(Error::NoKeeper(kept.keeper.name()).into());
        }
        let is_far = matches!(kept.keeper, Keeper::Kubernetes(_));
        sleep(if is_far { LOOK_FAR } else { LOOK }).await;
    }
}

/// Stops these and what needs them, or all; those that were up.
pub(crate) async fn stop(kept: &Kept, names: &[String]) -> Result<Vec<String>, Failure> {
    let up = |now: Option<Snapshot>| -> Vec<String> {
        let Some(now) = now else { return Vec::new() };
        let up = |name: &&String| {
            now.services.get(*name).is_some_and(|report| report.state != Phase::Stopped)
        };
        now.order.iter().filter(up).cloned().collect()
    };
    answers(&kept.keeper).await?;
    let before = up(kept.snapshot().await?);
    if before.is_empty() {
        return Ok(Vec::new());
    }
    kept.stop(names).await.map_err(Error::from)?;
    let after = up(kept.snapshot().await?);
    Ok(before.into_iter().filter(|name| !after.contains(name)).collect())
}

/// Restarts these, or all, and waits until they are ready.
pub(crate) async fn restart(
    settings: &Settings<'_>,
    names: &[String],
    timeout: Duration,
    on_step: &mut dyn FnMut(Step<'_>),
) -> Result<Snapshot, Failure> {
    let kept = Kept::read(&settings.config.data)?.ok_or(Error::NoKeeper("nobody"))?;
    on_step(Step::Does("stopping"));
    stop(&kept, names).await?;
    Ok(start(settings, names, timeout, false, on_step).await?.0)
}
