//! Who takes part and as what, and what becomes of what was said where the room or they are gone.

use serde_json::{Value, json};

use super::{ANN, ANN_IN_MATRIX, BOB, Relay};
use crate::{
    bridges::{sql, sql_in},
    common::wait_for,
    documents::block,
};

const BOB_IN_MATRIX: &str = "@nova-550e8400e29b41d4a716446655440001:test.example";
const CARL: &str = "550e8400-e29b-41d4-a716-446655440002";
const CARL_IN_MATRIX: &str = "@nova-550e8400e29b41d4a716446655440002:test.example";

impl Relay {
    /// The power of somebody who is in the room.
    fn power(&self, room: &str, user: &str) -> Option<i64> {
        let listed = self.server.json(&["content", "list-members", room]);
        let found =
            listed["members"].as_array().unwrap().iter().find(|it| it["user_id"] == user)?;
        (found["membership"] == "join").then(|| found["power"].as_i64().unwrap_or(0))
    }

    fn put(&self, talk: &str, participant: &Value) -> Value {
        self.ask("POST", &format!("/conversations/{talk}/participants"), participant)
    }

    /// The reasons of what was refused, which are forgotten then.
    fn refused(&self) -> Vec<String> {
        let dead = self.server.json(&["content", "relay", "dead"]);
        let dead = dead["dead"].as_array().unwrap();
        if !dead.is_empty() {
            self.server.run(&["content", "relay", "drop", "--all"]).success();
        }
        dead.iter().map(|it| format!("{}: {}", it["kind"], it["reason"])).collect()
    }
}

pub(super) fn a_role_is_given_and_taken_with_its_power(relay: &Relay) {
    let talk = relay.conversation();
    let (hers, his) = (relay.post(&talk, ANN, "hers"), relay.post(&talk, BOB, "his"));
    let room = relay.room(&talk);
    let power = |user: &str| {
        relay.settled();
        relay.power(&room, user)
    };
    assert_eq!((power(ANN_IN_MATRIX), power(BOB_IN_MATRIX)), (Some(0), Some(50)));
    let role = |role: &str| json!({ "user_id": ANN, "role": role });
    for _ in 0..2 {
        assert_eq!(relay.put(&talk, &role("moderator"))["joined"], false);
    }
    // Who says nothing of it changes nothing.
    relay.put(&talk, &json!({ "user_id": ANN }));
    let delete = |id: &str, who: &str| {
        relay.ask("DELETE", &format!("/messages/{id}?user_id={who}"), &Value::Null);
    };
    delete(&his, ANN);
    assert_eq!(power(ANN_IN_MATRIX), Some(50));
    relay.put(&talk, &role("member"));
    assert_eq!(power(ANN_IN_MATRIX), Some(0));
    let told = relay.ask("GET", &format!("/events?conversation_id={talk}&limit=200"), &Value::Null);
    let told = told["events"].as_array().unwrap();
    let changes = told.iter().filter(|it| it["type"] == "participant.changed");
    let roles: Vec<&Value> = changes.map(|it| &it["document"]["role"]).collect();
    assert_eq!(roles, ["moderator", "member"]);

    // Who comes later has it too, and who lacks it when it is needed.
    relay.put(&talk, &json!({ "user_id": CARL, "role": "moderator" }));
    assert_eq!(power(CARL_IN_MATRIX), Some(50));
    relay.server.run(&["content", "set-power", &room, CARL_IN_MATRIX, "user"]).success();
    assert_eq!(power(CARL_IN_MATRIX), Some(0));
    delete(&hers, CARL);
    assert_eq!(power(CARL_IN_MATRIX), Some(50));
    // Who goes leaves it behind.
    relay.ask("DELETE", &format!("/conversations/{talk}/participants/{CARL}"), &Value::Null);
    assert_eq!(power(CARL_IN_MATRIX), None);
    relay.put(&talk, &json!({ "user_id": CARL }));
    assert_eq!(power(CARL_IN_MATRIX), Some(0));
    assert_eq!(relay.refused(), [""; 0]);
    let seen: Vec<String> = relay.seen(&talk).into_iter().map(|it| it.1).collect();
    assert!(!seen.contains(&"his".to_owned()) && !seen.contains(&"hers".to_owned()), "{seen:?}");
}

pub(super) fn many_bring_in_the_same_people_at_once(relay: &Relay) {
    let make = |turn: usize| {
        let mut people = [ANN, BOB, CARL].map(|user| json!({ "user_id": user }));
        people.rotate_left(turn % 3);
        relay.answer("POST", "/conversations", &json!({ "participants": people })).0
    };
    std::thread::scope(|all| {
        let each = |first| all.spawn(move || (first..first + 10).map(make).collect::<Vec<u16>>());
        let all: Vec<_> = (0..4).map(each).collect();
        for one in all {
            assert_eq!(one.join().unwrap(), [201; 10]);
        }
    });
}

