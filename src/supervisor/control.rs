//! The control socket, from both sides: a request is one line of JSON, and every line that comes back
//! is a snapshot of everything at that moment. A request but `status` keeps the line open: another snapshot
//! comes with every change, and the end of the stream is the end of the supervisor.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::{UnixListener, UnixStream, unix::OwnedReadHalf},
    sync::{mpsc, watch},
    time::timeout,
};

use super::{
    events::{Recent, ServiceEvent},
    kept::{self, Kept},
    record::Snapshot,
    service::Service,
};
use crate::{
    data_dir::DataDir,
    error::{Explain, Kind},
    files,
};

/// How long the first answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the supervisor does not answer on `{}`", .0.display())]
    Silent(PathBuf),
    #[error("the supervisor's answer cannot be understood")]
    Unclear(#[source] serde_json::Error),
    #[error("the supervisor refused: {0}")]
    Refused(String),
    #[error("`{}` cannot be used for sockets: it must be a folder of this user that nobody else may enter", .0.display())]
    Unsafe(PathBuf),
    #[error("the supervisor has ended without stopping anything first")]
    Broken,
    #[error(transparent)]
    Kept(#[from] kept::Error),
    #[error(transparent)]
    File(#[from] files::Error),
    #[error("cannot listen on `{}`", path.display())]
    Listen { path: PathBuf, source: io::Error },
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Refused(_) => Kind::Request,
            Self::Unclear(_) => Kind::Bug,
            Self::Kept(error) => error.kind(),
            Self::File(error) => error.kind(),
            _ => Kind::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Silent(_) | Self::Unclear(_) => {
                Some("`manage stop --force` ends it, then `manage start` brings all back".into())
            }
            Self::Refused(_) => Some("`status` shows the services".into()),
            Self::Unsafe(_) => Some("remove it, then run it again".into()),
            Self::Broken => {
                Some("`manage start` brings all back; `logs supervisor` may tell more".into())
            }
            Self::Kept(error) => error.hint(),
            Self::File(error) => error.hint(),
            Self::Listen { .. } => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "lowercase")]
pub(crate) enum Request {
    /// One snapshot.
    Status,
    /// A snapshot with every change.
    Subscribe,
    /// These services are to run, with all they need; without names, all.
    Start { services: Vec<String> },
    /// These services are to be down, after all that need them.
    Down { services: Vec<String>, within_ms: Option<u64> },
    /// The services are these from now on.
    Replace { profile: String, services: Vec<Service> },
    /// The same for this profile, but those that are new wait until they are asked for, and of those that
    /// run only these are restarted where what has changed would ask for it.
    Define { services: Vec<Service>, restarts: Vec<String> },
    /// A service is to read its files again, without ending.
    Reload { service: String },
    /// What has happened to the services after that number, as it happens.
    Events { after: u64 },
    /// Everything is to end, within so many milliseconds or at once.
    Stop { force: bool, within_ms: Option<u64> },
    /// One service is to be restarted, or all.
    Restart { service: Option<String> },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Reply {
    Now(Box<Snapshot>),
    Event(Box<ServiceEvent>),
    /// Nothing more happens: the supervisor ends in order.
    Ended,
    Refused(String),
}

/// The stream of snapshots that a request opened.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: PathBuf,
    lines: Lines<BufReader<OwnedReadHalf>>,
    first: bool,
}

impl Stream {
    /// Asks the supervisor; none if there is no supervisor.
    pub(crate) async fn open(socket: &Path, request: &Request) -> Result<Option<Self>, Error> {
        let stream = match UnixStream::connect(socket).await {
            Ok(stream) => stream,
            Err(error) => {
                use io::ErrorKind::{ConnectionRefused, NotADirectory, NotFound};
                return match error.kind() {
                    NotFound | ConnectionRefused | NotADirectory => Ok(None),
                    _ => Err(files::Error::io("reach the supervisor on", socket)(error).into()),
                };
            }
        };
        let (read, mut write) = stream.into_split();
        let mut line = serde_json::to_vec(request).map_err(Error::Unclear)?;
        line.push(b'\n');
        if write.write_all(&line).await.is_err() {
            return Ok(None);
        }
        // Dropping this half would say that we have gone.
        write.forget();
        let lines = BufReader::new(read).lines();
        Ok(Some(Self { socket: socket.to_owned(), lines, first: true }))
    }

    /// The next snapshot; none when the supervisor has ended.
    pub(crate) async fn next(&mut self) -> Result<Option<Snapshot>, Error> {
        let line = if self.first {
            let line = timeout(PATIENCE, self.lines.next_line()).await;
            line.map_err(|_| Error::Silent(self.socket.clone()))?
        } else {
            self.lines.next_line().await
        };
        self.first = false;
        let Ok(Some(line)) = line else { return Ok(None) };
        match serde_json::from_str(&line).map_err(Error::Unclear)? {
            Reply::Now(snapshot) => Ok(Some(*snapshot)),
            Reply::Event(_) | Reply::Ended => Ok(None),
            Reply::Refused(why) => Err(Error::Refused(why)),
        }
    }
}

/// The stream of what happens to the services.
#[derive(Debug)]
pub(crate) struct Events(Stream);

impl Events {
    /// From the one after that number, as far back as the supervisor remembers; none if there is none.
    pub(crate) async fn open(socket: &Path, after: u64) -> Result<Option<Self>, Error> {
        Ok(Stream::open(socket, &Request::Events { after }).await?.map(Self))
    }

    /// The next one; none when the supervisor has ended in order.
    pub(crate) async fn next(&mut self) -> Result<Option<ServiceEvent>, Error> {
        let Ok(Some(line)) = self.0.lines.next_line().await else { return Err(Error::Broken) };
        match serde_json::from_str(&line).map_err(Error::Unclear)? {
            Reply::Event(event) => Ok(Some(*event)),
            Reply::Now(_) | Reply::Ended => Ok(None),
            Reply::Refused(why) => Err(Error::Refused(why)),
        }
    }
}

/// How everything is, from our own supervisor or from who keeps the services in its place; none if nobody does.
pub(crate) async fn status(data: &DataDir) -> Result<Option<Snapshot>, Error> {
    match Stream::open(&data.control_socket(), &Request::Status).await? {
        Some(mut stream) => stream.next().await,
        None => match Kept::read(data)? {
            Some(kept) => Ok(Box::pin(kept.snapshot()).await?),
            None => Ok(None),
        },
    }
}

/// What a client asks for, on its way to the loop; the answer is a refusal or nothing.
pub(crate) struct Incoming {
    pub(crate) request: Request,
    pub(crate) answer: tokio::sync::oneshot::Sender<Result<(), String>>,
}

/// Listens on a socket whose folder must be ours alone. The caller holds the supervisor's lock, so a
/// socket that is there is a dead one.
pub(crate) fn listen(socket: &Path) -> Result<UnixListener, Error> {
    let folder = socket.parent().unwrap_or(Path::new("/"));
    let ours = |metadata: fs::Metadata| {
        metadata.is_dir()
            && metadata.uid() == rustix::process::geteuid().as_raw()
            // An account that PostgreSQL runs as may have to pass through; nobody may look or write.
            && metadata.permissions().mode() & 0o066 == 0
    };
    if !fs::symlink_metadata(folder).is_ok_and(ours) {
        return Err(Error::Unsafe(folder.to_owned()));
    }
    let bound = (|| {
        files::remove(socket).map_err(io::Error::other)?;
        let listener = UnixListener::bind(socket)?;
        fs::set_permissions(socket, fs::Permissions::from_mode(files::PRIVATE))?;
        Ok(listener)
    })();
    bound.map_err(|source| Error::Listen { path: socket.to_owned(), source })
}

/// Answers clients until the loop ends.
pub(crate) async fn serve(
    listener: UnixListener,
    requests: mpsc::Sender<Incoming>,
    snapshots: watch::Receiver<Snapshot>,
    recent: Recent,
) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(answer(stream, requests.clone(), snapshots.clone(), recent.clone()));
            }
            // Out of files, most likely: others give some back.
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

