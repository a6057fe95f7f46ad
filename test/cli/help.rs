//! The help of every command, as one file that shows in a review what changed.

use std::fmt::Write as _;

use crate::common::{Person, resource};

/// The words listed below `Commands:` or the headings of nouns, each with what it does.
fn subcommands(help: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut listed = false;
    for line in help.lines() {
        if let Some(heading) = line.strip_suffix(':').filter(|it| !it.starts_with(' ')) {
            let others = ["Arguments", "Options", "Global options", "Examples", "Exit codes"];
            listed = !others.contains(&heading) && heading != "Default configuration";
        }
        let Some(entry) = line.strip_prefix("  ").filter(|_| listed) else { continue };
        match (entry.split_once(' '), found.last_mut()) {
            (Some(("", more)), Some((_, about))) => about.extend([" ", more.trim()]),
            (Some((word, about)), _) => found.push((word.to_owned(), about.trim().to_owned())),
            (None, _) => found.push((entry.to_owned(), String::new())),
        }
    }
    found.retain(|(word, _)| word != "help");
    found
}

fn collect(person: &Person, path: &[&str], page: &mut String) {
    let mut arguments = path.to_vec();
    arguments.push("--help");
    let said = person.runs(&arguments);
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{path:?}");
    writeln!(page, "$ {}\n{}", arguments.join(" "), said.stdout).unwrap();
    for (word, _) in subcommands(&said.stdout) {
        let mut deeper = path.to_vec();
        deeper.push(&word);
        collect(person, &deeper, page);
    }
}

#[test]
fn the_help_of_every_command_is_the_one_in_the_file() {
    let mut page = String::new();
    collect(&Person::new(), &[], &mut page);
    let path = resource().join("test/cli/help.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        page == wanted,
        "the help changed; `UPDATE=1 cargo test --test cli help::` writes it\n{page}"
    );
}

#[test]
fn no_words_and_a_bare_group_are_questions_for_help() {
    for line in ["", "help", "--help", "content", "content --help", "help content"] {
        let said = Person::new().types(line);
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "`{line}`: {said}");
        assert!(said.stdout.contains("Usage: resource-matrix-synapse"), "`{line}`: {said}");
    }
}

#[test]
fn the_help_has_what_the_contract_asks_for() {
    let said = Person::new().types("help");
    for needed in ["Commands:", "Examples:", "Default configuration:", "content"] {
        assert!(said.stdout.contains(needed), "{needed}");
    }
}

#[test]
fn an_unknown_command_is_refused_with_the_right_one() {
    let said = Person::new().types("contnet");
    assert_eq!(
        said.to_string(),
        "------- stderr -------\n\
         error: unrecognized subcommand 'contnet'\n\n\
         hint: did you mean `content`? `help` lists the commands\n\
         [exit 1]"
    );
}

#[test]
fn a_line_that_cannot_be_is_answered_with_one_that_can() {
    for (line, hint) in [
        ("content snd-message", "did you mean `send-message` or"),
        ("content send-message --asx a", "did you mean `--as`? `content send-message --help`"),
        ("content send-message", "it is `content send-message <ROOM> [TEXT]`; `content send"),
        ("status here", "it is `status`; `status --help` explains it"),
        ("logs --tail x", "hint: `logs --help` explains it"),
        ("status --format xml", "[possible values: text, table, json, jsonl, yaml]"),
        ("completions tcsh", "did you mean `zsh`? `completions --help` explains it"),
        ("content list-users --as me", "hint: `content list-users --help` explains it"),
    ] {
        let said = Person::new().types(line);
        assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""), "`{line}`: {said}");
        assert!(said.stderr.contains(hint), "`{line}`: {said}");
        assert!(!said.stderr.contains("Usage:"), "`{line}`: {said}");
    }
}

#[test]
fn nobody_is_led_to_a_hidden_command() {
    for line in ["deamon", "daemon suprvise", "exce", "help deamon"] {
        let said = Person::new().types(line);
        assert_eq!(said.code, Some(1), "{said}");
        let (_, hint) = said.stderr.split_once("hint: ").unwrap();
        assert_eq!(hint, "`help` lists the commands\n", "`{line}`: {said}");
    }
}

#[test]
fn a_program_that_asks_for_help_gets_one_document() {
    for line in [
        "--json",
        "help --json",
        "--help --format json",
        "content --format=json",
        "content send-message --help --json",
        "--json help content send-message",
        "help content send-message --format json",
    ] {
        let said = Person::new().types(line);
        assert_eq!(said.code, Some(0), "`{line}`: {said}");
        let help = said.json()["help"].as_str().unwrap_or_default().to_owned();
        let words = line.split_whitespace().filter(|it| it.starts_with(char::is_alphabetic));
        let path: Vec<&str> = words.filter(|word| !["help", "json"].contains(word)).collect();
        let usage = format!("Usage: resource-matrix-synapse {}", path.join(" "));
        assert!(help.contains(usage.trim_end()), "`{line}`: {help}");
    }
    let said = Person::new().types("--version --json").json();
    assert_eq!(said["name"], "resource-matrix-synapse");
    let said = Person::new().types("help --format yaml");
    assert!(said.stdout.starts_with("help: |\n  Install, run"), "{said}");
}

#[test]
fn an_unknown_command_is_refused_in_json() {
    let said = Person::new().types("contnet --json");
    let error = &said.json()["error"];
    assert_eq!(error["kind"], "request");
    assert_eq!(error["message"], "unrecognized subcommand 'contnet'");
    assert_eq!(said.code, Some(1));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let person = Person::new();
    let program = assert_cmd::cargo::cargo_bin!("resource-matrix-synapse");
    let script = format!("set -o pipefail; {} help | head -n 1 >/dev/null", program.display());
    let output = person.command("bash").args(["-c", &script]).output().unwrap();
    assert_eq!(person.said(&output).to_string(), "");
    let script = format!("{} help >&-", program.display());
    let output = person.command("bash").args(["-c", &script]).output().unwrap();
    assert_eq!(person.said(&output).to_string(), "");
}
