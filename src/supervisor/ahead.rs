//! What starts others, started while another supervisor still keeps everything: what it imports is there when
//! that one has ended.
//!
//! It finds [`VARIABLE`] in its environment, makes itself ready, says a line, and touches nothing that others
//! have until it gets SIGUSR1. From then on it is like one that was started in the ordinary way.

use std::{io, time::Duration};

use rustix::process::Signal;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    time::timeout,
};

use super::{Settings, job, notify, order, service::Service};

/// Tells it that it is ahead of its time.
const VARIABLE: &str = "STARTED_AHEAD";
/// How long it may take to make itself ready.
const PATIENCE: Duration = Duration::from_secs(10);

/// One that waits.
pub(crate) struct Ahead {
    service: Service,
    place: usize,
    job: job::Job,
}

impl Ahead {
    /// The first of these that starts others, as soon as it waits; none where there is none, or it cannot be.
    pub(crate) async fn start(services: &[Service], settings: &Settings) -> Option<Self> {
        let services = order::sort(services.to_vec()).ok()?;
        let place = services.iter().position(|service| service.starter.is_some())?;
        let service = services[place].clone();
        let mut launch = service.launch.clone();
        launch.environment.insert(VARIABLE.to_owned(), "1".into());
        let socket = notify::socket(&settings.data, place);
        let mut job = job::spawn(&launch, &settings.plain, service.death(), Some(&socket)).ok()?;
        let mut line = String::new();
        let mut output = BufReader::with_capacity(1, &mut job.output);
        let read = timeout(PATIENCE, output.read_line(&mut line)).await;
        read.is_ok_and(|read| read.is_ok_and(|length| length > 0)).then_some(Self {
            service,
            place,
            job,
        })
    }

    /// Whether it is that service, in that place.
    pub(super) fn is(&self, service: &Service, place: usize) -> bool {
        self.service == *service && self.place == place
    }

    /// Its time has come.
    pub(super) fn go(self) -> io::Result<job::Job> {
        rustix::process::kill_process(self.job.pid, Signal::USR1)?;
        Ok(self.job)
    }
}
