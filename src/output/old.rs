//! What verbs that still print by themselves use. Goes away with the last of them.

use std::{cell::RefCell, ops::Deref};

use serde_json::Value;

use super::{
    AnyReport, Output, Progress, View, document,
    report::{self, failure},
    stdout::{remember, write_page},
};
use crate::{error::Failure, secret::Secret};

#[derive(Debug, Default)]
pub(super) struct Old {
    gathered: RefCell<Option<Vec<Value>>>,
    caught: Option<RefCell<String>>,
}

impl Deref for Output {
    type Target = View;

    fn deref(&self) -> &View {
        &self.view
    }
}

impl Output {
    pub(crate) fn catching(&self) -> Self {
        let old = Old { caught: Some(RefCell::default()), ..Old::default() };
        let mut output = Self::new(self.view);
        output.old = old;
        output
    }

    pub(crate) fn caught(self) -> (String, Vec<String>) {
        let warnings = self.talk.take_warnings();
        (self.old.caught.map(RefCell::into_inner).unwrap_or_default(), warnings)
    }

    fn write(&self, page: &str) -> bool {
        match &self.old.caught {
            None => write_page(page),
            Some(caught) => {
                caught.borrow_mut().push_str(&format!("{}\n", page.trim_end_matches('\n')));
                true
            }
        }
    }

    pub(crate) fn emit(&self, report: &dyn AnyReport) {
        if !self.view.is_text()
            && let Some(gathered) = self.old.gathered.borrow_mut().as_mut()
        {
            gathered.extend(report.value());
            return;
        }
        if self.old.caught.is_none() {
            self.print(report).ok();
        } else if let Ok(page) = report::rendered(report, self.talk.take_warnings(), self.view) {
            self.write(&page);
        }
    }

    pub(crate) fn gather(&self) {
        self.old.gathered.replace(Some(Vec::new()));
    }

    pub(crate) fn emit_gathered(&self) {
        let items = self.old.gathered.take().unwrap_or_default();
        if !self.view.is_text() {
            let total = items.len();
            let value = serde_json::json!({ "items": items, "total": total });
            if !self.write(&document(value.clone(), self.talk.take_warnings(), self.view.format)) {
                remember(&value);
            }
        }
    }

    /// The error of a command that had done a part of what it was asked for.
    pub(crate) fn fail_gathered(&self, failed: &Failure) {
        match self.old.gathered.take() {
            Some(done) if !self.view.is_text() => {
                let text = failure(failed, Vec::new(), super::Format::Json);
                let mut value: Value = serde_json::from_str(&text).unwrap_or_default();
                value["items"] = done.into();
                write_page(&document(value, self.talk.take_warnings(), self.view.format));
            }
            _ => self.fail(failed),
        }
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
