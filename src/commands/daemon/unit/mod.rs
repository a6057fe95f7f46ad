//! `daemon unit`: becomes a service, for systemd or an engine for containers that keeps it in the supervisor's place.

mod well;

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    commands::reply::{Nothing, Stream},
    config::Config,
    context::Context,
    daemons,
    error::Failure,
    instance::lifecycle::start,
    postgres, process,
    reply::{Outcome, Stop},
    services,
    supervisor::{
        down::Down,
        job, probe,
        service::{Probe, Service},
    },
    targets,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The service
    name: String,
    #[command(flatten)]
    moment: Moment,
}

// No doc comment: clap would show it as the help of the command.
#[derive(clap::Args)]
#[group(multiple = false)]
struct Moment {
    /// Wait until it is ready
    #[arg(long)]
    ready: bool,
    /// Ask how it is, once
    #[arg(long)]
    well: bool,
    /// Note that it has no process any more
    #[arg(long)]
    ended: bool,
    /// Do what is due, and end
    #[arg(long)]
    once: bool,
}

/// Between two questions to a service that is starting.
const PAUSE: Duration = Duration::from_millis(100);
/// The process of the service, where its keeper says it (systemd.exec(5)).
const MAIN_PID: &str = "MAINPID";

pub(crate) async fn run(args: Args, context: &Context) -> Result<Stream<Nothing>, Stop> {
    super::log_to_stderr();
    let config = context.config()?;
    let Args { name, moment } = args;
    let down = Down::of(&config.data);
    if moment.ended {
        down.mark(&name);
        return Ok(ended());
    }
    match name.as_str() {
        targets::PREPARE => return prepare(context).await,
        targets::ACCOUNT => {
            start::account(config).await?;
            return Ok(ended());
        }
        services::BACKUPS if moment.once => {
            return Ok(Stream::new(async |context, _| {
                let well = daemons::backups::once(|| context.config_now()).await?;
                Ok(if well { Outcome::Done } else { Outcome::Unwell })
            }));
        }
        _ => {}
    }
    let service = find(config, &name).await?;
    if moment.ready {
        ready(context, &service).await?;
        return Ok(ended());
    }
    if moment.well {
        well::ask(&service).await?;
        return Ok(ended());
    }
    if let Some(file) = service.launch.lost() {
        let why = format!("`{}` is lost, and it would make another one", file.display());
        return Err(Failure::environment(why).into());
    }
    service.launch.clear()?;
    down.clear(&name)?;
    let error = job::become_service(&service.launch, &job::own_plain());
    let why = format!("`{}` cannot be started: {error}", service.launch.program.display());
    Err(Failure::environment(why).into())
}

fn ended() -> Stream<Nothing> {
    Stream::new(async |_, _| Ok(Outcome::Done))
}

async fn find(config: &Config, name: &str) -> Result<Service, Failure> {
    if let Some(own) = targets::beside(config, name) {
        return Ok(own);
    }
    // How PostgreSQL is started is found out by trying, which no other one may.
    let all = if name == services::POSTGRES {
        services::all(config).await?
    } else {
        services::outline(config)?
    };
    all.into_iter().find(|service| service.name == name).ok_or_else(|| {
        Failure::request(format!("there is no service `{name}`"))
            .hinted("`manage services` lists them")
    })
}

/// What a start does before there are processes.
async fn prepare(context: &Context) -> Result<Stream<Nothing>, Stop> {
    let config = context.config()?;
    let options = start::Options::all(config.supervision.start_timeout.0, false);
    start::prepare(config, options, &mut |_| ()).await?;
    let down = Down::anew(&config.data)?;
    services::outline(config)?.iter().for_each(|service| down.mark(&service.name));
    // One that runs has what it needs.
    let is_own = postgres::target(config)?.is_embedded();
    if is_own && !postgres::embedded::answers(&config.data) {
        postgres::embedded::make_ready(config).await?;
    }
    Ok(ended())
}

/// Waits until all is so that a service is ready with; an error where its process has ended before.
async fn ready(context: &Context, service: &Service) -> Result<(), Failure> {
    let plain = job::own_plain();
    let main = context.environment.get(MAIN_PID).and_then(|pid| pid.parse::<u32>().ok());
    let lives = || main.is_none_or(|pid| process::Stat::of(pid).is_some());
    for probe in &service.ready {
        if let Probe::Lasts(time) = probe {
            sleep(*time).await;
        }
        while probe::ask(probe, &plain).await.is_err() {
            if !lives() {
                let why = format!("`{}` has ended before it was ready", service.name);
                return Err(Failure::environment(why));
            }
            sleep(PAUSE).await;
        }
    }
    Ok(())
}
