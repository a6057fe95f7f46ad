//! What a service is: one process that is kept running, or one that runs once to its end. Written by
//! `services/`, kept by the supervisor, rendered by `targets/`.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

pub(crate) use rustix::process::Signal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::files;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Service {
    /// `postgres`, `synapse`, …: also the name of its log file.
    pub(crate) name: String,
    /// What it is, in a few words for people.
    pub(crate) summary: String,
    /// Words by which others may pick services, such as `database`.
    pub(crate) tags: Vec<String>,
    /// What must be so before it is started. Losing it later does not stop it; a need that is stopped
    /// because somebody asked for that takes it down first.
    pub(crate) needs: Vec<Need>,
    pub(crate) launch: Launch,
    /// Of what it reads when it starts (its files): another text, and it has to read them again.
    pub(crate) revision: String,
    /// The signal on which it reads them again without ending; without one it is restarted for that.
    #[serde(with = "signal_number")]
    pub(crate) reload: Option<Signal>,
    /// All of these must have been so once after a start; none means that it is ready when it runs.
    pub(crate) ready: Vec<Probe>,
    /// Asked again and again while it runs; it is healthy when the last answer of each was good.
    pub(crate) live: Vec<Live>,
    pub(crate) restart: Restart,
    /// Signals for an orderly stop, each with how long it may take before the next one. After the
    /// last the whole process group is killed.
    #[serde(with = "stop_signals")]
    pub(crate) stop: Vec<(Signal, Duration)>,
    /// Where others reach it: `client` -> `http://127.0.0.1:8008`.
    pub(crate) endpoints: BTreeMap<String, String>,
    /// It is there to start others ([`Through`]), which do without it where it fails.
    #[serde(default)]
    pub(crate) starter: Option<Starter>,
}

/// How long one that starts others is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Starter {
    /// As long as it is wanted.
    Stays,
    /// From when one is to be started until it has been.
    Goes,
}

/// What starts a process in our place, faster than we can.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Through {
    /// A service that is a [`Starter`].
    pub(crate) service: String,
    /// Where it is asked ([`super::starter`]).
    pub(crate) socket: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub(crate) struct Need {
    pub(crate) service: String,
    pub(crate) condition: Condition,
}

impl Need {
    pub(crate) fn new(service: &str, condition: Condition) -> Self {
        Self { service: service.to_owned(), condition }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Condition {
    /// Its process runs.
    Started,
    /// It has become ready.
    Healthy,
    /// It ran once to its end and succeeded.
    Completed,
}

/// How a process is started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Launch {
    /// A program with arguments that changes who the process is and then runs the rest in its own
    /// place: `unshare -U --map-user=65534 --map-group=65534`, or nothing.
    pub(crate) wrapper: Vec<OsString>,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    /// Variables beside those it inherits.
    pub(crate) environment: BTreeMap<String, OsString>,
    pub(crate) inherits: Inherits,
    /// The folder it runs in; it must exist.
    pub(crate) folder: PathBuf,
    /// Files of which it would make others where they are gone: without them it is not started.
    #[serde(default)]
    pub(crate) keeps: Vec<PathBuf>,
    /// Files that a predecessor leaves when it is killed, and that would keep it from starting where another process
    /// has the number of that one.
    #[serde(default)]
    pub(crate) clears: Vec<PathBuf>,
    /// By whom, where that can be.
    #[serde(default)]
    pub(crate) through: Option<Through>,
}

/// Which variables a process gets from ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Inherits {
    /// Only what any program needs (PATH, HOME, the locale, proxies): no secret, and nothing that
    /// would change how PostgreSQL or Python behave.
    #[default]
    Plain,
    /// Everything: for this program itself, which reads its settings from variables.
    All,
}

impl Launch {
    pub(crate) fn new(program: impl Into<PathBuf>, folder: &Path) -> Self {
        Self { program: program.into(), folder: folder.to_owned(), ..Self::default() }
    }

    #[must_use]
    pub(crate) fn args<S: Into<OsString>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Removes what a killed predecessor left; that one is gone.
    pub(crate) fn clear(&self) -> Result<(), files::Error> {
        self.clears.iter().try_for_each(|file| files::remove(file))
    }

    /// The first that is gone of what it keeps.
    pub(crate) fn lost(&self) -> Option<&Path> {
        self.keeps.iter().map(PathBuf::as_path).find(|file| !file.exists())
    }
}

