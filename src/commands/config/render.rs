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
    /// Show only the values that differ from those of the installed file
    #[arg(long)]
    diff: bool,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Rendered {
    homeserver_yaml: String,
    /// Values that are taken away, with `-`, and that are added, with `+`: `-server_name: "a"`.
    diff: Vec<String>,
    #[serde(skip)]
    only_diff: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Rendered> {
    let config = context.config()?;
    let new = render::render(config)?.homeserver;
    let old = files::read_if_exists(&config.data.homeserver_yaml())?.unwrap_or_default();
    let diff = differences(&values(&old), &values(&new));
    Ok(Reply::done(Rendered { homeserver_yaml: new, diff, only_diff: args.diff }))
}

/// Each value of a YAML text by its path, however the text is laid out.
fn values(yaml: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    if yaml.is_empty() {
        return found;
    }
    flatten(&serde_yaml::from_str(yaml).unwrap_or_default(), String::new(), &mut found);
    found
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
            page.push_str("the installed file says the same");
        }
        self.diff.iter().try_for_each(|line| writeln!(page, "{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_that_differ_are_shown() {
        let (old, new) =
            (values("a: {b: 1, c: x}\n"), values("a:\n  b: 2 # two\n  c: x\nd: [1]\n"));
        assert_eq!(differences(&old, &new), ["-a.b: 1", "+a.b: 2", "+d: [1]"]);
        assert!(differences(&new, &new).is_empty());
        assert_eq!(differences(&values(""), &values("a: 1")), ["+a: 1"]);
    }
}
