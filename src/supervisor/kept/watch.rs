//! Watches services that somebody else keeps, and answers on the socket of our supervisor in its place: how they are,
//! what happens to them, and that one is to read its files again. One that hangs is killed, so that its keeper
//! starts it anew.

use std::{collections::BTreeMap, time::Duration};

use rustix::process::Signal;
use tokio::{
    sync::{mpsc, watch as channel},
    time::{Instant, sleep},
};

use super::{Healths, Kept};
use crate::{
    clock,
    data_dir::DataDir,
    process,
    supervisor::{
        control::{self, Incoming, Request},
        events::{self, Recent},
        record::{Snapshot, Supervisor},
    },
};

/// How often the keeper is asked.
const LOOK: Duration = Duration::from_secs(1);

/// Watches until it is told to end; `listens` is called when it answers.
pub(crate) async fn watch(
    kept: &Kept,
    data: &DataDir,
    listens: impl FnOnce(),
) -> Result<(), super::super::Error> {
    let recent = Recent::default();
    let said = kept.ask().await.map_err(control::Error::from)?;
    let mut healths = kept.healths(&said).await;
    // What happens is counted anew by each watcher.
    let me = Supervisor::of_this_process();
    let mut now = Snapshot { supervisor: me.clone(), ..kept.compose(said, &healths) };
    let (sender, snapshots) = channel::channel(now.clone());
    let (requests, mut incoming) = mpsc::channel(16);
    let listener = control::listen(&data.control_socket())?;
    let server = tokio::spawn(control::serve(listener, requests, snapshots, recent.clone()));
    listens();
    let mut ending = process::Ending::new().map_err(|_| super::super::Error::Signals)?;
    let mut bad = BTreeMap::new();
    let mut ask_at = Instant::now() + kept.interval;
    loop {
        tokio::select! {
            () = sleep(LOOK) => {}
            Some(Incoming { request, answer }) = incoming.recv() => {
                drop(answer.send(asked(kept, &now, &request)));
                continue;
            }
            _ = ending.next() => break,
        }
        let said = match kept.ask().await {
            Ok(said) => said,
            Err(error) => {
                tracing::warn!("{error}");
                continue;
            }
        };
        // What is known of an earlier process says nothing of this one.
        for (fact, said) in kept.services.iter().zip(&said) {
            if now.services.get(&fact.name).is_none_or(|report| report.pid != said.pid) {
                healths.remove(&fact.name);
            }
        }
        if Instant::now() >= ask_at {
            healths = kept.healths(&said).await;
            ask_at = Instant::now() + kept.interval;
            end_hung(&now, &healths, &mut bad);
        }
        let mut next = Snapshot { supervisor: me.clone(), ..kept.compose(said, &healths) };
        recent.add(events::between(&now, &next, &clock::now().to_string()));
        next.events = recent.last();
        if next.without_checks() != now.without_checks() {
            sender.send_replace(next.clone());
        }
        now = next;
    }
    server.abort();
    Ok(())
}

fn asked(kept: &Kept, now: &Snapshot, request: &Request) -> Result<(), String> {
    let Request::Reload { service } = request else {
        return Err(format!("{} keeps the services", kept.keeper.name()));
    };
    let fact = kept.services.iter().find(|fact| fact.name == *service);
    let signal = fact.and_then(|fact| Signal::from_named_raw(fact.reload?));
    let pid = now.services.get(service).and_then(|report| report.pid);
    match (signal, pid) {
        (Some(signal), Some(pid)) => {
            process::signal(pid, signal);
            Ok(())
        }
        _ => Err(format!("`{service}` does not run, or cannot read its files again")),
    }
}

/// Kills those that have not answered for as long as they may; `bad` is since when that is.
fn end_hung(now: &Snapshot, healths: &Healths, bad: &mut BTreeMap<String, Instant>) {
    bad.retain(|name, _| healths.get(name).is_some_and(|known| known.hung_after.is_some()));
    for (name, known) in healths {
        let Some(limit) = known.hung_after else { continue };
        let since = *bad.entry(name.clone()).or_insert_with(Instant::now);
        let pid = now.services.get(name).and_then(|report| report.pid);
        if let Some(pid) = pid
            && since.elapsed() >= limit
        {
            let why = known.health.message.as_deref().unwrap_or_default();
            tracing::warn!(
                "`{name}` has not answered for {} s and is killed: {why}",
                limit.as_secs()
            );
            process::signal(pid, Signal::KILL);
            bad.remove(name);
        }
    }
}