/// A question about a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Probe {
    /// It said `READY=1` on the socket named by `NOTIFY_SOCKET` (`sd_notify(3)`).
    Notify,
    /// This command succeeds.
    Exec(Launch),
    /// Something accepts connections there: `127.0.0.1:5432`.
    Tcp(String),
    /// An HTTP GET answers with a status below 500; through `socket`, where it listens on a unix
    /// socket. With `bearer_file` the request is authenticated
    /// with `access_token` of that JSON file, or, while there is none, with a token nobody has: a
    /// server that has to look it up shows in its answer whether it reaches its database.
    Http { url: String, socket: Option<PathBuf>, bearer_file: Option<PathBuf> },
    /// An HTTP GET answers with a status from 200 to 399.
    Web(String),
    /// It has run for so long: for one that cannot be asked. Always well where it is asked later.
    Lasts(Duration),
    /// The same, but the answer may take no longer than this.
    Within(Box<Self>, Duration),
    /// This line (counted from 1) of a file reads so, as in PostgreSQL's `postmaster.pid`.
    Line { path: PathBuf, number: usize, reads: String },
}

impl Probe {
    /// Whether somebody beside its starter can ask it, at any time.
    pub(crate) fn can_be_asked(&self) -> bool {
        !matches!(self, Self::Notify | Self::Lasts(_))
    }

    /// Where it asks, if that is an address.
    pub(crate) fn address(&self) -> Option<String> {
        match self {
            Self::Tcp(address) | Self::Web(address) | Self::Http { url: address, .. } => {
                Some(address.clone())
            }
            Self::Within(probe, _) => probe.address(),
            Self::Notify | Self::Exec(_) | Self::Lasts(_) | Self::Line { .. } => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Live {
    pub(crate) probe: Probe,
    pub(crate) interval: Duration,
    /// Restart the service when the answers have been bad for so long; without it they are only
    /// reported.
    pub(crate) restart_after: Option<Duration>,
}

/// What happens when a process ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Restart {
    /// It is started once: success completes it, anything else is a failure. Without a probe it is a
    /// piece of work, which is ready when it is completed.
    Never,
    /// It is started again after pauses of 1, 2, 4, … seconds, at most `budget` times within
    /// `window`; then it is failed.
    Always { budget: u32, window: Duration },
    /// The same, but success completes it.
    OnFailure { budget: u32, window: Duration },
}

impl Restart {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Always { .. } => "always",
            Self::OnFailure { .. } => "on-failure",
        }
    }
}

/// What another text of a service asks for while its process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Nothing,
    /// It reads its files again on this signal.
    Reload(Signal),
    Restart,
}

impl Service {
    /// Whether it is there only while others are started.
    pub(crate) fn goes(&self) -> bool {
        self.starter == Some(Starter::Goes)
    }

    /// What it gets when its supervisor dies.
    pub(crate) fn death(&self) -> Signal {
        self.stop.first().map_or(Signal::TERM, |(signal, _)| *signal)
    }

    pub(crate) fn change_to(&self, new: &Self) -> Change {
        if self.launch != new.launch {
            return Change::Restart;
        }
        match new.reload {
            _ if self.revision == new.revision => Change::Nothing,
            Some(signal) => Change::Reload(signal),
            None => Change::Restart,
        }
    }
}

/// A signal as its number, which is the same on every Linux of one kind of machine.
mod signal_number {
    use super::{Deserialize as _, Deserializer, Serialize as _, Serializer, Signal};

    #[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(
        signal: &Option<Signal>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        signal.map(Signal::as_raw).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Signal>, D::Error> {
        Ok(Option::<i32>::deserialize(deserializer)?.and_then(Signal::from_named_raw))
    }
}

mod stop_signals {
    use super::{Deserialize as _, Deserializer, Duration, Serializer, Signal};

    pub(super) fn serialize<S: Serializer>(
        stop: &[(Signal, Duration)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(stop.iter().map(|(signal, patience)| (signal.as_raw(), patience)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(Signal, Duration)>, D::Error> {
        let stop = Vec::<(i32, Duration)>::deserialize(deserializer)?;
        let known = |(signal, patience)| Some((Signal::from_named_raw(signal)?, patience));
        Ok(stop.into_iter().filter_map(known).collect())
    }
}

/// A service for tests of what only looks at names and needs.
#[cfg(test)]
pub(crate) fn sample(name: &str, needs: &[&str]) -> Service {
    Service {
        name: name.to_owned(),
        summary: name.to_owned(),
        tags: Vec::new(),
        needs: needs.iter().map(|need| Need::new(need, Condition::Healthy)).collect(),
        launch: Launch::default(),
        revision: String::new(),
        reload: None,
        ready: Vec::new(),
        live: Vec::new(),
        restart: Restart::Always { budget: 5, window: Duration::from_mins(10) },
        stop: vec![(Signal::TERM, Duration::from_secs(30)), (Signal::QUIT, Duration::from_secs(5))],
        endpoints: BTreeMap::new(),
        starter: None,
    }
}
