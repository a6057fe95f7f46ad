//! Starting other programs: tools that we wait for, and what `/proc` knows of a process.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

use tokio::process::Command;

use crate::{
    error::{Explain, Kind},
    files,
};

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
            Self::Start { .. } | Self::Failed { .. } => None,
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

/// Runs a tool to its end and gives its stdout; a failure carries the last lines it wrote.
pub(crate) async fn tool(command: &mut Command) -> Result<String, Error> {
    let program = name_of(command);
    let output = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .await
        .map_err(|source| Error::Start { program: program.clone(), source })?;
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

/// Whether a process belongs to the group that another leads.
pub(crate) fn is_in_group(pid: u32, leader: u32) -> bool {
    // Field 5 of proc_pid_stat(5): the kernel's call says 0 for a group led from outside our PID
    // namespace, which rustix cannot hold.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let group = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(2));
    group.and_then(|group| group.parse().ok()) == Some(leader)
}

/// When a process started, in clock ticks since boot: with the pid it names one process for ever,
/// where a pid alone may have been given to another. None if there is no such process.
pub(crate) fn start_ticks(pid: u32) -> Option<u64> {
    // Field 22 of proc_pid_stat(5), counted after the command name, which may hold anything.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// The CPU time that a process has taken, in seconds.
pub(crate) fn cpu_seconds(pid: u32) -> Option<f64> {
    // Fields 14 and 15 of proc_pid_stat(5), of its own and of the kernel for it.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u32>().ok();
    let ticks = u32::try_from(rustix::param::clock_ticks_per_second()).ok()?;
    Some((f64::from(next()?) + f64::from(next()?)) / f64::from(ticks))
}

/// Resident memory of a process, in bytes.
pub(crate) fn resident_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Who listens on a TCP port of this machine: pid and program, as far as we may see it.
pub(crate) fn listener(port: u16) -> Option<(u32, String)> {
    const LISTEN: &str = "0A";
    owner(["/proc/net/tcp", "/proc/net/tcp6"], LISTEN, port)
}

/// Who receives on a UDP port of this machine, likewise.
pub(crate) fn udp_owner(port: u16) -> Option<(u32, String)> {
    const UNCONNECTED: &str = "07";
    owner(["/proc/net/udp", "/proc/net/udp6"], UNCONNECTED, port)
}

fn owner(tables: [&str; 2], state: &str, port: u16) -> Option<(u32, String)> {
    // proc_net_tcp(5): `sl local_address rem_address st … inode`, numbers in hexadecimal.
    let inode = tables.into_iter().find_map(|table| {
        let table = std::fs::read_to_string(table).ok()?;
        table.lines().skip(1).find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (_, local) = fields.get(1)?.rsplit_once(':')?;
            let ours = u16::from_str_radix(local, 16) == Ok(port) && fields.get(3) == Some(&state);
            if ours { fields.get(9).map(|inode| (*inode).to_owned()) } else { None }
        })
    })?;
    let socket = PathBuf::from(format!("socket:[{inode}]"));
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let pid =
        processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(|pid| {
            let open = std::fs::read_dir(format!("/proc/{pid}/fd"));
            open.into_iter()
                .flatten()
                .flatten()
                .any(|file| std::fs::read_link(file.path()).is_ok_and(|target| target == socket))
        })?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some((pid, name.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_on_a_port_is_found() {
        let listener_of_ours = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener_of_ours.local_addr().unwrap().port();
        assert_eq!(listener(port).unwrap().0, std::process::id());
        let receiver = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = receiver.local_addr().unwrap().port();
        assert_eq!(udp_owner(port).unwrap().0, std::process::id());
    }
}
