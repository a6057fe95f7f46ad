//! Settings and folders as they should not be: each is named, nothing is made, nothing panics.

use std::{fs, os::unix::fs::symlink};

use crate::common::{Person, Said};

/// A command that reads the settings and changes nothing.
fn asks(person: &Person) -> Said {
    person.types("config show")
}

fn refused(said: &Said, what: &str) {
    assert_eq!(said.code, Some(1), "{said}");
    assert_eq!(said.stdout, "", "{said}");
    assert!(said.stderr.contains(what), "{said}");
    assert!(!said.stderr.contains("panicked"), "{said}");
}

#[test]
fn a_settings_file_that_is_a_folder() {
    let person = Person::new();
    fs::create_dir_all(person.data().join("settings.yaml")).unwrap();
    refused(&asks(&person), "cannot read `~/.vrooli/resources/matrix-synapse/settings.yaml`");
}

#[test]
fn an_empty_settings_file_is_none() {
    for content in ["", "\n", "# nothing\n", "server:\n", "---\n"] {
        let said = asks(&Person::new().settings(content));
        assert_eq!(said.code, Some(0), "{content:?}: {said}");
    }
}

#[test]
fn a_text_may_begin_with_the_mark_that_some_editors_write() {
    let person = Person::new().settings("\u{feff}server:\n  port: 8123\n");
    let said = person.types("config show server.port");
    assert_eq!((said.code, said.stdout.contains("8123")), (Some(0), true), "{said}");
    // nginx reads the file as it is.
    for name in ["certificate", "key"] {
        let path = person.home.path().join(format!("{name}.pem"));
        fs::write(&path, "\u{feff}-----BEGIN").unwrap();
        let set = ["config", "set", &format!("tls.{name}"), path.to_str().unwrap()];
        assert_eq!(person.runs(&set).code, Some(0));
    }
    let said = person.types("config check");
    assert!(said.stderr.contains("certificate.pem` begins with a byte order mark"), "{said}");
}

#[test]
fn a_binary_settings_file() {
    refused(&asks(&Person::new().settings(b"\xff\xfe\x00\x80")), "is not valid UTF-8");
    refused(&asks(&Person::new().settings(b"\x00\x01\x02")), "cannot be read as settings");
}

#[test]
fn a_settings_file_without_sections() {
    refused(&asks(&Person::new().settings("- a\n")), "must contain sections");
    refused(&asks(&Person::new().settings("server: 5\n")), "there is no setting `server`");
    refused(&asks(&Person::new().settings("a: [b\n")), "cannot be read as settings");
}

#[test]
fn what_a_library_says_is_said_in_plain_words() {
    let twice = asks(&Person::new().settings("server:\n  port: 8001\n  port: 8002\n"));
    refused(&twice, "duplicate mapping key: port not allowed here at line 3");
    for (typed, said) in [
        ("content read-messages x --limit a", "it is not a whole number"),
        ("content read-messages x --limit 0", "it must be at least 1"),
        ("content read-messages x --timeout 0", "it must be from 1 to 86400"),
    ] {
        refused(&Person::new().types(typed), said);
    }
}

