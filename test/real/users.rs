//! Users and bots: made once, listed whole, removed for good.

use crate::common::{Instance, wait_for};

#[test]
fn a_user_is_made_once() {
    let server = Instance::shared();
    let made = server.json(&["content", "add-user", "anna", "--display-name", "Anna \"A\" Ö"]);
    assert_eq!(made["user_id"], "@anna:test.example");
    assert!(made["password"].as_str().unwrap().len() >= 20);
    server.run(&["content", "add-user", "anna"]).exits(2).says("already");
    let anna = server.json(&["content", "get-user", "anna"]);
    assert_eq!(anna["display_name"], "Anna \"A\" Ö");
}

#[test]
fn names_that_cannot_be_users_are_refused() {
    let server = Instance::shared();
    let long = "x".repeat(300);
    for name in ["a\"b", "a\nb", "🦀", "a:b", long.as_str(), "", "UPPER"] {
        server.run(&["content", "add-user", name]).exits(1);
    }
}

#[test]
fn a_password_may_hold_every_printable_character() {
    let server = Instance::shared();
    let password: String = (' '..='~').collect();
    let words = ["content", "add-user", "allchars", "--password-stdin"];
    server.run_with(&words, password.as_bytes()).success();
    let megabyte = vec![b'x'; 1 << 20];
    let words = ["content", "add-user", "megabyte", "--password-stdin"];
    server.run_with(&words, &megabyte).exits(1);
    server.run(&["content", "get-user", "megabyte"]).exits(2);
}

#[test]
fn a_bot_is_the_same_bot_the_second_time() {
    let server = Instance::shared();
    let first = server.json(&["content", "add-bot", "robot"]);
    let second = server.run(&["content", "add-bot", "robot", "--format", "json"]).exits(2).json();
    for field in ["user_id", "device_id"] {
        assert_eq!(first[field], second[field]);
    }
}

#[test]
fn a_removed_user_is_gone() {
    let server = Instance::shared();
    server.run(&["content", "add-user", "leaver"]).success();
    assert_eq!(server.json(&["content", "remove-user", "leaver"])["removed"], true);
    server.run(&["content", "remove-user", "leaver"]).exits(2);
}

#[test]
fn a_shell_is_offered_the_rooms_and_users_that_there_are() {
    let server = Instance::shared();
    server.run(&["content", "add-user", "offered"]).success();
    server.run(&["content", "create-room", "Offers", "--alias", "offers"]).success();
    let offered = |words: &[&str]| {
        let mut command = server.command();
        command.env("RESOURCE_MATRIX_SYNAPSE_COMPLETE", "bash");
        command.env("_CLAP_COMPLETE_INDEX", (words.len()).to_string());
        command.env("_CLAP_COMPLETE_COMP_TYPE", "9").env("_CLAP_IFS", "\n");
        let output = command.args(["--", "resource-matrix-synapse"]).args(words).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        String::from_utf8(output.stdout).unwrap()
    };
    // Nobody waits long for a server that has much to do.
    let is_offered = |words: &[&str], expected: &str| {
        wait_for(&format!("{words:?} offers {expected}"), || offered(words) == expected);
    };
    is_offered(&["content", "get-user", "offer"], "offered");
    is_offered(&["content", "get-user", "@offer"], "@offered");
    is_offered(&["content", "leave-room", "x", "--as", "offer"], "offered");
    // A shell takes a word for a comment from `#` on, unless it stands in quotes.
    is_offered(&["content", "get-room", "#offer"], "#offers");
    is_offered(&["content", "get-room", "\\#offer"], "\\#offers");
    is_offered(&["content", "get-room", "#offers:te"], "#offers:test.example");
    server.run(&["content", "create-room", "Offers of two"]).success();
    is_offered(&["content", "get-room", "Offe"], "Offers\nOffers\\ of\\ two");
    is_offered(&["content", "get-room", "Offers o"], "Offers of two");
    is_offered(&["manage", "stop", "syna"], "synapse");
    is_offered(&["manage", "endpoint", "syna"], "synapse");
    is_offered(&["manage", "endpoint", "synapse", "cl"], "client");
    is_offered(&["content", "invite", "#offers", "offer"], "offered");
    is_offered(&["config", "set", "alerts.room", "#offer"], "#offers");
}

