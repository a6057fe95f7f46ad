//! `config/exports.sh` and `config/defaults.sh`, as the platform sources them for a scenario.

use crate::common::{Person, Said, resource};

/// Sources a file of `config/` in a strict shell, twice, and prints our variables.
fn sourced(person: &Person, file: &str, what: &str) -> Said {
    let path = resource().join("config").join(file);
    let script = format!("set -euo pipefail; source '{0}'; source '{0}'; {what}", path.display());
    person.said(&person.command("bash").args(["-c", &script]).output().unwrap())
}

const PRINT: &str = "env | grep -E 'MATRIX|SYNAPSE|POSTGRES' | sort";

#[test]
fn without_an_instance_scenarios_get_the_defaults() {
    let said = sourced(&Person::new(), "exports.sh", PRINT);
    assert_eq!(
        said.to_string(),
        "MATRIX_SYNAPSE_BASE_URL=http://127.0.0.1:8008\n\
         MATRIX_SYNAPSE_HOST=127.0.0.1\n\
         MATRIX_SYNAPSE_PORT=8008\n\
         MATRIX_SYNAPSE_SERVER_NAME=vrooli.local\n\
         MATRIX_SYNAPSE_URL=http://127.0.0.1:8008\n"
    );
}

#[test]
fn an_installed_instance_says_what_it_runs_with() {
    let person = Person::new().with("MATRIX_SYNAPSE_PORT", "1");
    std::fs::create_dir_all(person.data()).unwrap();
    let lines = "MATRIX_SYNAPSE_PORT=8100\n\
                 MATRIX_SYNAPSE_HOST=127.0.0.1\n\
                 MATRIX_SYNAPSE_URL=http://127.0.0.1:8100\n\
                 PATH=/nowhere\n\
                 MATRIX_SYNAPSE_SERVER_NAME=$(touch$IFS~/harm)\n\
                 MATRIX_SYNAPSE_BASE_URL=https://chat.example.org\n\
                 # end\n";
    std::fs::write(person.data().join("instance.env"), lines).unwrap();
    let said = sourced(&person, "exports.sh", PRINT);
    assert_eq!(
        said.to_string(),
        "MATRIX_SYNAPSE_BASE_URL=https://chat.example.org\n\
         MATRIX_SYNAPSE_HOST=127.0.0.1\n\
         MATRIX_SYNAPSE_PORT=8100\n\
         MATRIX_SYNAPSE_SERVER_NAME=vrooli.local\n\
         MATRIX_SYNAPSE_URL=http://127.0.0.1:8100\n"
    );
}

#[test]
fn an_instance_file_that_was_cut_off_is_not_believed() {
    let person = Person::new();
    std::fs::create_dir_all(person.data()).unwrap();
    let whole = "MATRIX_SYNAPSE_PORT=8100\nMATRIX_SYNAPSE_HOST=10.0.0.1\n# end\n";
    let port = |text: &str| {
        std::fs::write(person.data().join("instance.env"), text).unwrap();
        sourced(&person, "exports.sh", "echo \"$MATRIX_SYNAPSE_PORT\"").to_string()
    };
    assert_eq!(port(whole), "8100\n");
    for length in [0, 23, 24, 25, 40, whole.len() - 2, whole.len() - 1] {
        assert_eq!(port(&whole[..length]), "8008\n", "{length}");
    }
}

#[test]
fn secrets_do_not_reach_a_scenario() {
    let person = Person::new()
        .with("SYNAPSE_DB_PASSWORD", "hunter22")
        .with("SYNAPSE_REGISTRATION_SECRET", "hunter22")
        .with("MATRIX_SYNAPSE_MACAROON_SECRET", "hunter22")
        .with("MATRIX_SYNAPSE_DB_ADMIN_PASSWORD", "hunter22");
    let said = sourced(&person, "exports.sh", PRINT);
    assert!(!said.to_string().contains("hunter22"), "{said}");
    assert_eq!(said.code, Some(0));
}

#[test]
fn without_a_home_nothing_fails() {
    let person = Person::new();
    let path = resource().join("config/exports.sh");
    let script = format!(
        "set -euo pipefail; unset HOME; source '{}'; echo \"$MATRIX_SYNAPSE_URL\"",
        path.display()
    );
    let output = person.command("bash").args(["-c", &script]).output().unwrap();
    assert_eq!(person.said(&output).to_string(), "http://127.0.0.1:8008\n");
}

#[test]
fn defaults_are_not_exported_and_give_way_to_the_environment() {
    let person = Person::new().with("MATRIX_SYNAPSE_PORT", "8100");
    let said = sourced(
        &person,
        "defaults.sh",
        "env | grep MATRIX_SYNAPSE; echo \"$MATRIX_SYNAPSE_PORT $MATRIX_SYNAPSE_SERVER_NAME\"",
    );
    assert_eq!(said.to_string(), "MATRIX_SYNAPSE_PORT=8100\n8100 vrooli.local\n");
}
