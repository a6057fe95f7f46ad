//! What Matrix has not is told again, and what it has begins again; the interface is as its document says, also for who
//! says nothing.

use std::{fs, io::Read as _, net::TcpStream, process::Command, time::Duration};

use serde_json::{Value, json};

use super::{ANN, Relay};
use crate::{
    bridges::{sql, sql_in},
    common::{get, wait_for},
    packages,
};

/// Asked with what the document allows and with what it does not; whoever answers otherwise than it says is found.
pub(super) fn the_interface_answers_as_its_document_says(relay: &Relay) {
    let folder = tempfile::tempdir().unwrap();
    packages::install("schemathesis==4.32.5", folder.path());
    let talk = relay.conversation();
    let message = relay.post(&talk, ANN, "to be found");
    let known = format!(
        "[parameters]\n\"path.which\" = \"{talk}\"\n\"path.id\" = \"{message}\"\n\"path.user\" = \"{ANN}\"\n\
        \"query.user_id\" = \"{ANN}\"\n\"query.conversation_id\" = \"{talk}\"\n\
        [checks.positive_data_acceptance]\nexpected-statuses = [\"2xx\", 403, 404, 409, 410]\n"
    );
    let file = folder.path().join("known.toml");
    fs::write(&file, known).unwrap();
    let (status, document) = get(relay.port, "/api/chat/openapi.json");
    assert_eq!(status, 200);
    let document = of_a_key(serde_json::from_str(&document).unwrap());
    fs::write(folder.path().join("openapi.json"), document.to_string()).unwrap();
    let url = format!("http://127.0.0.1:{}", relay.port);
    let mut asking = Command::new(packages::python());
    asking.args(["-m", "schemathesis.cli", "--config-file"]).arg(&file).arg("run");
    asking.args(["openapi.json", "--url", &url, "--seed", "1"]);
    // The addresses by slug are the others once more, files of addresses where nobody is are tried for minutes, and
    // streams have no end.
    asking.args(["--exclude-path-regex", "/event/|/(files|stream|socket)$"]);
    asking.args(["--max-examples", "2", "--phases", "coverage,fuzzing", "-H"]);
    asking.arg(format!("Authorization: Bearer {}", relay.key));
    asking.env("PYTHONPATH", folder.path()).current_dir(folder.path());
    let said = asking.output().unwrap();
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success(), "{text}{}", String::from_utf8_lossy(&said.stderr));
    assert!(text.contains("Tested: "), "{text}");
    relay.settled();
    relay.server.run(&["content", "relay", "drop", "--all"]).success();
}

/// Only the token of a user says who acts.
fn of_a_key(mut document: Value) -> Value {
    let paths = document["paths"].as_object_mut().unwrap();
    for asked in paths.values_mut().flat_map(|path| path.as_object_mut().unwrap().values_mut()) {
        if asked["responses"]["200"]["content"]["text/event-stream"].is_null() {
            let all = asked["parameters"].as_array_mut().unwrap().iter_mut();
            let who = all.filter(|it| it["name"] == "user_id" && it["in"] == "query");
            who.for_each(|it| it["required"] = json!(true));
        }
        let body = "/requestBody/content/application~1json/schema";
        let Some(body) = asked.pointer_mut(body) else { continue };
        for name in ["sender_id", "user_id"] {
            if body["properties"][name].is_object() {
                let mut all = body["required"].as_array().cloned().unwrap_or_default();
                all.push(json!(name));
                all.dedup();
                body["required"] = json!(all);
            }
        }
    }
    document
}

/// After all that stops it: the relay tells nothing to Matrix when this begins.
pub(super) fn what_matrix_has_not_is_told_again_and_what_it_has_begins_again(relay: &Relay) {
    let talk = relay.conversation();
    let first = relay.post(&talk, ANN, "before Matrix");
    let content = |words: &[&str]| relay.server.run(&[&["content", "relay"], words].concat());
    content(&["replay", &talk]).exits(1).says("relay.matrix");
    relay.server.run(&["config", "set", "relay.matrix", "true"]).success();
    relay.server.run(&["config", "set", "synapse.presence", "false"]).success();
    relay.server.run(&["manage", "restart", "relay"]).success();
    let here = json!({ "presence": "online" });
    let (status, why) = relay.answer("PUT", &format!("/users/{ANN}/presence"), &here);
    assert!(status == 409 && why.to_string().contains("`synapse.presence`"), "{why}");
    // What the room has not is not edited there, and does not wait for ever.
    let edit = json!({ "sender_id": ANN, "plaintext": "long before Matrix" });
    relay.ask("PUT", &format!("/messages/{first}"), &edit);
    relay.post(&talk, ANN, "after");
    let told = |texts: &[&str], who: &str| {
        let seen = relay.seen(&talk);
        let wanted: Vec<_> =
            texts.iter().map(|text| (who.to_owned(), (*text).to_owned())).collect();
        assert_eq!(seen, wanted);
    };
    told(&["after"], super::ANN_IN_MATRIX);
    content(&["replay", &talk]).success().says("1 will be told");
    content(&["replay", &talk]).exits(2).says("nothing to do");
    told(&["after", "long before Matrix"], super::ANN_IN_MATRIX);

    content(&["reset"]).exits(1).says("--tokens");
    content(&["reset", "--rooms"]).exits(1).says("--force");
    content(&["reset", "--rooms", "--force"]).exits(1).says("manage stop relay");
    relay.server.run(&["manage", "stop", "relay"]).success();
    let room = relay.ask_nobody(&talk);
    let done = relay.server.json(&["content", "relay", "reset", "--rooms", "--force"]);
    assert!(done["rooms"].as_u64().unwrap() > 0 && done["tokens"] == false, "{done}");
    relay.server.run(&["manage", "start", "relay"]).success();
    relay.post(&talk, ANN, "in another room");
    told(&["in another room"], super::ANN_IN_MATRIX);
    assert_ne!(relay.room(&talk), room);
    content(&["replay", &talk]).success().says("2 will be told");

    // Other names are other ids: it says so until somebody wants that.
    let tokens = || fs::read(relay.server.data.join("secrets/relay_as_token")).unwrap();
    let before = tokens();
    relay.server.run(&["config", "set", "relay.prefix", "orion"]).success();
    relay.server.run(&["manage", "restart"]).exits(1).says("content relay reset --all");
    // What runs goes on.
    assert_eq!(relay.history(&talk).len(), 3);
    relay.server.run(&["manage", "stop", "relay"]).success();
    let done = relay.server.json(&["content", "relay", "reset", "--all", "--force"]);
    assert!(done["users"].as_u64().unwrap() > 1 && done["tokens"] == true, "{done}");
    assert_ne!(tokens(), before);
    relay.server.run(&["manage", "restart"]).success();
    relay.post(&talk, ANN, "under another name");
    told(&["under another name"], "@orion-550e8400e29b41d4a716446655440000:test.example");
    assert_eq!(relay.history(&talk).len(), 4);
}