async fn answer(
    stream: UnixStream,
    requests: mpsc::Sender<Incoming>,
    mut snapshots: watch::Receiver<Snapshot>,
    recent: Recent,
) -> Option<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let line = timeout(PATIENCE, lines.next_line()).await.ok()?.ok()??;
    let request: Request = match serde_json::from_str(&line) {
        Ok(request) => request,
        Err(error) => return send(&mut write, &Reply::Refused(error.to_string())).await,
    };
    if let Request::Events { mut after } = request {
        let mut ended = false;
        loop {
            for event in recent.after(after) {
                after = event.number;
                send(&mut write, &Reply::Event(Box::new(event))).await?;
            }
            if ended {
                return send(&mut write, &Reply::Ended).await;
            }
            tokio::select! {
                () = recent.more(after) => {}
                changed = snapshots.changed() => ended = changed.is_err(),
                _ = lines.next_line() => return None,
            }
        }
    }
    let once = request == Request::Status;
    if !matches!(request, Request::Status | Request::Subscribe) {
        let (answer, answered) = tokio::sync::oneshot::channel();
        requests.send(Incoming { request, answer }).await.ok()?;
        if let Err(why) = answered.await.ok()? {
            return send(&mut write, &Reply::Refused(why)).await;
        }
    }
    loop {
        let now = snapshots.borrow_and_update().clone();
        send(&mut write, &Reply::Now(Box::new(now))).await?;
        if once {
            return Some(());
        }
        tokio::select! {
            changed = snapshots.changed() => changed.ok()?,
            // A client says nothing more: this is its end.
            _ = lines.next_line() => return None,
        }
    }
}

async fn send(write: &mut tokio::net::unix::OwnedWriteHalf, reply: &Reply) -> Option<()> {
    let mut line = serde_json::to_vec(reply).ok()?;
    line.push(b'\n');
    write.write_all(&line).await.ok()
}
