//! `config render`.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{
    commands::{Answered, Reply},
    context::Context,
    files,
    output::Report,
    render,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Show only the values that differ from those of the installed files, those of the log and of workers too
    #[arg(long)]
    diff: bool,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Rendered {
    homeserver_yaml: String,
    /// Values that are taken away, with `-`, and that are added, with `+`: `-server_name: "a"`; those of
    /// another file begin with its name, `-log.yaml: root.level: "INFO"`.
    diff: Vec<String>,
    #[serde(skip)]
    only_diff: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Rendered> {
    let config = context.config()?;
    let rendered = render::render(config)?;
    let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
    let (homeserver, log) = (config.server.kind.settings(&config.data), config.data.log_yaml());
    let mut all = vec![(homeserver, &rendered.homeserver), (log, &rendered.log)];
    all.extend(rendered.workers.iter().map(|it| (it.worker.yaml(&config.data), &it.text)));
    for (at, (path, text)) in all.iter().enumerate() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let prefix = if at == 0 { String::new() } else { format!("{name}: ") };
        add(&prefix, &files::read_if_exists(path)?.unwrap_or_default(), &mut old);
        add(&prefix, text, &mut new);
    }
    if config.is_dendrite() {
        // What is shown is masked, and what is in the file is not.
        for values in [&mut old, &mut new] {
            values.retain(|key, _| !key.ends_with("_shared_secret"));
        }
    }
    let diff = differences(&old, &new);
    let homeserver_yaml = rendered.homeserver;
    Ok(Reply::done(Rendered { homeserver_yaml, diff, only_diff: args.diff }))
}

/// Each value of a YAML text by its path, however the text is laid out.
fn add(prefix: &str, yaml: &str, found: &mut BTreeMap<String, String>) {
    if !yaml.is_empty() {
        let mut values = BTreeMap::new();
        flatten(&serde_yaml::from_str(yaml).unwrap_or_default(), String::new(), &mut values);
        found.extend(values.into_iter().map(|(path, value)| (format!("{prefix}{path}"), value)));
    }
}

fn flatten(value: &Value, path: String, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let dot = if path.is_empty() { "" } else { "." };
                flatten(value, format!("{path}{dot}{key}"), found);
            }
        }
        value => {
            found.insert(path, value.to_string());
        }
    }
}

fn differences(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<String> {
    let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
    keys.sort();
    keys.dedup();
    let line = |sign, key: &String, value: &String| format!("{sign}{key}: {value}");
    let mut diff = Vec::new();
    for key in keys.into_iter().filter(|key| old.get(*key) != new.get(*key)) {
        diff.extend(old.get(key).map(|value| line('-', key, value)));
        diff.extend(new.get(key).map(|value| line('+', key, value)));
    }
    diff
}

impl Report for Rendered {
    fn text(&self, page: &mut String) -> fmt::Result {
        if !self.only_diff {
            page.push_str(&self.homeserver_yaml);
            return Ok(());
        }
        if self.diff.is_empty() {
            page.push_str("the installed files say the same");
        }
        self.diff.iter().try_for_each(|line| writeln!(page, "{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(yaml: &str) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        add("", yaml, &mut found);
        found
    }

    #[test]
    fn only_values_that_differ_are_shown() {
        let (old, new) =
            (values("a: {b: 1, c: x}\n"), values("a:\n  b: 2 # two\n  c: x\nd: [1]\n"));
        assert_eq!(differences(&old, &new), ["-a.b: 1", "+a.b: 2", "+d: [1]"]);
        assert!(differences(&new, &new).is_empty());
        assert_eq!(differences(&values(""), &values("a: 1")), ["+a: 1"]);
    }
}