#[test]
fn a_settings_file_that_may_not_be_read() {
    use std::os::unix::fs::PermissionsExt as _;

    let person = Person::new().settings("server:\n  port: 8100\n");
    let file = person.data().join("settings.yaml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    // root reads it all the same.
    if fs::read(&file).is_err() {
        refused(&asks(&person), "cannot read");
    } else {
        assert_eq!(asks(&person).code, Some(0));
    }
}

#[test]
fn a_misspelt_key_is_refused_with_the_right_one() {
    let said = asks(&Person::new().settings("synapse:\n  max_uplaod_size: 5M\n"));
    refused(&said, "did you mean `synapse.max_upload_size`?");
    let said = Person::new().types("config show --set server.prot=1");
    refused(&said, "did you mean `server.port`?");
    let said = Person::new().types("config show --set port");
    refused(&said, "`--set port` is not KEY=VALUE");
}

#[test]
fn what_is_wrong_in_a_file_is_mended_where_it_stands() {
    let file = "`~/.vrooli/resources/matrix-synapse/settings.yaml`";
    for (content, hint) in [
        ("proxy:\n  htp_port: 1\n", format!("correct it in {file}")),
        (
            "server:\n  port: eight\n",
            format!("`config set server.port VALUE` sets another, or correct it in {file}"),
        ),
        (
            "stack:\n  profile: larger\n",
            format!("`config set stack.profile VALUE` sets another, or correct it in {file}"),
        ),
        (
            "profiles: {ops: {services: [core], settings: {a.b: 1}}}\n",
            format!("correct it in {file}"),
        ),
        ("server: [\n", format!("correct {file} there")),
    ] {
        let person = Person::new().settings(content);
        for line in ["config show", "config set server.metrics_port 8100"] {
            refused(&person.types(line), &format!("hint: {hint}"));
        }
    }
    // What a hint says works.
    for (content, line) in [
        ("server:\n  port: eight\n", "config set server.port 8100"),
        ("stack:\n  profile: larger\n", "config set stack.profile isms"),
    ] {
        let person = Person::new().settings(content);
        refused(&person.types("config set server.port nine"), "hint: ");
        assert_eq!(person.types(line).code, Some(0), "{line}");
        assert_eq!(asks(&person).code, Some(0), "{line}");
    }
    let said = asks(&Person::new().with("MATRIX_SYNAPSE_PORT", "eight"));
    refused(&said, "hint: correct or unset MATRIX_SYNAPSE_PORT");
}

#[test]
fn a_difference_is_shown_of_each_file_that_synapse_reads() {
    let said = Person::new().types("config render --diff --set synapse.log_level=DEBUG");
    assert!(said.stdout.contains("\n+log.yaml: root.level: \"DEBUG\"\n"), "{said}");
    assert!(said.stdout.contains("\n+server_name: "), "{said}");
}

#[test]
fn what_cannot_be_sent_is_told_what_can() {
    let person = Person::new();
    for (name, text) in [("nothing", ""), ("blank", " \n\n"), ("secret", "\n")] {
        fs::write(person.home.path().join(name), text).unwrap();
    }
    fs::create_dir(person.home.path().join("folder")).unwrap();
    for (words, hint) in [
        (&["content", "send-message", "#x", " "][..], "give it as TEXT or through a pipe"),
        (&["content", "send-message", "#x", "--file", "blank"], "each line of it is a message"),
        (&["content", "send-message", "#x", "--file", "folder"], "a file is needed"),
        (&["content", "send-media", "#x", "nothing"], "has something in it"),
        (&["content", "send-media", "#x", "folder"], "a file is needed"),
        (&["content", "send-media", "#x", "nothing", "--mime", "png"], "leave `--mime` out"),
        (&["content", "create-room", " "], "choose another name"),
        (&["--instance", "Test", "status"], "`--instance test-2` is one"),
        (&["config", "set", "hooks.port"], "`config set hooks.port VALUE` sets it"),
    ] {
        let said = person.runs(words);
        refused(&said, "\nhint: ");
        assert!(said.stderr.contains(hint), "{said}");
    }
}

#[test]
fn values_that_cannot_be() {
    for (key, value, why) in [
        ("server.name", "https://example.org", "must be a host name"),
        ("server.name", "example.org/path", "without a scheme or a path"),
        ("server.name", "Example.org", "must be in lower case"),
        ("server.port", "0", "must be a port, 1 to 65535"),
        ("server.port", "65536", "must be a port, 1 to 65535"),
        ("server.port", "8008; rm -rf /", "must be a port, 1 to 65535"),
        ("server.operator", "🙂", "may only contain"),
        ("server.operator", "a:b", "may only contain"),
        ("synapse.max_upload_size", "much", "must be an amount of bytes"),
        ("synapse.federation", "perhaps", "must be one of: off private open"),
        ("supervision.start_timeout", "soon", "must be a length of time"),
    ] {
        let said = Person::new().runs(&["config", "show", "--set", &format!("{key}={value}")]);
        refused(&said, why);
        let said =
            Person::new().runs(&["config", "show", "--json", "--set", &format!("{key}={value}")]);
        let message = said.json()["error"]["message"].to_string();
        assert!(message.contains(why), "{message}");
    }
}

#[test]
fn a_value_is_refused_by_the_name_that_was_typed() {
    for (line, given) in [
        ("config set server.port x", "it is `x` (given here)"),
        ("config show --set server.port=x", "it is `x` (--set)"),
        ("manage install --port x", "it is `x` (--port)"),
        ("manage install --set server.port=x", "it is `x` (--set)"),
        ("manage install --server-name X", "it is `X` (--server-name)"),
    ] {
        refused(&Person::new().types(line), given);
    }
    assert_eq!(Person::new().types("config set server.port 8100 -q").to_string(), "");
}

#[test]
fn long_and_strange_words() {
    let long = "x".repeat(300);
    for word in ["'", "\"", "a\nb", "🙂", "a:b", "$(touch x)", "`x`", "{}", "[", "\\", &long] {
        refused(&Person::new().runs(&[word]), "unrecognized subcommand");
        let said = Person::new().runs(&["--json", word]);
        assert_eq!(said.json()["error"]["kind"], "request", "{word}");
    }
}

#[test]
fn no_home() {
    let person = Person::new();
    let program = assert_cmd::cargo::cargo_bin!("resource-matrix-synapse");
    let output = person.command(program).env_remove("HOME").arg("status").output().unwrap();
    refused(&person.said(&output), "neither MATRIX_SYNAPSE_DATA_DIR nor HOME is set");
    let output = person.command(program).env_remove("HOME").arg("help").output().unwrap();
    assert!(output.status.success());
}

#[test]
fn a_data_folder_that_is_relative() {
    let said = Person::new().types("status --data-dir here");
    refused(&said, "the data folder `here` is not an absolute path");
}

#[test]
fn a_data_folder_with_a_long_path() {
    let person = Person::new();
    let folder = person.home.path().join("x".repeat(200));
    fs::create_dir(&folder).unwrap();
    let said = person.runs(&["status", "--json", "--data-dir", folder.to_str().unwrap()]);
    assert_eq!(said.json()["status"], "not_installed");
}

#[test]
fn a_data_folder_that_is_no_folder() {
    let person = Person::new();
    let home = person.home.path();
    symlink(home.join("nowhere"), home.join("dangling")).unwrap();
    let folder = home.join("dangling").display().to_string();
    let said = person.runs(&["status", "--json", "--data-dir", &folder]);
    assert_eq!(said.json()["status"], "not_installed");
    fs::write(home.join("file"), "").unwrap();
    let folder = home.join("file").display().to_string();
    let said = person.runs(&["status", "--data-dir", &folder]);
    refused(&said, "cannot read `~/file/instance.env`");
}

#[test]
fn a_settings_file_that_is_a_pipe_is_not_waited_for() {
    let person = Person::new();
    fs::create_dir_all(person.data()).unwrap();
    let made =
        std::process::Command::new("mkfifo").arg(person.data().join("settings.yaml")).status();
    assert!(made.unwrap().success());
    refused(&asks(&person), "is a device, a pipe or a socket, not a file");
}

#[test]
fn a_value_in_the_file_is_checked_although_a_variable_wins() {
    let person =
        Person::new().settings("server:\n  port: -1\n").with("MATRIX_SYNAPSE_PORT", "8100");
    refused(&asks(&person), "the setting `server.port` must be a port");
}

#[test]
fn an_answer_that_did_not_get_out_is_a_failure() {
    let person = Person::new();
    let script = "\"$0\" config show >/dev/full";
    let program = assert_cmd::cargo_bin!();
    let output = person.command("bash").args(["-c", script]).arg(program).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the answer could not be written"));
}

#[test]
fn a_bridge_that_would_not_start_for_the_name_of_the_server() {
    let person = Person::new().settings("server:\n  name: example.com\n");
    let said = person.types("content add-bridge slack --program /bin/true");
    refused(&said, "does not start for a homeserver called `example.com`");
    // Others do: nothing is in the way but that nothing is installed.
    refused(&person.types("content add-bridge irc"), "is not installed");
}
