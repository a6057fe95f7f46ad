//! nginx in front of Synapse: its settings rendered, judged by nginx itself, and only then put in the
//! place of the old ones.

mod conf;
mod pool;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    config::{Config, sections::stack::Part},
    data_dir::DataDir,
    error::{Explain, Failure, Kind},
    files, process,
    python::Environment,
    synapse::workers::{self, endpoints, routes},
    tls, web,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the profile `{0}` has a proxy, and this machine has no nginx")]
    Missing(String),
    #[error("`{}` is not an executable program", .0.display())]
    NoProgram(PathBuf),
    #[error("the path `{}` contains a character nginx cannot quote: one of \" $ \\", .0.display())]
    Path(PathBuf),
    #[error("nginx refuses its settings: {0}")]
    Refused(String),
    #[error("nginx has not judged its settings within {} s", PATIENCE.as_secs())]
    Slow,
    #[error("the template of `nginx.conf` is wrong")]
    Template(#[source] minijinja::Error),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing(_) | Self::Slow => Kind::Environment,
            Self::NoProgram(_) | Self::Path(_) | Self::Refused(_) => Kind::Setting,
            Self::Template(_) => Kind::Bug,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Missing(_) => Some(
                "`apt-get install -y --no-install-recommends nginx-light` installs it; `config set proxy.program PATH` names one that is elsewhere"
                    .into(),
            ),
            Self::NoProgram(_) => Some("`config set proxy.program PATH` names another one".into()),
            Self::Path(_) => Some("give that file another name".into()),
            Self::Refused(_) => Some("`config show proxy` says what is set".into()),
            Self::Slow | Self::Template(_) => None,
        }
    }
}

/// How long old processes may take to hear that there are new settings.
const TAKEN_UP: Duration = Duration::from_secs(10);
/// How long requests may take that were under way then. What takes longer is a client that waits for
/// news, and nginx repeats that.
const UNDER_WAY: Duration = Duration::from_secs(3);
/// How long nginx may take to judge its settings.
const PATIENCE: Duration = Duration::from_secs(30);

/// What nginx reads.
pub(crate) fn conf(data: &DataDir) -> PathBuf {
    data.proxy().join("nginx.conf")
}

/// The nginx to run: the one that is set, or the machine's. Debian keeps it where only root's PATH
/// leads.
pub(crate) fn program(config: &Config) -> Result<PathBuf, Failure> {
    if let Some(program) = &config.proxy.program {
        return if process::is_program(program) {
            Ok(program.clone())
        } else {
            Err(Error::NoProgram(program.clone()).into())
        };
    }
    let usual = || {
        ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/local/nginx/sbin/nginx"]
            .map(PathBuf::from)
            .into_iter()
            .find(|file| process::is_program(file))
    };
    let name = config.profile.name.clone();
    process::find("nginx").or_else(usual).ok_or_else(|| Error::Missing(name).into())
}

/// The words behind the program: our settings, and nothing of the machine's.
pub(crate) fn arguments(data: &DataDir, conf: &Path) -> [PathBuf; 6] {
    ["-e".into(), "stderr".into(), "-p".into(), data.proxy(), "-c".into(), conf.to_owned()]
}

/// Whether what nginx would read now is what the settings make. `homeserver` is here and below what
/// Synapse reads: some of its settings bring requests of their own.
pub(crate) async fn is_current(config: &Config, homeserver: &str) -> Result<bool, Failure> {
    if !config.has(Part::Proxy) {
        return Ok(true);
    }
    let old = files::read_made(&conf(&config.data))?;
    if old.is_none() || !(config.is_dendrite() || synapse(config).is_complete()) {
        return Ok(false);
    }
    Ok(web::is_current(config)? && old == Some(render(config, homeserver).await?))
}

async fn render(config: &Config, homeserver: &str) -> Result<String, Failure> {
    let workers = workers::chosen(config)?;
    let endpoints = if routes::pools(&workers).is_empty() {
        Vec::new()
    } else {
        endpoints::read(&config.data, homeserver, &synapse(config)).await?
    };
    conf::render(config, &workers, &endpoints)
}

/// What a worker of the installed Synapse would answer, and what goes to the main process because no
/// rule of ours knows it. Nothing where there are no workers.
pub(crate) async fn unrouted(config: &Config, homeserver: &str) -> Result<Vec<String>, Failure> {
    if !config.has(Part::Proxy) || routes::pools(&workers::chosen(config)?).is_empty() {
        return Ok(Vec::new());
    }
    let endpoints = endpoints::read(&config.data, homeserver, &synapse(config)).await?;
    Ok(routes::unrouted(&endpoints).into_iter().map(str::to_owned).collect())
}

fn synapse(config: &Config) -> Environment {
    Environment::at(config.data.synapse_environment())
}

