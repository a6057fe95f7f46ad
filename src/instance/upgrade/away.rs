//! For how long nobody was answered: asked again and again while versions are exchanged.

use std::time::Duration;

use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::supervisor::get;

/// Between two requests.
const PAUSE: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks until it is told to end.
pub(super) struct Watch {
    ended: oneshot::Sender<()>,
    task: JoinHandle<Duration>,
}

impl Watch {
    /// What answers at this address answers now.
    pub(super) fn begin(url: &str) -> Self {
        let url = format!("{url}/_matrix/client/versions");
        let (ended, mut end) = oneshot::channel();
        let task = tokio::spawn(async move {
            let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
            loop {
                let asked = Instant::now();
                let answer = timeout(PATIENCE, get(&url, None, None)).await;
                if matches!(answer, Ok(Ok(Some(said))) if said.status == 200) {
                    // It answered until it was asked the last time before, and does again.
                    longest = longest.max(last.elapsed());
                    last = asked;
                }
                tokio::select! {
                    _ = &mut end => return longest,
                    () = sleep(PAUSE) => {}
                }
            }
        });
        Self { ended, task }
    }

    /// The longest time without an answer.
    pub(super) async fn end(self) -> Option<Duration> {
        self.ended.send(()).ok()?;
        self.task.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canned::{Answer, Server};

    #[tokio::test]
    async fn what_answers_all_the_time_was_hardly_away() {
        let server = Server::start().await;
        for _ in 0..200 {
            server.answers(Answer::new(200, "{}"));
        }
        let watch = Watch::begin(&server.url());
        sleep(Duration::from_millis(100)).await;
        assert!(watch.end().await.unwrap() < Duration::from_secs(2));
    }
}
