//! Starting other programs: tools that we wait for; `stat` is what `/proc` knows of a process, `ports` who
//! has a port, `lock` a lock that says which process holds it.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
};

mod ending;
mod lock;
mod opened;
mod ports;
mod stat;

pub(crate) use ending::Ending;
pub(crate) use lock::{Lock, holder};
pub(crate) use opened::opened_by;
pub(crate) use ports::{listener, udp_owner};
pub(crate) use stat::{Identity, Stat, pid_of, proportional_bytes, resident_bytes, signal};

use crate::{
    error::{Explain, Kind},
    files,
};

/// How long an answer of somebody who keeps services may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much of a log is looked at, in bytes.
const LARGEST_LOG: u64 = 64 << 20;
/// pip names every version there ever was where it does not find the wanted one.
const LONGEST_LINE: usize = 200;
/// How the lines begin that say nothing about what failed.
const NOISE: [&str; 4] =
    ["Ignoring ", "npm error A complete log of this run", "npm notice", "npm warn"];

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("`{program}` cannot be started")]
    Start { program: String, source: io::Error },
    #[error("`{program}` failed ({status}){}", tail(last_words))]
    Failed { program: String, status: ExitStatus, last_words: String },
    #[error("`{program}` has not answered within {seconds} s")]
    Late { program: String, seconds: u64 },
    #[error("signals cannot be listened for")]
    Signals(#[source] io::Error),
    #[error(transparent)]
    File(#[from] files::Error),
}

fn tail(last_words: &str) -> String {
    if last_words.is_empty() { String::new() } else { format!(": {last_words}") }
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        Kind::Environment
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Late { .. } => Some("where it hangs it has to be started anew".into()),
            Self::Start { .. } | Self::Failed { .. } | Self::Signals(_) => None,
            Self::File(error) => error.hint(),
        }
    }
}

/// A command that reads nothing from our terminal and dies with us.
#[expect(clippy::disallowed_methods, reason = "the one place that makes commands")]
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// The same for one that ends with us even if we are killed, where the system has `setpriv`: another run must not
/// meet it at work.
pub(crate) fn bound(program: impl AsRef<OsStr>) -> Command {
    bound_by("KILL", program)
}

/// The same for one that wants to be ended with another signal.
pub(crate) fn bound_by(signal: &str, program: impl AsRef<OsStr>) -> Command {
    let Some(setpriv) = find("setpriv") else { return command(program) };
    let mut command = command(setpriv);
    command.arg(format!("--pdeathsig={signal}")).arg("--").arg(program);
    command
}

/// Runs a tool to its end and gives its stdout; a failure carries the last lines it wrote.
pub(crate) async fn tool(command: &mut Command) -> Result<String, Error> {
    let program = name_of(command);
    let output = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .await
        .map_err(|source| Error::Start { program: program.clone(), source })?;
    finished(program, output)
}

/// The same for one that only asks something, and is not waited for for ever.
pub(crate) async fn asked(command: &mut Command) -> Result<String, Error> {
    let program = name_of(command);
    let late = |_| Error::Late { program, seconds: PATIENCE.as_secs() };
    tokio::time::timeout(PATIENCE, tool(command)).await.map_err(late)?
}

/// What a program says at first, no more than so many bytes; nothing where it says nothing in time. Neither it nor
/// what it started lives on.
pub(crate) async fn said(
    command: &mut Command,
    longest: u64,
    patience: Duration,
) -> Result<Option<String>, Error> {
    let program = name_of(command);
    let start = |source| Error::Start { program: program.clone(), source };
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(start)?;
    let group = child.id().and_then(|id| rustix::process::Pid::from_raw(id.try_into().ok()?));
    let mut said = Vec::new();
    let read = async {
        if let Some(stdout) = child.stdout.take() {
            stdout.take(longest).read_to_end(&mut said).await?;
        }
        Ok::<_, io::Error>(())
    };
    let read = tokio::time::timeout(patience, read).await;
    if let Some(group) = group {
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL).ok();
    }
    drop(child.wait().await);
    let Ok(read) = read else { return Ok(None) };
    read.map_err(start)?;
    Ok(Some(String::from_utf8_lossy(&said).into_owned()))
}

fn finished(program: String, output: std::process::Output) -> Result<String, Error> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let mut words = output.stderr;
    if words.trim_ascii().is_empty() {
        words = output.stdout;
    }
    let words = String::from_utf8_lossy(&words);
    let lines: Vec<&str> = words.trim().lines().collect();
    let last_words = lines[lines.len().saturating_sub(6)..].join("\n");
    Err(Error::Failed { program, status: output.status, last_words })
}

/// The same for one that reads something.
pub(crate) async fn fed(command: &mut Command, input: &[u8]) -> Result<String, Error> {
    let program = name_of(command);
    let start = |source| Error::Start { program: program.clone(), source };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(start)?;
    let stdin = child.stdin.take();
    let write = async {
        if let Some(mut stdin) = stdin {
            // One that ends before it has read all says why by itself.
            drop(stdin.write_all(input).await);
        }
    };
    let ((), output) = tokio::join!(write, child.wait_with_output());
    let output = output.map_err(start)?;
    finished(program, output)
}

/// Runs a tool with its output in the log; a failure carries its last lines.
pub(crate) async fn logged(command: &mut Command, log: &Path) -> Result<(), Error> {
    let program = name_of(command);
    let file = files::append(log).map_err(files::Error::io("write", log))?;
    let start = file.metadata().map_or(0, |it| it.len());
    let also = file.try_clone().map_err(files::Error::io("write", log))?;
    let status = command
        .env("NO_COLOR", "1")
        .stdout(Stdio::from(file))
        .stderr(Stdio::from(also))
        .status()
        .await
        .map_err(|source| Error::Start { program: program.clone(), source })?;
    if status.success() {
        return Ok(());
    }
    // On a full disk the log has none of what was said.
    files::has_space(log.parent().unwrap_or(Path::new("/")))?;
    let regular = [rustix::fs::FileType::RegularFile];
    let log = files::read_bytes(log, LARGEST_LOG, &regular).unwrap_or_default();
    let said = usize::try_from(start).ok().and_then(|start| log.get(start..)).unwrap_or(&[]);
    let said = String::from_utf8_lossy(said);
    let telling =
        |line: &&str| !line.trim().is_empty() && !NOISE.iter().any(|noise| line.starts_with(noise));
    let short = |line: &str| match line.char_indices().nth(LONGEST_LINE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    };
    let lines: Vec<String> = said.lines().filter(telling).map(short).collect();
    // npm says first what the matter is.
    let words = match lines.iter().position(|line| line.starts_with("npm error code ")) {
        Some(first) => &lines[first..lines.len().min(first + 4)],
        None => &lines[lines.len().saturating_sub(6)..],
    };
    Err(Error::Failed { program, status, last_words: words.join("\n") })
}

fn name_of(command: &Command) -> String {
    let program = Path::new(command.as_std().get_program());
    program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()
}

/// The path of a program on PATH.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "PATH is the system's, not a setting of ours")]
    let path: OsString = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| is_program(file))
}

/// Whether this is a file that can be executed.
pub(crate) fn is_program(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}
