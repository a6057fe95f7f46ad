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
