//! How a verb ends: what its outcome is for a shell, and what ends it before it has an answer.

use std::fmt::{self, Write as _};

use schemars::JsonSchema;
use serde::{Serialize, Serializer, ser::SerializeMap as _};

use crate::{
    error::{Explain, Failure, Kind},
    output::{AnyReport, Report, Sentence},
};

/// How a command ended, in the contract's exit codes. Usage errors are 1 as well; a closed pipe is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 0: it is as it was asked for.
    Done,
    /// 1: an error was printed.
    Failed,
    /// 1: the answer is complete, and it is bad (an unhealthy server, a failed test).
    Unwell,
    /// 128 and the number of the signal that ended it, as a shell has it; what was done was said.
    Interrupted(u8),
    /// 2: there was nothing to do: already there, not found, not running.
    Moot,
}

impl Outcome {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed | Self::Unwell => 1,
            Self::Interrupted(signal) => 128 + signal,
            Self::Moot => 2,
        }
    }
}

/// A signal ended a verb that had done a part of its work: what it says of that is a failure.
#[derive(Debug, thiserror::Error)]
#[error("{said}")]
pub(crate) struct Interrupted {
    pub(crate) signal: u8,
    pub(crate) said: String,
}

impl Explain for Interrupted {
    fn kind(&self) -> Kind {
        Kind::Request
    }

    fn hint(&self) -> Option<String> {
        None
    }
}

/// Why a verb ended before it had its answer. `?` makes one of any error.
#[derive(Debug)]
pub(crate) enum Stop {
    Failed(Failure),
    /// With `--dry-run`: this would be done now.
    Planned(Planned),
    /// What was asked about is not there.
    Absent(Absent),
    Broken(Broken),
}

impl Stop {
    /// There is no `what` of that name, which machines find below `key`.
    pub(crate) fn absent(what: &'static str, key: &'static str, name: impl Into<String>) -> Self {
        Self::Absent(Absent { what, key, name: name.into() })
    }

    /// It failed, and what was done before is not lost.
    pub(crate) fn broken(failure: Failure, done: impl AnyReport + 'static) -> Self {
        Self::Broken(Broken { failure, done: Box::new(done) })
    }
}

impl<E: Into<Failure>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// The answer to a dry run.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Planned {
    /// Always true.
    dry_run: bool,
    /// What would be done: a clause that goes on from "would".
    would: String,
    /// Whether that is something.
    #[serde(skip)]
    pub(crate) outcome: Outcome,
}

impl Planned {
    pub(crate) fn new(would: impl fmt::Display) -> Self {
        Self { dry_run: true, would: would.to_string(), outcome: Outcome::Done }
    }

    /// Of a command that has nothing to do.
    pub(crate) fn nothing(would: impl fmt::Display) -> Self {
        Self { outcome: Outcome::Moot, ..Self::new(would) }
    }
}

impl Report for Planned {
    fn text(&self, page: &mut String) -> fmt::Result {
        write!(page, "would {}", self.would)
    }

    fn id(&self) -> Option<&str> {
        Some("")
    }
}

/// An error after a part of what was asked for: the answer as far as it goes.
pub(crate) struct Broken {
    pub(crate) failure: Failure,
    pub(crate) done: Box<dyn AnyReport>,
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broken").field("failure", &self.failure).finish_non_exhaustive()
    }
}

/// The answer where the thing that was named is not there: its name, and `found`, which is false.
#[derive(Debug)]
pub(crate) struct Absent {
    what: &'static str,
    key: &'static str,
    name: String,
}

impl Serialize for Absent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry(self.key, &self.name)?;
        map.serialize_entry("found", &false)?;
        map.end()
    }
}

impl Sentence for Absent {
    fn sentence(&self) -> String {
        format!("there is no {} `{}`", self.what, self.name)
    }
}
