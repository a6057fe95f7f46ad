//! Writing to stdout, and noticing that nobody reads or that there is no room.

use std::{
    io::{self, Write as _},
    os::fd::AsFd as _,
    sync::OnceLock,
};

use anstyle::AnsiColor;
use serde_json::Value;
use tokio::{io::Interest, net::unix::pipe};

use super::talk::paint;

/// Writes whole lines. False if nobody reads any more.
pub(super) fn write_page(page: &str) -> bool {
    write_parts(&[page, if page.ends_with('\n') || page.is_empty() { "" } else { "\n" }])
}

/// Writes a part of a line. False if nobody reads any more.
pub(super) fn write_part(part: &str) -> bool {
    write_parts(&[part])
}

fn write_parts(parts: &[&str]) -> bool {
    // What has no colour needs nobody who looks at each letter for one: of a long list that would cost most.
    let written = if parts.iter().any(|part| part.contains('\x1b')) {
        written(&mut anstream::stdout(), parts)
    } else {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that may speak")]
        written(&mut io::stdout().lock(), parts)
    };
    got(written)
}

fn got(written: io::Result<()>) -> bool {
    match written {
        Ok(()) => true,
        // A reader that has seen enough (`| head -1`) is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => false,
        Err(error) => {
            LOST.set(error.to_string()).ok();
            false
        }
    }
}

/// Writes what is no text, as it is. False if nobody reads any more.
#[expect(clippy::disallowed_methods, reason = "this is the one place that may speak")]
pub(crate) fn write_bytes(bytes: &[u8]) -> bool {
    let mut out = io::stdout().lock();
    got(out.write_all(bytes).and_then(|()| out.flush()))
}

fn written(out: &mut impl io::Write, parts: &[&str]) -> io::Result<()> {
    parts.iter().try_for_each(|part| out.write_all(part.as_bytes()))?;
    out.flush()
}

/// Why an answer did not get out.
static LOST: OnceLock<String> = OnceLock::new();
/// What was in an answer that did not get out: how to find what was done, and to do it again.
static LOST_IDS: OnceLock<String> = OnceLock::new();

/// Keeps what matters most of an answer that did not get out.
pub(super) fn remember(answer: &Value) {
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
pub(super) async fn unread() {
    // A file cannot be waited for. Nothing is written through the copy, so that it may block.
    let copy = io::stdout().as_fd().try_clone_to_owned();
    if let Ok(pipe) = copy.and_then(pipe::Sender::from_owned_fd_unchecked)
        && pipe.ready(Interest::ERROR).await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}
