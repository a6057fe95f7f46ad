//! Every word the program says. Data goes to stdout, talk to stderr; in a machine format stdout gets
//! exactly one document (a stream: one a line), errors and warnings included, and stderr nothing.

use std::{
    cell::RefCell,
    fmt::{self, Write as _},
    fs,
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    os::fd::AsFd as _,
    sync::OnceLock,
    time::Duration,
};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::Value;
use tokio::{io::Interest, net::unix::pipe};

use crate::{
    error::{Failure, Kind},
    secret::{MASK, Secret},
};

/// How answers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
    Yaml,
    /// `NAME=value` lines: only `credentials` can.
    Env,
}

/// What a command answers: text for people, and by serde the same for machines. It must serialise
/// to a map, so that warnings can stand beside its fields.
pub(crate) trait Report: Serialize {
    fn text(&self, page: &mut String) -> fmt::Result;

    /// What `-v` adds to the text.
    fn details(&self, _: &mut String) -> fmt::Result {
        Ok(())
    }

    /// The bare id that `-q` prints in the place of the text: empty for an answer that has none, and
    /// no id at all (the default) where the text is what was asked for.
    fn id(&self) -> Option<&str> {
        None
    }
}

#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(crate) format: Format,
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
    /// Whether secrets are printed instead of masked; only `credentials` and commands that make a
    /// secret look at it.
    pub(crate) show_secrets: bool,
    warnings: RefCell<Vec<String>>,
    emitted: RefCell<bool>,
    /// The answers of a command that does several things, while they are gathered into one document.
    gathered: RefCell<Option<Vec<Value>>>,
    /// The answer, where it goes into a file instead of stdout.
    caught: Option<RefCell<String>>,
}

impl Output {
    pub(crate) fn new(format: Format, quiet: bool, verbose: bool, show_secrets: bool) -> Self {
        Self { format, quiet, verbose, show_secrets, ..Self::default() }
    }

    /// The same, with an answer that is not printed but waits for [`Self::caught`].
    pub(crate) fn catching(&self) -> Self {
        let caught = Some(RefCell::default());
        Self { caught, ..Self::new(self.format, self.quiet, self.verbose, self.show_secrets) }
    }

    /// What would have been printed, and the warnings that stood beside it.
    pub(crate) fn caught(self) -> (String, Vec<String>) {
        (self.caught.map(RefCell::into_inner).unwrap_or_default(), self.warnings.into_inner())
    }

    fn write(&self, page: &str) -> bool {
        match &self.caught {
            None => write_page(page),
            Some(caught) => {
                let mut caught = caught.borrow_mut();
                caught.push_str(page);
                if !page.ends_with('\n') {
                    caught.push('\n');
                }
                true
            }
        }
    }

    fn is_text(&self) -> bool {
        self.format == Format::Text
    }

    fn page(&self, report: &impl Report) -> String {
        if let Some(id) = report.id().filter(|_| self.quiet) {
            return id.to_owned();
        }
        let mut page = String::new();
        report.text(&mut page).ok();
        if self.verbose {
            let mut details = String::new();
            report.details(&mut details).ok();
            if !details.is_empty() && !page.is_empty() && !page.ends_with('\n') {
                page.push('\n');
            }
            page.push_str(&details);
        }
        page
    }

    /// Prints the answer of a command: once.
    pub(crate) fn emit(&self, report: &impl Report) {
        let value = || serde_json::to_value(report).unwrap_or(Value::Null);
        if self.is_text() {
            if !self.write(&self.page(report)) {
                remember(&value());
            }
        } else {
            let value = value();
            if let Some(gathered) = self.gathered.borrow_mut().as_mut() {
                gathered.push(value);
                return;
            }
            self.document(value, false);
        }
        self.emitted.replace(true);
    }

    /// Waits for the next line of a stream, but only as long as somebody reads them: none when the
    /// reader of a pipe has gone.
    pub(crate) async fn while_read<T>(&self, wait: impl Future<Output = T>) -> Option<T> {
        if self.caught.is_some() {
            return Some(wait.await);
        }
        tokio::select! {
            it = wait => Some(it),
            () = unread() => None,
        }
    }

    /// From now on answers in a machine format become the items of one document; see [`Self::emit_gathered`].
    pub(crate) fn gather(&self) {
        self.gathered.replace(Some(Vec::new()));
    }

    /// Prints the document of all that was gathered. Text was printed as it came.
    pub(crate) fn emit_gathered(&self) {
        let items = self.gathered.take().unwrap_or_default();
        if !self.is_text() {
            let total = items.len();
            self.document(serde_json::json!({ "items": items, "total": total }), false);
            self.emitted.replace(true);
        }
    }

