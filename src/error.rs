//! What can go wrong, at the edge: one shape that says what kind of thing happened, why, and what
//! to type next. Each module has its own error enum; [`Explain`] turns it into a [`Failure`].

use std::{error::Error, fmt};

use serde::Serialize;

/// Who has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// The person or script asked for something that cannot be.
    Request,
    /// A setting is wrong.
    Setting,
    /// The machine, the network, the server or the database is not as it must be.
    Environment,
    /// This program is wrong.
    Bug,
}

/// An error on its way to the person: rendered by `output`, once.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) error: Box<dyn Error + Send + Sync>,
    pub(crate) hint: Option<String>,
}

/// Implemented by each module's error enum, by exhaustive match.
pub(crate) trait Explain: Error {
    fn kind(&self) -> Kind;

    /// What to type or change next: a clause without capital and full stop, commands in backticks.
    fn hint(&self) -> Option<String>;
}

#[derive(Debug, thiserror::Error)]
#[error("{error}")]
struct Caused {
    error: String,
    source: Box<dyn Error + Send + Sync>,
}

impl<E: Explain + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { kind: error.kind(), hint: error.hint(), error: Box::new(error) }
    }
}

impl Failure {
    /// A refusal that needs no error type of its own: bad input found by a command itself.
    pub(crate) fn request(message: impl Into<String>) -> Self {
        Self { kind: Kind::Request, error: message.into().into(), hint: None }
    }

    /// The same for settings that do not go together.
    pub(crate) fn setting(message: impl Into<String>) -> Self {
        Self { kind: Kind::Setting, error: message.into().into(), hint: None }
    }

    /// The same for something that is missing or in the way on this machine.
    pub(crate) fn environment(message: impl Into<String>) -> Self {
        Self { kind: Kind::Environment, error: message.into().into(), hint: None }
    }

    /// Names a cause that the error itself does not know; that one is mended first.
    #[must_use]
    pub(crate) fn because(self, cause: impl Into<Self>) -> Self {
        let Self { error: source, hint, .. } = cause.into();
        let hints: Vec<String> = hint.into_iter().chain(self.hint.clone()).collect();
        let hint = (!hints.is_empty()).then(|| hints.join("; "));
        Self { kind: self.kind, error: Box::new(Caused { error: self.to_string(), source }), hint }
    }

    #[must_use]
    pub(crate) fn hinted(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The message and its causes, outermost first; some say their own cause themselves.
    pub(crate) fn chain(&self) -> Vec<String> {
        let mut chain = vec![self.error.to_string()];
        let mut next = self.error.source();
        while let Some(error) = next {
            let cause = error.to_string();
            if chain.last().is_none_or(|before| !before.ends_with(&cause)) {
                chain.push(cause);
            }
            next = error.source();
        }
        chain
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chain().join(": "))
    }
}
