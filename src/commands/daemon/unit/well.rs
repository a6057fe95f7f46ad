//! How a service is, asked in its own container: by the engine, which hears the answer, and does nothing for one that
//! hangs. That one is killed here, so that the engine starts it anew.

use std::{fs, path::Path, time::Duration};

use rustix::process::Signal;

use crate::{
    clock,
    error::Failure,
    files, process,
    supervisor::{
        job, probe,
        service::{Probe, Service},
    },
};

/// Since when it has not answered; each container has a folder of its own there.
const SINCE: &str = "/tmp/not-well-since";

/// The engine gives up after fifteen seconds, and there are three questions at most.
const PATIENCE: Duration = Duration::from_secs(4);

pub(super) async fn ask(service: &Service) -> Result<(), Failure> {
    let plain = job::own_plain();
    let within = |probe: &Probe| Probe::Within(Box::new(probe.clone()), PATIENCE);
    let mut why = None;
    let mut hung_after = None;
    for live in service.live.iter().filter(|live| live.probe.can_be_asked()) {
        if let Err(said) = probe::ask(&within(&live.probe), &plain).await {
            why.get_or_insert(said);
            hung_after = hung_after.or(live.restart_after);
        }
    }
    for probe in service.ready.iter().filter(|probe| probe.can_be_asked()) {
        if why.is_none() {
            why = probe::ask(&within(probe), &plain).await.err();
        }
    }
    let since = Path::new(SINCE);
    let Some(limit) = hung_after else {
        files::remove(since)?;
        return why.map_or(Ok(()), |why| Err(Failure::environment(why)));
    };
    let now = clock::now().as_second();
    let begun = files::read_if_exists(since)?.and_then(|text| text.trim().parse::<i64>().ok());
    match begun {
        None => files::write_atomically(since, now.to_string().as_bytes(), files::PRIVATE)?,
        Some(begun) if u64::try_from(now - begun).unwrap_or_default() >= limit.as_secs() => {
            files::remove(since)?;
            // The first process of the container ends with its child, which the service is.
            let children = fs::read_to_string("/proc/1/task/1/children").unwrap_or_default();
            let children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
            for pid in children {
                process::signal(pid, Signal::KILL);
            }
        }
        Some(_) => {}
    }
    Err(Failure::environment(why.unwrap_or_default()))
}
