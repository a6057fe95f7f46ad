//! Bridges of the mautrix family where a homeserver is not alone: on a PostgreSQL that it shares with
//! others, and with workers. The stand-in speaks for their programs.

use crate::{
    bridges::{keeps_secrets, stand_in},
    common::{Instance, kill_9, wait_for},
    provisioning::Server,
    workers::{is_up, with_workers},
};

/// A room with the bot of a bridge in it.
pub(crate) fn room_with(server: &Instance, name: &str) -> String {
    let bot = format!("@{name}bot");
    let make = ["content", "create-room", name, "--invite", &bot, "-q"];
    let room = server.run(&make).success().line().to_owned();
    wait_for("the bot is there", || {
        server.json(&["content", "get-room", &room])["members_count"] == 2
    });
    room
}

/// What is said in the room goes to the bridge, and what the bridge says comes back.
fn answers(server: &Instance, room: &str, word: &str) {
    server.run(&["content", "send-message", room, word]).success();
    wait_for("somebody answers", || server.heard(room, &format!("heard: {word}")));
}

#[test]
fn a_bridge_on_a_server_of_others_has_a_database_there_that_goes_with_it() {
    let server = Server::started();
    server.run(&["CREATE ROLE synapse_discord LOGIN"]);
    let before = server.everything();
    let mut guest = server.guest("shared-bridges");
    guest.variable("MATRIX_SYNAPSE_RESTARTS", "1");
    guest.run(&["manage", "install", "--start"]).success();
    // The superuser's password was kept.
    guest.variable("MATRIX_SYNAPSE_DB_ADMIN_PASSWORD", "");
    let without = server.everything();
    let program = stand_in(&guest);
    let add = ["content", "add-bridge", "slack", "--program", &program];
    let added = guest.run(&add).success().says("it answers through Synapse after");
    keeps_secrets(&guest, "slack", &[&added], &[]);
    let owner =
        "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = 'synapse_slack'";
    assert_eq!(server.ask(owner), "synapse_slack");
    let rights =
        "SELECT concat_ws(' ', rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolreplication)
        FROM pg_roles WHERE rolname = 'synapse_slack'";
    assert_eq!(server.ask(rights), "t f f f f");
    let room = room_with(&guest, "slack");
    answers(&guest, &room, "hello");
    let connected = "SELECT (count(*) > 0)::text FROM pg_stat_activity
        WHERE usename = 'synapse_slack' AND datname = 'synapse_slack'";
    assert_eq!(server.ask(connected), "true");

    // A role of that name that is somebody else's stays so.
    let refused = guest.run(&["content", "add-bridge", "discord", "--program", &program]).exits(1);
    refused.says("synapse_discord");
    assert!(!guest.data.join("bridges/discord").exists());
    guest
        .run(&["content", "add-bridge", "discord", "--name", "d2", "--program", &program])
        .success();

    // Its database is gone, its password is refused: both are said, and Synapse goes on.
    let synapse = guest.pid("synapse");
    let cut =
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'synapse_slack'";
    for (harm, what) in [
        (vec!["DROP DATABASE synapse_slack WITH (FORCE)"], "its database `synapse_slack` is gone"),
        (
            vec!["ALTER ROLE synapse_slack PASSWORD 'another'", cut],
            "its role `synapse_slack` is gone or has another password",
        ),
    ] {
        server.run(&harm);
        drop(guest.run(&["manage", "restart", "bridge-slack"]));
        let listed = guest.run(&["content", "list-bridges"]).success();
        listed.says(&format!("the bridge `slack`: {what}"));
        guest.run(&["content", "send-message", &room, "goes on"]).success();
        guest.run(&add).success().says("it answers through Synapse after");
        answers(&guest, &room, "again");
    }
    assert_eq!(guest.pid("synapse"), synapse);

    let removed = guest.run(&["content", "remove-bridge", "slack"]).success();
    removed.says("dropped the database synapse_slack");
    let left = server.everything();
    assert!(!left.contains("synapse_slack") && left.contains("synapse_d2"));
    assert!(without.lines().all(|line| left.lines().any(|other| other == line)));

    // Those that are left go with the homeserver.
    guest.run(&["manage", "uninstall", "--purge", "--force"]).success();
    assert_eq!(server.everything(), before);
}

#[test]
fn a_bridge_is_known_to_all_workers_and_served_by_the_one_that_is_there_for_it() {
    let server = with_workers("bridge-workers", "appservice=1,event_persister=1,generic=1");
    let all = ["synapse", "appservice-1", "event-persister-1", "generic-1"];
    let pids = || all.map(|service| server.pid(service));
    let before = pids();
    let program = stand_in(&server);
    let add = ["content", "add-bridge", "slack", "--program", &program, "--format", "json"];
    let added = server.run(&add).success().json();
    assert_eq!(added["ping"]["ok"], true, "{added}");
    assert!(before.iter().zip(pids()).all(|(before, now)| *before != now), "{added}");
    let room = room_with(&server, "slack");
    answers(&server, &room, "hello");
    let sends = |service: &str| {
        let log = server.run(&["logs", service, "--tail", "100000"]).success().stdout;
        log.contains("/_matrix/app/v1/transactions/")
    };
    assert!(sends("appservice-1") && !sends("synapse"));

    // What is said while that worker is away comes, once. It looks for it when it hears of the next event.
    let worker = server.pid("appservice-1");
    kill_9(worker);
    server.run(&["content", "send-message", &room, "meanwhile"]).success();
    wait_for("it is up again", || is_up(&server, "appservice-1", worker));
    answers(&server, &room, "afterwards");
    wait_for("what was said meanwhile is answered", || server.heard(&room, "heard: meanwhile"));
    let heard = |word: &str| {
        let word = format!("heard: {word}");
        server.bodies(&room).iter().filter(|body| **body == word).count()
    };
    assert_eq!((heard("hello"), heard("meanwhile")), (1, 1));

    // Without such a worker the main process does it.
    let scale = ["manage", "scale", "--workers", "event_persister=1,generic=1"];
    server.run(&scale).success().says("stopped: appservice-1");
    answers(&server, &room, "from the main process");
    assert!(sends("synapse"));
    server.run(&["content", "list-bridges", "--ping"]).success().says(" ms, ");
    server.run(&["content", "remove-bridge", "slack"]).success();
    assert!(server.is_healthy());
}
