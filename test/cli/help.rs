//! The help of every command, as one file that shows in a review what changed.

use std::fmt::Write as _;

use crate::common::{Person, resource};

/// The words listed below `Commands:`.
fn subcommands(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| *word != "help")
        .map(str::to_owned)
        .collect()
}

fn collect(person: &Person, path: &[&str], page: &mut String) {
    let mut arguments = path.to_vec();
    arguments.push("--help");
    let said = person.runs(&arguments);
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{path:?}");
    writeln!(page, "$ {}\n{}", arguments.join(" "), said.stdout).unwrap();
    for word in subcommands(&said.stdout) {
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
         hint: a similar subcommand exists: 'content'\n\
         Usage: resource-matrix-synapse [OPTIONS] <COMMAND>\n\
         For more information, try '--help'.\n\
         `help` lists the commands\n\
         [exit 1]"
    );
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
