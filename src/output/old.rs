//! What verbs that still print by themselves use. Goes away with the last of them.

use std::ops::Deref;

use super::{AnyReport, Output, Progress, View};

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

    pub(crate) fn warn(&self, sentence: impl Into<String>) {
        self.talk.warn(sentence);
    }

    pub(crate) fn progress(&self, doing: impl Into<String>) -> Progress {
        self.talk.progress(doing)
    }
}
