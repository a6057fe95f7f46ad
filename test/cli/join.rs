//! Workers of a homeserver on another machine: what cannot be is refused before anything is made.

use std::fs;

use crate::common::{Person, Said};

fn joined(person: &Person, file: &str) -> Said {
    person.types(&format!("manage start worker generic-2 --join {file}"))
}

#[track_caller]
fn refused(said: &Said, what: &str) {
    assert_eq!(said.code, Some(1), "{said}");
    assert!(said.stderr.contains(what), "{said}");
    assert!(!said.to_string().contains("hunter22"), "{said}");
}

#[test]
fn a_file_that_is_none_is_refused() {
    let person = Person::new();
    let file = person.home.path().join("join.json");
    refused(&joined(&person, "nothing.json"), "nothing.json`");
    refused(&joined(&person, "/"), "/`");
    for content in ["", "hunter22", "{\"format\":\"other\"}", "[1]", "\0\u{1}"] {
        fs::write(&file, content).unwrap();
        refused(&joined(&person, "join.json"), "is not a file of `manage join-file`");
    }
    assert!(!person.data().exists());
}

#[test]
fn settings_that_say_no_place_are_refused() {
    for (yaml, what) in [
        ("{stack: {profile: worker}}", "names none"),
        ("{workers: {elsewhere: generic-2}}", "must be `NAME=ADDRESS` for each worker"),
        ("{workers: {elsewhere: generic-2=Host}}", "must be an IP address"),
        (
            "{stack: {profile: scale}, workers: {elsewhere: generic-9=10.0.0.2}}",
            "names `generic-9`, which is none of the workers",
        ),
        (
            "{stack: {profile: scale}, workers: {elsewhere: generic-1=10.0.0.2}}",
            "`workers.address` names no address of this one",
        ),
        ("{workers: {here: [generic-2]}}", "may not start another one"),
    ] {
        let said = Person::new().settings(yaml).types("config check");
        refused(&said, what);
        assert!(said.stderr.contains("hint: "), "{yaml}: {said}");
    }
}

#[test]
fn where_nothing_is_installed_there_is_nothing_to_share() {
    let said = Person::new().types("manage join-file join.json");
    insta::assert_snapshot!(said, @"
    ------- stderr -------
    error: the homeserver is not installed in `~/.vrooli/resources/matrix-synapse`

    hint: `manage install --start` installs and starts it
    [exit 1]
    ");
}
