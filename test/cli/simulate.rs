//! What a load takes, said without a server.

use crate::common::Person;

fn simulated(line: &str) -> serde_json::Value {
    let said = Person::new().types(&format!("manage scale --simulate {line} --format json"));
    assert_eq!(said.code, Some(0), "{said}");
    serde_json::from_str(&said.stdout).unwrap()
}

#[test]
fn two_cores_are_better_left_to_one_process() {
    let answer = simulated("--users 500 --messages-per-second 100 --cores 2 --listeners 0");
    assert_eq!(answer["verdict"], "too_much");
    assert!(answer["best"]["workers"].as_object().unwrap().is_empty(), "{answer}");
    let highest = answer["one_process"]["highest"].as_f64().unwrap();
    assert!(answer["with_workers"].as_f64().unwrap() < highest, "{answer}");
}

#[test]
fn more_cores_carry_more_with_workers_and_the_costs_are_named() {
    let answer = simulated("--users 500 --messages-per-second 40 --cores 16");
    assert_eq!(answer["verdict"], "workers", "{answer}");
    assert_eq!(answer["best"]["carries"], true);
    assert_eq!(answer["one_process"]["carries"], false);
    assert_eq!(answer["costs"][0]["unit"], "ms");
    let said = Person::new()
        .types("manage scale --simulate --users 500 --messages-per-second 40 --cores 16 -v");
    for text in ["these workers carry it: ", "PROCESS", "assumed: ", "not in it: ", "SEND"] {
        assert!(said.stdout.contains(text), "no `{text}` in {said}");
    }
}

#[test]
fn half_a_question_is_refused() {
    let person = Person::new();
    for line in [
        "manage scale",
        "manage scale --users 5",
        "manage scale --simulate --users 5",
        "manage scale --simulate --users 5 --messages-per-second=-1",
        "manage scale --simulate --users 5 --messages-per-second 1 --cores 0",
        "manage scale --simulate --users 5 --messages-per-second 1 --preset small",
    ] {
        assert_eq!(person.types(line).code, Some(1), "{line}");
    }
}
