//! Waiting until services run, which a start, a restart of some and another set of workers have in
//! common.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    error::Failure,
    instance::error::{Error, failed, slow},
    supervisor::{self, control::Stream, record::Snapshot},
};

/// Between two questions to one that nobody tells of.
const PAUSE: Duration = Duration::from_millis(500);

/// Follows what happens until `judge` has it that all is ready, one has failed, or the time is over; none
/// where the supervisor ends before.
pub(crate) async fn follow(
    mut stream: Stream,
    deadline: Instant,
    timeout: Duration,
    judge: &mut dyn FnMut(&Snapshot) -> Result<bool, Error>,
) -> Result<Option<Snapshot>, Error> {
    let mut last: Option<Snapshot> = None;
    loop {
        let Ok(next) = timeout_at(deadline, stream.next()).await else {
            return Err(slow(last.as_ref(), timeout));
        };
        let Some(now) = next? else { return Ok(None) };
        if judge(&now)? {
            return Ok(Some(now));
        }
        last = Some(now);
    }
}

/// Waits until the homeserver at that URL says that it lives, at its path for that.
pub(crate) async fn answers(url: &str, path: &str, deadline: Instant) -> Result<(), Failure> {
    let health = format!("{url}{path}");
    loop {
        if let Ok(Some(said)) = supervisor::get(&health, None, None).await
            && said.status == 200
        {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Failure::environment(format!("the homeserver does not answer at {url}")));
        }
        sleep(PAUSE).await;
    }
}

/// Whether those of these that there are run; an error where one has failed.
pub(crate) fn all_run(now: &Snapshot, names: &[String]) -> Result<bool, Error> {
    let mut reports = names.iter().filter_map(|name| Some((name, now.services.get(name)?)));
    if let Some((name, report)) = reports.clone().find(|(_, report)| report.state.has_failed()) {
        return Err(failed(name, report));
    }
    Ok(reports.all(|(_, report)| report.is_ready()))
}
