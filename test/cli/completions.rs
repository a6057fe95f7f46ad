//! `completions`, and what a shell is answered.

use crate::common::{Person, resource};

/// What bash would offer for the last word.
fn offered(words: &[&str]) -> Vec<String> {
    offered_to(Person::new(), words)
}

fn offered_to(person: Person, words: &[&str]) -> Vec<String> {
    let person = person
        .with("RESOURCE_MATRIX_SYNAPSE_COMPLETE", "bash")
        .with("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string())
        .with("_CLAP_COMPLETE_COMP_TYPE", "9")
        .with("_CLAP_COMPLETE_SPACE", "false")
        .with("_CLAP_IFS", "\n");
    let mut arguments = vec!["--"];
    arguments.extend(words);
    let said = person.runs(&arguments);
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{said}");
    said.stdout.lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn commands_flags_and_values_are_offered() {
    let name = "resource-matrix-synapse";
    assert_eq!(offered(&[name, "cred"]), ["credentials"]);
    assert_eq!(offered(&[name, "test", "sm"]), ["smoke"]);
    assert_eq!(offered(&[name, "status", "--fa"]), ["--fast"]);
    assert_eq!(offered(&[name, "completions", "b"]), ["bash"]);
}

#[test]
fn names_of_settings_and_profiles_are_offered() {
    let name = "resource-matrix-synapse";
    assert_eq!(offered(&[name, "config", "set", "server.po"]), ["server.port"]);
    assert_eq!(offered(&[name, "config", "show", "server.po"]), ["server.port"]);
    assert_eq!(offered(&[name, "manage", "start", "--profile", "is"]), ["isms"]);
    let set = |key: &str, typed: &str| offered(&[name, "config", "set", key, typed]);
    assert_eq!(set("server.behind_proxy", "t"), ["true"]);
    assert_eq!(set("synapse.federation", "o"), ["off", "open"]);
    assert_eq!(set("server.port", "t"), [""; 0]);
    assert_eq!(set("stack.profile", "is"), ["isms"]);
    assert_eq!(set("workers.preset", "by"), ["by-load"]);
    let own = "profiles:\n  office: {services: [core]}\n";
    for words in [["config", "set", "stack.profile", "of"], ["manage", "start", "--profile", "of"]]
    {
        let said = offered_to(Person::new().settings(own), &[&[name], &words[..]].concat());
        assert_eq!(said, ["office"], "{words:?}");
    }
}

#[test]
fn where_no_homeserver_runs_no_room_or_user_is_offered_and_nothing_is_said() {
    let name = "resource-matrix-synapse";
    assert_eq!(offered(&[name, "content", "get-room", "#"]), [""; 0]);
    assert_eq!(offered(&[name, "content", "get-user", "a"]), [""; 0]);
    assert_eq!(offered(&[name, "content", "join-room", "#x", "--as", "a"]), [""; 0]);
    assert_eq!(offered(&[name, "content", "remove-hook", "a"]), [""; 0]);
    assert_eq!(offered(&[name, "manage", "stop", "sy"]), [""; 0]);
    assert_eq!(offered(&[name, "manage", "endpoint", "synapse", "c"]), [""; 0]);
    assert_eq!(offered(&[name, "content", "invite", "#x", "a"]), [""; 0]);
    assert_eq!(offered(&[name, "config", "set", "alerts.room", "#"]), [""; 0]);
}

#[test]
fn each_shell_gets_a_script_that_asks_this_program() {
    for shell in ["bash", "zsh", "fish"] {
        let said = Person::new().types(&format!("completions {shell}"));
        assert!(said.stdout.contains("RESOURCE_MATRIX_SYNAPSE_COMPLETE"), "{said}");
        assert!(said.stdout.len() < 3000, "{said}");
    }
    let said = Person::new().types("completions tcsh");
    assert_eq!(said.code, Some(1));
    // For `source` it is a script; a program that asks for a document gets the script in one.
    let script = Person::new().types("completions bash").stdout;
    let said = Person::new().types("completions bash --format json").json();
    assert_eq!((&said["shell"], &said["script"]), (&"bash".into(), &script.into()));
}

#[test]
fn bash_accepts_the_script() {
    let person = Person::new();
    let script = person.types("completions bash").stdout;
    let script = format!("set -eu\n{script}\ncomplete -p resource-matrix-synapse");
    let output = person.command("bash").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{}", person.said(&output));
}

#[test]
fn a_resource_without_a_program_answers_nothing() {
    let person = Person::new().with("RESOURCE_MATRIX_SYNAPSE_COMPLETE", "bash");
    let folder = person.home.path().join("r");
    std::fs::create_dir_all(folder.join("lib")).unwrap();
    for name in ["cli.sh", "lib/core.sh"] {
        std::fs::copy(resource().join(name), folder.join(name)).unwrap();
    }
    let output =
        person.command("bash").arg(folder.join("cli.sh")).args(["--", "x", "st"]).output().unwrap();
    assert_eq!(person.said(&output).to_string(), "");
}
