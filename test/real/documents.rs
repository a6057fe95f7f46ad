//! The examples of the documents, typed as they stand there: what is shown is what one gets.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::common::{Instance, file, program, wait_for};

/// The commands in the blocks marked `console`, each with the output that is shown for it.
fn examples(document: &str) -> Vec<(String, String)> {
    let mut steps: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in document.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if let (true, Some(command)) = (inside, line.strip_prefix("$ ")) {
            steps.push((command.to_owned(), String::new()));
        } else if let (true, Some((_, output))) = (inside, steps.last_mut()) {
            output.push_str(line);
            output.push('\n');
        }
    }
    steps
}

/// What has examples, in the order in which a reader comes to it: `README.md`, `docs/start.md`, then the others
/// by their names. Each goes on with the homeserver that those before it have left.
fn documents() -> Vec<(String, Vec<(String, String)>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let docs = docs.filter(|path| path.extension().is_some_and(|it| it == "md"));
    let named = |path: std::path::PathBuf| path.strip_prefix(root).unwrap().display().to_string();
    let mut names: Vec<String> = docs.map(named).collect();
    names.sort_by_key(|name| (name != "docs/start.md", name.clone()));
    names.insert(0, "README.md".to_owned());
    let read = |name: &String| examples(&fs::read_to_string(root.join(name)).unwrap());
    let read = names.iter().map(|name| (name.clone(), read(name)));
    read.filter(|(_, steps)| !steps.is_empty()).collect()
}

/// Replaces what differs from run to run: ids, times, passwords, ports, sizes.
fn without_chance(text: &str) -> String {
    let chance = [
        (r"\$[A-Za-z0-9_-]{43}", "$EVENT"),
        (r"![A-Za-z0-9_-]{43}", "!ROOM"),
        (r"(?-u:\b)[A-Za-z0-9]{43}(?-u:\b)", "SECRET"),
        (r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]+)?Z", "TIME"),
        (r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}", "TIME"),
        (r"syt_[A-Za-z0-9_]+", "TOKEN"),
        (r"127\.0\.0\.1:[0-9]+", "127.0.0.1:PORT"),
        (r"Port: [0-9]+", "Port: PORT"),
        (r"( in |Data Dir: |file: )/[^ \n]+", "$1FOLDER"),
        (r"(?-u:\b)[0-9]+(\.[0-9]+)? (kB|MB|GB)", "SIZE"),
        (r"(?-u:\b)[0-9]+(\.[0-9]+)?( ?(ms|s|min|m|h))(?-u:\b)", "SPAN"),
        // The tour of a reader has no variables of a test.
        (r"(?m)^written to settings\.yaml: .*\n", ""),
        (r" +", " "),
    ];
    chance.iter().fold(text.trim().to_owned(), |text, (pattern, word)| {
        regex::Regex::new(pattern).unwrap().replace_all(&text, *word).into_owned()
    })
}

