//! Redis and PostgreSQL are there and do not answer, while messages are sent: who asks is told so in
//! time, and what was accepted is there once and in order when they go on.

use std::time::{Duration, Instant};

use crate::{
    common::{go_on, halt, wait_for},
    load::under_load,
    workers::installed,
};

#[test]
fn a_redis_or_postgres_that_stalls_is_named_and_costs_no_message() {
    let mut server = installed("stalled", "event_persister=1,generic=1");
    server.variable("MATRIX_SYNAPSE_PROBE_INTERVAL", "1s");
    server.run(&["manage", "start"]).success();
    let room = server.clear_room("Asked");
    under_load(&server, |more| {
        for victim in ["redis", "postgres"] {
            more(6);
            let pid = server.pid(victim);
            halt(pid);
            let begun = Instant::now();
            let words = ["content", "send-message", &room, victim, "--timeout", "5"];
            let said = server.run(&words);
            // With a Redis that stalls a message may get through; without a database none does.
            if victim == "postgres" || said.code != 0 {
                said.exits(1).says("may have been applied").says("--transaction-id");
            }
            assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
            wait_for("its illness is named", || {
                let said = server.run(&["status"]);
                said.code == 1 && said.stdout.contains(victim)
            });
            go_on(pid);
            wait_for("all is well again", || server.is_healthy());
            assert_eq!(server.pid(victim), pid, "it was not restarted");
        }
        more(6);
    });
}
