//! Why services do not run that should: said alike by a start, a restart and another set of workers.

use std::{io, time::Duration};

use crate::{
    error::{Explain, Kind},
    supervisor::{
        control,
        record::{Report, Snapshot},
        state::{Exit, Phase},
    },
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the service `{service}` has failed: {how}")]
    Failed { service: String, how: String, source: Option<LastWords> },
    #[error("the homeserver runs, but not all of your own services")]
    Partly(#[source] Box<Self>),
    #[error("the homeserver was not ready within {} s", after.as_secs())]
    Slow { after: Duration, service: String, source: LastWords },
    #[error("the supervisor cannot be started")]
    Launch(#[source] io::Error),
    #[error("the supervisor has ended before everything was ready")]
    Ended(#[source] Option<LastWords>),
    #[error(transparent)]
    Control(#[from] control::Error),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Partly(error) => error.kind(),
            Self::Control(error) => error.kind(),
            _ => Kind::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Failed { service, .. } => Some(format!(
                "`logs {service}` shows its log; once that is fixed, `manage start` tries again"
            )),
            Self::Slow { after, service, .. } => Some(format!(
                "`manage start --timeout {}` waits longer; `logs {service}` shows what it did",
                after.as_secs().saturating_mul(3)
            )),
            Self::Launch(_) => None,
            Self::Ended(_) => Some("`logs supervisor` shows more".into()),
            Self::Partly(error) => error.hint(),
            Self::Control(error) => error.hint(),
        }
    }
}

/// What a program wrote before it ended, as the cause of an error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct LastWords(String);

impl LastWords {
    pub(crate) fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }
}

/// What is said where the time is over; `last` is how everything was then.
pub(crate) fn slow(last: Option<&Snapshot>, after: Duration) -> Error {
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
                why = match &ended.exit.reason {
                    Some(reason) => format!("{why}: {reason}"),
                    None => format!("{why}: it ended with {}", ended.exit),
                };
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
    let how = match report.last_exit.as_ref().map(|ended| &ended.exit) {
        // It never ran, so nothing was the last of it.
        Some(Exit { reason: Some(reason), .. }) => reason.clone(),
        Some(exit) => format!("{tries}, the last time with {exit}"),
        None => tries,
    };
    // Rulers and blank lines say nothing.
    let said = |line: &&String| line.chars().any(char::is_alphanumeric);
    let mut words: Vec<&str> =
        report.last_words.iter().rev().filter(said).take(10).map(String::as_str).collect();
    words.reverse();
    let source = (!words.is_empty()).then(|| LastWords(words.join("\n")));
    Error::Failed { service: name.to_owned(), how, source }
}