/// A database that only reads, as one does that is not the primary any more, takes nothing and loses nothing.
pub(super) fn connections_that_say_nothing_keep_nobody_out_and_are_closed(relay: &Relay) {
    let connect = |_| TcpStream::connect(("127.0.0.1", relay.port)).unwrap();
    let silent: Vec<TcpStream> = (0..500).map(connect).collect();
    let talk = relay.conversation();
    relay.post(&talk, ANN, "is anybody there?");
    assert_eq!(relay.seen(&talk).len(), 1);
    for mut one in silent {
        one.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        assert!(one.read_to_end(&mut Vec::new()).is_ok(), "it is still open");
    }
}

pub(super) fn while_the_database_only_reads_nothing_is_taken_and_nothing_lost(relay: &Relay) {
    let talk = relay.conversation();
    relay.post(&talk, ANN, "written");
    let room = relay.room(&talk);
    let name =
        &sql(&relay.server, "SELECT datname FROM pg_database WHERE datname LIKE '%relay'")[0];
    let only_reads = |whether: &str| {
        sql(
            &relay.server,
            &format!(
                "ALTER DATABASE \"{name}\" SET default_transaction_read_only = {whether};
                SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE datname = '{name}'"
            ),
        );
    };
    only_reads("on");
    wait_for("it says so", || {
        let (status, why) = get(relay.port, "/health");
        status == 503 && why.contains("only reads")
    });
    let body = json!({ "sender_id": ANN, "plaintext": "refused" });
    let (status, why) = relay.answer("POST", &format!("/conversations/{talk}/messages"), &body);
    assert_eq!(status, 503, "{why}");
    // Who asks while connections are lost may be told to come again.
    let stored = || {
        let path = format!("/conversations/{talk}/messages");
        let (_, answer) = relay.answer("GET", &path, &Value::Null);
        answer["messages"].as_array().map(Vec::len)
    };
    wait_for("what there is can be read", || stored() == Some(1));
    relay.server.run(&["content", "send-message", &room, "from Matrix meanwhile"]).success();
    only_reads("off");
    wait_for("what the homeserver told meanwhile has come", || stored() == Some(2));
    wait_for("it is taken again", || {
        relay.answer("POST", &format!("/conversations/{talk}/messages"), &body).0 == 201
    });
    assert_eq!(relay.seen(&talk).last().unwrap().1, "refused");

    // What is old is forgotten, and who wants to go on from there is told.
    let all = relay.ask("GET", "/events?limit=200", &Value::Null);
    let last = all["next"].as_i64().unwrap();
    sql_in(
        &relay.server,
        name,
        &format!(
            "UPDATE relay.events SET created_at = now() - interval '40 days' WHERE position <= {last};
            SELECT relay.forget('30 days', 10000)::text"
        ),
    );
    let (status, why) = relay.answer("GET", &format!("/events?after={}", last - 1), &Value::Null);
    assert_eq!(status, 410);
    assert!(why["detail"].as_str().unwrap().contains(&format!("go on after {last}")), "{why}");
    relay.ask("GET", &format!("/events?after={last}"), &Value::Null);
    assert_eq!(relay.answer("GET", "/events?after=9000000000000000", &Value::Null).0, 410);
    assert_eq!(relay.history(&talk).len(), 3);
}

impl Relay {
    /// The room of a conversation, while the relay does not run.
    fn ask_nobody(&self, conversation: &str) -> String {
        let listed = self.server.json(&["content", "relay", "conversations"]);
        let all: &Vec<Value> = listed["conversations"].as_array().unwrap();
        let found = all.iter().find(|it| it["conversation_id"] == conversation).unwrap();
        found["room_id"].as_str().unwrap().to_owned()
    }
}
