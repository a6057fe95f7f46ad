//! Rooms: made, shown, joined, left and removed.

use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};

use crate::common::{Instance, wait_for};

#[test]
fn a_room_is_made_with_all_that_was_asked() {
    let server = Instance::shared();
    server.run(&["content", "add-user", "guest1"]).success();
    let made = server.json(&[
        "content",
        "create-room",
        "War \"Room\" 🦀",
        "--alias",
        "war",
        "--topic",
        "Topic",
        "--invite",
        "guest1",
    ]);
    let room = made["room_id"].as_str().unwrap();
    let shown = server.json(&["content", "get-room", room]);
    assert_eq!(shown["name"], "War \"Room\" 🦀");
    assert_eq!(shown["alias"], "#war:test.example");
    server.run(&["content", "create-room", "War", "--alias", "war"]).exits(2).says("already");
    let all = server.json(&["content", "list-rooms"]);
    assert!(all["rooms"].as_array().unwrap().iter().any(|it| it["room_id"] == room), "{all}");
}

#[test]
fn a_removed_room_is_gone() {
    let server = Instance::shared();
    let room = server.room("Short-lived");
    server.run(&["content", "remove-room", &room]).success();
    server.run(&["content", "get-room", &room]).exits(2);
    server.run(&["content", "remove-room", &room]).exits(2);
}

#[test]
fn the_operator_joins_a_room_of_others_where_it_must() {
    let server = Instance::shared();
    server.run(&["content", "add-user", "owner"]).success();
    let room = server.run(&["content", "create-room", "Private", "--as", "owner", "-q"]).success();
    server.run(&["content", "send-message", room.line(), "hello"]).success().says("joined");
    assert_eq!(server.bodies(room.line()), ["hello"]);
}

#[test]
fn a_room_is_left() {
    let server = Instance::shared();
    let room = server.room("Left");
    assert_eq!(server.json(&["content", "leave-room", &room])["left"], true);
    server.run(&["content", "leave-room", &room]).exits(2);
}

#[test]
fn of_many_who_make_a_room_at_once_one_makes_it_and_all_are_told_its_id() {
    let server = Instance::shared();
    let words = ["content", "create-room", "Race", "--alias", "race", "--json"];
    let said: Vec<_> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..8).map(|_| scope.spawn(|| server.run(&words))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let made: Vec<_> = said.iter().filter(|said| said.code == 0).collect();
    assert_eq!(made.len(), 1);
    for one in &said {
        assert_eq!(one.json()["room_id"], made[0].json()["room_id"], "{one}");
        assert_eq!(one.json()["existed"], one.code == 2, "{one}");
    }
    // A room that is just being made has no event for a moment; one that was refused never has.
    wait_for("no room without an event is kept", || rooms_without_events(server) == 0);
}

/// What Synapse keeps of rooms that nobody can see.
fn rooms_without_events(server: &Instance) -> i64 {
    let password = std::fs::read_to_string(server.data.join("secrets/database_password")).unwrap();
    let options = PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(server.ports[2])
        .username("synapse")
        .password(&password)
        .database("synapse");
    let question =
        "SELECT count(*) FROM rooms WHERE room_id NOT IN (SELECT DISTINCT room_id FROM events)";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = PgConnection::connect_with(&options).await.unwrap();
        sqlx::query_scalar(question).fetch_one(&mut connection).await.unwrap()
    })
}
