//! The documents name commands and settings that there are: each command line in a block of shell, and each
//! that stands within a sentence, is read as if it were typed.

use std::{fs, path::Path};

use clap::error::ErrorKind;

use super::{NAME, tree::tree};

/// `README.md`, `CONTRIBUTING.md`, `PRD.md` and `docs/*.md`, by their names.
fn documents() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let top = ["README.md", "CONTRIBUTING.md", "PRD.md"].map(|name| root.join(name));
    let mut paths: Vec<_> =
        docs.chain(top).filter(|it| it.extension().is_some_and(|it| it == "md")).collect();
    paths.sort();
    let named = |path: &std::path::PathBuf| path.strip_prefix(root).unwrap().display().to_string();
    paths.iter().map(|path| (named(path), fs::read_to_string(path).unwrap())).collect()
}

/// The lines of blocks of shell, continued ones joined, and the text outside of all blocks.
fn parts(text: &str) -> (Vec<String>, String) {
    let (mut lines, mut prose, mut block) = (Vec::new(), String::new(), None);
    let text = text.replace("\\\n", " ");
    for line in text.lines() {
        match (line.trim_start().strip_prefix("```"), block) {
            (Some(_), Some(_)) => block = None,
            (Some(language), None) => block = Some(language),
            (None, Some("sh")) => lines.push(line.to_owned()),
            (None, Some("console")) => lines.extend(line.strip_prefix("$ ").map(str::to_owned)),
            (None, Some(_)) => {}
            (None, None) => {
                prose.push_str(line);
                prose.push('\n');
            }
        }
    }
    (lines, prose)
}

/// What follows the name of the program in a line of shell, up to the next command.
fn typed(line: &str) -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = Vec::new();
    let mut inside = false;
    for word in shlex::split(line).unwrap_or_else(|| panic!("an open quote: {line}")) {
        if word.trim_start_matches(['$', '<', '(']) == NAME || word.ends_with("./cli.sh") {
            found.push(Vec::new());
            inside = true;
        } else if word.starts_with(['|', '&', ';', '>', '<']) || word.starts_with("2>") {
            inside = false;
        } else if let (true, Some(words)) = (inside, found.last_mut()) {
            inside = !word.ends_with([';', ')']);
            words.push(word.trim_end_matches([';', ')']).to_owned());
        }
    }
    found
}

/// What stands between single backticks. Between double ones stands an error, which quotes names itself.
fn spans(prose: &str) -> Vec<String> {
    let single: String = prose.split("``").step_by(2).collect();
    single.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Why this line is no command, where it is none; a span need not be complete.
fn wrong(words: &[String], is_whole: bool) -> Option<String> {
    let argv = [NAME.to_owned()].into_iter().chain(words.iter().cloned());
    let error = tree().try_get_matches_from(argv).err()?;
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => None,
        ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand => Some(error.to_string()),
        _ if is_whole => Some(error.to_string()),
        _ => None,
    }
}

/// The settings that a line names: after `config set` or `config show`, and before the `=` of `--set`.
fn keys(words: &[String]) -> Vec<&str> {
    let mut keys = Vec::new();
    if let [group, verb, key, ..] = words
        && group == "config"
        && ["set", "show"].contains(&verb.as_str())
    {
        keys.push(key.as_str());
    }
    let set = words.iter().zip(words.iter().skip(1)).filter(|(flag, _)| *flag == "--set");
    keys.extend(set.filter_map(|(_, set)| Some(set.split_once('=')?.0)));
    keys
}

/// What stands for any setting, and one that shows what a misspelt one is answered with.
const EXCEPT: [&str; 2] = ["KEY", "server.prot"];

fn is_setting(key: &str) -> bool {
    let is_section = |it: &str| it.split('.').next() == Some(key);
    let named = ["services", "profiles"].contains(&key.split('.').next().unwrap_or_default());
    named || crate::config::settings().any(|it| it.key == key || is_section(it.key))
}

