//! Events handed to a shell command or to an address: in order in each room, several rooms at once.

use std::{process::Stdio, sync::Arc, time::Duration};

use tokio::{
    io::AsyncWriteExt as _,
    sync::{Semaphore, mpsc},
    time::sleep,
};

use super::{
    heard::{Heard, Told},
    posted::Address,
};
use crate::{clock::Backoff, process};

/// Who gets them.
#[derive(Clone)]
pub(super) enum To {
    Command(Arc<str>),
    Address(Arc<Address>),
}

/// So many are under way at once.
const AT_ONCE: usize = 4;
/// A command that ends with this asks to be tried again (`EX_TEMPFAIL` of `sysexits.h`).
const TRY_AGAIN: i32 = 75;
/// Between two tries.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Hands each room's events on, and to who reads what is returned as they are done. It ends with its
/// reader.
pub(super) fn hand(rooms: Vec<Vec<Heard>>, to: &To) -> mpsc::Receiver<Told> {
    let (done, handed) = mpsc::channel(1);
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    for events in rooms {
        let (done, turns, to) = (done.clone(), Arc::clone(&turns), to.clone());
        tokio::spawn(async move {
            for mut event in events {
                let ended = async {
                    let _turn = turns.acquire().await;
                    match &to {
                        To::Command(command) => {
                            event.exit = Some(until_done(&event, command).await);
                        }
                        To::Address(address) => {
                            event.answer = Some(address.until_done(&event, &done).await);
                        }
                    }
                };
                tokio::select! {
                    () = ended => {}
                    () = done.closed() => return,
                }
                if done.send(Told::Done(Box::new(event))).await.is_err() {
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
