//! Keeps any process running, and knows none by name.
//!
//! `service` is what is asked for, `order` sorts, `job` spawns and reaps, `starter` has another service do
//! that, `ahead` starts such a service before the others, `probe`, `get` and `notify` ask,
//! `state` decides (purely), `watch` is the loop that acts with a `unit` for each service, `log` keeps
//! what the processes say, `control` is the socket others talk to, `record` is what is said there and
//! written for others to read, `events` what happened, `down` marks what has no process, `orphans` are
//! reaped, and what a killed supervisor left behind is ended by `sweep`. `kept` are services that somebody else keeps.

use std::sync::Arc;

mod ahead;
pub(crate) mod control;
pub(crate) mod down;
pub(crate) mod events;
mod get;
pub(crate) mod job;
pub(crate) mod kept;
pub(crate) mod log;
pub(crate) mod notify;
pub(crate) mod order;
mod orphans;
pub(crate) mod probe;
pub(crate) mod record;
pub(crate) mod service;
mod starter;
pub(crate) mod state;
mod sweep;
mod unit;
mod watch;

pub(crate) use ahead::Ahead;
pub(crate) use get::get;
pub(crate) use sweep::sweep;
pub(crate) use watch::run;

use crate::{
    data_dir::DataDir,
    error::{Explain, Kind},
    files,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Order(#[from] order::Error),
    #[error(transparent)]
    Control(#[from] control::Error),
    #[error(transparent)]
    File(#[from] files::Error),
    #[error("there is no service `{0}`")]
    NoService(String),
    #[error("signals cannot be received")]
    Signals,
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Order(_) => Kind::Setting,
            Self::NoService(_) => Kind::Request,
            Self::Control(error) => error.kind(),
            Self::File(error) => error.kind(),
            Self::Signals => Kind::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Control(error) => error.hint(),
            Self::File(files::Error::Held { .. }) => {
                Some("the homeserver runs already: `status` shows how it is".into())
            }
            Self::File(error) => error.hint(),
            Self::NoService(_) => Some("`manage services` lists them".into()),
            Self::Order(_) | Self::Signals => None,
        }
    }
}

/// Where a supervisor works.
pub(crate) struct Settings {
    /// The word for the services that are kept.
    pub(crate) profile: String,
    /// Those that are to run at first, with all they need; without names, all.
    pub(crate) wanted: Vec<String>,
    /// Its lock, its sockets, its logs and what it writes for others to read.
    pub(crate) data: DataDir,
    pub(crate) limits: log::Limits,
    /// The variables that every process gets: of those named in [`job::PLAIN`], what is set.
    pub(crate) plain: Arc<job::Variables>,
    /// Where lines are shown as well, as they come.
    pub(crate) echo: Option<log::Echo>,
    /// End, with everything, when a service has failed that has not this tag: where somebody above
    /// restarts us.
    pub(crate) end_with_failure: Option<&'static str>,
}