#[test]
fn the_contract_words_mean_the_same() {
    let server = Instance::shared();
    server.run(&["content", "add", "--type", "user", "--name", "generic"]).success();
    server.run(&["content", "get", "--type", "user", "--name", "generic"]).success();
    server.run(&["content", "list", "--type", "user"]).success().says("@generic:test.example");
    server.run(&["content", "remove", "--type", "user", "--name", "generic", "--force"]).success();
    server.run(&["content", "get", "--type", "user", "--name", "never"]).exits(2);
    let file = server.data.join("user.json");
    let path = file.to_str().unwrap();
    let get = ["content", "get", "--format", "json", "--output", path, "--name"];
    server.run(&[&get[..], &["@never"]].concat()).exits(2);
    assert!(!file.exists());
    server.run(&[&get[..], &["@generic"]].concat()).success().says(path);
    let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(kept["user_id"], "@generic:test.example");
    for name in ["@operator", "operator"] {
        server.run(&["content", "get", "--name", name]).success().says("@operator:test.example");
    }
    server.run(&["content", "remove", "--name", "@never"]).exits(2);
    server.run(&["content", "remove", "--name", "#never"]).exits(2);
}

#[test]
fn with_q_each_verb_prints_the_bare_id_or_nothing() {
    let server = Instance::shared();
    let says = |line: &[&str], code: i32| {
        let said = server.run(&[&["content"], line, &["-q"]].concat()).exits(code);
        said.stdout.trim_end().to_owned()
    };
    let made = says(&["add-user", "quiet", "--password-stdin"], 1);
    assert_eq!(made, "", "there is no password on stdin");
    let user = "@quiet:test.example";
    assert_eq!(says(&["add-bot", "quiet"], 0), user);
    assert_eq!(says(&["add-bot", "quiet"], 2), user);
    assert_eq!(says(&["get-user", "quiet"], 0), user);
    assert_eq!(says(&["get", "--name", "@quiet"], 0), user);
    assert_eq!(says(&["list-users", "--filter", "@QUIET"], 0), user);
    let room = says(&["create-room", "Hush-hush", "--alias", "quiet"], 0);
    assert!(room.starts_with('!') && !room.contains(char::is_whitespace), "{room}");
    for (line, code) in [
        (&["create-room", "Hush-hush", "--alias", "quiet"][..], 2),
        (&["get-room", "#quiet"], 0),
        (&["list-rooms", "--filter", "hush-hush"], 0),
        (&["invite", "#quiet", "quiet"], 0),
        (&["invite", "#quiet", "quiet"], 2),
        (&["join-room", "#quiet", "--as", "quiet"], 0),
        (&["leave-room", "#quiet", "--as", "quiet"], 0),
        (&["leave-room", "#quiet", "--as", "quiet"], 2),
    ] {
        assert_eq!(says(line, code), room, "{line:?}");
    }
    let event = says(&["send-message", "#quiet", "hi"], 0);
    for line in [
        &["send-message", "#quiet", "again"][..],
        &["send-media", "#quiet", "/etc/hostname"],
        &["edit-message", "#quiet", &event, "new"],
        &["redact-message", "#quiet", &event],
        &["add", "--type", "message", "--name", "#quiet", "--file", "/etc/hostname"],
    ] {
        let id = says(line, 0);
        assert!(id.starts_with('$') && !id.contains(char::is_whitespace), "{line:?}: {id}");
    }
    assert_eq!(says(&["remove-room", "#quiet", "--dry-run"], 0), "");
    assert_eq!(says(&["remove-room", "#quiet"], 0), room);
    assert_eq!(says(&["remove-user", "quiet"], 0), user);
    for line in [
        &["get-room", "#quiet"][..],
        &["get-user", "never"],
        &["remove-room", "#quiet"],
        &["remove-user", "never"],
        &["execute", "--name", "nonsense"],
    ] {
        assert_eq!(says(line, 2), "", "{line:?}");
    }
    // What was asked for is no talk.
    assert!(says(&["execute", "--name", "GET /_synapse/admin/v1/server_version"], 0).contains('{'));
}

