//! Events handed to a shell command: in order in each room, several rooms at once.

use std::{process::Stdio, sync::Arc, time::Duration};

use tokio::{
    io::AsyncWriteExt as _,
    sync::{Semaphore, mpsc},
    time::sleep,
};

use super::heard::Heard;
use crate::{clock::Backoff, process};

/// So many commands run at once.
const AT_ONCE: usize = 4;
/// A command that ends with this asks to be tried again (`EX_TEMPFAIL` of `sysexits.h`).
const TRY_AGAIN: i32 = 75;
/// Between two tries.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Hands each room's events to the command, and on to `done` as they are done. It ends with its last
/// receiver.
pub(super) fn hand(rooms: Vec<Vec<Heard>>, command: &str) -> mpsc::Receiver<Heard> {
    let (done, handed) = mpsc::channel(1);
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    for events in rooms {
        let (done, turns, command) = (done.clone(), Arc::clone(&turns), command.to_owned());
        tokio::spawn(async move {
            for mut event in events {
                let ended = async {
                    let _turn = turns.acquire().await;
                    until_done(&event, &command).await
                };
                event.exit = tokio::select! {
                    exit = ended => Some(exit),
                    () = done.closed() => return,
                };
                if done.send(event).await.is_err() {
                    return;
                }
            }
        });
    }
    handed
}

/// How it ended at last.
async fn until_done(event: &Heard, command: &str) -> i32 {
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        match run(event, command).await {
            TRY_AGAIN => sleep(backoff.pause()).await,
            exit => return exit,
        }
    }
}

/// As a shell says it: 128 and more for a signal.
async fn run(event: &Heard, command: &str) -> i32 {
    /// One that cannot be started at all may be able to later.
    const NOT_STARTED: i32 = TRY_AGAIN;
    use std::os::unix::process::ExitStatusExt as _;
    let mut shell = process::command("sh");
    shell.arg("-c").arg(command).stdin(Stdio::piped());
    #[expect(
        clippy::disallowed_methods,
        reason = "records are ours alone; the command has the rest"
    )]
    shell.stdout(std::io::stderr());
    // No variable can hold a zero byte.
    let plain = |text: &str| text.replace('\0', "\u{fffd}");
    for (name, value) in [
        ("RMS_ROOM_ID", &*event.room_id),
        ("RMS_EVENT_ID", &event.event_id),
        ("RMS_TYPE", &event.kind),
        ("RMS_SENDER", &event.sender),
        ("RMS_OWN", if event.own { "true" } else { "false" }),
        ("RMS_BODY", event.body()),
    ] {
        shell.env(name, plain(value));
    }
    let Ok(mut child) = shell.spawn() else { return NOT_STARTED };
    if let Some(mut stdin) = child.stdin.take() {
        let document = serde_json::to_string(event).unwrap_or_default() + "\n";
        // A command need not read it.
        drop(stdin.write_all(document.as_bytes()).await);
    }
    match child.wait().await {
        Ok(status) => status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()),
        Err(_) => NOT_STARTED,
    }
}
