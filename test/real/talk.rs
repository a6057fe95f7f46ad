//! What people do in rooms besides writing: direct rooms, threads, polls, places, reading and searching, and files
//! that are fetched again.

use std::{
    fs,
    io::Read as _,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::common::{Instance, file, kill_9, wait_for};

/// A user made for one test.
#[track_caller]
fn user(server: &Instance, name: &str) -> String {
    server.run(&["content", "add-user", name]).success();
    format!("@{name}:test.example")
}

/// Sends a message, as this user; its id.
#[track_caller]
fn send(server: &Instance, words: &[&str]) -> String {
    server.run(&[&["content", "send-message"], words, &["-q"]].concat()).success().line().to_owned()
}

/// The direct rooms that a user knows.
#[track_caller]
fn direct(server: &Instance, user: &str) -> Value {
    let said = server.json(&["content", "get-account-data", user, "--type", "m.direct"]);
    said["global"]["m.direct"].clone()
}

/// The content of an event, as the server has it.
#[track_caller]
fn content(server: &Instance, event: &str) -> Value {
    let path = format!("GET /_synapse/admin/v1/fetch_event/{event}");
    server.json(&["content", "execute", "--name", &path])["event"]["content"].clone()
}

/// The same as a member sees it: of what was redacted the admin API still gives the content.
#[track_caller]
fn seen(server: &Instance, room: &str, event: &str) -> Value {
    let path = format!("GET /_matrix/client/v3/rooms/{room}/event/{event}");
    server.json(&["content", "execute", "--name", &path])["content"].clone()
}

#[test]
fn a_user_is_named_and_their_direct_room_is_found_or_made_once() {
    let server = Instance::shared();
    let (ann, ben) = (user(server, "ann"), user(server, "ben"));
    server
        .run(&["content", "read-messages", "@ben", "--as", "ann"])
        .exits(1)
        .says("no direct room");
    let plan = ["content", "send-message", "@ben", "hi", "--as", "ann", "--dry-run"];
    server.run(&plan).success().says("would make a direct room with @ben:test.example");
    let known = json!({ "@carl:test.example": ["!old:test.example"] }).to_string();
    server.run(&["content", "set-account-data", "m.direct", &known, "--as", "ann"]).success();
    // At once, from both sides, now and later.
    let commands: Vec<_> = (0..6)
        .map(|n| {
            let (from, to) =
                if n % 2 == 0 { ("ann", "@ben") } else { ("ben", "@ann:test.example") };
            let mut command: Command = server.command();
            let text = format!("message {n}");
            command.args(["content", "send-message", to, &text, "--as", from]);
            if n > 3 {
                command.args(["--queue", "--wait"]);
            }
            command.stdout(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut command in commands {
        assert!(command.wait().unwrap().success());
    }
    let known = direct(server, "ann");
    assert_eq!(known["@carl:test.example"], json!(["!old:test.example"]), "{known}");
    let rooms = known[&ben].as_array().unwrap();
    let room = rooms[0].as_str().unwrap();
    assert_eq!(rooms.len(), 1, "{known}");
    assert_eq!(direct(server, "ben"), json!({ &ann: [room] }));
    // While others write elsewhere, the server shows what it took only once they are done.
    wait_for("all have arrived", || server.bodies(room).len() == 6);
    let shown = server.json(&["content", "get-room", room]);
    // Neither has a device that could read what is encrypted.
    assert_eq!(shown["encrypted"], false, "{shown}");

    // A room that one of the two has left is none.
    let left = ["content", "leave-room", room, "--as", "ben", "--force"];
    server.run(&left).success();
    // By now one has a device, and the new room is encrypted.
    let make = ["content", "create-room", "Keys of Ben", "--encrypted", "--invite", "ben", "-q"];
    let keys = server.run(&make).success().line().to_owned();
    send(server, &[&keys, "hello", "--as", "ben"]);
    let again = ["content", "send-message", "@ben", "again", "--as", "ann"];
    server.run(&again).success().says("with @ben:test.example, encrypted");
    let known = direct(server, "ann");
    let now = known[&ben].as_array().unwrap();
    assert_eq!((now.len(), &now[0]), (2, &json!(room)), "{known}");
    // Who joins what they were invited to so knows it too.
    let new = now[1].as_str().unwrap();
    server.run(&["content", "join-room", new, "--as", "ben"]).success();
    assert_eq!(direct(server, "ben"), json!({ &ann: [room, new] }));
    send(server, &["@ann", "here", "--as", "ben"]);
    wait_for("both have arrived", || {
        let page = server.json(&["content", "read-messages", "@ben", "--as", "ann"]);
        let bodies = page["messages"].as_array().unwrap().iter();
        bodies.map(|it| it["body"].as_str().unwrap().to_owned()).eq(["again", "here"])
    });
    assert_eq!(server.json(&["content", "get-room", new])["encrypted"], true);

    let words = |to: &'static str| ["content", "send-message", to, "hi", "--as", "ann"];
    server.run(&words("@ann")).exits(1).says("cannot have a direct room with itself");
    server.run(&words("@nobody")).exits(1).says("there is no user `@nobody:test.example`");
    let queued = [&words("@nobody")[..], &["--queue"]].concat();
    server.run(&queued).exits(1).says("there is no user");
    server.run(&["content", "remove-user", "ben"]).success();
    // The server takes a closed account out of its rooms a little later.
    let members = || server.json(&["content", "list-members", new])["members"].to_string();
    wait_for("the account has left", || !members().contains(&ben));
    server.run(&words("@ben")).exits(1).says("was deactivated");
}

#[test]
fn a_message_stands_in_a_thread_however_it_is_sent() {
    let server = Instance::shared();
    let room = server.room("Threads");
    let root = send(server, &[&room, "root"]);
    let first = send(server, &[&room, "one", "--thread", &root]);
    let relation = &content(server, &first)["m.relates_to"];
    let wanted = json!({
        "rel_type": "m.thread", "event_id": root, "is_falling_back": true,
        "m.in_reply_to": { "event_id": root },
    });
    assert_eq!(*relation, wanted);
    // Any message of a thread names it; a fallback answers the newest.
    let second = send(server, &[&room, "two", "--thread", &first]);
    let relation = &content(server, &second)["m.relates_to"];
    assert_eq!(
        (&relation["event_id"], &relation["m.in_reply_to"]["event_id"]),
        (&json!(root), &json!(first))
    );
    let third = send(server, &[&room, "three", "--thread", &root, "--reply-to", &first]);
    let relation = &content(server, &third)["m.relates_to"];
    assert_eq!(
        (&relation["is_falling_back"], &relation["m.in_reply_to"]["event_id"]),
        (&json!(false), &json!(first))
    );
    let later = ["content", "send-message", &room, "four", "--thread", &root, "--queue", "--wait"];
    server.run(&later).success();
    let line = json!({ "text": "five", "thread": root }).to_string() + "\n";
    server.run_with(&["content", "send-message", &room, "--jsonl", "-"], line.as_bytes()).success();
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "six.txt", b"six");
    let path = path.to_str().unwrap();
    server.run(&["content", "send-media", &room, path, "--thread", &root]).success();
    server.run(&["content", "send-location", &room, "geo:1,2", "--thread", &root]).success();

    let other = send(server, &[&room, "elsewhere"]);
    let mixed = ["content", "send-message", &room, "x", "--thread", &root, "--reply-to", &other];
    server.run(&mixed).exits(1).says("is not in the thread");
    let gone = "$31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM";
    server
        .run(&["content", "send-message", &room, "x", "--thread", gone])
        .exits(1)
        .says("no event");

    let threads = server.json(&["content", "list-threads", &room]);
    assert_eq!(threads["total"], 1, "{threads}");
    let thread = &threads["threads"][0];
    assert_eq!((&thread["event_id"], &thread["messages"]), (&json!(root), &json!(7)), "{threads}");
    user(server, "threader");
    let theirs = ["content", "create-room", "Their threads", "--as", "threader", "-q"];
    let theirs = server.run(&theirs).success().line().to_owned();
    let entered = server.json(&["content", "list-threads", &theirs]);
    assert_eq!(entered["total"], 0, "{entered}");
    assert!(entered["warnings"][0].as_str().unwrap().contains("joined the room"), "{entered}");
    let related = ["content", "list-relations", &room, &root, "--type", "thread"];
    assert_eq!(server.json(&related)["total"], 7);
    let cut = server.json(&[&related[..], &["--limit", "2"]].concat());
    assert_eq!((&cut["total"], &cut["more"]), (&json!(2), &json!(true)));
    let up = ["--sort", "sent_ms", "--fields", "body", "--format", "jsonl", "--limit", "1"];
    let oldest = server.run(&[&related[..], &up].concat()).success();
    assert_eq!(oldest.line(), r#"{"body":"one"}"#);
    server.run(&["content", "react", &room, &root, "👍"]).success();
    let signs = server.json(&["content", "list-relations", &room, &root, "--type", "annotation"]);
    assert_eq!(signs["relations"][0]["key"], "👍", "{signs}");
    assert_eq!(server.json(&["content", "list-relations", &room, &root])["total"], 8);
}

#[test]
fn a_message_is_redacted_with_all_its_edits() {
    let server = Instance::shared();
    user(server, "meddler");
    let room = server.clear_room("Edits");
    let message = send(server, &[&room, "secret 0"]);
    // More than the server gives at once by itself.
    for n in 1..8 {
        let text = format!("secret {n}");
        server.run(&["content", "edit-message", &room, &message, &text]).success();
    }
    server.run(&["content", "invite", &room, "meddler"]).success();
    server.run(&["content", "join-room", &room, "--as", "meddler"]).success();
    let edits = ["content", "list-relations", &room, &message, "--type", "replace"];
    let edits = server.json(&edits)["relations"].as_array().unwrap().clone();
    assert_eq!(edits.len(), 7);
    server.run(&["content", "redact-message", &room, &message]).success();
    for event in
        edits.iter().map(|edit| edit["event_id"].as_str().unwrap()).chain([message.as_str()])
    {
        assert_eq!(seen(server, &room, event), json!({}), "{event}");
    }
    // What others claim to be an edit keeps nobody from taking away their own.
    let own = send(server, &[&room, "mine", "--as", "meddler"]);
    let claimed = json!({
        "msgtype": "m.text", "body": "* x", "m.new_content": { "msgtype": "m.text", "body": "x" },
        "m.relates_to": { "rel_type": "m.replace", "event_id": own },
    });
    let path = format!("PUT /_matrix/client/v3/rooms/{room}/send/m.room.message/claimed");
    server
        .run(&["content", "execute", "--name", &path, "--options", &claimed.to_string()])
        .success();
    server.run(&["content", "redact-message", &room, &own, "--as", "meddler"]).success();
    assert_eq!(seen(server, &room, &own), json!({}));
}

#[test]
fn a_room_sees_who_types_and_who_has_read_and_is_searched() {
    let server = Instance::shared();
    let reader = user(server, "reader");
    let room = server.clear_room("Seen");
    server.run(&["content", "invite", &room, "reader"]).success();
    server.run(&["content", "join-room", &room, "--as", "reader"]).success();
    let first = send(server, &[&room, "zwetschgen are ripe"]);
    let last = send(server, &[&room, "zwetschgen are eaten"]);

    // A stream that was asked for in the same words is answered as before for two minutes.
    let number = std::cell::Cell::new(0);
    let seen = |kind: &str| -> Value {
        let none = json!({ "types": [] });
        number.set(number.get() + 1);
        let nonce = format!("nonce.{}", number.get());
        let filter = json!({
            "presence": none, "account_data": none,
            "room": {
                "rooms": [room], "timeline": none, "state": none, "account_data": none,
                "ephemeral": { "types": [kind], "not_types": [nonce] },
            },
        });
        let letters = filter.to_string().into_bytes().into_iter();
        let filter: String = letters.map(|byte| format!("%{byte:02X}")).collect();
        let path = format!("GET /_matrix/client/v3/sync?filter={filter}");
        let sync = server.json(&["content", "execute", "--name", &path]);
        sync["rooms"]["join"][&room]["ephemeral"]["events"][0]["content"].clone()
    };
    server.run(&["content", "set-typing", &room, "--as", "reader", "--seconds", "100"]).success();
    assert_eq!(seen("m.typing")["user_ids"], json!([reader]));
    server.run(&["content", "set-typing", &room, "--as", "reader", "--stop"]).success();
    assert_eq!(seen("m.typing")["user_ids"], json!([]));

    let read = ["content", "mark-read", &room, "--as", "reader"];
    let private = [&read[..], &[&first, "--private"]].concat();
    assert_eq!(server.json(&private)["event_id"], first.as_str());
    assert!(!seen("m.receipt").to_string().contains(&reader));
    assert_eq!(server.json(&read)["event_id"], last.as_str());
    assert!(seen("m.receipt")[&last]["m.read"][&reader].is_object());
    let kept = ["content", "get-account-data", "reader", "--type", "m.fully_read", "--room", &room];
    assert_eq!(server.json(&kept)["rooms"][&room]["m.fully_read"]["event_id"], last.as_str());

    let search = ["content", "search-messages", "zwetschgen"];
    let found = server.json(&search);
    let bodies = |found: &Value| -> Vec<String> {
        let all = found["messages"].as_array().unwrap().iter();
        all.map(|it| it["body"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(bodies(&found), ["zwetschgen are eaten", "zwetschgen are ripe"], "{found}");
    assert_eq!(found["messages"][0]["room_id"], room.as_str());
    let lines = ["--sort", "sent_ms", "--fields", "event_id,sender", "-q"];
    let lines = server.run(&[&search[..], &lines].concat()).success().stdout;
    let ids: Vec<&str> = lines.lines().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(ids, [&first, &last]);
    server.run(&search).success().says(&format!("{first}  {room}"));
    let one = server.json(&["content", "search-messages", "ripe zwetschgen", "--limit", "1"]);
    assert_eq!(bodies(&one), ["zwetschgen are ripe"]);
    let cut = server.json(&[&search[..], &["--limit", "1"]].concat());
    assert_eq!((&cut["total"], &cut["more"]), (&json!(1), &json!(true)));
    let other = server.clear_room("Nothing");
    assert_eq!(server.json(&[&search[..], &["--room", &other]].concat())["total"], 0);
    let sealed = ["content", "create-room", "Sealed", "--encrypted", "-q"];
    let sealed = server.run(&sealed).success().line().to_owned();
    let both = [&search[..], &["--room", &sealed, "--room", &room]].concat();
    assert_eq!(server.json(&both)["encrypted"], json!([sealed]));
    server.run(&both).success().says("1 encrypted room is not searched");
    for text in ["a zwetschgen cake", "Zwetschgen, and no other", "pears"] {
        server.run(&["content", "send-message", &sealed, text]).success();
    }
    let alone = server.json(&[&search[..], &["--room", &sealed]].concat());
    assert_eq!(bodies(&alone), ["Zwetschgen, and no other", "a zwetschgen cake"], "{alone}");
    assert_eq!(alone["messages"][0]["room_id"], *sealed);
    let none = ["content", "search-messages", "zwetschgen pears", "--room", &sealed];
    assert_eq!(server.json(&none)["total"], 0);
}

#[test]
fn a_room_is_told_a_place_and_asked_to_choose() {
    let server = Instance::shared();
    user(server, "chooser");
    let room = server.clear_room("Choices");
    server.run(&["content", "invite", &room, "chooser"]).success();
    server.run(&["content", "join-room", &room, "--as", "chooser"]).success();
    let place = ["content", "send-location", &room, "geo:48.2,16.37", "--description", "Vienna"];
    let place = server.json(&place)["event_id"].as_str().unwrap().to_owned();
    let sent = content(server, &place);
    assert_eq!(
        (&sent["msgtype"], &sent["geo_uri"]),
        (&json!("m.location"), &json!("geo:48.2,16.37"))
    );
    assert_eq!(sent["org.matrix.msc3488.location"]["description"], "Vienna");

    let ask = ["content", "send-poll", &room, "Lunch?", "--answer", "Soup", "--answer", "Cake"];
    let ask = [&ask[..], &["--transaction-id", "lunch"]].concat();
    let poll = server.json(&ask)["event_id"].as_str().unwrap().to_owned();
    assert_eq!(server.json(&ask)["event_id"], poll.as_str(), "a repeat is the same poll");
    server.run(&["content", "vote", &room, &poll, "Soup"]).success();
    server.run(&["content", "vote", &room, &poll, "2"]).success();
    server.run(&["content", "vote", &room, &poll, "Cake", "--as", "chooser"]).success();
    server.run(&["content", "vote", &room, &poll, "Tea"]).exits(1).says("`Soup`, `Cake`");
    server.run(&["content", "vote", &room, &poll, "1", "2"]).exits(1).says("at most 1");
    server.run(&["content", "vote", &room, &place, "1"]).exits(1).says("is no poll");
    let close = ["content", "close-poll", &room, &poll];
    server.run(&[&close[..], &["--as", "chooser"]].concat()).exits(1).says("may not close it");
    let closed = server.json(&close);
    let counted = json!([{ "text": "Soup", "votes": 0 }, { "text": "Cake", "votes": 2 }]);
    assert_eq!(closed["answers"], counted);
    server.run(&close).exits(2).says("closed already");
    server.run(&["content", "vote", &room, &poll, "Soup"]).exits(1).says("is closed");
    let gone = ["content", "send-poll", &room, "Gone?", "--answer", "Yes", "--answer", "No", "-q"];
    let gone = server.run(&gone).success().line().to_owned();
    server.run(&["content", "redact-message", &room, &gone]).success();
    server.run(&["content", "vote", &room, &gone, "Yes"]).exits(1).says("was taken away");
    let page = server.run(&["content", "read-messages", &room]).success();
    page.says("[poll Lunch? Soup / Cake]").says(&format!("[end of poll {poll}]"));
}

#[test]
fn a_user_tags_rooms_and_keeps_what_their_programs_want() {
    let server = Instance::shared();
    user(server, "tidy");
    let room = server.room("Tidy");
    let tag = ["content", "set-tag", &room, "favourite", "--order", "0.25", "--as", "tidy"];
    server.run(&["content", "invite", &room, "tidy"]).success();
    server.run(&["content", "join-room", &room, "--as", "tidy"]).success();
    server.run(&tag).success();
    server.run(&tag).exits(2).says("already");
    server.run(&["content", "set-tag", &room, "work", "--as", "tidy"]).success();
    let tags = server.json(&["content", "list-tags", &room, "--as", "tidy"]);
    let wanted =
        json!([{ "tag": "m.favourite", "order": 0.25 }, { "tag": "u.work", "order": null }]);
    assert_eq!(tags["tags"], wanted);
    let last = ["content", "list-tags", &room, "--as", "tidy", "--sort", "-tag", "--limit", "1"];
    assert_eq!(server.run(&[&last[..], &["-q"]].concat()).success().line(), "u.work");
    let off = ["content", "remove-tag", &room, "work", "--as", "tidy"];
    server.run(&off).success();
    server.run(&off).exits(2);

    let keep = ["content", "set-account-data", "com.example.x", r#"{"a": 1}"#, "--as", "tidy"];
    server.run(&keep).success();
    server.run(&keep).exits(2).says("kept already");
    server.run(&["content", "set-account-data", "m.fully_read", "{}"]).exits(1).says("mark-read");
    server
        .run(&["content", "set-account-data", "com.example.x", "[]"])
        .exits(1)
        .says("JSON object");
    let kept = ["content", "get-account-data", "tidy", "--type", "com.example.x"];
    assert_eq!(server.json(&kept)["global"], json!({ "com.example.x": { "a": 1 } }));
    server.run(&["content", "get-account-data", "tidy", "--type", "com.example.y"]).exits(2);
    server.run(&["content", "get-presence", "tidy"]).exits(1).says("synapse.presence");
    server.run(&["content", "set-presence", "online"]).exits(1).says("switched off");
}

#[test]
fn a_file_is_fetched_whole_or_not_at_all_also_while_the_server_dies() {
    let mut server = Instance::installed("talk");
    server.variable("MATRIX_SYNAPSE_RESTARTS", "100000");
    server.variable("MATRIX_SYNAPSE_PRESENCE", "true");
    server.run(&["manage", "start"]).success();
    server.run(&["content", "add-user", "there"]).success();
    let set = ["content", "set-presence", "unavailable", "--status", "at lunch", "--as", "there"];
    server.run(&set).success();
    let seen = server.json(&["content", "get-presence", "there"]);
    assert_eq!((&seen["presence"], &seen["status"]), (&json!("unavailable"), &json!("at lunch")));

    let room = server.clear_room("Files");
    let folder = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..40_000_000_u32).map(|n| (n % 251) as u8).collect();
    let path = file(folder.path(), "big.bin", &bytes);
    let sent = server.json(&["content", "send-media", &room, path.to_str().unwrap()]);
    let url = sent["url"].as_str().unwrap();
    let copy = folder.path().join("copy.bin");
    let fetch = ["content", "download-media", url, "--out", copy.to_str().unwrap()];
    let saved = server.json(&fetch);
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes));
    assert_eq!((&saved["sha256"], &saved["bytes"]), (&json!(hash), &json!(bytes.len())));
    assert!(fs::read(&copy).unwrap() == bytes);
    server.run(&fetch).exits(1).says("is there already");
    server.run(&[&fetch[..], &["--force"]].concat()).success();
    // Under its own name, into a folder.
    let folder_name = folder.path().join("into");
    fs::create_dir(&folder_name).unwrap();
    let into = ["content", "download-media", url, "--out", folder_name.to_str().unwrap(), "-q"];
    let saved = server.run(&into).success();
    assert_eq!(saved.line(), folder_name.join("big.bin").to_str().unwrap());
    server.run(&["content", "download-media", "mxc://test.example/nothing"]).exits(2);

    let mut command = server.command();
    command.args(["content", "download-media", url, "--out", "-"]).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut came = vec![0; 1_000_000];
    out.read_exact(&mut came).unwrap();
    // What is on its way is less than what is left.
    kill_9(server.pid("synapse"));
    out.read_to_end(&mut came).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(came == bytes, "{} bytes of {}", came.len(), bytes.len());
    let left: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
}
