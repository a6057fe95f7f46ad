//! Has somebody else keep the services: what he is to start is written where he looks for it, and from then on he is
//! asked to start, stop and restart them.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{Error, Target, Written, folder, services, systemd};
use crate::{
    config::Config,
    data_dir::DataDir,
    error::Failure,
    files, process, services as all,
    supervisor::{
        control,
        kept::{Keeper, Kept, Scope, Systemd},
        record::{Report, Snapshot},
        state::Phase,
    },
};

/// How often it is looked how far a start is.
const LOOK: Duration = Duration::from_millis(250);
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
    kept: Kept,
}

/// What that target makes of the services on this machine.
pub(crate) async fn plan(config: &Config, target: Target) -> Result<Plan, Failure> {
    // How PostgreSQL is started is found out by trying, which only its owner can.
    let is_ours = another(config.data.root()).is_none();
    let list = if config.data.is_installed() && is_ours {
        services(config).await?
    } else {
        super::outline(config)?
    };
    let profile = &config.profile.name;
    let interval = config.supervision.probe_interval.0;
    match target {
        Target::Systemd => {
            let scope =
                if rustix::process::geteuid().is_root() { Scope::System } else { Scope::User };
            let program = program()?;
            let owner = owner(config.data.root());
            let user = (scope == Scope::System).then_some(owner);
            let whose = systemd::For { scope, user, program: &program };
            let files = systemd::render(config, &list, &whose);
            let keeper = Systemd { prefix: super::prefix(config), scope };
            let kept =
                Kept::new(Keeper::Systemd(keeper), profile, interval, &list, &[all::BACKUPS]);
            Ok(Plan { folder: units(scope), files, kept })
        }
    }
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

/// Name and group of the account whose data folder it is; numbers where they have no name.
fn owner(data: &Path) -> (String, String) {
    let (uid, gid) = fs::metadata(data).map_or_else(
        |_| (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()),
        |it| (it.uid(), it.gid()),
    );
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

/// Has it keep the services from now on; whether anything changed. They are not started by that.
pub(crate) async fn install(config: &Config, target: Target, force: bool) -> Result<bool, Failure> {
    let plan = plan(config, target).await?;
    let Keeper::Systemd(systemd) = &plan.kept.keeper;
    answers(systemd).await?;
    let changed = folder::write(&plan.folder, &plan.files, force)?;
    // One that is damaged is written anew.
    let before = Kept::read(&config.data).ok().flatten();
    if !changed.is_empty() {
        run(systemd, &["daemon-reload"]).await?;
    }
    let enabled = run(systemd, &["is-enabled", &systemd.target()]).await.is_ok();
    if !enabled {
        run(systemd, &["enable", "--quiet", &systemd.target()]).await?;
    }
    let is_new = before.as_ref() != Some(&plan.kept);
    if is_new {
        plan.kept.write(&config.data)?;
        own_by(config.data.root(), &config.data.kept())?;
    }
    Ok(!changed.is_empty() || !enabled || is_new)
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

async fn answers(systemd: &Systemd) -> Result<(), Error> {
    if systemd.scope == Scope::System && !rustix::process::geteuid().is_root() {
        return Err(Error::NotRoot);
    }
    // A machine that is `degraded` answers as well, with a bad code.
    let mut command = systemd.systemctl();
    let said = process::tool(command.args(["show", "--property=Version"])).await;
    said.map(drop).map_err(|_| Error::NoKeeper("systemd"))
}

async fn run(systemd: &Systemd, words: &[&str]) -> Result<String, Error> {
    Ok(process::tool(systemd.systemctl().args(words)).await?)
}

/// Takes them back: they are stopped, and what was written for him is removed. Whether he had them.
pub(crate) async fn remove(data: &DataDir) -> Result<bool, Failure> {
    let Some(kept) = Kept::read(data)? else { return Ok(false) };
    let Keeper::Systemd(systemd) = &kept.keeper;
    match answers(systemd).await {
        Ok(()) => {
            stop(&kept, &[]).await?;
            run(systemd, &["disable", "--quiet", &systemd.target()]).await.ok();
        }
        // Where systemd is gone, nothing of it runs.
        Err(Error::NoKeeper(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let mut names = vec![systemd.target()];
    for fact in &kept.services {
        names.extend([systemd.unit(&fact.name), systemd.started(fact)]);
    }
    folder::remove(&units(systemd.scope), &names)?;
    run(systemd, &["daemon-reload"]).await.ok();
    files::remove(&data.kept())?;
    Ok(true)
}

/// Starts these and what they need, or all, and waits until they are ready; whether that was needed.
pub(crate) async fn start(
    config: &Config,
    names: &[String],
    timeout: Duration,
    on_step: &mut dyn FnMut(Step<'_>),
) -> Result<(Snapshot, bool), Failure> {
    let until = Instant::now() + timeout;
    on_step(Step::Does("writing down the services"));
    match Box::pin(install(config, Target::Systemd, false)).await {
        Ok(_) => {}
        // What a person made of them is what is started.
        Err(failure) => match failure.error.downcast_ref() {
            Some(Error::Edited(_)) => on_step(Step::Warns(failure.to_string())),
            _ => return Err(failure),
        },
    }
    let kept = Kept::read(&config.data)?.ok_or(Error::NoKeeper("systemd"))?;
    let now = kept.snapshot().await?;
    if let Some(now) = now.filter(|now| is_up(now, names)) {
        return Ok((now, false));
    }
    let Keeper::Systemd(systemd) = &kept.keeper;
    let units = units_of(&kept, names);
    let mut words = vec!["reset-failed"];
    let every: Vec<String> = kept.services.iter().map(|fact| systemd.unit(&fact.name)).collect();
    words.extend(every.iter().map(String::as_str));
    // One that was never loaded cannot have failed.
    run(systemd, &words).await.ok();
    let mut words = vec!["start", "--no-block"];
    words.extend(units.iter().map(String::as_str));
    run(systemd, &words).await?;
    follow(&kept, &config.data, names, until, timeout, on_step).await
}

fn units_of(kept: &Kept, names: &[String]) -> Vec<String> {
    let Keeper::Systemd(systemd) = &kept.keeper;
    if names.is_empty() {
        return vec![systemd.target()];
    }
    let chosen = kept.services.iter().filter(|fact| names.contains(&fact.name));
    chosen.map(|fact| systemd.started(fact)).collect()
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
                let words = last_words(kept, name).await;
                return Err(Error::Failed { service: name.to_owned(), words }.into());
            }
            if Instant::now() > until {
                let found = now
                    .order
                    .iter()
                    .find(|name| now.services.get(*name).is_some_and(|report| !report.is_ready()));
                let service = found.cloned().unwrap_or_default();
                let why = last_words(kept, &service).await;
                let seconds = timeout.as_secs();
                return Err(Error::Slow { service, seconds, why }.into());
            }
        } else if Instant::now() > until {
            return Err(Error::NoKeeper("systemd").into());
        }
        sleep(LOOK).await;
    }
}

/// The last lines that it wrote.
async fn last_words(kept: &Kept, service: &str) -> String {
    let Keeper::Systemd(systemd) = &kept.keeper;
    // What it wrote itself says more than what systemd says of it.
    for words in [systemd.words_of(service), systemd.journalctl(&[service.to_owned()])] {
        let mut command = words;
        command.args(["--output=cat", &format!("--lines={LAST_WORDS}")]);
        let said = process::tool(&mut command).await.unwrap_or_default();
        if !said.trim().is_empty() {
            return said.trim().to_owned();
        }
    }
    String::new()
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
    let Keeper::Systemd(systemd) = &kept.keeper;
    answers(systemd).await?;
    let before = up(kept.snapshot().await?);
    if before.is_empty() {
        return Ok(Vec::new());
    }
    let mut words = vec!["stop".to_owned()];
    words.extend(units_of(kept, names));
    if names.is_empty() {
        // Also one that is started again and again.
        words.extend(kept.services.iter().map(|fact| systemd.started(fact)));
    }
    process::tool(systemd.systemctl().args(&words)).await.map_err(Error::from)?;
    let after = up(kept.snapshot().await?);
    Ok(before.into_iter().filter(|name| !after.contains(name)).collect())
}

/// Restarts these, or all, and waits until they are ready.
pub(crate) async fn restart(
    config: &Config,
    names: &[String],
    timeout: Duration,
    on_step: &mut dyn FnMut(Step<'_>),
) -> Result<Snapshot, Failure> {
    let kept = Kept::read(&config.data)?.ok_or(Error::NoKeeper("systemd"))?;
    on_step(Step::Does("stopping"));
    stop(&kept, names).await?;
    Ok(start(config, names, timeout, on_step).await?.0)
}
