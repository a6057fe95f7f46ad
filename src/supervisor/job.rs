//! Starts and ends processes. A service is started through `daemon exec` of this very program, which
//! asks the kernel to end it with the supervisor and then becomes the service.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::File,
    io,
    path::Path,
    process::{ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use tokio::{net::unix::pipe, process::Command};

use super::{
    notify,
    service::{Inherits, Launch, Through},
    starter,
    state::Exit,
};
use crate::process;

/// The variables that every process gets.
pub(crate) type Variables = BTreeMap<String, OsString>;

/// The names of the variables that any program needs and that change nothing else.
pub(crate) const PLAIN: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
];

/// The same as this process has them.
#[expect(clippy::disallowed_methods, reason = "what is handed on is no setting")]
pub(crate) fn own_plain() -> Variables {
    let get = |name: &&str| Some(((*name).to_owned(), std::env::var_os(name)?));
    PLAIN.iter().filter_map(get).collect()
}

/// A process that was started.
pub(crate) struct Job {
    pub(crate) child: Child,
    pub(crate) pid: Pid,
    /// What it writes, stdout and stderr in the order they were written.
    pub(crate) output: pipe::Receiver,
}

/// How it is waited for.
pub(crate) enum Child {
    Own(tokio::process::Child),
    Forked(starter::End),
}

impl Child {
    pub(crate) async fn wait(&mut self) -> Exit {
        match self {
            Self::Own(child) => exit_of(child.wait().await),
            Self::Forked(child) => match child.wait().await {
                Ok(status) => Exit {
                    code: status.and_then(|status| status.exit_status()),
                    signal: status.and_then(|status| status.terminating_signal()),
                    reason: None,
                },
                Err(error) => unknown(&error),
            },
        }
    }
}

fn set_variables(command: &mut Command, launch: &Launch, plain: &Variables) {
    if launch.inherits == Inherits::Plain {
        command.env_clear().envs(plain);
    }
    // The one we were given is for us to answer.
    command.env_remove(notify::VARIABLE);
    command.envs(&launch.environment);
    if !launch.folder.as_os_str().is_empty() {
        command.current_dir(&launch.folder);
    }
}

/// A helper that is waited for, such as a probe; it gets no death signal.
pub(crate) fn command(launch: &Launch, plain: &Variables) -> Command {
    let mut words = launch.wrapper.iter().map(OsString::as_os_str);
    let program = words.next().unwrap_or(launch.program.as_os_str());
    let mut command = process::command(program);
    command.args(words);
    if !launch.wrapper.is_empty() {
        command.arg(&launch.program);
    }
    command.args(&launch.args);
    set_variables(&mut command, launch, plain);
    command
}

/// Starts a service in a process group of its own. `death` is what it gets when we die.
pub(crate) fn spawn(
    launch: &Launch,
    plain: &Variables,
    death: Signal,
    notify_socket: Option<&Path>,
) -> io::Result<Job> {
    // Our own program as stdin: that finds it even when its file was replaced since we started, and
    // in a user namespace that may not look into our /proc. `daemon exec` puts /dev/null there.
    const OURSELVES: &str = "/proc/self/fd/0";
    let (reader, writer) = io::pipe()?;
    let mut words = launch.wrapper.iter().map(OsString::as_os_str).chain([OURSELVES.as_ref()]);
    let mut command = process::command(words.next().unwrap_or(OURSELVES.as_ref()));
    command.args(words).args(["daemon", "exec", "--parent"]);
    command.arg(std::process::id().to_string());
    command.arg("--death-signal").arg(death.as_raw().to_string());
    command.arg("--").arg(&launch.program).args(&launch.args);
    set_variables(&mut command, launch, plain);
    if let Some(socket) = notify_socket {
        command.env(notify::VARIABLE, socket);
    }
    command
        .stdin(File::open("/proc/self/exe")?)
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0);
    let child = command.spawn()?;
    // The command holds the writing ends; with it gone, the pipe ends with the service.
    drop(command);
    let pid = child.id().and_then(process::pid_of);
    let pid = pid.ok_or_else(|| io::Error::other("it has no process id"))?;
    Ok(Job { child: Child::Own(child), pid, output: pipe::Receiver::from_owned_fd(reader.into())? })
}

/// The same, done by a service that starts others.
pub(crate) fn fork(
    through: &Through,
    launch: &Launch,
    plain: &Variables,
    death: Signal,
    notify_socket: Option<&Path>,
) -> io::Result<Job> {
    let starter::Forked { pid, output, end } =
        starter::ask(through, launch, plain, death, notify_socket)?;
    Ok(Job { child: Child::Forked(end), pid, output })
}

/// To the process alone. One that is gone already is no error.
pub(crate) fn signal(pid: Pid, signal: Signal) {
    rustix::process::kill_process(pid, signal).ok();
}

/// Kills everything that is left of its group.
pub(crate) fn kill_group(pid: Pid) {
    rustix::process::kill_process_group(pid, Signal::KILL).ok();
}

fn exit_of(status: io::Result<ExitStatus>) -> Exit {
    match status {
        Ok(status) => Exit { code: status.code(), signal: status.signal(), reason: None },
        Err(error) => unknown(&error),
    }
}

fn unknown(error: &io::Error) -> Exit {
    Exit { reason: Some(error.to_string()), ..Exit::default() }
}

/// Becomes another program, which ends with `parent`: the other half of [`spawn`]. Returns only if
/// that failed. Whoever changes user or namespace loses the death signal, so this comes after it.
pub(crate) fn become_program(
    parent: u32,
    death: i32,
    program: &OsString,
    args: &[OsString],
) -> io::Error {
    let prepared = || -> io::Result<()> {
        let signal = Signal::from_named_raw(death).ok_or(io::ErrorKind::InvalidInput)?;
        rustix::process::set_parent_process_death_signal(Some(signal))?;
        // It may have died before the kernel knew that we care.
        let now = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
        if now != Some(parent) {
            return Err(io::Error::other("the supervisor is gone"));
        }
        as_every_service();
        Ok(())
    };
    if let Err(error) = prepared() {
        return error;
    }
    process::command(program).into_std().args(args).stdin(Stdio::null()).exec()
}

/// Becomes a service where somebody else keeps the processes and waits for this one; what is said on
/// `NOTIFY_SOCKET` is for them. Returns only if that failed.
#[expect(clippy::disallowed_methods, reason = "what its keeper says is no setting")]
pub(crate) fn become_service(launch: &Launch, plain: &Variables) -> io::Error {
    let keeper = std::env::var_os(notify::VARIABLE);
    let mut command = command(launch, plain);
    if let Some(socket) = keeper {
        command.env(notify::VARIABLE, socket);
    }
    as_every_service();
    command.into_std().exec()
}

fn as_every_service() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    raise_open_files();
}

/// Every connection is an open file, and the usual soft limit of 1024 is soon reached.
fn raise_open_files() {
    const ENOUGH: u64 = 65_536;
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let wanted = limit.maximum.map_or(ENOUGH, |maximum| maximum.min(ENOUGH));
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(wanted);
        rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).ok();
    }
}
