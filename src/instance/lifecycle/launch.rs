//! The supervisor as a process: the one that runs, or a new one and its first words.

use std::{
    ffi::OsString,
    fs::File,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use super::stop;
use crate::{
    clock::Backoff,
    config::{self, Config, sources::environment::Environment},
    data_dir::DataDir,
    error::Failure,
    files,
    instance::{
        error::{Error, LastWords},
        install::persist,
        step::Step,
    },
    process, services,
    supervisor::{
        control::{Request, Stream},
        job,
        log::read::Follower,
    },
};

/// The supervisor that runs; none when there is none and nothing of one is left. One that was just
/// started holds its lock for a moment before it listens.
pub(super) async fn found(data: &DataDir, socket: &Path) -> Result<Option<Stream>, Failure> {
    let patience = Instant::now() + Duration::from_secs(5);
    loop {
        if let Some(stream) = Stream::open(socket, &Request::Subscribe).await? {
            return Ok(Some(stream));
        }
        match stop::clear(data).await {
            Ok(_) => return Ok(None),
            Err(stop::Error::Hung { .. }) if Instant::now() < patience => {
                sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// How long one may take until it waits.
const UNTIL_IT_WAITS: Duration = Duration::from_secs(15);

/// A supervisor that waits for the word to begin; without it, it ends.
#[derive(Debug)]
pub(crate) struct Standby(Child);

impl Standby {
    /// As soon as it has made ready what takes long; none where it has not.
    pub(crate) async fn launch(config: &Config) -> Option<Self> {
        let mut command = command(config);
        command.arg("--standby").stdin(Stdio::piped()).stdout(Stdio::piped());
        let stderr = own_file(config).map_or_else(|_| Stdio::null(), Stdio::from);
        let mut child = command.stderr(stderr).spawn().ok()?;
        let mut said = String::new();
        let mut stdout = BufReader::new(child.stdout.take()?);
        let waits = timeout(UNTIL_IT_WAITS, stdout.read_line(&mut said)).await;
        waits.is_ok_and(|read| read.is_ok_and(|length| length > 0)).then_some(Self(child))
    }

    /// None where it has ended meanwhile.
    async fn begin(mut self) -> Option<Child> {
        let mut stdin = self.0.stdin.take()?;
        stdin.write_all(b"begin\n").await.ok()?;
        Some(self.0)
    }
}

/// Starts the supervisor, or has the one begin that waits; it outlives us and the terminal.
pub(super) async fn launch(
    config: &Config,
    names: &[String],
    standby: Option<Standby>,
    on_step: &mut dyn FnMut(Step<'_>),
) -> Result<Child, Error> {
    if let Some(standby) = standby
        && let Some(child) = standby.begin().await
    {
        return Ok(child);
    }
    let stderr = own_file(config).map_or_else(
        |error| {
            let log = own_log_path(&config.data);
            let log = log.display();
            on_step(Step::Warns(&format!(
                "`{log}` cannot be written, its lines are dropped: {error}"
            )));
            Stdio::null()
        },
        Stdio::from,
    );
    let mut command = command(config);
    command.args(names).stdout(Stdio::null()).stderr(stderr);
    command.spawn().map_err(Error::Launch)
}

/// Where its last words go.
fn own_file(config: &Config) -> io::Result<File> {
    files::append(&own_log_path(&config.data))
}

fn own_log_path(data: &DataDir) -> PathBuf {
    data.logs().join("supervisor.log")
}

fn command(config: &Config) -> Command {
    let words: Vec<OsString> = services::same_settings(config);
    // Our own program, even if its file has been replaced since we started.
    let mut command = process::command("/proc/self/exe");
    command.args(["daemon", "supervise", "--detach"]).args(words);
    // Everybody who may see the process may see its variables: a secret that is in its file stays there.
    let pending = persist::pending(config);
    let settings = config::settings()
        .filter(|setting| !setting.secret || pending.contains(&setting.key))
        .flat_map(|setting| setting.variables.iter().copied());
    let names = settings.chain(job::PLAIN.iter().copied());
    command.env_clear().envs(Environment::handed_on(names));
    command.current_dir("/").kill_on_drop(false);
    command
}

/// The supervisor's first words, once it listens.
pub(super) async fn answered(
    config: &Config,
    child: &mut Child,
    log: &mut Follower,
    deadline: Instant,
    timeout: Duration,
) -> Result<Stream, Error> {
    let socket = config.data.control_socket();
    let mut backoff = Backoff::new(Duration::from_millis(2), Duration::from_millis(50));
    loop {
        if let Some(stream) = Stream::open(&socket, &Request::Subscribe).await? {
            return Ok(stream);
        }
        if child.try_wait().is_ok_and(|status| status.is_some()) {
            return Err(Error::Ended(own_words(log)));
        }
        if Instant::now() > deadline {
            drop(child.start_kill());
            let source = LastWords::new("the supervisor does not listen");
            return Err(Error::Slow { after: timeout, service: "supervisor".to_owned(), source });
        }
        sleep(backoff.pause()).await;
    }
}

/// The supervisor's own log, as it goes on from now.
pub(super) fn own_log(data: &DataDir) -> Follower {
    Follower::new(&data.logs(), &["supervisor".to_owned()])
}

/// The last lines that the supervisor wrote since this command began: older ones tell of another run.
pub(super) fn own_words(log: &mut Follower) -> Option<LastWords> {
    let mut lines: Vec<String> = log.more().into_iter().map(|line| line.message).collect();
    lines.retain(|line| !line.is_empty());
    lines.drain(..lines.len().saturating_sub(6));
    (!lines.is_empty()).then(|| LastWords::new(lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, OpenOptions},
        io::Write as _,
    };

    use super::*;
    use crate::supervisor::log::rotated;

    #[test]
    fn an_earlier_run_is_not_quoted_and_a_log_put_aside_is_read_on() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        data.create().unwrap();
        let path = data.logs().join("supervisor.log");
        let write = |line: &str| {
            let mut file = OpenOptions::new().append(true).create(true).open(&path).unwrap();
            writeln!(file, "2026-11-21T05:20:00.000Z {line}").unwrap();
        };
        write("ERROR of an earlier run");
        let mut log = own_log(&data);
        assert!(own_words(&mut log).is_none());
        write("ERROR before it was put aside");
        fs::rename(&path, rotated(&path, 1)).unwrap();
        write("ERROR after it");
        let words = own_words(&mut log).unwrap().to_string();
        assert_eq!(words, "ERROR before it was put aside\nERROR after it");
    }
}
