//! Asks a service that starts others for a process, which then is our child like those that we start
//! ourselves.
//!
//! The request is a line of JSON, and with it goes the pipe that the process writes to. The process answers
//! with its pid as soon as we are its parent, and begins when it gets a byte from us: one that we do not
//! wait for any more ends, so that nothing is started twice.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    io::{self, BufRead as _, BufReader, IoSlice, Write as _},
    mem::MaybeUninit,
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    time::Duration,
};

use rustix::{
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg},
    process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, pidfd_open, waitid},
};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{Interest, unix::AsyncFd},
    net::unix::pipe,
};

use super::{
    notify,
    service::{Inherits, Launch, Through},
};
use crate::process::pid_of;

/// A fork takes some ten milliseconds. All others have to wait for so long, so it is not much.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Asked<'a> {
    arguments: Vec<&'a str>,
    folder: &'a str,
    environment: BTreeMap<&'a str, &'a str>,
    death_signal: i32,
    /// Whose child it has to be.
    parent: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Pid(u32),
    Error(String),
}

/// A process that somebody else has started for us.
pub(super) struct Forked {
    pub(super) pid: Pid,
    pub(super) output: pipe::Receiver,
    pub(super) end: End,
}

/// What becomes readable when it ends.
pub(crate) struct End(AsyncFd<OwnedFd>);

impl End {
    pub(super) async fn wait(&mut self) -> io::Result<Option<WaitIdStatus>> {
        drop(self.0.readable().await?);
        Ok(waitid(WaitId::PidFd(self.0.as_fd()), WaitIdOptions::EXITED)?)
    }
}

/// Has it started, in a process group of its own.
pub(super) fn ask(
    through: &Through,
    launch: &Launch,
    plain: &BTreeMap<String, OsString>,
    death: Signal,
    notify_socket: Option<&Path>,
) -> io::Result<Forked> {
    let asked = asked(launch, plain, death, notify_socket);
    let asked = asked.ok_or_else(|| io::Error::other("not all of it can be said as text"))?;
    let mut line = serde_json::to_vec(&asked)?;
    line.push(b'\n');
    let (reader, writer) = io::pipe()?;
    let mut stream = UnixStream::connect(&through.socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let sent = send_with(&stream, &line, writer.as_fd())?;
    stream.write_all(&line[sent..])?;
    // With the service's own end gone, the pipe ends.
    drop(writer);
    let mut said = String::new();
    BufReader::new(&stream).read_line(&mut said).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            io::Error::other(format!("it does not answer within {} s", PATIENCE.as_secs()))
        }
        _ => error,
    })?;
    let pid = match serde_json::from_str(&said) {
        Ok(Answer::Pid(pid)) => pid_of(pid),
        Ok(Answer::Error(why)) => return Err(io::Error::other(why)),
        Err(_) => None,
    };
    let pid = pid.ok_or_else(|| io::Error::other("it does not say which process it is"))?;
    let forked =
        Forked { pid, output: pipe::Receiver::from_owned_fd(reader.into())?, end: end_of(pid)? };
    stream.write_all(b"\n")?;
    Ok(forked)
}

/// None where something is no text.
fn asked<'a>(
    launch: &'a Launch,
    plain: &'a BTreeMap<String, OsString>,
    death: Signal,
    notify_socket: Option<&'a Path>,
) -> Option<Asked<'a>> {
    if launch.inherits != Inherits::Plain || !launch.wrapper.is_empty() {
        return None;
    }
    let all = plain.iter().chain(&launch.environment);
    let all = all.map(|(name, value)| (name.as_str(), value.as_os_str()));
    let socket = notify_socket.map(|socket| (notify::VARIABLE, socket.as_os_str()));
    let text = |(name, value): (&'a str, &'a OsStr)| Some((name, value.to_str()?));
    Some(Asked {
        arguments: launch.args.iter().map(|word| word.to_str()).collect::<Option<_>>()?,
        folder: launch.folder.to_str()?,
        environment: all.chain(socket).map(text).collect::<Option<_>>()?,
        death_signal: death.as_raw(),
        parent: std::process::id(),
    })
}

/// How much of it was sent; the descriptor goes with the first byte.
fn send_with(stream: &UnixStream, line: &[u8], with: BorrowedFd<'_>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [with];
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    Ok(sendmsg(stream, &[IoSlice::new(line)], &mut control, SendFlags::NOSIGNAL)?)
}

/// It is refused where it is no child of ours: nobody could say how it ended.
fn end_of(pid: Pid) -> io::Result<End> {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(pid), look)?;
    let descriptor = pidfd_open(pid, PidfdFlags::empty())?;
    #[expect(deprecated, reason = "what replaces it is unsafe, and this type owns one descriptor")]
    let end = AsyncFd::with_interest(descriptor, Interest::READABLE)?;
    Ok(End(end))
}
