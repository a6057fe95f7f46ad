//! `test` and `run-tests.sh`, on a stand-in for the resource whose phases are a line long.

use std::{fs, os::unix::fs::symlink, path::PathBuf};

use crate::common::{Person, resource};

/// A resource with these phases.
fn with_phases(person: &Person, phases: &[(&str, &str)]) -> PathBuf {
    let folder = person.home.path().join("r");
    fs::create_dir_all(folder.join("test/phases")).unwrap();
    symlink(resource().join("lib"), folder.join("lib")).unwrap();
    fs::copy(resource().join("test/run-tests.sh"), folder.join("test/run-tests.sh")).unwrap();
    for (name, script) in phases {
        let text =
            format!("set -euo pipefail\nsource \"$RMS_RESOURCE_DIR/lib/test.sh\"\n{script}\n");
        fs::write(folder.join(format!("test/phases/test-{name}.sh")), text).unwrap();
    }
    folder
}

const GOOD: &str = "phase::check 'true is true' true; phase::summary good";
const BAD: &str =
    "phase::check 'false is true' false; phase::check 'it goes on' true; phase::summary bad";

#[test]
fn a_phase_is_run_and_its_lines_are_shown() {
    let person = Person::new();
    let folder = with_phases(&person, &[("unit", GOOD), ("smoke", BAD)]);
    let person = person.with("RMS_RESOURCE_DIR", folder.to_str().unwrap());
    let said = person.types("test unit");
    assert!(said.stdout.starts_with("ok      true is true\ngood: 1 passed, 0 failed\n"), "{said}");
    assert_eq!(said.code, Some(0));
    let said = person.types("test smoke");
    assert!(said.stdout.contains("FAILED  false is true\nok      it goes on\n"), "{said}");
    assert_eq!(said.code, Some(1));
}

#[test]
fn programs_get_the_checks_as_json() {
    let person = Person::new();
    let folder = with_phases(&person, &[("smoke", BAD)]);
    let person = person.with("RMS_RESOURCE_DIR", folder.to_str().unwrap());
    let said = person.types("test smoke --json");
    let report = said.json();
    assert_eq!(report["passed"], false);
    assert_eq!(
        report["checks"],
        serde_json::json!([
            { "name": "false is true", "passed": false },
            { "name": "it goes on", "passed": true }
        ])
    );
    assert_eq!(said.code, Some(1));
}

#[test]
fn all_of_them_go_through_run_tests() {
    let person = Person::new();
    let folder = with_phases(&person, &[("unit", GOOD), ("smoke", GOOD), ("integration", BAD)]);
    let person = person.with("RMS_RESOURCE_DIR", folder.to_str().unwrap());
    let report = person.types("test all --json");
    assert_eq!(report.json()["checks"].as_array().unwrap().len(), 4);
    assert_eq!(report.code, Some(1));
}

#[test]
fn run_tests_knows_flags_and_bare_words() {
    let person = Person::new();
    let folder = with_phases(&person, &[("unit", GOOD), ("smoke", BAD)]);
    let runs = |word: &str| {
        let script = folder.join("test/run-tests.sh");
        person.said(&person.command("bash").arg(script).arg(word).output().unwrap())
    };
    assert_eq!((runs("--unit").code, runs("unit").code), (Some(0), Some(0)));
    assert_eq!((runs("--smoke").code, runs("smoke").code), (Some(1), Some(1)));
    let said = runs("--everything");
    assert!(said.stderr.starts_with("usage:"), "{said}");
    assert_eq!(said.code, Some(1));
}

#[test]
fn the_phases_get_the_data_folder() {
    let person = Person::new();
    let script = "phase::check \"$MATRIX_SYNAPSE_DATA_DIR\" true; phase::summary here";
    let folder = with_phases(&person, &[("unit", script)]);
    let person = person.with("RMS_RESOURCE_DIR", folder.to_str().unwrap());
    let said = person.types("test unit --data-dir /nowhere/at/all");
    assert!(said.stdout.contains("ok      /nowhere/at/all\n"), "{said}");
}