/// Renders, lets nginx judge it, and puts it in place if it is good; true if that changed something.
/// A bad one leaves the old file as it is. Without a proxy in the profile nothing is done.
pub(crate) async fn refresh(config: &Config, homeserver: &str) -> Result<bool, Failure> {
    let path = conf(&config.data);
    let judged = judge(config, homeserver).await?;
    let told = web::write(config)?;
    let Some(judged) = judged else { return Ok(told) };
    fs::rename(&judged, &path).map_err(files::Error::io("replace", &path))?;
    Ok(true)
}

/// The same, and it stays as it was; true if it is what nginx reads now.
pub(crate) async fn check(config: &Config, homeserver: &str) -> Result<bool, Failure> {
    if tls::pair(config)?.is_some_and(|pair| !pair.certificate.exists()) {
        // Our own is made when it is needed, and nginx would miss it.
        return Ok(false);
    }
    match judge(config, homeserver).await? {
        None => Ok(web::is_current(config)?),
        Some(judged) => {
            files::remove(&judged)?;
            Ok(false)
        }
    }
}

/// What the settings make, found good by nginx, in a file of its own; none where it is in place
/// already.
async fn judge(config: &Config, homeserver: &str) -> Result<Option<PathBuf>, Failure> {
    if !config.has(Part::Proxy) {
        return Ok(None);
    }
    let program = program(config)?;
    let data = &config.data;
    files::private_folder(&data.proxy())?;
    files::private_folder(&temporary(data))?;
    let new = render(config, homeserver).await?;
    if files::read_made(&conf(data))?.as_deref() == Some(new.as_str()) {
        return Ok(None);
    }
    let candidate = data.proxy().join("nginx.conf.new");
    files::write_atomically(&candidate, new.as_bytes(), files::PRIVATE)?;
    let mut command = process::command(program);
    command.arg("-t").args(arguments(data, &candidate));
    match tokio::time::timeout(PATIENCE, process::tool(&mut command)).await {
        Ok(Ok(_)) => Ok(Some(candidate)),
        Ok(Err(process::Error::Failed { last_words, .. })) => {
            Err(Error::Refused(complaints(&last_words)).into())
        }
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Error::Slow.into()),
    }
}

/// The processes that do nginx's work; `master` has forked them.
pub(crate) fn serving(master: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children"));
    let pids = children.unwrap_or_default();
    pids.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Waits until those who served before a reload take no more requests: nginx is told of new settings
/// long before it has taken them up.
pub(crate) async fn taken_up(before: &[u32]) {
    let serves = |pid: &u32| {
        let title = title(*pid);
        !title.is_empty() && !String::from_utf8_lossy(&title).contains("shutting down")
    };
    patiently(TAKEN_UP, || !before.iter().any(serves)).await;
}

/// The same, and until what they had under way is answered.
pub(crate) async fn retired(before: &[u32]) {
    taken_up(before).await;
    patiently(UNDER_WAY, || before.iter().all(|pid| title(*pid).is_empty())).await;
}

/// nginx writes into it what a process of its does; an ended one has none.
fn title(pid: u32) -> Vec<u8> {
    fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()
}

async fn patiently(limit: Duration, is_so: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + limit;
    while !is_so() && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Has bodies that are too large for nginx's memory kept in that folder.
pub(crate) fn spools(data: &DataDir, folder: &Path) -> Result<(), files::Error> {
    let there = folder.join("nginx");
    files::private_folder(&there)?;
    files::private_folder(&data.proxy())?;
    let link = temporary(data);
    files::remove(&link)?;
    std::os::unix::fs::symlink(&there, &link).map_err(files::Error::io("make", &link))
}

/// Where nginx keeps bodies that are too large for its memory.
fn temporary(data: &DataDir) -> PathBuf {
    data.proxy().join("temporary")
}

/// What nginx complains about, without its assurance that the test has failed.
fn complaints(words: &str) -> String {
    let said = |line: &&str| !line.contains("configuration file") || line.contains("[emerg]");
    words.lines().filter(said).map(bare).collect::<Vec<_>>().join("\n")
}

/// `2026/11/21 08:36:10 [emerg] 4711#4711: …` or `nginx: [emerg] …` without what stands before.
fn bare(line: &str) -> &str {
    let logged = line.split_once("] ").and_then(|(_, rest)| rest.split_once(": "));
    match logged {
        Some((process, words)) if process.bytes().all(|b| b.is_ascii_digit() || b == b'#') => words,
        _ => line.strip_prefix("nginx: ").unwrap_or(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nginx_is_quoted_without_what_only_its_log_needs() {
        let words = "2026/11/21 08:36:10 [emerg] 4711#4711: the duplicate \"connection\" variable\n\
            nginx: [emerg] bind() to 192.0.2.1:80 failed\n\
            nginx: configuration file /data/nginx.conf.new test failed";
        assert_eq!(
            complaints(words),
            "the duplicate \"connection\" variable\n[emerg] bind() to 192.0.2.1:80 failed"
        );
    }
}

#[cfg(test)]
mod served;