#[test]
fn what_the_server_has_no_endpoint_for_fails_with_its_own_error() {
    let server = Instance::shared();
    for (path, word) in [
        ("GET /nope", "the homeserver has no endpoint `GET /nope`"),
        ("POST /_matrix/client/v3/nope", "M_UNRECOGNIZED"),
        ("GET /_synapse/admin/v1/nope", "M_UNRECOGNIZED"),
    ] {
        let said = server.run(&["content", "execute", "--name", path]).exits(1).says(word);
        drop(said.says("whose documentation lists its methods and paths"));
    }
    // That is no path, so that nobody is asked.
    server.run(&["content", "execute", "--name", "GET nope"]).exits(2).says("write METHOD and");
}

#[test]
fn with_v_a_verb_says_more() {
    let server = Instance::shared();
    let says = |line: &[&str]| server.run(&[line, &["-v"]].concat()).success().stdout;
    let room = server.room("Verbose");
    let sent = says(&["content", "send-message", &room, "hi"]);
    assert!(sent.contains("transaction id: ") && sent.contains(&room), "{sent}");
    // While others write, Synapse shows a message a moment after it has acknowledged it.
    wait_for("it can be read", || {
        let read = says(&["content", "read-messages", &room]);
        read.contains(sent.split_whitespace().nth(1).unwrap())
    });
    assert!(says(&["content", "list-rooms"]).contains("CREATOR"));
    assert!(says(&["content", "list-users"]).contains("LAST SEEN"));
    assert!(says(&["content", "get-room", &room]).contains("Creator:"));
    assert!(says(&["content", "get-user", "operator"]).contains("Created:"));
}

#[test]
fn a_persons_account_is_no_bot_and_bots_are_marked() {
    let server = Instance::shared();
    server.run(&["content", "add-user", "person"]).success();
    let said = server.run(&["content", "add-bot", "person"]).exits(1);
    said.says("`@person:test.example` is a user, not a bot");
    server.run(&["content", "add-bot", "marked"]).success();
    server.run(&["content", "get-user", "marked"]).success().says("bot");
    server.run(&["content", "add-bot", "marked"]).exits(2).says("(`--show-secrets` shows it)");
    let again = server.run(&["content", "add-bot", "marked", "--show-secrets"]).exits(2);
    again.says("exists already: @marked:test.example").says("token: syt_");
}

#[test]
fn the_name_of_a_deactivated_user_is_refused_with_what_to_do() {
    let server = Instance::shared();
    server.run(&["content", "add-user", "once"]).success();
    server
        .run(&["content", "add-user", "once"])
        .exits(2)
        .says("exists already: @once:test.example");
    server.run(&["content", "remove-user", "once"]).success();
    for words in [["content", "add-user", "once"], ["content", "add-bot", "once"]] {
        let said = server.run(&words).exits(1);
        assert!(said.stderr.contains("hint: choose another name"), "{said}");
    }
}

