//! What an operator does with people: each verb is read back from the server.

use serde_json::Value;

use crate::common::Instance;

/// Makes users, and gives their ids.
fn made(server: &Instance, name: &str) -> String {
    server.json(&["content", "add-user", name])["user_id"].as_str().unwrap().to_owned()
}

/// What the server itself says of something.
fn asked(server: &Instance, path: &str) -> Value {
    server.json(&["content", "execute", "--name", &format!("GET /_synapse/admin/{path}")])
}

/// A verb that changes something does nothing the second time, and nothing at all in a dry run.
fn once(server: &Instance, line: &[&str]) {
    let words = [&["content"], line].concat();
    drop(server.run(&[&words[..], &["--dry-run"]].concat()).success().says("would "));
    server.run(&words).success();
    server.run(&words).exits(2);
}

#[test]
fn an_account_is_promoted_demoted_suspended_shadow_banned_and_renamed_and_the_server_says_so() {
    let server = Instance::shared();
    let user = made(server, "ranked");
    let path = format!("v2/users/{user}");
    for (line, field, value) in [
        (&["promote-user", "ranked"][..], "admin", Value::from(true)),
        (&["demote-user", "ranked"], "admin", false.into()),
        (&["suspend-user", "ranked"], "suspended", true.into()),
        (&["unlock-user", "ranked"], "suspended", false.into()),
        (&["shadow-ban-user", "ranked"], "shadow_banned", true.into()),
        (&["lift-shadow-ban", "ranked"], "shadow_banned", false.into()),
        (&["rename-user", "ranked", "Ann \"A\" Ö"], "displayname", "Ann \"A\" Ö".into()),
    ] {
        once(server, line);
        assert_eq!(asked(server, &path)[field], value, "{line:?}");
    }
    for verb in ["demote-user", "suspend-user", "shadow-ban-user"] {
        server.run(&["content", verb, "operator"]).exits(1).says("is the operator");
    }
    for verb in ["promote-user", "demote-user", "suspend-user", "shadow-ban-user"] {
        server.run(&["content", verb, "nobody-here"]).exits(2).says("there is no user");
    }
}

#[test]
fn a_deactivated_account_is_opened_again_with_a_new_password() {
    let server = Instance::shared();
    let user = made(server, "returner");
    server.run(&["content", "remove-user", "returner"]).success();
    server.run(&["content", "promote-user", "returner"]).exits(1).says("reactivate-user");
    let opened = server.json(&["content", "reactivate-user", "returner"]);
    assert!(opened["password"].as_str().unwrap().len() >= 20, "{opened}");
    assert_eq!(asked(server, &format!("v2/users/{user}"))["deactivated"], false);
    let again = server.run(&["content", "reactivate-user", "returner", "--json"]).exits(2).json();
    assert!(again["password"].is_null(), "{again}");
    server.run(&["content", "reactivate-user", "nobody-here"]).exits(2);
}

#[test]
fn the_devices_of_a_user_are_listed_renamed_and_logged_out() {
    let server = Instance::shared();
    let user = made(server, "traveller");
    server.run(&["content", "create-room", "Travels", "--as", "traveller"]).success();
    let path = format!("v2/users/{user}/devices");
    for device in ["PHONE", "LAPTOP"] {
        let options = serde_json::json!({ "device_id": device }).to_string();
        let name = format!("POST /_synapse/admin/{path}");
        server.run(&["content", "execute", "--name", &name, "--options", &options]).success();
    }
    assert_eq!(server.json(&["content", "list-devices", "traveller"])["total"], 3);
    once(server, &["rename-device", "traveller", "PHONE", "Old phone"]);
    server.run(&["content", "list-devices", "traveller"]).success().says("Old phone");
    let words = ["content", "remove-device", "traveller", "PHONE", "NONE", "--json"];
    let gone = server.run(&words).success().json();
    assert_eq!((&gone["removed"][0], &gone["missing"][0]), (&"PHONE".into(), &"NONE".into()));
    server.run(&words).exits(2);
    assert_eq!(asked(server, &path)["total"], 2);
    once(server, &["remove-device", "traveller", "--all"]);
    assert_eq!(asked(server, &path)["total"], 0);
    // This program logs in again by itself.
    server.run(&["content", "create-room", "More travels", "--as", "traveller"]).success();
    let sessions = server.json(&["content", "list-sessions", "traveller"]);
    assert!(sessions["total"].as_u64().is_some(), "{sessions}");
    server.run(&["content", "rename-device", "traveller", "NONE", "x"]).exits(2);
    server.run(&["content", "list-devices", "nobody-here"]).exits(2);
    let own = server.json(&["content", "list-devices", "operator", "-v"]);
    let own = own["devices"][0]["device_id"].as_str().unwrap();
    server.run(&["content", "remove-device", "operator", own]).exits(1).says("this program acts");
    server.run(&["content", "remove-device", "traveller"]).exits(1);
}