/// Where the shell finds the program by its name, with a link to it in this folder.
pub(crate) fn path_of(folder: &Path) -> String {
    let named = folder.join("resource-matrix-synapse");
    std::os::unix::fs::symlink(program(), named).unwrap();
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

/// The block of a document that is written in this language and holds this.
pub(crate) fn block(document: &str, language: &str, holds: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(document);
    let text = fs::read_to_string(path).unwrap();
    let start = format!("```{language}\n");
    let blocks = text.split(&start).skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.into_iter().find(|block| block.contains(holds)).unwrap().to_owned()
}

#[test]
fn the_bot_of_the_documents_answers_each_question_once() {
    let server = Instance::shared();
    let folder = tempfile::tempdir().unwrap();
    let path = path_of(folder.path());
    let room = server.run(&["content", "create-room", "Pings", "--alias", "pings", "-q"]).success();
    let room = room.line();
    server.run(&["content", "add-bot", "ponger", "--room", room]).success();
    let bot = file(folder.path(), "pong.py", block("integration.md", "python", "!ping").as_bytes());
    let started = || {
        let words = server.command();
        let mut python = Command::new("python3");
        python.arg(&bot).args(["#pings", "ponger"]).env("PATH", &path).process_group(0);
        python.envs(words.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Group(python.stdin(Stdio::null()).spawn().unwrap())
    };
    let ask = || {
        server.run(&["content", "send-message", room, "!ping", "-q"]).success().line().to_owned()
    };
    let answered = || {
        let page = server.json(&["content", "read-messages", room, "--limit", "1000"]);
        let of = |message: &Value| {
            (message["body"] == "pong").then(|| message["reply_to"].as_str().unwrap().to_owned())
        };
        page["messages"].as_array().unwrap().iter().filter_map(of).collect::<Vec<_>>()
    };
    // What it says itself is no question.
    server.run(&["content", "send-message", room, "!ping", "--as", "ponger"]).success();
    let mut asked = vec![ask()];
    let first = started();
    wait_for("what was asked before is answered", || answered() == asked);
    asked.push(ask());
    wait_for("what is asked now is answered", || answered() == asked);
    drop(first);
    asked.push(ask());
    let _second = started();
    wait_for("what was asked meanwhile is answered", || answered().contains(&asked[2]));
    assert_eq!(answered(), asked);
}

/// A program with all it has started, killed at the end.
pub(crate) struct Group(pub(crate) Child);

impl Drop for Group {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        Command::new("kill").args(["-s", "KILL", "--", &group]).status().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_script_that_ends_at_failures_goes_on_where_there_was_nothing_to_do() {
    let server = Instance::shared();
    let folder = tempfile::tempdir().unwrap();
    let path = path_of(folder.path());
    let script = block("integration.md", "sh", "set -e") + "\necho went on";
    for _ in 0..2 {
        let words = server.command();
        let mut shell = Command::new("bash");
        shell.args(["-c", &script]).env("PATH", &path);
        shell.envs(words.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let said = shell.stdin(Stdio::null()).output().unwrap();
        assert!(String::from_utf8(said.stdout).unwrap().ends_with("went on\n"));
    }
}

#[test]
fn each_example_shows_what_one_gets() {
    let mut server = Instance::with_environment("documents");
    server.variable("MATRIX_SYNAPSE_SERVER_NAME", "vrooli.local");
    let folder = tempfile::tempdir().unwrap();
    let path = path_of(folder.path());
    let documents = documents();
    assert!(documents.len() >= 4, "{documents:?}");
    for (document, steps) in documents {
        for (typed, shown) in steps {
            let words = server.command();
            let mut shell = Command::new("bash");
            shell.args(["-c", &format!("{typed} 2>&1")]).env_clear().current_dir(folder.path());
            shell.envs(words.get_envs().filter_map(|(name, value)| Some((name, value?))));
            for name in ["HOME", "LANG"] {
                shell.env(name, std::env::var(name).unwrap_or_default());
            }
            let said = shell.env("PATH", &path).stdin(Stdio::null()).output().unwrap();
            let said = String::from_utf8(said.stdout).unwrap();
            let (got, wanted) = (without_chance(&said), without_chance(&shown));
            assert_eq!(got, wanted, "{document}:\n$ {typed}\n{said}");
        }
    }
}

#[test]
fn the_table_of_the_admin_api_has_each_route_of_the_installed_synapse_and_no_other() {
    let server = Instance::shared();
    let mut python = Command::new(server.data.join("environments/synapse/bin/python"));
    let told = python.args(["-c", include_str!("routes.py")]).output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told = String::from_utf8(told.stdout).unwrap();
    let routes: BTreeSet<String> = told.lines().map(str::to_owned).collect();
    let word = regex::Regex::new(r"\{[a-z_]+\}").unwrap();
    let table = include_str!("../../docs/admin-api.md").lines().filter_map(|line| {
        let (method, rest) = line.strip_prefix("| ")?.split_once(" | `")?;
        let path = word.replace_all(rest.split_once('`')?.0, "{}");
        Some(format!("{method} {path}"))
    });
    assert_eq!(table.collect::<BTreeSet<_>>(), routes);
}
