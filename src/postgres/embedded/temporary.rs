//! The server for a short while and on its socket only: to make role and database before the
//! supervisor runs it.

use std::{path::Path, process::Stdio, time::Duration};

use rustix::process::Signal;
use tokio::{
    process::Child,
    time::{Instant, sleep, timeout},
};

use super::{super::Error, Launch, launch, make_ready};
use crate::{config::Config, files, process};

/// How long a server may take to end that has nothing to do.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(in crate::postgres) struct Temporary(Child);

impl Temporary {
    /// Starts it and waits until it takes connections. What it writes is in `logs/postgres-setup.log`.
    pub(in crate::postgres) async fn start(
        config: &Config,
        deadline: Instant,
    ) -> Result<Self, Error> {
        make_ready(config).await?;
        let launch = launch(config).await?;
        Self::of(launch, &config.data.logs().join("postgres-setup.log"), deadline).await
    }

    /// The same of any cluster that is ready to be started.
    pub(super) async fn of(launch: Launch, log: &Path, deadline: Instant) -> Result<Self, Error> {
        let file = files::append(log).and_then(|file| file.set_len(0).map(|()| file));
        let file = file.map_err(files::Error::io("write", log))?;
        // An account's wrapper asks for that itself.
        let mut command = if launch.program.ends_with("setpriv") {
            process::command(&launch.program)
        } else {
            process::bound_by("INT", &launch.program)
        };
        command.args(&launch.args).args(["-c", "listen_addresses="]);
        // Nobody puts a time before these lines.
        command.args(["-c", "log_line_prefix=%m [%p] "]);
        command.envs(launch.env).stdout(Stdio::null()).stderr(file).process_group(0);
        let mut child = command.spawn().map_err(|source| process::Error::Start {
            program: launch.program.display().to_string(),
            source,
        })?;
        let (program, args) = launch.ready.split_first().ok_or(Error::NoBinaries)?;
        loop {
            let ended = child.try_wait().is_ok_and(|status| status.is_some());
            if ended || Instant::now() > deadline {
                let text = files::read_if_exists(log)?.unwrap_or_default();
                let lines: Vec<&str> = text.lines().collect();
                let last_words = lines[lines.len().saturating_sub(4)..].join("\n");
                return Err(Error::NotReady { last_words });
            }
            if process::tool(process::command(program).args(args)).await.is_ok() {
                return Ok(Self(child));
            }
            sleep(PAUSE).await;
        }
    }

    /// Ends it in good order.
    pub(in crate::postgres) async fn stop(mut self) -> Result<(), Error> {
        let id = self.0.id().unwrap_or_default();
        // Our child, which may have ended by itself.
        process::signal(id, Signal::INT);
        match timeout(PATIENCE, self.0.wait()).await {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::Stuck(id)),
        }
    }
}
