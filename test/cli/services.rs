//! Services and profiles of one's own as they should not be: each is named before anything is made.

use crate::common::{Person, Said};

fn checked(yaml: &str) -> Said {
    Person::new().settings(yaml).types("config check")
}

#[track_caller]
fn refused(yaml: &str, what: &str) {
    let said = checked(yaml);
    assert_eq!(said.code, Some(1), "{yaml}: {said}");
    assert!(said.stderr.contains(what), "{yaml}: {said}");
    assert!(said.stderr.contains("hint: "), "{yaml}: {said}");
    assert!(!said.to_string().contains("hunter22"), "{said}");
}

#[test]
fn what_is_wrong_with_a_service_is_said() {
    for (yaml, what) in [
        ("services: {a: {comand: 'true'}}", "`services.a.command` is missing"),
        ("services: {a: {command: 'true', tag: x}}", "did you mean `services.a.tags`?"),
        ("servics: {}", "there is no setting `servics`; did you mean `services`?"),
        ("services: {synapse: {command: 'true'}}", "has a name that is ours"),
        (
            "services: {a: {command: nobinary}}",
            "the service `a` cannot start `nobinary`: no folder of PATH has it",
        ),
        (
            "services: {a: {command: ./no/binary}}",
            "cannot start `./no/binary`: no such file can be executed",
        ),
        ("services: {a: {command: 'true', folder: /nowhere}}", "there is no such folder"),
        ("services: {a: {command: 'true', env_files: [no.env]}}", "no.env` does not exist"),
        (
            "services: {a: {command: 'true', needs: [synaps]}}",
            "needs `synaps`, which is not in the profile `core`",
        ),
        ("services: {a: {command: 'true', needs: [synaps]}}", "did you mean `synapse`?"),
        (
            "services: {a: {command: 'true', needs: [b]}, b: {command: 'true', needs: [a]}}",
            "the services `a`, `b` need each other in a circle",
        ),
        ("services: {a: {command: 'true', needs: [a]}}", "the service `a` needs itself"),
        (
            "services: {a: {command: 'true', needs: {synapse: completed}}}",
            "would wait for `synapse` for ever: that is started again",
        ),
        (
            "services: {a: {command: 'true', needs: [database]}}",
            "would wait for `database` for ever: that runs once",
        ),
        (
            "services: {a: {command: 'true', endpoints: {x: 'http://127.0.0.1:8008'}}}",
            "the services `synapse` and `a` both use port 8008",
        ),
        (
            "services: {a: {command: 'true', health: {type: tcp, port: 3000}}, b: {command: 'true', health: {type: http, port: 3000}}}",
            "the services `a` and `b` both use port 3000",
        ),
        (
            "services: {a: {command: 'true', environment: {A-B: hunter22}}}",
            "is no name of a variable",
        ),
        ("profiles: {core: {services: [core]}}", "has the name of a built-in profile"),
        (
            "{stack: {profile: ops}, profiles: {office: {services: [core]}}}",
            "must be one of: core isms compliance scale relay full office: it is `ops`",
        ),
        (
            "{stack: {profile: ops}}",
            "must be one of: core isms compliance scale relay full: it is `ops`",
        ),
        (
            "{stack: {profile: ops}, profiles: {ops: {services: [core], environment: {shared: {PGDATA: hunter22}}}}}",
            "may not set `PGDATA` for the service `postgres`",
        ),
        (
            "{stack: {profile: ops}, profiles: {ops: {services: [core], environment: {groups: {bots: {A: hunter22}}}}}}",
            "has variables for the group `bots`, which is not in it",
        ),
        (
            "{stack: {profile: ops}, profiles: {ops: {services: [core], environment: {services: {synaps: {A: hunter22}}}}}}",
            "did you mean `synapse`?",
        ),
        (
            "{stack: {profile: ops}, services: {a: {command: 'true'}, b: {command: 'true', needs: [a]}}, profiles: {ops: {services: [core, b]}}}",
            "needs `a`, which is not in the profile `ops`",
        ),
    ] {
        refused(yaml, what);
    }
}

const GOOD: &str = "
stack: {profile: ops}
services:
  bot: {command: [sh, -c, 'echo $TOKEN'], environment: {TOKEN: hunter22}, tags: [bots], needs: [matrix-synapse]}
  other: {command: 'true'}
profiles:
  ops:
    summary: ours
    services: [core, bot]
    settings: {server.port: 8123}
    environment:
      groups: {bots: {LEVEL: hunter22}}
      services: {matrix-synapse: {SYNAPSE_LOG_LEVEL: WARNING}}
";

