//! What prints the answers of this process: one, or the lines of a stream.

use std::{
    cell::{Cell, RefCell},
    io::{self, IsTerminal as _},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::Value;

use super::{
    AnyReport, Format, Talk, View, report,
    stdout::{remember, unread, write_page},
    talk::aside,
};
use crate::error::Failure;

/// The stdout of this process, and the talk beside it.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(crate) view: View,
    pub(crate) talk: Arc<Talk>,
    /// Whether something of the answer is printed already.
    begun: AtomicBool,
    /// What was done before an error that is still to be printed, for the document of that error.
    unfinished: RefCell<Option<Value>>,
    /// How many records of a list are printed, whose document is still to be closed.
    open: Cell<Option<usize>>,
}

impl Output {
    pub(crate) fn new(view: View) -> Self {
        let talk = Arc::new(Talk::new(view));
        Self { view, talk, ..Self::default() }
    }

    /// Prints the answer of a command: once.
    pub(crate) fn print(&self, answer: &dyn AnyReport) -> Result<(), Failure> {
        let text = report::rendered(answer, self.talk.take_warnings(), self.view)?;
        self.begun.store(true, Ordering::Relaxed);
        if !write_page(&text)
            && let Ok(value) = answer.value()
        {
            remember(&value);
        }
        Ok(())
    }

    /// Prints what was done before an error, which follows; in a machine format it goes into the document
    /// of that error.
    pub(crate) fn print_unfinished(&self, done: &dyn AnyReport) -> Result<(), Failure> {
        if self.view.is_text() {
            return self.print(done);
        }
        self.unfinished.replace(done.value().ok());
        Ok(())
    }

    /// The same of a list, as far as it has come.
    pub(super) fn keep_unfinished(&self, done: Value) {
        self.unfinished.replace(Some(done));
    }

    /// So many records of a list are printed, and its document is not at its end.
    pub(super) fn leave_open(&self, records: usize) {
        self.open.set(Some(records));
    }

    /// The document of a list is at its end.
    pub(super) fn close(&self) {
        self.open.take();
    }

    /// A line of the answer is printed.
    pub(super) fn has_begun(&self) {
        self.begun.store(true, Ordering::Relaxed);
    }

    /// Prints an error. A stream that broke has printed lines already: its error is one more line; the
    /// document of a list that broke ends with it.
    pub(crate) fn fail(&self, failure: &Failure) {
        let warnings = self.talk.take_warnings();
        let broke = self.begun.load(Ordering::Relaxed) && !self.view.is_text();
        let format = if broke { Format::Json } else { self.view.format };
        let done = self.unfinished.take();
        let text = report::failure(failure, done, warnings, format);
        match self.open.take() {
            _ if self.view.is_text() => aside(&text),
            Some(total) => {
                let rest = text.trim_start_matches('{');
                write_page(&format!("],\"total\":{total},{rest}"));
            }
            None => drop(write_page(&text)),
        }
    }

    /// Prints one record of a stream. False if nobody reads any more.
    pub(crate) fn print_line(&self, record: &dyn AnyReport) -> Result<bool, Failure> {
        let line = report::line(record, self.view)?;
        self.has_begun();
        Ok(write_page(&line))
    }

    /// Waits for the next record of a stream, but only as long as somebody reads them: none when the
    /// reader of a pipe has gone.
    pub(crate) async fn while_read<T>(&self, wait: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            it = wait => Some(it),
            () = unread() => None,
        }
    }

    /// Where a record is drawn in the place of the one before it, if that is a terminal.
    pub(crate) fn screen(&self) -> Screen {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that may speak")]
        let drawn = self.view.is_text() && io::stdout().is_terminal();
        Screen { drawn, lines: 0 }
    }
}

/// A place for one record: the next one takes the place of the last, or follows it in a pipe.
pub(crate) struct Screen {
    drawn: bool,
    /// How many the last one took.
    lines: usize,
}

impl Screen {
    /// Whether a person looks at it.
    pub(crate) fn is_drawn(&self) -> bool {
        self.drawn
    }

    /// False if nobody reads any more.
    pub(crate) fn show(
        &mut self,
        output: &Output,
        record: &dyn AnyReport,
    ) -> Result<bool, Failure> {
        if !self.drawn {
            return output.print_line(record);
        }
        let page = report::line(record, output.view)?;
        // Up to the first line of the last one, and everything from there on away.
        let back =
            if self.lines > 0 { format!("\x1b[{}A\x1b[J", self.lines) } else { String::new() };
        self.lines = page.trim_end_matches('\n').lines().count();
        Ok(write_page(&format!("{back}{page}")))
    }
}
