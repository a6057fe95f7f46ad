//! The README's tour, typed as it stands there: what it shows is what one gets.

use crate::common::{Instance, program};

/// The commands of the tour with the output that the README shows for each.
fn tour(readme: &str) -> Vec<(String, String)> {
    let tour = readme.split("## A tour").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut steps: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in tour.lines() {
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

/// Replaces what differs from run to run: ids, times, passwords, ports, sizes.
fn without_chance(text: &str) -> String {
    let chance = [
        (r"\$[A-Za-z0-9_-]{43}", "$EVENT"),
        (r"![A-Za-z0-9_-]{43}", "!ROOM"),
        (r"\b[A-Za-z0-9]{43}\b", "SECRET"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME"),
        (r"syt_[A-Za-z0-9_]+", "TOKEN"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
        (r"Port: \d+", "Port: PORT"),
        (r"( in |Data Dir: |file: )/\S+", "$1FOLDER"),
        (r"\b\d+(\.\d+)? (kB|MB|GB)", "SIZE"),
        (r"\b\d+(\.\d+)?( ?(ms|s|min|m|h))\b", "SPAN"),
        // The tour of a reader has no variables of a test.
        (r"(?m)^written to settings\.yaml: .*\n", ""),
        (r" +", " "),
    ];
    chance.iter().fold(text.trim().to_owned(), |text, (pattern, word)| {
        regex::Regex::new(pattern).unwrap().replace_all(&text, *word).into_owned()
    })
}

#[test]
fn the_tour_shows_what_one_gets() {
    let readme = include_str!("../../README.md");
    let mut server = Instance::with_environment("tour");
    server.variable("MATRIX_SYNAPSE_SERVER_NAME", "vrooli.local");
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(program(), folder.path().join("resource-matrix-synapse")).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let steps = tour(readme);
    assert!(steps.len() >= 10, "{steps:?}");
    for (typed, shown) in steps {
        let words = server.command();
        let mut shell = std::process::Command::new("bash");
        shell.args(["-c", &format!("{typed} 2>&1")]).env_clear();
        shell.envs(words.get_envs().filter_map(|(name, value)| Some((name, value?))));
        for name in ["HOME", "LANG"] {
            shell.env(name, std::env::var(name).unwrap_or_default());
        }
        let said = shell.env("PATH", &path).stdin(std::process::Stdio::null()).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        assert_eq!(without_chance(&said), without_chance(&shown), "\n$ {typed}\n{said}");
    }
}
