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
    let own = own["devices"].as_array().unwrap().iter().map(|it| &it["device_id"]);
    let own = own.filter_map(Value::as_str).find(|id| *id == "RMS_OPERATOR").unwrap();
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
    // Where the user may not redact, it is said what stays, and how it goes.
    let strict = server.room("Babble that stays");
    server.run(&["content", "join-room", &strict, "--as", "babbler"]).success();
    let powers = r#"{"events": {"m.room.redaction": 50}}"#;
    server.run(&["content", "send-state", &strict, "m.room.power_levels", powers]).success();
    let kept = ["content", "send-message", &strict, "stays", "--as", "babbler", "-q"];
    let kept = server.run(&kept).success().line().to_owned();
    server
        .run(&redact)
        .exits(1)
        .says("except for 1:")
        .says(&kept)
        .says("redact-message ROOM EVENT");
    server.run(&["content", "redact-user", "nobody-here"]).exits(2);
    server.run(&[&redact[..], &["--room", "#nowhere"]].concat()).exits(1).says("there is no room");
}

#[test]
fn somebody_is_found_by_what_else_they_are_called_and_a_name_is_free_or_not() {
    let server = Instance::shared();
    let user = made(server, "known");
    let options = serde_json::json!({
        "threepids": [{ "medium": "email", "address": "known@x.example" },
                      { "medium": "msisdn", "address": "4915112345" }],
        "external_ids": [{ "auth_provider": "oidc-keycloak", "external_id": "a/b 1" }],
    });
    let (name, options) = (format!("PUT /_synapse/admin/v2/users/{user}"), options.to_string());
    server.run(&["content", "execute", "--name", &name, "--options", &options]).success();
    for by in [
        &["--email", "Known@X.example"][..],
        &["--phone", "+49 151 12345"],
        &["--provider", "oidc-keycloak", "--external-id", "a/b 1"],
    ] {
        let said = server.run(&[&["content", "find-user"], by].concat()).success();
        assert_eq!(said.line(), user, "{by:?}");
    }
    server.run(&["content", "find-user", "--email", "nobody@x.example"]).exits(2);
    server.run(&["content", "find-user", "--phone", "x"]).exits(1);
    server.run(&["content", "find-user"]).exits(1);
    server.run(&["content", "find-user", "--provider", "oidc-keycloak"]).exits(1);
    server.run(&["content", "check-name", "known"]).exits(2).says("it is taken");
    server.run(&["content", "check-name", "unknown-yet"]).success().says("is free");
    server.run(&["content", "check-name", "UPPER"]).exits(1);
}

#[test]
fn the_rooms_files_pushers_and_data_of_a_user_are_shown_and_the_files_deleted() {
    let server = Instance::shared();
    let user = made(server, "collector");
    let room = |name: &str| {
        let words = ["content", "create-room", name, "--no-encryption", "--as", "collector", "-q"];
        server.run(&words).success().line().to_owned()
    };
    let stays = room("Stays");
    let invited = server.room("Awaits a collector");
    server.run(&["content", "invite", &invited, "collector"]).success();
    let rooms = |more: &[&str]| {
        let words = [&["content", "list-user-rooms", "collector", "-q"], more].concat();
        server.run(&words).success().stdout
    };
    assert_eq!(rooms(&[]).trim_end(), stays);
    assert!(rooms(&["--all"]).contains(&invited));
    let activity = server.json(&["content", "get-user-activity", "collector"]);
    assert_eq!((&activity["rooms_joined"], &activity["invites_sent"]), (&1.into(), &0.into()));
    let file = server.data.join("collected.txt");
    for text in ["one", "two"] {
        std::fs::write(&file, text).unwrap();
        let send = ["content", "send-media", &stays, file.to_str().unwrap(), "--as", "collector"];
        server.run(&send).success();
    }
    server.run(&["content", "list-user-media", "collector"]).success().says("collected.txt");
    once(server, &["remove-user-media", "collector"]);
    assert_eq!(asked(server, &format!("v1/users/{user}/media"))["total"], 0);
    let acts = |name: &str, options: &Value| {
        let options = options.to_string();
        let words = ["content", "execute", "--as", "collector", "--name", name];
        server.run(&[&words[..], &["--options", &options]].concat()).success();
    };
    let path = format!("PUT /_matrix/client/v3/user/{user}/account_data/org.example.x");
    acts(&path, &serde_json::json!({ "kept": 7 }));
    let data = server.json(&["content", "get-account-data", "collector"]);
    assert_eq!(data["global"]["org.example.x"]["kept"], 7, "{data}");
    let pusher = serde_json::json!({
        "kind": "http", "app_id": "org.example", "pushkey": "hidden-key", "lang": "en",
        "app_display_name": "Example", "device_display_name": "Phone",
        "data": { "url": "https://push.example/_matrix/push/v1/notify" },
    });
    acts("POST /_matrix/client/v3/pushers/set", &pusher);
    let said = server.run(&["content", "list-pushers", "collector", "--json"]).success();
    assert!(said.stdout.contains("push.example") && !said.stdout.contains("hidden-key"), "{said}");
}

#[test]
fn who_acts_as_a_user_gets_a_token_that_is_not_shown_by_itself_and_that_ends() {
    let server = Instance::shared();
    let user = made(server, "puppet");
    let log_in = ["content", "log-in-as", "puppet"];
    server.run(&log_in).exits(1).says("--token-file");
    let file = server.data.join("puppet.token");
    let to_file = [&log_in[..], &["--token-file", file.to_str().unwrap()]].concat();
    let said = server.run(&[&to_file[..], &["--valid-for", "5m", "--json"]].concat()).success();
    let token = std::fs::read_to_string(&file).unwrap();
    assert!(token.starts_with("syt_") && !said.stdout.contains(&token), "{said}");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert!(said.json()["expires_ms"].as_u64().is_some(), "{said}");
    let shown = server.run(&[&log_in[..], &["--show-secrets", "--json"]].concat()).success();
    assert!(shown.json()["access_token"].as_str().unwrap().starts_with("syt_"));
    assert_eq!(shown.json()["user_id"], user.as_str());
    server.run(&["content", "log-in-as", "operator", "--show-secrets"]).exits(1);
}

#[test]
fn experimental_features_are_switched_accounts_renewed_and_lost_keys_replaced() {
    let server = Instance::shared();
    let user = made(server, "tester");
    once(server, &["set-feature", "tester", "msc3881", "on"]);
    let features = asked(server, &format!("v1/experimental_features/{user}"));
    assert_eq!(features["features"]["msc3881"], true);
    server.run(&["content", "get-features", "tester"]).success().says("msc3881");
    server.run(&["content", "set-feature", "tester", "msc0", "on"]).exits(1).says("msc3881");
    let until = ["--until", "2100-01-01T00:00:00Z"];
    let renew = ["content", "renew-account", "tester"];
    server.run(&[&renew[..], &until].concat()).success().says("2100-01-01");
    server.run(&renew).exits(1).says("--until");
    let allow = ["content", "allow-cross-signing-reset", "tester"];
    server.run(&allow).exits(2).says("there is no cross-signing key");
}
