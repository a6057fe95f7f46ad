//! Makes backups by schedule, tries the newest as often as was said, and removes those that are no longer
//! needed. Each is a run of this program, the same that a person types; what comes of it is noted where
//! `status` and the alerts look. Runs that were missed are made up for by one.

use std::{process::Stdio, time::Duration};

use jiff::{Timestamp, tz::TimeZone};
use rustix::process::Signal;
use serde_json::Value;
use tokio::time::sleep;

use crate::{
    backup::{
        due, keep,
        record::{Known, Mishap, Record, Since},
    },
    clock,
    config::Config,
    error::Failure,
    process::{self, Ending},
    services,
};

/// Settings, the clock and the machine may have changed since it was last looked.
const LOOK: Duration = Duration::from_secs(20);

/// Looks and acts until it is told to end. `load` reads the settings as they are now.
pub(crate) async fn run(load: impl Fn() -> Result<Config, Failure>) -> Result<(), Failure> {
    let mut signals = Ending::new()?;
    let mut said = String::new();
    loop {
        let pause = match load() {
            Ok(config) => match round(&config, &mut signals).await? {
                Some(pause) => pause,
                None => return Ok(()),
            },
            Err(failure) => {
                // Once, for whoever wonders why nothing happens.
                let why = failure.to_string();
                if said != why {
                    tracing::warn!("the settings cannot be read: {why}");
                    said = why;
                }
                LOOK
            }
        };
        tokio::select! {
            () = sleep(pause) => {}
            _ = signals.next() => return Ok(()),
        }
    }
}

/// Does what is due now, once; whether a backup that was due was made.
pub(crate) async fn once(load: impl Fn() -> Result<Config, Failure>) -> Result<bool, Failure> {
    let config = load()?;
    let failures = Record::read(&config.data)?.failures;
    round(&config, &mut Ending::new()?).await?;
    Ok(Record::read(&config.data)?.failures <= failures)
}

/// Does what is due now; how long nothing is, or nothing where it was told to end.
async fn round(config: &Config, signals: &mut Ending) -> Result<Option<Duration>, Failure> {
    let data = &config.data;
    let Some(cron) = &config.backup.schedule else { return Ok(Some(LOOK)) };
    let cron = cron.to_string();
    let mut record = Record::read(data)?;
    if record.schedule.as_ref().is_none_or(|it| it.schedule != cron) {
        let since = Since { schedule: cron, at: clock::now() };
        Record::change(data, |it| it.schedule = Some(since))?;
        record = Record::read(data)?;
    }
    let next = due::next(&config.backup, &record, clock::now());
    if next.is_some_and(|at| at <= clock::now()) {
        let begun = whole_second(clock::now());
        Record::change(data, |it| it.begun = Some(begun))?;
        tracing::info!("making a backup");
        match own(config, &["manage", "backup"], signals).await? {
            Ended::Well => {
                let mut place = String::new();
                Record::change(data, |it| {
                    // There is never more than one being made: the last is this one.
                    if let Some(known) = it.backups.last_mut().filter(|it| it.made_at >= begun) {
                        known.scheduled = true;
                        place.clone_from(&known.place);
                    }
                })?;
                tracing::info!("made {place}");
            }
            Ended::Badly(why) => {
                tracing::error!("no backup was made: {why}");
                Record::change(data, |it| {
                    it.failed = Some(Mishap::now(why));
                    it.failures = it.failures.saturating_add(1);
                })?;
            }
            Ended::Interrupted => {
                // As if it had not begun.
                Record::change(data, |it| it.begun = record.begun)?;
                return Ok(None);
            }
        }
        record = Record::read(data)?;
    }
    if let Some(known) = due::to_try(&config.backup, &record, clock::now()) {
        let place = known.place.clone();
        tracing::info!("trying {place}");
        Record::change(data, |it| it.trial = Some(clock::now()))?;
        match own(config, &["manage", "backup", "verify", &place], signals).await? {
            Ended::Well => tracing::info!("good: {place}"),
            Ended::Badly(why) => {
                tracing::error!("{place}: {why}");
                Record::change(data, |it| {
                    // What is wrong with the backup itself was noted by whoever found it.
                    if it.of(&place).is_none_or(|known| known.tried.is_none()) {
                        it.untried = Some(Mishap::now(why));
                    }
                })?;
            }
            Ended::Interrupted => return Ok(None),
        }
        record = Record::read(data)?;
    }
    if let Some(rule) = &config.backup.keep {
        let zone = TimeZone::system();
        for place in keep::surplus(&record.backups, rule, &zone) {
            // Another file of that name is not the one that was made.
            if !record.of(&place).is_some_and(Known::is_untouched) {
                continue;
            }
            match own(config, &["manage", "backup", "remove", &place], signals).await? {
                Ended::Well => tracing::info!("removed {place}: kept are {rule}"),
                Ended::Badly(why) => tracing::warn!("{place} could not be removed: {why}"),
                Ended::Interrupted => return Ok(None),
            }
        }
    }
    let left = due::next(&config.backup, &record, clock::now());
    let left = left.and_then(|at| Duration::try_from(at.duration_since(clock::now())).ok());
    // A moment later than it is due, so that it is.
    let left = left.map_or(LOOK, |left| left + Duration::from_millis(50));
    Ok(Some(left.min(LOOK)))
}

/// A backup says of itself only in which second it was made.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// How a run of this program ended.
enum Ended {
    Well,
    Badly(String),
    /// We were told to end, and it has ended.
    Interrupted,
}

/// Runs this program with the settings of this homeserver.
async fn own(config: &Config, words: &[&str], signals: &mut Ending) -> Result<Ended, Failure> {
    let mut command = process::command("/proc/self/exe");
    command.args(services::same_settings(config)).args(words).args(["--format", "json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let child = command
        .spawn()
        .map_err(|source| process::Error::Start { program: words.join(" "), source })?;
    let pid = child.id();
    let mut output = std::pin::pin!(child.wait_with_output());
    let mut told = false;
    let output = loop {
        tokio::select! {
            output = &mut output => break output,
            _ = signals.next() => {
                // It clears up after itself.
                told = true;
                pid.map(|pid| process::signal(pid, Signal::TERM));
            }
        }
    };
    let output =
        output.map_err(|source| process::Error::Start { program: words.join(" "), source })?;
    if told {
        return Ok(Ended::Interrupted);
    }
    if output.status.success() {
        return Ok(Ended::Well);
    }
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    Ok(Ended::Badly(why(&answer).unwrap_or_else(|| format!("it ended with {}", output.status))))
}

/// What an error says, and its causes.
fn why(answer: &Value) -> Option<String> {
    let error = answer.get("error")?;
    let because = error["because"].as_array().map(Vec::as_slice).unwrap_or_default();
    let chain = [&error["message"]].into_iter().chain(because).filter_map(Value::as_str);
    Some(chain.collect::<Vec<_>>().join(": "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_noted_in_the_words_that_a_person_gets() {
        let answer = serde_json::json!({
            "error": { "message": "the disk is full", "because": ["no space left"], "hint": "x" }
        });
        assert_eq!(why(&answer).unwrap(), "the disk is full: no space left");
        assert_eq!(why(&Value::Null), None);
    }
}
