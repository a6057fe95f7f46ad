//! Waiting until services run, which a start, a restart of some and another set of workers have in
//! common; and what is said of a service that does not.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::start::Error;
use crate::supervisor::{
    control::Stream,
    record::{Report, Snapshot},
    state::Phase,
};

/// What a program wrote before it ended, as the cause of an error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct LastWords(String);

impl LastWords {
    pub(crate) fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }
}

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

/// Whether those of these that there are run; an error where one has failed.
pub(crate) fn all_run(now: &Snapshot, names: &[String]) -> Result<bool, Error> {
    let mut reports = names.iter().filter_map(|name| Some((name, now.services.get(name)?)));
    if let Some((name, report)) = reports.clone().find(|(_, report)| report.state.has_failed()) {
        return Err(failed(name, report));
    }
    Ok(reports.all(|(_, report)| report.state.is_ready()))
}

fn slow(last: Option<&Snapshot>, after: Duration) -> Error {
    let unready = last.and_then(|last| {
        last.unready().find(|(_, r)| r.state != Phase::Waiting).or_else(|| last.unready().next())
    });
    let (service, why) = match unready {
        Some((name, report)) => {
            let state = serde_json::to_value(report.state).unwrap_or_default();
            let state = state.as_str().unwrap_or_default();
            let mut why = format!("`{name}` is {state}");
            if let Some(waits_for) = &report.waits_for {
                why = format!("{why}: {waits_for}");
            } else if let Some(ended) = &report.last_exit {
                why = format!("{why}: it ended with {}", ended.exit);
            }
            for line in report.last_words.iter().rev().take(5).rev() {
                why.push('\n');
                why.push_str(line);
            }
            (name.to_owned(), why)
        }
        None => ("supervisor".to_owned(), "the supervisor does not answer".to_owned()),
    };
    Error::Slow { after, service, source: LastWords(why) }
}

/// What is said of a service that used up its tries.
pub(crate) fn failed(name: &str, report: &Report) -> Error {
    let tries = match report.runs {
        1 => "it was started once".to_owned(),
        runs => format!("it was started {runs} times"),
    };
    let exit =
        report.last_exit.as_ref().map_or("no word".to_owned(), |ended| ended.exit.to_string());
    // Rulers and blank lines say nothing.
    let said = |line: &&String| line.chars().any(char::is_alphanumeric);
    let mut words: Vec<&str> =
        report.last_words.iter().rev().filter(said).take(10).map(String::as_str).collect();
    words.reverse();
    let source = (!words.is_empty()).then(|| LastWords(words.join("\n")));
    Error::Failed { service: name.to_owned(), tries, exit, source }
}
