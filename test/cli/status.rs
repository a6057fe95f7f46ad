//! `status` where nothing is installed or nothing runs.

use crate::common::Person;

#[test]
fn nothing_is_installed() {
    insta::assert_snapshot!(Person::new().types("status"), @r"
    📊 Matrix Synapse Status

    📊 Basic Status:
       ❌ Installed: No
       ⚠️  Running: No
       ⚠️  Health: Matrix Synapse is not installed

    💡 Installation required: resource-matrix-synapse manage install --start
    [exit 2]
    ");
}

#[test]
fn in_one_word_it_is_the_state() {
    assert_eq!(Person::new().types("status -q").to_string(), "not_installed\n[exit 2]");
    // What does not say anything but that it was done says nothing.
    assert_eq!(Person::new().types("manage stop -q").to_string(), "[exit 2]");
    assert_eq!(Person::new().types("config check -q").to_string(), "");
}

#[test]
fn callers_find_their_keys_on_one_line() {
    for line in ["status --json", "status --format json --fast", "status -v --format=json"] {
        let said = Person::new().types(line);
        let status = said.json();
        assert_eq!(said.stdout.lines().count(), 1);
        assert_eq!(said.code, Some(2));
        assert_eq!(status["name"], "matrix-synapse");
        assert_eq!(status["status"], "not_installed");
        for key in ["installed", "running", "healthy"] {
            assert_eq!(status[key], false, "{key}");
        }
        for key in [
            "category",
            "description",
            "enabled",
            "health_message",
            "version",
            "port",
            "api_url",
            "health_url",
            "base_url",
            "data_dir",
            "uptime",
            "memory_usage",
            "cpu_usage",
        ] {
            assert!(status.get(key).is_some(), "{key}: {said}");
        }
        assert_eq!(status["port"], 8008);
    }
}

#[test]
fn the_platform_says_whether_it_is_enabled() {
    let person = Person::new();
    let root = person.home.path().join("root");
    std::fs::create_dir_all(root.join(".vrooli")).unwrap();
    let service = r#"{"dependencies":{"resources":{"matrix-synapse":{"enabled":true}}}}"#;
    std::fs::write(root.join(".vrooli/service.json"), service).unwrap();
    let person = person.with("VROOLI_ROOT", root.to_str().unwrap());
    assert_eq!(person.types("status --json").json()["enabled"], true);
}

#[test]
fn what_is_left_of_an_installation_does_not_run() {
    let person = Person::new();
    let data = person.data();
    for folder in ["environments/synapse", "synapse", "run"] {
        std::fs::create_dir_all(data.join(folder)).unwrap();
    }
    std::fs::write(data.join("synapse/homeserver.yaml"), "").unwrap();
    std::fs::write(data.join("instance.env"), "MATRIX_SYNAPSE_PORT=8123\n").unwrap();
    let said = person.types("status --json");
    let status = said.json();
    assert_eq!(status["status"], "stopped");
    assert_eq!(status["installed"], true);
    assert_eq!(status["port"], 8123);
    assert_eq!(said.code, Some(2));
}
