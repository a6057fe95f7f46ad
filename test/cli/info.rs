//! `info`.

use crate::common::Person;

#[test]
fn it_has_all_that_the_contract_asks_for() {
    let said = Person::new().types("info --json");
    let info = said.json();
    for key in [
        "name",
        "description",
        "startup_order",
        "dependencies",
        "startup_time_estimate",
        "startup_timeout",
        "recovery_attempts",
        "priority",
    ] {
        assert!(!info[key].is_null(), "{key}: {said}");
    }
    assert_eq!(info["dependencies"], serde_json::json!(["postgres"]));
}

#[test]
fn it_says_the_same_to_people() {
    insta::assert_snapshot!(Person::new().types("info"), @r"
    matrix-synapse: Matrix homeserver (Synapse): rooms, messages, users and bots for scenarios

    startup_order:         600
    dependencies:          postgres
    startup_time_estimate: 5-20s
    startup_timeout:       60s
    recovery_attempts:     3
    priority:              high
    ");
}