    /// Prints one record of a stream (`--follow`): a text, or a JSON document on one line. False if
    /// nobody reads any more.
    pub(crate) fn emit_line(&self, report: &impl Report) -> bool {
        self.emitted.replace(true);
        if self.is_text() {
            self.write(&self.page(report))
        } else {
            self.write(&serde_json::to_string(report).unwrap_or_default())
        }
    }

    /// Where a record is drawn in the place of the one before it, if that is a terminal.
    pub(crate) fn screen(&self) -> Screen {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that may speak")]
        let drawn = self.is_text() && io::stdout().is_terminal();
        Screen { drawn, lines: 0 }
    }

    /// Talk: what is going on, for a person. Silent with `-q` and in machine formats.
    pub(crate) fn say(&self, sentence: impl fmt::Display) {
        if self.is_text() && !self.quiet {
            self.aside(&sentence.to_string());
        }
    }

    /// Something the person should know although it worked; a field of the document in machine formats.
    pub(crate) fn warn(&self, sentence: impl Into<String>) {
        let sentence = sentence.into();
        if self.is_text() {
            self.aside(&format!("{}: {sentence}", paint("warning", AnsiColor::Yellow)));
        } else {
            self.warnings.borrow_mut().push(sentence);
        }
    }

    /// Prints an error.
    pub(crate) fn fail(&self, failure: &Failure) {
        let chain = failure.chain();
        let hint = failure.hint.clone().or_else(|| {
            (failure.kind == Kind::Bug)
                .then(|| "this is a fault of the program: please report it".into())
        });
        if self.is_text() {
            let mut text = format!("{}: {}", paint("error", AnsiColor::Red), chain[0]);
            for cause in &chain[1..] {
                text.push_str("\n  because: ");
                text.push_str(&cause.replace('\n', "\n           "));
            }
            if let Some(hint) = &hint {
                text.push_str(&format!("\n\n{}: {hint}", paint("hint", AnsiColor::Cyan)));
            }
            self.aside(&text);
        } else {
            let error = serde_json::json!({
                "kind": failure.kind, "message": chain[0], "because": chain[1..], "hint": hint,
            });
            let mut document = serde_json::json!({ "error": error });
            if let Some(done) = self.gathered.take() {
                document["items"] = done.into();
            }
            // A stream that broke has printed lines already: its error is one more line.
            self.document(document, *self.emitted.borrow());
        }
    }

    fn document(&self, mut value: Value, one_line: bool) {
        let warnings = self.warnings.take();
        if !warnings.is_empty()
            && let Value::Object(map) = &mut value
        {
            map.insert("warnings".into(), warnings.into());
        }
        let written = if self.format == Format::Yaml && !one_line {
            self.write(serde_yaml::to_string(&value).unwrap_or_default().trim_end())
        } else {
            self.write(&value.to_string())
        };
        if !written {
            remember(&value);
        }
    }

