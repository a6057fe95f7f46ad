//! What verbs that still print by themselves use. Goes away with the last of them.

use std::ops::Deref;

use super::{AnyReport, Output, Progress, View};
use crate::secret::Secret;

impl Deref for Output {
    type Target = View;

    fn deref(&self) -> &View {
        &self.view
    }
}

impl Output {
    pub(crate) fn emit(&self, report: &dyn AnyReport) {
        self.print(report).ok();
    }

    pub(crate) fn emit_line(&self, report: &dyn AnyReport) -> bool {
        self.print_line(report).unwrap_or(false)
    }

    pub(crate) fn say(&self, sentence: impl std::fmt::Display) {
        self.talk.say(sentence);
    }

    pub(crate) fn warn(&self, sentence: impl Into<String>) {
        self.talk.warn(sentence);
    }

    pub(crate) fn progress(&self, doing: impl Into<String>) -> Progress {
        self.talk.progress(doing)
    }

    pub(crate) fn masked(&self, secret: &Secret) -> String {
        self.talk.masked(secret)
    }
}