#[test]
fn registration_tokens_are_made_changed_and_taken_away() {
    let server = Instance::shared();
    let add = ["content", "add-registration-token"];
    let made = server.json(&[&add[..], &["--uses", "3", "--expires", "1d"]].concat());
    let token = made["token"].as_str().unwrap();
    let path = format!("v1/registration_tokens/{token}");
    let is = |field: &str| asked(server, &path)[field].clone();
    assert_eq!((is("uses_allowed"), is("expiry_time")), (3.into(), made["expires_ms"].clone()));
    once(server, &["add-registration-token", "--token", "party-2"]);
    once(server, &["set-registration-token", token, "--uses", "0"]);
    let list = |more: &[&str]| {
        let words = [&["content", "list-registration-tokens", "-q"], more].concat();
        server.run(&words).success().stdout
    };
    assert!(list(&[]).contains(token) && !list(&["--valid"]).contains(token));
    assert!(list(&["--valid"]).contains("party-2"));
    once(server, &["set-registration-token", token, "--any-uses", "--no-expiry"]);
    assert_eq!((is("uses_allowed"), is("expiry_time")), (Value::Null, Value::Null));
    once(server, &["remove-registration-token", token]);
    once(server, &["remove-registration-token", "party-2"]);
    assert!(!list(&[]).contains(token));
    server.run(&["content", "set-registration-token", token, "--uses", "1"]).exits(2);
    server.run(&["content", "set-registration-token", token]).exits(1);
    server.run(&["content", "remove-registration-token", ".."]).exits(1).says("cannot be");
    let past = ["--expires", "2000-01-01T00:00:00Z"];
    server.run(&[&add[..], &past].concat()).exits(1).says("over already");
}

#[test]
fn a_user_has_a_rate_limit_of_its_own_until_it_is_reset() {
    let server = Instance::shared();
    let user = made(server, "chatty");
    let path = format!("v1/users/{user}/override_ratelimit");
    let get = ["content", "get-rate-limit", "chatty"];
    server.run(&get).success().says("that of everybody");
    once(server, &["set-rate-limit", "chatty", "--per-second", "5", "--burst", "20"]);
    let limit = asked(server, &path);
    assert_eq!((&limit["messages_per_second"], &limit["burst_count"]), (&5.into(), &20.into()));
    server.run(&get).success().says("5 messages a second, 20 at once");
    once(server, &["set-rate-limit", "chatty", "--none"]);
    server.run(&get).success().says("none at all");
    once(server, &["reset-rate-limit", "chatty"]);
    assert_eq!(asked(server, &path), serde_json::json!({}));
    server.run(&["content", "set-rate-limit", "chatty", "--burst", "20"]).exits(1);
    server.run(&["content", "reset-rate-limit", "operator"]).exits(1).says("is the operator");
}

#[test]
fn all_that_a_user_wrote_is_redacted_in_one_room_and_in_all() {
    let server = Instance::shared();
    made(server, "babbler");
    let rooms = ["Babble", "More babble"].map(|name| {
        let words = ["content", "create-room", name, "--as", "babbler", "-q"];
        server.run(&words).success().line().to_owned()
    });
    let say = |room: &str, text: &str| {
        server.run(&["content", "send-message", room, text, "--as", "babbler"]).success();
    };
    for room in &rooms {
        say(room, "one two three");
        say(room, "four five");
    }
    let read = |room: &str| {
        server.run(&["content", "read-messages", room, "--as", "babbler"]).success().stdout
    };
    let redact = ["content", "redact-user", "babbler"];
    let first = [&redact[..], &["--room", &rooms[0], "--reason", "spam"]].concat();
    server.run(&[&first[..], &["--dry-run"]].concat()).success().says("would redact");
    assert!(read(&rooms[0]).contains("one two"));
    let done = server.run(&[&first[..], &["--json"]].concat()).success().json();
    assert_eq!(done["failed"], serde_json::json!({}));
    assert!(!read(&rooms[0]).contains("four five") && !read(&rooms[0]).contains("one two"));
    assert!(read(&rooms[1]).contains("one two"));
    server.run(&redact).success().says("redacted what @babbler");
    assert!(!read(&rooms[1]).contains("one two"));
    server.run(&["content", "redact-user", "nobody-here"]).exits(2);
    server.run(&[&redact[..], &["--room", "#nowhere"]].concat()).exits(1).says("there is no room");
}