/// What is said meanwhile is said as the document has it for other roles of the database.
pub(super) fn who_was_removed_does_not_come_back_with_what_waits(relay: &Relay) {
    let (kicked, left) = (relay.conversation(), relay.conversation());
    let said = relay.post(&kicked, ANN, "to be taken away");
    relay.post(&left, ANN, "hello");
    let (room, other) = (relay.room(&kicked), relay.room(&left));
    let name =
        &sql(&relay.server, "SELECT datname FROM pg_database WHERE datname LIKE '%relay'")[0];
    let grants = block("relay.md", "sql", "GRANT").replace("shop", "bakery");
    sql_in(&relay.server, name, &format!("CREATE ROLE bakery; {grants}"));
    let tell = |what: &str| sql_in(&relay.server, name, &format!("SET ROLE bakery; {what}"));

    relay.server.run(&["manage", "stop", "relay"]).success();
    tell(&format!(
        "SELECT relay.post_message('{kicked}', '{ANN}', 'too late');
        SELECT relay.delete_message('{said}', '{ANN}');
        SELECT relay.post_message('{kicked}', '{BOB}', 'she is gone');
        SELECT relay.post_message('{left}', '{ANN}', 'good bye');
        SELECT relay.remove_participant('{left}', '{ANN}')"
    ));
    relay.server.run(&["content", "kick-user", &room, ANN_IN_MATRIX]).success();
    relay.server.run(&["manage", "start", "relay"]).success();
    // Of the kick the relay hears after it has begun to tell.
    assert_eq!(relay.seen(&kicked), [(BOB_IN_MATRIX.to_owned(), "she is gone".to_owned())]);
    assert_eq!(relay.power(&room, ANN_IN_MATRIX), None);
    let reason = format!("\"message\": \"{ANN_IN_MATRIX} was removed from the room\"");
    assert_eq!(relay.refused(), [reason]);
    // Whom the application removed has told it all.
    assert_eq!(relay.seen(&left).last().unwrap().1, "good bye");
    assert_eq!(relay.power(&other, ANN_IN_MATRIX), None);

    // Who is brought in again speaks again.
    for (talk, room) in [(&kicked, &room), (&left, &other)] {
        relay.put(talk, &json!({ "user_id": ANN }));
        relay.post(talk, ANN, "again");
        assert_eq!(relay.seen(talk).last().unwrap().1, "again");
        assert_eq!(relay.power(room, ANN_IN_MATRIX), Some(0));
    }
}

pub(super) fn what_was_said_in_a_room_that_is_gone_is_forgotten_with_it(relay: &Relay) {
    let talk = relay.conversation();
    let said: Vec<String> = (0..3).map(|n| relay.post(&talk, ANN, &n.to_string())).collect();
    let react = |method: &str, id: &str, rest: &str, body: &Value| {
        relay.ask(method, &format!("/messages/{id}/reactions{rest}"), body);
    };
    let sign = json!({ "user_id": BOB, "key": "+" });
    react("POST", &said[1], "", &sign);
    let room = relay.room(&talk);
    relay.server.run(&["content", "remove-room", &room]).success();
    relay.put(&talk, &json!({ "user_id": CARL, "role": "moderator" }));
    let edit = json!({ "sender_id": ANN, "plaintext": "nought" });
    relay.ask("PUT", &format!("/messages/{}", said[0]), &edit);
    react("DELETE", &said[1], &format!("?user_id={BOB}&key=%2B"), &Value::Null);
    react("POST", &said[0], "", &sign);
    relay.ask("DELETE", &format!("/messages/{}?user_id={BOB}", said[2]), &Value::Null);
    relay.ask("POST", &format!("/messages/{}/receipts", said[1]), &json!({ "user_id": BOB }));
    relay.post(&talk, BOB, "here");
    wait_for("there is another room", || relay.seen(&talk).len() == 1);
    assert_eq!(relay.refused(), [""; 0]);
    let now = relay.room(&talk);
    assert_ne!(now, room);
    let power = |user: &str| relay.power(&now, user);
    assert_eq!((power(BOB_IN_MATRIX), power(CARL_IN_MATRIX)), (Some(50), Some(50)));
    // It can be told again.
    let replay = relay.server.run(&["content", "relay", "replay", &talk]);
    replay.success().says("2 will be told");
    let seen: Vec<String> = relay.seen(&talk).into_iter().map(|it| it.1).collect();
    assert_eq!(seen, ["here", "nought", "1"]);
}