#[test]
fn of_many_who_make_or_change_a_user_at_once_one_does_it_and_the_others_are_told_so() {
    let server = Instance::shared();
    let names = ["crowd-add-user", "crowd-add-bot"];
    for (verb, name) in [
        ("add-user", names[0]),
        ("add-bot", names[1]),
        ("lock-user", names[0]),
        ("unlock-user", names[0]),
        ("remove-user", names[1]),
    ] {
        let words = ["content", verb, name, "--json"];
        let said: Vec<_> = std::thread::scope(|scope| {
            let runs: Vec<_> = (0..6).map(|_| scope.spawn(|| server.run(&words))).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        assert_eq!(said.iter().filter(|said| said.code == 0).count(), 1, "{verb}");
        assert_eq!(said.iter().filter(|said| said.code == 2).count(), 5, "{verb}");
    }
}

#[test]
fn a_password_that_nobody_saw_is_shown_by_the_same_command_once() {
    let server = Instance::shared();
    server.run(&["content", "add-user", "unseen"]).success();
    let again = server.run(&["content", "add-user", "unseen", "--json"]).exits(2).json();
    assert!(again["password"].is_null(), "{again}");
    // As it is left by a command that was killed before it answered.
    let folder = server.data.join("secrets/unseen");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    crate::common::file(&folder, "unseen", b"Not-yet-seen");
    let words = ["content", "add-user", "unseen", "--json"];
    assert_eq!(server.run(&words).exits(2).json()["password"], "Not-yet-seen");
    assert!(server.run(&words).exits(2).json()["password"].is_null());
}

#[test]
fn a_user_gets_another_password() {
    let server = Instance::shared();
    server.run(&["content", "add-user", "forgetful"]).success();
    let made = server.json(&["content", "set-password", "forgetful"]);
    assert_eq!(made["logged_out"], true, "{made}");
    assert!(made["password"].as_str().unwrap().len() >= 20, "{made}");
    let given = ["content", "set-password", "forgetful", "--keep-sessions", "--password-stdin"];
    server.run_with(&given, b"another-long-one").success().says("still logged in");
    server.run_with(&given, b"short").exits(1).says("fewer than");
    server.run(&["content", "set-password", "nobody-here"]).exits(2);
    server.run(&["content", "set-password", "operator"]).exits(1).says("is the operator");
}

#[test]
fn what_is_not_applied_to_a_user_that_exists_is_said() {
    let server = Instance::shared();
    server.run(&["content", "add-user", "plain"]).success();
    let said = server.run(&["content", "add-user", "plain", "--admin"]).exits(2);
    assert!(said.stderr.contains("`--admin` was not applied"), "{said}");
    let options = serde_json::json!({ "admin": true }).to_string();
    let path = "PUT /_synapse/admin/v1/users/@plain:test.example/admin";
    server.run(&["content", "execute", "--name", path, "--options", &options]).success();
    let said = server.run(&["content", "add-user", "plain", "--admin"]).exits(2);
    assert!(!said.stderr.contains("not applied"), "{said}");
    let said = server.run(&["content", "add-user", "plain", "--display-name", "Other"]).exits(2);
    assert!(said.stderr.contains("`--display-name` was not applied"), "{said}");
}

#[test]
fn a_bot_for_a_room_that_is_not_there_is_not_made() {
    let server = Instance::shared();
    for room in ["nowhere", "!nowhere:test.example"] {
        for more in [&[][..], &["--dry-run"]] {
            let words = [&["content", "add-bot", "homeless", "--room", room], more].concat();
            server.run(&words).exits(1).says("there is no room");
        }
    }
    server.run(&["content", "get-user", "homeless"]).exits(2);
}

#[test]
fn a_bot_with_a_new_room_is_whole_at_the_second_time_wherever_the_first_was_killed() {
    let server = Instance::shared();
    for number in 0..4 {
        let (name, room) = (format!("torn{number}"), format!("#torn{number}"));
        let words = ["content", "add-bot", &name, "--room", &room, "--hook"];
        let mut first = server.command().args(words).spawn().unwrap();
        // The server is asked for the room as soon as the bot has a session, and then has its alias at
        // different moments.
        let session = server.data.join(format!("secrets/sessions/{name}.json"));
        wait_for("the bot has a session", || session.exists());
        for _ in 0..number {
            server.run(&["content", "get-user", &name]).success();
        }
        first.kill().unwrap();
        first.wait().unwrap();
        let said = server.run(&[&words[..], &["--json"]].concat());
        assert!([0, 2].contains(&said.code), "torn{number}: {said}");
        assert!(said.json()["hook"].is_object(), "{said}");
    }
}

#[test]
fn who_is_locked_or_suspended_is_shown_so_and_who_acts_as_them_is_told_the_way_out() {
    let server = Instance::shared();
    for (state, method, key) in [
        ("locked", "PUT /_synapse/admin/v2/users/", "locked"),
        ("suspended", "PUT /_synapse/admin/v1/suspend/", "suspend"),
    ] {
        let name = format!("barred-{state}");
        server.run(&["content", "add-user", &name]).success();
        let room = server.run(&["content", "create-room", "Own", "--as", &name, "-q"]).success();
        let path = format!("{method}@{name}:test.example");
        let set = |value: bool| {
            let options = serde_json::json!({ key: value }).to_string();
            server.run(&["content", "execute", "--name", &path, "--options", &options]).success();
        };
        set(true);
        assert_eq!(server.json(&["content", "get-user", &name])[state], true);
        server.run(&["content", "get-user", &name]).success().says(state);
        let send = ["content", "send-message", room.line(), "hi", "--as", &name];
        let said = server.run(&send).exits(1);
        assert!(said.stderr.contains(&format!("hint: the account is {state}: ")), "{said}");
        assert!(said.stderr.contains("`content unlock-user USER`"), "{said}");
        set(false);
        server.run(&send).success();
    }
}

#[test]
fn a_locked_user_can_do_nothing_until_unlocked() {
    let server = Instance::shared();
    server.run(&["content", "add-user", "visitor"]).success();
    let room = server.run(&["content", "create-room", "Visits", "--as", "visitor", "-q"]).success();
    let room = room.line().to_owned();
    assert_eq!(server.json(&["content", "lock-user", "visitor"])["changed"], true);
    server.run(&["content", "lock-user", "visitor"]).exits(2).says("already locked");
    server.run(&["content", "get-user", "visitor"]).success().says("locked");
    server.run(&["content", "list-users", "--filter", "visitor"]).success().says("locked");
    let send = ["content", "send-message", &room, "hello", "--as", "visitor"];
    server.run(&send).exits(1).says("content unlock-user");
    // Also one whom this program has to log in first.
    server.run(&["content", "add-user", "stranger"]).success();
    server.run(&["content", "lock-user", "stranger"]).success();
    let join = ["content", "join-room", &room, "--as", "stranger"];
    server.run(&join).exits(1).says("content unlock-user");
    let suspend = "PUT /_synapse/admin/v1/suspend/@visitor:test.example";
    let suspend = ["content", "execute", "--name", suspend, "--options", "{\"suspend\": true}"];
    server.run(&suspend).success();
    let unlocked = server.json(&["content", "unlock-user", "visitor"]);
    assert_eq!((&unlocked["was_locked"], &unlocked["was_suspended"]), (&true.into(), &true.into()));
    server.run(&["content", "unlock-user", "visitor"]).exits(2).says("neither locked");
    server.run(&send).success();
    server.run(&["content", "lock-user", "operator"]).exits(1).says("is the operator");
    server.run(&["content", "lock-user", "nobody-here"]).exits(2);
}

#[test]
fn people_of_a_table_are_made_at_once_and_none_twice() {
    let server = Instance::shared();
    let table = "name,display_name,admin\nannika,\"Smith, Annika\",no\nbenno,,\n";
    let table = crate::common::file(&server.data, "people.csv", table.as_bytes());
    let words = ["content", "add", "--type", "user", "--file", table.to_str().unwrap()];
    let made = server.json(&words);
    assert_eq!(made["total"], 2, "{made}");
    assert_eq!(server.json(&["content", "get-user", "annika"])["display_name"], "Smith, Annika");
    server.run(&words).exits(2);
    let wrong = "name,displayname\nclaus,Claus\n";
    let wrong = crate::common::file(&server.data, "wrong.csv", wrong.as_bytes());
    let words = ["content", "add", "--type", "user", "--file", wrong.to_str().unwrap()];
    server.run(&words).exits(1).says("did you mean `display_name`?");
}
