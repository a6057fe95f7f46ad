//! `credentials`: the platform's schema, and no secret that was not asked for.

use crate::common::Person;

const SESSION: &str = r#"{"url":"http://127.0.0.1:8008","server_name":"vrooli.local",
    "user_id":"@operator:vrooli.local","device_id":"RMS_OPERATOR","access_token":"hunter22"}"#;

fn operator() -> Person {
    let person = Person::new();
    std::fs::create_dir_all(person.data().join("secrets")).unwrap();
    std::fs::write(person.data().join("secrets/operator.json"), SESSION).unwrap();
    person
}

#[test]
fn none_are_configured() {
    let said = Person::new().types("credentials");
    assert_eq!(said.code, Some(2));
    let said = Person::new().types("credentials --format json");
    assert_eq!(said.json()["connections"], serde_json::json!([]));
    assert_eq!(said.code, Some(2));
}

#[test]
fn they_keep_to_the_schema_and_are_masked() {
    let said = operator().types("credentials --format json");
    assert_eq!(
        said.json(),
        serde_json::json!({
            "resource": "matrix-synapse",
            "status": "stopped",
            "connections": [{
                "id": "api",
                "name": "Matrix client API",
                "credential_type": "httpHeaderAuth",
                "connection": {
                    "host": "127.0.0.1", "port": 8008, "path": "/_matrix/client/v3", "ssl": false
                },
                "auth": {
                    "username": "operator", "token": "*****",
                    "header_name": "Authorization", "header_value": "*****"
                },
                "metadata": {
                    "description": "The operator, a server admin",
                    "capabilities": ["users", "rooms", "messages", "admin"],
                    "url": "http://127.0.0.1:8008",
                    "server_name": "vrooli.local",
                    "user_id": "@operator:vrooli.local"
                }
            }]
        })
    );
    for line in ["credentials", "credentials --format pretty", "credentials --format env"] {
        let said = operator().types(line).to_string();
        assert!(said.contains("*****") && !said.contains("hunter22"), "{line}: {said}");
    }
}

/// What `manage uninstall --keep-data` leaves: the session and the settings, but no program.
#[test]
fn of_data_that_were_kept_they_show_where_these_will_listen_again() {
    let person = operator();
    let settings = "server:\n  port: 8123\n  address: '::1'\n";
    std::fs::write(person.data().join("settings.yaml"), settings).unwrap();
    let said = person.types("credentials --format json").json();
    let connection = &said["connections"][0];
    assert_eq!(connection["connection"]["port"], 8123);
    assert_eq!(connection["connection"]["host"], "[::1]");
    assert_eq!(connection["metadata"]["url"], "http://[::1]:8123");
    // Settings that cannot be read hide nothing else.
    std::fs::write(person.data().join("settings.yaml"), "server: 1").unwrap();
    let said = person.types("credentials --format json").json();
    assert_eq!(said["connections"][0]["connection"]["port"], 8008);
}

#[test]
fn both_spellings_show_them() {
    for line in ["credentials --show-secrets --json", "credentials --show-sensitive --json"] {
        let answer = operator().types(line).json();
        assert_eq!(answer["connections"][0]["auth"]["header_value"], "Bearer hunter22");
    }
    assert_eq!(
        operator().types("credentials --format env --show-secrets").to_string(),
        "MATRIX_SYNAPSE_URL=http://127.0.0.1:8008\n\
         MATRIX_SYNAPSE_SERVER_NAME=vrooli.local\n\
         MATRIX_SYNAPSE_USER_ID=@operator:vrooli.local\n\
         MATRIX_SYNAPSE_ACCESS_TOKEN=hunter22\n"
    );
}

#[test]
fn no_other_command_has_the_format_env() {
    let said = Person::new().types("info --format env");
    assert!(said.to_string().contains("only `credentials` has the format `env`"), "{said}");
    assert_eq!(said.code, Some(1));
}
