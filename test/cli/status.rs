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

    ⚙️  Configuration:
       📶 Port: 8008
       📁 Data Dir: ~/.vrooli/resources/matrix-synapse
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
    let instance = "MATRIX_SYNAPSE_PORT=8123\n# end\n";
    std::fs::write(data.join("instance.env"), instance).unwrap();
    let said = person.types("status --json");
    let status = said.json();
    assert_eq!(status["status"], "stopped");
    assert_eq!(status["installed"], true);
    assert_eq!(status["port"], 8123);
    assert_eq!(said.code, Some(2));
    // Cut off, it is not believed: the settings are.
    std::fs::write(data.join("settings.yaml"), "server:\n  port: 8124\n").unwrap();
    for length in [0, 21, instance.len() - 1] {
        std::fs::write(data.join("instance.env"), &instance[..length]).unwrap();
        let said = person.types("status --json");
        assert_eq!(said.json()["port"], 8124);
        assert!(said.json()["warnings"][0].as_str().unwrap().contains("is damaged"), "{said}");
        assert_eq!(said.code, Some(2));
    }
}

#[test]
fn a_flag_that_cannot_be_meant_is_refused_by_every_command() {
    let person = Person::new();
    for line in [
        "status --set server.port=nan",
        "status --fast --set server.port=nan",
        "manage stop --set server.port=nan",
        "content send-message !r:x.org hi --set server.port=nan",
        "logs --set server.prot=1",
        "info --set server.port",
    ] {
        let said = person.types(line);
        assert_eq!(said.code, Some(1), "{line}\n{said}");
        assert!(said.stderr.contains("server.p"), "{line}\n{said}");
    }
    assert_eq!(person.types("status --set server.port=8125").code, Some(2));
}

#[test]
fn settings_that_cannot_be_read_are_a_warning() {
    let person = Person::new().settings("server: [");
    let said = person.types("status");
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("warning: ") && said.stderr.contains("settings.yaml"), "{said}");
    assert_eq!(person.types("status --fast").stderr, "");
}
