//! A homeserver with a worker of every kind, a proxy with a certificate, alerts and a second homeserver
//! to talk to: each kind does its duty, and processes are killed while messages are sent: some that chance
//! chooses, or all of them with `RMS_TEST_ALL=1`.

use std::{collections::BTreeMap, fs};

use rand::seq::SliceRandom as _;
use serde_json::Value;

use crate::{
    common::{Instance, file, free_ports, kill_9, wait_for},
    federation,
    load::under_load,
    workers::is_up,
};

const KINDS: &str = "generic,synchrotron,client_reader,event_creator,event_persister,receipts,\
    device_lists,thread_subscriptions,typing,to_device,account_data,presence,push_rules,media,sso,\
    user_directory,federation_reader,federation_inbound,federation_sender,pusher,appservice,\
    background";
/// So many are killed at once.
const AT_ONCE: usize = 4;
/// So many are killed where not all are.
const SOME: usize = 3;

/// All that has a process, with its id.
fn processes(server: &Instance) -> BTreeMap<String, u32> {
    let state = fs::read(server.data.join("run/state.json")).unwrap();
    let state: Value = serde_json::from_slice(&state).unwrap();
    let services = state["services"].as_object().unwrap().iter();
    let pid = |report: &Value| u32::try_from(report["pid"].as_u64()?).ok();
    services.filter_map(|(name, report)| Some((name.clone(), pid(report)?))).collect()
}

#[test]
fn a_worker_of_every_kind_does_its_duty_and_may_be_killed() {
    let (mut a, mut b) = (federation::server("kinds"), federation::server("kinds-peer"));
    for server in [&mut a, &mut b] {
        server.variable("MATRIX_SYNAPSE_IP_RANGE_WHITELIST", "127.0.0.0/8,::1");
    }
    a.befriend(&b);
    b.befriend(&a);
    a.variable("MATRIX_SYNAPSE_PROFILE", "full");
    a.variable("MATRIX_SYNAPSE_WORKERS", KINDS);
    a.variable("MATRIX_SYNAPSE_PRESENCE", "true");
    a.variable("MATRIX_SYNAPSE_DB_CONNECTIONS_MIN", "1");
    a.variable("MATRIX_SYNAPSE_DB_CONNECTIONS_MAX", "4");
    a.variable("MATRIX_SYNAPSE_WORKERS_METRICS_PORT", &free_ports(40).to_string());
    a.variable("MATRIX_SYNAPSE_START_TIMEOUT", "5m");
    for server in [&a, &b] {
        server.run(&["manage", "start"]).success();
    }
    let wrote = |service: &str, text: &str| {
        let said = a.run(&["logs", service, "--tail", "100000"]).success();
        assert!(said.stdout.contains(text), "{service} has not written `{text}`");
    };

    // To the other server and back.
    let room = a.run(&["content", "create-room", "All", "--alias", "all", "--public", "-q"]);
    let room = room.success().line().to_owned();
    b.join(&format!("#all:{}", a.name())).success();
    a.send(&room, "from a");
    b.hears(&room, "from a");
    b.send(&room, "from b");
    a.hears(&room, "from b");
    wrote("federation-reader-1", "/_matrix/federation/v1/make_join");
    wrote("federation-inbound-1", "PUT /_matrix/federation/v1/send/");
    let walk = a.walk(&a.name(), 0);
    assert!(walk.iter().any(|step| step.0 == "keys" && step.1 == "good"), "{walk:?}");

    // Media have one process alone.
    let path = file(&a.data, "note.txt", b"a note").display().to_string();
    a.run(&["content", "send-media", &room, &path]).success();
    wrote("media-1", "POST /_matrix/media/v3/upload");
    assert_eq!(a.json(&["content", "media"])["stored"]["local"]["count"], 1);

    let all = processes(&a);
    let spared = ["synapse", "postgres"];
    let victims: Vec<&String> = all.keys().filter(|it| !spared.contains(&it.as_str())).collect();
    assert!(victims.len() > 24, "{victims:?}");
    let mut victims = victims;
    if std::env::var_os("RMS_TEST_ALL").is_none() {
        victims.shuffle(&mut rand::rng());
        victims.truncate(SOME);
    }
    eprintln!("killed are {victims:?}");
    under_load(&a, |more| {
        for several in victims.chunks(AT_ONCE) {
            more(2);
            for victim in several {
                kill_9(all[*victim]);
            }
            for victim in several {
                wait_for(victim, || is_up(&a, victim, all[*victim]));
            }
        }
        more(2);
    });
    a.send(&room, "after all that");
    b.hears(&room, "after all that");
}
