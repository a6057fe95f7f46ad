//! `daemon supervise`: the supervisor. `manage start` runs it detached; `--foreground` calls it.

use std::{
    io::{self, Write},
    sync::Arc,
};

use crate::{
    commands::{Outcome, Result},
    config::paths::DataDir,
    context::Context,
    error::Failure,
    output::Output,
    services,
    supervisor::{
        self, Settings, job,
        log::{self, Limits, LogFile},
        notify,
        record::Snapshot,
    },
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave the terminal
    #[arg(long)]
    detach: bool,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    if args.detach {
        // Fails only for the leader of a group, and whoever detaches us does not make us that.
        rustix::process::setsid().ok();
    }
    supervise(context, output, !args.detach).await
}

/// Keeps everything until it is asked to end. In the foreground somebody above (systemd, a
/// container) restarts us, so there the failure of a service is ours.
pub(crate) async fn supervise(context: &Context, output: &Output, foreground: bool) -> Result {
    let config = context.config()?;
    let data = &config.data;
    data.create()?;
    let supervision = &config.supervision;
    let limits = Limits { size: supervision.log_size.0, files: supervision.log_files };
    keep_own_log(data, limits);
    let services = services::all(config).await?;
    let plain = job::PLAIN
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), context.environment.get(name)?.into())));
    let settings = Settings {
        run: data.run(),
        sockets: data.sockets(),
        logs: data.logs(),
        limits,
        plain: Arc::new(plain.collect()),
        end_with_failure: foreground,
    };
    let above = context.environment.get(notify::VARIABLE).filter(|_| foreground);
    let tell = |message: &str| {
        if let Some(socket) = above {
            drop(notify::tell(socket.as_ref(), message));
        }
    };
    let mut was_ready = false;
    let mut failure = None;
    let mut changed = |now: &Snapshot| {
        if now.ready && !was_ready {
            tell("READY=1\nSTATUS=everything runs");
            if foreground {
                output.say(format!("ready: {}", config.local_url()));
            }
        }
        was_ready = now.ready;
        failure = failure.take().or_else(|| {
            now.failed().next().map(|(name, r)| crate::instance::start::failed(name, r))
        });
    };
    let well = supervisor::run(services, settings, &mut changed).await;
    tell("STOPPING=1");
    match (well?, failure) {
        (false, Some(failure)) => Err(failure.into()),
        (false, None) => Err(Failure::environment("a service has failed")),
        (true, _) => Ok(Outcome::Done),
    }
}

/// What the supervisor itself has to say goes to `logs/supervisor.log`, with the same limits.
fn keep_own_log(data: &DataDir, limits: Limits) {
    let log = log::shared(LogFile::new(data.logs().join("supervisor.log"), limits));
    let writer = move || OwnLog(Arc::clone(&log));
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .with_max_level(tracing::Level::INFO)
        .with_writer(writer)
        .finish();
    drop(tracing::subscriber::set_global_default(subscriber));
}

struct OwnLog(log::Shared);

impl Write for OwnLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The log itself may be what has something to say.
        if let Ok(mut log) = self.0.try_lock() {
            log.lines(bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
