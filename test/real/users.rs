//! Users and bots: made once, listed whole, removed for good.

use crate::common::Instance;

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
    server.run(&["content", "remove-user", "leaver"]).success();
    server.run(&["content", "remove-user", "leaver"]).exits(2);
}

#[test]
fn the_contract_words_mean_the_same() {
    let server = Instance::shared();
    server.run(&["content", "add", "--type", "user", "--name", "generic"]).success();
    server.run(&["content", "get", "--type", "user", "--name", "generic"]).success();
    server.run(&["content", "list", "--type", "user"]).success().says("@generic:test.example");
    server.run(&["content", "remove", "--type", "user", "--name", "generic", "--force"]).success();
    server.run(&["content", "get", "--type", "user", "--name", "never"]).exits(2);
}