    /// A line of progress for long work: drawn on a terminal, and nothing in a pipe.
    pub(crate) fn progress(&self, doing: impl Into<String>) -> Progress {
        if !self.is_text() || self.quiet || !stderr_is_terminal() {
            return Progress(None);
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(doing.into());
        bar.enable_steady_tick(Duration::from_millis(120));
        Progress(Some(bar))
    }

    /// `*****`, or the secret where the person asked to see it.
    pub(crate) fn masked(&self, secret: &Secret) -> String {
        if self.show_secrets { secret.expose().to_owned() } else { MASK.to_owned() }
    }

    #[expect(clippy::unused_self, reason = "only an Output may talk")]
    fn aside(&self, text: &str) {
        // Nobody is left to be told that stderr is closed.
        writeln!(anstream::stderr(), "{text}").ok();
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
    pub(crate) fn show(&mut self, output: &Output, report: &impl Report) -> bool {
        if !self.drawn {
            return output.emit_line(report);
        }
        let page = output.page(report);
        // Up to the first line of the last one, and everything from there on away.
        let back =
            if self.lines > 0 { format!("\x1b[{}A\x1b[J", self.lines) } else { String::new() };
        self.lines = page.trim_end_matches('\n').lines().count();
        output.emitted.replace(true);
        write_page(&format!("{back}{page}"))
    }
}

/// A running line of progress; it vanishes when this is dropped.
pub(crate) struct Progress(Option<ProgressBar>);

impl Progress {
    pub(crate) fn now(&self, doing: impl Into<String>) {
        if let Some(bar) = &self.0 {
            bar.set_message(doing.into());
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

/// Whether a person may be watching, so that prompts and progress make sense.
#[expect(clippy::disallowed_methods, reason = "this is the one place that may speak")]
pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Whether a person may answer a question.
pub(crate) fn stdin_is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// Asks a person on the terminal; anything but a clear yes is a no.
pub(crate) fn confirm(question: &str) -> bool {
    let mut answer = String::new();
    let asked = write!(anstream::stderr(), "{question} [y/N] ")
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

/// False if nobody reads any more.
fn write_page(page: &str) -> bool {
    let mut out = anstream::stdout();
    let written = out.write_all(page.as_bytes()).and_then(|()| {
        if page.ends_with('\n') || page.is_empty() { Ok(()) } else { out.write_all(b"\n") }
    });
    match written.and_then(|()| out.flush()) {
        Ok(()) => true,
        // A reader that has seen enough (`| head -1`) is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => false,
        Err(error) => {
            LOST.set(error.to_string()).ok();
            false
        }
    }
}

/// Why an answer did not get out.
static LOST: OnceLock<String> = OnceLock::new();
/// What was in an answer that did not get out: how to find what was done, and to do it again.
static LOST_IDS: OnceLock<String> = OnceLock::new();

/// Keeps what matters most of an answer that did not get out.
fn remember(answer: &Value) {
    let Value::Object(fields) = answer else { return };
    let id = |(name, value): (&String, &Value)| {
        let value = value.as_str().filter(|_| name.ends_with("_id"))?;
        Some(format!("{name} {value}"))
    };
    let mut ids = fields.iter().filter_map(id).collect::<Vec<_>>().join(", ");
    if let Some(id) = fields.get("transaction_id").and_then(Value::as_str) {
        ids.push_str(&format!("; with `--transaction-id {id}` a repeat is harmless"));
    }
    if !ids.is_empty() {
        LOST_IDS.set(ids).ok();
    }
}

/// Whether everything that was said got out; if not, it says why. A reader that has seen enough is no
/// failure, and a stdout that is closed from the start is nobody who asks: the system library has put
/// `/dev/null` there before we could see it.
pub(crate) fn got_out() -> bool {
    if let Some(reason) = LOST.get() {
        let word = paint("error", AnsiColor::Red);
        let mut text = format!("{word}: the answer could not be written: {reason}");
        if let Some(ids) = LOST_IDS.get() {
            let word = paint("hint", AnsiColor::Cyan);
            text.push_str(&format!("\n\n{word}: what was asked for is done: {ids}"));
        }
        writeln!(anstream::stderr(), "{text}").ok();
    }
    LOST.get().is_none()
}

/// Ends when the reader of our pipe has gone; anything else that we may write to has none.
#[expect(clippy::disallowed_methods, reason = "this is the one place that may speak")]
async fn unread() {
    // A file cannot be waited for. Nothing is written through the copy, so that it may block.
    let copy = io::stdout().as_fd().try_clone_to_owned();
    if let Ok(pipe) = copy.and_then(pipe::Sender::from_owned_fd_unchecked)
        && pipe.ready(Interest::ERROR).await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

/// Prints a text that is not a command's report: the `NAME=value` lines of `credentials`.
pub(crate) fn print_raw(text: &str) {
    write_page(text);
}

fn paint(word: &str, colour: AnsiColor) -> String {
    let style = Style::new().bold().fg_color(Some(colour.into()));
    format!("{style}{word}{style:#}")
}

/// `Name:  value` lines with the values in one column.
pub(crate) fn fields(page: &mut String, rows: &[(&str, String)]) -> fmt::Result {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0) + 2;
    for (name, value) in rows {
        writeln!(page, "{:width$}{value}", format!("{name}:"))?;
    }
    Ok(())
}

/// A plain table: a heading and left-aligned columns, no rules, so that `awk` and `cut` work on it.
pub(crate) fn table(page: &mut String, heading: &[&str], rows: Vec<Vec<String>>) -> fmt::Result {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(heading.to_vec()).add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for line in table.lines() {
        writeln!(page, "{}", line.trim_end())?;
    }
    Ok(())
}

/// `12.3 MB`, as people count.
pub(crate) fn amount(bytes: u64) -> String {
    let units = [(1_u64 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB")];
    match units.into_iter().find(|(factor, _)| bytes >= *factor) {
        Some((factor, unit)) => {
            let tenths = bytes.saturating_mul(10) / factor;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} B"),
    }
}
