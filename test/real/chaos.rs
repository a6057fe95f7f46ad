//! Processes are killed at random while messages are sent: every message that was accepted is there
//! once and in order. `RMS_CHAOS_ROUNDS` and `RMS_CHAOS_SEED` make it longer and another.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::common::{Instance, kill_9, wait_for};

/// `read-messages` is asked for no more than this.
const MOST: usize = 900;

pub(crate) fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Sends numbered messages, each until it is accepted and always with its own transaction id.
fn send(server: &Instance, room: &str, accepted: &AtomicUsize, over: &AtomicBool) {
    for n in 0..MOST {
        let (text, id) = (n.to_string(), format!("chaos-{n}"));
        let words = ["content", "send-message", room, &text, "--transaction-id", &id];
        while server.run(&words).code != 0 {}
        accepted.fetch_add(1, Ordering::Relaxed);
        if over.load(Ordering::Relaxed) {
            return;
        }
    }
}

#[test]
fn what_was_accepted_is_there_once_and_in_order_whatever_is_killed() {
    let mut server = Instance::installed("chaos");
    server.variable("MATRIX_SYNAPSE_RESTARTS", "1000");
    server.run(&["manage", "start"]).success();
    accepted_while_killed(&server, "synapse", number("RMS_CHAOS_ROUNDS", 5));
}

/// Sends without a pause while the homeserver, the database and the supervisor are killed in turn, so many
/// times; what was accepted is there once.
pub(crate) fn accepted_while_killed(server: &Instance, homeserver: &str, rounds: u64) {
    let seed = number("RMS_CHAOS_SEED", 7);
    let mut random = StdRng::seed_from_u64(seed);
    let room = &server.room("Chaos");
    let (accepted, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let sender = scope.spawn(|| send(server, room, &accepted, &over));
        for _ in 0..rounds {
            let more = random.random_range(1..6);
            let enough = accepted.load(Ordering::Relaxed) + more;
            wait_for("messages are accepted", || {
                accepted.load(Ordering::Relaxed) >= enough || sender.is_finished()
            });
            match random.random_range(0..3) {
                0 => kill_9(server.pid(homeserver)),
                1 => kill_9(server.pid("postgres")),
                _ => kill_9(server.supervisor()),
            }
            wait_for("it is healthy again", || {
                server.run(&["manage", "start"]).code != 1 && server.is_healthy()
            });
        }
        over.store(true, Ordering::Relaxed);
    });
    let sent: Vec<String> = (0..accepted.into_inner()).map(|n| n.to_string()).collect();
    // Dendrite shows what it has accepted once its parts have told each other.
    wait_for("all is shown", || server.bodies(room).len() >= sent.len());
    assert_eq!(server.bodies(room), sent, "seed {seed}");
}