#[test]
fn each_command_in_a_document_can_be_typed() {
    let mut wrongs = Vec::new();
    let words_of_tree: Vec<String> =
        tree().get_subcommands().map(|it| it.get_name().to_owned()).collect();
    for (document, text) in documents() {
        let (lines, prose) = parts(&text);
        let whole: Vec<Vec<String>> = lines.iter().flat_map(|line| typed(line)).collect();
        let spoken = spans(&prose).into_iter().filter(|span| !span.contains(['…', '<', '|']));
        let spoken = spoken.filter_map(|span| shlex::split(&span)).filter(|words| {
            words.len() > 1 && words_of_tree.contains(&words[0])
                || words.iter().any(|it| it == "--set")
        });
        let spoken: Vec<Vec<String>> = spoken.collect();
        for (words, is_whole) in
            whole.iter().map(|it| (it, true)).chain(spoken.iter().map(|it| (it, false)))
        {
            if let Some(why) = wrong(words, is_whole) {
                wrongs.push(format!("{document}: `{}`: {why}", words.join(" ")));
            }
            for key in
                keys(words).into_iter().filter(|key| !is_setting(key) && !EXCEPT.contains(key))
            {
                wrongs.push(format!("{document}: there is no setting `{key}`"));
            }
        }
    }
    assert!(wrongs.is_empty(), "{}", wrongs.join("\n"));
}

#[test]
fn each_setting_in_a_document_is_one() {
    let sections: Vec<&str> =
        crate::config::settings().filter_map(|it| it.key.split('.').next()).collect();
    let is_key = |span: &str| {
        let name =
            |it: &str| it.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        span.split_once('.')
            .is_some_and(|(section, rest)| sections.contains(&section) && name(rest))
    };
    let mut wrongs = Vec::new();
    for (document, text) in documents() {
        let (_, prose) = parts(&text);
        for span in spans(&prose).into_iter().filter(|span| is_key(span) && !is_setting(span)) {
            wrongs.push(format!("{document}: there is no setting `{span}`"));
        }
    }
    assert!(wrongs.is_empty(), "{}", wrongs.join("\n"));
}

/// The method, the path and the verbs of each row of the table of the admin API; what stands for a word of
/// a path is empty.
fn endpoints() -> Vec<(String, Vec<String>)> {
    let table = include_str!("../../docs/admin-api.md");
    let rows = table.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, method, path, verbs, _] = cells[..] else { return None };
        let path = path.strip_prefix('`')?.strip_suffix('`')?;
        let verbs = verbs.split_once(';').map_or(verbs, |(verbs, _)| verbs).split(", ");
        Some((format!("{method} {}", bare(path)), verbs.map(str::to_owned).collect()))
    });
    rows.collect()
}

/// A path without the names of its words.
fn bare(path: &str) -> String {
    let mut parts = path.split('{');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |path, part| {
        format!("{path}{{}}{}", part.split_once('}').map_or("", |(_, rest)| rest))
    })
}

/// The method and the path of each endpoint that we have a type for.
fn pages(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let value = |key: &str| {
            let line = text.lines().map(str::trim).find_map(|line| line.strip_prefix(key))?;
            Some(line.trim_end_matches(',').trim_matches('"').to_owned())
        };
        if let (Some(method), Some(path)) = (value("method: "), value("path: ")) {
            found.push(format!("{method} {}", bare(path.trim_start_matches("/_synapse/admin"))));
        }
    }
}

#[test]
fn each_endpoint_of_the_admin_api_is_served_by_verbs_that_there_are() {
    let tree = tree();
    let content = tree.find_subcommand("content").unwrap();
    let endpoints = endpoints();
    assert!(endpoints.len() > 100, "{}", endpoints.len());
    for (endpoint, verbs) in &endpoints {
        for verb in verbs {
            assert!(content.find_subcommand(verb).is_some(), "{endpoint}: there is no `{verb}`");
        }
    }
    let mut ours = Vec::new();
    pages(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/matrix/admin")), &mut ours);
    assert!(ours.len() > 50, "{}", ours.len());
    ours.retain(|ours| !endpoints.iter().any(|(endpoint, _)| endpoint == ours));
    assert!(ours.is_empty(), "docs/admin-api.md lacks {ours:?}");
}
