//! `docs/reference-commands.md`, made from the command tree.

use std::fmt::Write as _;

use clap::{Arg, Command};

use crate::{commands::tree, config::generate::compare_part};

/// The commands below this one that people type.
fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|it| !it.is_hide_set() && it.get_name() != "help")
}

/// What stands in a cell of a table.
fn cell(text: &impl ToString) -> String {
    text.to_string().replace('\n', " ").replace('|', "\\|")
}

/// An argument as it is typed: `--port <PORT>`, `[SERVICE]...`.
fn typed(arg: &Arg) -> String {
    let value = arg.get_value_names().map(|names| names.join("> <")).unwrap_or_default();
    let takes = arg.get_action().takes_values();
    let value = if takes { format!(" <{value}>") } else { String::new() };
    let long = arg.get_long().map(|long| format!("`--{long}{value}`"));
    let short = arg.get_short().map(|short| format!("`-{short}`"));
    let names: Vec<String> = short.into_iter().chain(long).collect();
    if names.is_empty() { format!("`{arg}`") } else { names.join(", ") }
}

fn row(arg: &Arg) -> String {
    let mut meaning = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let list = |values: Vec<String>| values.join("`, `");
    let values = arg.get_possible_values();
    let takes = arg.get_action().takes_values();
    if takes && !values.is_empty() && !arg.is_hide_possible_values_set() {
        let names = values.iter().filter(|it| !it.is_hide_set()).map(|it| it.get_name().to_owned());
        write!(meaning, " (`{}`)", list(names.collect())).unwrap();
    }
    let defaults = arg.get_default_values();
    if takes && !defaults.is_empty() && !arg.is_hide_default_value_set() {
        let defaults = defaults.iter().map(|it| it.to_string_lossy().into_owned());
        write!(meaning, " (default `{}`)", list(defaults.collect())).unwrap();
    }
    format!("| {} | {} |\n", typed(arg), cell(&meaning))
}

/// A table of arguments, or nothing where there are none.
fn arguments<'a>(args: impl Iterator<Item = &'a Arg>) -> String {
    let is_own =
        |arg: &&Arg| !arg.is_hide_set() && !["help", "version"].contains(&arg.get_id().as_str());
    let rows: String = args.filter(is_own).map(row).collect();
    if rows.is_empty() { rows } else { format!("\n| argument | meaning |\n| --- | --- |\n{rows}") }
}

/// One command with what can stand behind it, and those below it.
fn section(command: &mut Command, path: &str, page: &mut String) {
    let depth = "#".repeat(2 + path.split(' ').count().min(2));
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    writeln!(page, "\n{depth} {path}\n\n{about}.").unwrap();
    if !command.has_subcommands() {
        let usage = command.render_usage().to_string();
        writeln!(page, "\n```text\n{}\n```", usage.trim_start_matches("Usage: ")).unwrap();
        page.push_str(&arguments(command.get_arguments().filter(|arg| !arg.is_global_set())));
    }
    let names: Vec<String> = shown(command).map(|it| it.get_name().to_owned()).collect();
    for name in names {
        if let Some(below) = command.find_subcommand_mut(&name) {
            section(below, &format!("{path} {name}"), page);
        }
    }
}

/// The table of all commands, each with the way to its section.
fn table(command: &Command, path: &str, rows: &mut String) {
    if command.has_subcommands() {
        for below in shown(command) {
            table(below, format!("{path} {}", below.get_name()).trim(), rows);
        }
        return;
    }
    let about = command.get_about().map(cell).unwrap_or_default();
    writeln!(rows, "| [`{path}`](#{}) | {about} |", path.replace(' ', "-")).unwrap();
}

fn reference() -> String {
    let mut tree = tree::tree();
    tree.build();
    let mut page = String::from("## All commands\n\n| command | meaning |\n| --- | --- |\n");
    table(&tree, "", &mut page);
    page.push_str("\n## Options of every command\n");
    page.push_str(&arguments(tree.get_arguments()));
    page.push_str("\n## Each command\n");
    let names: Vec<String> = shown(&tree).map(|it| it.get_name().to_owned()).collect();
    for name in names {
        if let Some(command) = tree.find_subcommand_mut(&name) {
            section(command, &name, &mut page);
        }
    }
    page
}

#[test]
fn the_reference_lists_all_commands() {
    compare_part("docs/reference-commands.md", "commands", &reference());
}
