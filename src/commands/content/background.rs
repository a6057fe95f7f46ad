//! What the server goes on with after it has answered: it is asked again and again how far that is.

use std::time::{Duration, Instant};

use crate::{clock::Backoff, matrix::Error, output::Progress};

/// Where the work is: a word of the server's, and why it has failed.
pub(super) struct State<T> {
    pub(super) status: String,
    pub(super) error: Option<String>,
    /// What else the server said.
    pub(super) found: T,
}

/// How waiting for it ended.
pub(super) enum Ended<T> {
    Complete(T),
    /// Why.
    Failed(String),
    /// The time was over first.
    AtWork,
}

/// Waits until the work is done, which `doing` calls by its name.
pub(super) async fn ended<T>(
    timeout: Duration,
    progress: &Progress,
    doing: &str,
    ask: impl AsyncFn() -> Result<State<T>, Error>,
) -> Result<Ended<T>, Error> {
    let deadline = Instant::now() + timeout;
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
    loop {
        let State { status, error, found } = ask().await?;
        match status.as_str() {
            "complete" => return Ok(Ended::Complete(found)),
            "failed" => {
                return Ok(Ended::Failed(error.unwrap_or_else(|| "no reason given".into())));
            }
            status => progress.now(format!("{doing}: {status}")),
        }
        if Instant::now() + backoff.peek() > deadline {
            return Ok(Ended::AtWork);
        }
        tokio::time::sleep(backoff.pause()).await;
    }
}
