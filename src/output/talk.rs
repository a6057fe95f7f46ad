//! Talk: what is said on stderr beside the answer, and what a person is asked.

use std::{
    fmt, fs,
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    mem,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};

use super::{View, harmless};
use crate::secret::{MASK, Secret};

/// What a command says beside its answer. In a machine format stderr gets nothing: warnings wait for the
/// document they belong to.
#[derive(Debug, Default)]
pub(crate) struct Talk {
    pub(crate) view: View,
    warnings: Mutex<Vec<String>>,
    /// The line of progress that is drawn: there is one at a time.
    line: Mutex<Option<ProgressBar>>,
}

impl Talk {
    pub(crate) fn new(view: View) -> Self {
        Self { view, ..Self::default() }
    }

    /// What is going on, for a person. Silent with `-q` and in machine formats.
    pub(crate) fn say(&self, sentence: impl fmt::Display) {
        if self.view.is_text() && !self.view.quiet {
            aside(&harmless::page(&sentence.to_string()));
        }
    }

    /// Something the person should know although it worked; a field of the document in machine formats.
    pub(crate) fn warn(&self, sentence: impl Into<String>) {
        let sentence = sentence.into();
        if self.view.is_text() {
            let sentence = harmless::page(&sentence);
            aside(&format!("{}: {sentence}", paint("warning", AnsiColor::Yellow)));
        } else {
            self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(sentence);
        }
    }

    /// The warnings that wait for a document; afterwards none do.
    pub(crate) fn take_warnings(&self) -> Vec<String> {
        mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A line of progress for long work: drawn on a terminal, and nothing in a pipe.
    pub(crate) fn progress(&self, doing: impl Into<String>) -> Progress {
        if !self.view.is_text() || self.view.quiet || !stderr_is_terminal() {
            return Progress(None);
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(drawn(doing));
        bar.enable_steady_tick(Duration::from_millis(120));
        *self.line.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
        Progress(Some(bar))
    }

    /// The same for a wait within other work: where that has a line, it is shown in its place.
    pub(crate) fn waiting(&self, who: impl Into<String>) -> Waiting {
        let line = self.line.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match line.filter(|bar| !bar.is_finished()) {
            Some(bar) => {
                let before = bar.message();
                bar.set_message(drawn(who));
                Waiting::Within { bar, before }
            }
            None => Waiting::Alone(self.progress(who)),
        }
    }

    /// `*****`, or the secret where the person asked to see it.
    pub(crate) fn masked(&self, secret: &Secret) -> String {
        if self.view.show_secrets { secret.expose().to_owned() } else { MASK.to_owned() }
    }
}

/// As a line of progress shows it.
fn drawn(doing: impl Into<String>) -> String {
    harmless::one_line(&doing.into()).into_owned()
}

/// Says it, whatever was asked for; nobody is left to be told that stderr is closed.
pub(super) fn aside(text: &str) {
    writeln!(anstream::stderr(), "{text}").ok();
}

pub(super) fn paint(word: &str, colour: AnsiColor) -> String {
    let style = Style::new().bold().fg_color(Some(colour.into()));
    format!("{style}{word}{style:#}")
}

/// An error for people: the message, its causes, and what to type next.
pub(super) fn paint_error(chain: &[String], hint: Option<&str>) -> String {
    let (first, causes) = chain.split_first().map_or(("", chain), |(first, rest)| (first, rest));
    let mut text = format!("{}: {}", paint("error", AnsiColor::Red), harmless::page(first));
    for cause in causes {
        text.push_str("\n  because: ");
        text.push_str(&harmless::page(cause).replace('\n', "\n           "));
    }
    if let Some(hint) = hint {
        let hint = harmless::page(hint);
        text.push_str(&format!("\n\n{}: {hint}", paint("hint", AnsiColor::Cyan)));
    }
    text
}

/// A running line of progress; it vanishes when this is dropped.
pub(crate) struct Progress(Option<ProgressBar>);

impl Progress {
    pub(crate) fn now(&self, doing: impl Into<String>) {
        if let Some(bar) = &self.0 {
            bar.set_message(drawn(doing));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// A wait that is shown; what was shown before comes back when this is dropped.
pub(crate) enum Waiting {
    Alone(Progress),
    Within { bar: ProgressBar, before: String },
}

impl Waiting {
    pub(crate) fn now(&self, who: impl Into<String>) {
        match self {
            Self::Alone(progress) => progress.now(who),
            Self::Within { bar, .. } => bar.set_message(drawn(who)),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Self::Within { bar, before } = self {
            bar.set_message(mem::take(before));
        }
    }
}

/// Whether a person may be watching, so that prompts and progress make sense.
#[expect(clippy::disallowed_methods, reason = "this is the one place that may speak")]
pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Whether a person may answer a question.
pub(crate) fn stdin_is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// Whether another program writes to our stdin.
pub(crate) fn stdin_is_pipe() -> bool {
    let kind = rustix::fs::fstat(io::stdin())
        .map(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode));
    kind.is_ok_and(|kind| kind == rustix::fs::FileType::Fifo)
}

/// Asks a person on the terminal; anything but a clear yes is a no.
pub(crate) fn confirm(question: &str) -> bool {
    let mut answer = String::new();
    let asked = write!(anstream::stderr(), "{} [y/N] ", harmless::page(question))
        .and_then(|()| io::stdin().read_line(&mut answer));
    asked.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// Asks for a secret on the terminal, and shows nothing of what is typed.
pub(crate) fn ask_secret(name: &str) -> io::Result<String> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    // Not stdout and stderr: somebody else may read these.
    let mut terminal = fs::OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    let before = tcgetattr(&terminal)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
    let mut line = String::new();
    let read = write!(terminal, "{name}: ")
        .and_then(|()| io::BufReader::new(&terminal).read_line(&mut line));
    let restored = tcsetattr(&terminal, OptionalActions::Flush, &before);
    writeln!(terminal)?;
    read?;
    restored?;
    Ok(line.trim_end_matches('\n').to_owned())
}