#[test]
fn what_is_right_is_shown_without_a_value_of_a_variable() {
    let said = checked(GOOD);
    assert_eq!(said.code, Some(0), "{said}");
    let person = Person::new().settings(GOOD);
    let all = person.types("config show --show-secrets").stdout;
    assert!(!all.contains("hunter22"), "{all}");
    let line = |key: &str| {
        let line = all.lines().find(|line| line.starts_with(&format!("{key} "))).unwrap();
        line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("server.port"), "8123 profile ops in settings.yaml");
    assert_eq!(line("synapse.log_level"), "WARNING profile ops in settings.yaml");
    assert_eq!(line("services.bot.environment.TOKEN"), "***** settings.yaml");
    assert_eq!(line("services.bot.command"), "sh, -c, echo $TOKEN settings.yaml");
    assert_eq!(line("profiles.ops.environment.groups.bots.LEVEL"), "***** settings.yaml");
    let section = person.types("config show services.bot").stdout;
    assert!(section.starts_with("services.bot.command = "), "{section}");
    // What is stronger than the file is stronger than a profile in it.
    let person = Person::new().settings(GOOD).with("MATRIX_SYNAPSE_PORT", "8200");
    assert_eq!(person.types("config show server.port -q").stdout, "8200\n");
}

#[test]
fn a_file_that_cannot_be_read_shows_none_of_its_lines() {
    for rest in ["B: [}", "TOKEN: hunter23", "\tB: 1", "B: *none"] {
        refused_without_hint(&format!(
            "services:\n  a:\n    environment:\n      TOKEN: hunter22\n      {rest}\n"
        ));
    }
}

#[track_caller]
fn refused_without_hint(yaml: &str) {
    let said = checked(yaml);
    assert_eq!(said.code, Some(1), "{yaml}: {said}");
    assert!(said.stderr.contains("cannot be read as settings"), "{said}");
    assert!(said.stderr.contains("line "), "{said}");
    assert!(!said.stderr.contains("hunter2"), "{said}");
}

#[test]
fn env_files_stand_between_the_environment_and_the_settings() {
    let person =
        Person::new().settings("server: {port: 8100, metrics_port: 8101, name: a.example}");
    let write = |name: &str, text: &str| std::fs::write(person.data().join(name), text).unwrap();
    write(
        ".env",
        "MATRIX_SERVER_NAME=b.example\nMATRIX_HTTP_PORT=8200 # http\nMATRIX_SYNAPSE_DB_TLS=require\n",
    );
    write(".env.local", "export MATRIX_HTTP_PORT='8300'\nSYNAPSE_DB_PASSWORD=hunter2222\n");
    let said = person.types("config show --format json");
    let shown = said.json();
    let value = |key: &str| {
        let rows = shown["settings"].as_array().unwrap();
        let row = rows.iter().find(|row| row["key"] == key).unwrap();
        format!("{} {}", row["value"].as_str().unwrap_or("number"), row["source"]["name"])
    };
    assert_eq!(value("server.name"), "b.example \".env\"");
    assert_eq!(value("server.port"), "8300 \".env.local\"");
    assert_eq!(value("database.password"), "***** \".env.local\"");
    assert_eq!(value("server.metrics_port"), "number null");
    let warnings = shown["warnings"].to_string();
    assert!(warnings.contains(".env.local` contains a secret"), "{warnings}");
    assert!(!said.stdout.contains("hunter2222"), "{said}");
    // As other launchers write them.
    write(".env.local", "");
    write(
        ".env",
        "# Matrix Synapse\nMATRIX_SERVER_NAME=matrix.example.org\nMATRIX_HTTP_PORT=8018\n\
         MATRIX_FEDERATION_PORT=8449\nMATRIX_ENABLE_REGISTRATION=true # for now\n\n\
         MATRIX_POSTGRES_DB=synapse2\nMATRIX_POSTGRES_USER=synapse3\nMATRIX_POSTGRES_PORT=5434\n",
    );
    for (key, value) in [
        ("server.name", "matrix.example.org"),
        ("server.port", "8018"),
        ("proxy.federation_port", "8449"),
        ("synapse.registration", "true"),
        ("database.name", "synapse2"),
        ("database.user", "synapse3"),
        ("database.port", "5434"),
    ] {
        let said = person.runs(&["config", "show", key, "-q"]);
        assert_eq!((said.stdout.trim(), said.stderr.as_str()), (value, ""), "{key}");
    }
    let said = Person::new().settings("");
    std::fs::write(said.data().join(".env"), "A=1\nMATRIX_HTTP_PORT 8200\n").unwrap();
    let said = said.types("config show");
    assert!(said.stderr.contains(".env` cannot be understood in line 2"), "{said}");
    assert_eq!(said.code, Some(1));
}
