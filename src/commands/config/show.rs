//! `config show`.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{
    commands::{Answered, Reply, offered},
    config::{
        self, Config,
        values::{
            setting::{Setting, shown},
            source::Source,
        },
    },
    context::Context,
    output::{Report, table},
    secret::MASK,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A setting such as `server.port`, or a section such as `server`, `services` or `profiles`
    #[arg(add = offered::keys())]
    key: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Shown {
    settings: Vec<Row>,
    total: usize,
    #[serde(skip)]
    explained: bool,
}

#[derive(Serialize, JsonSchema)]
struct Row {
    key: Cow<'static, str>,
    value: Value,
    #[schemars(with = "Value")]
    source: Source,
    default: &'static str,
    variables: &'static [&'static str],
    documentation: &'static str,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Shown> {
    let config = context.config()?;
    let row = |setting: &'static Setting| {
        let value = config.values.0.get(setting.key).map(|(value, _)| value.clone());
        let value = value.unwrap_or_else(|| setting.default.into());
        let masked = setting.secret && !shown(&value).is_empty() && !context.view().show_secrets;
        Row {
            key: setting.key.into(),
            value: if masked { MASK.into() } else { value },
            source: config.source(setting.key),
            default: setting.default,
            variables: setting.variables,
            documentation: setting.doc,
        }
    };
    let all = config::settings().map(row).chain(named(config));
    let settings: Vec<Row> = match &args.key {
        None => all.collect(),
        Some(key) => {
            let section = format!("{key}.");
            let wanted = |it: &Row| it.key == *key || it.key.starts_with(&section);
            let rows: Vec<Row> = all.filter(wanted).collect();
            // Of these there may be none.
            let is_named = config::NAMED.contains(&key.as_str());
            if rows.is_empty() && !is_named { vec![row(config::find(key)?)] } else { rows }
        }
    };
    config.warnings.iter().for_each(|warning| context.warn(warning));
    let explained = context.view().verbose || args.key.is_some();
    Ok(Reply::done(Shown { total: settings.len(), settings, explained }))
}

/// What stands below `services` and `profiles`.
fn named(config: &Config) -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, value) in &config.named {
        flatten((*name).to_owned(), value, &mut rows);
    }
    rows
}

fn flatten(key: String, value: &Value, rows: &mut Vec<Row>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (name, value) in map {
                flatten(format!("{key}.{name}"), value, rows);
            }
        }
        Value::Object(_) | Value::Null => {}
        value => {
            rows.push(Row {
                value: value.clone(),
                key: key.into(),
                source: Source::SettingsFile,
                default: "",
                variables: &[],
                documentation: "",
            });
        }
    }
}

impl Report for Shown {
    fn text(&self, page: &mut String) -> fmt::Result {
        if !self.explained {
            let row =
                |row: &Row| vec![row.key.to_string(), shown(&row.value), row.source.to_string()];
            let rows = self.settings.iter().map(row).collect();
            return table(page, &["SETTING", "VALUE", "FROM"], rows);
        }
        for (at, row) in self.settings.iter().enumerate() {
            if at > 0 {
                page.push('\n');
            }
            writeln!(page, "{} = {}", row.key, shown(&row.value))?;
            for line in row.documentation.lines() {
                writeln!(page, "  {}", line.trim())?;
            }
            writeln!(page, "  from: {}", row.source)?;
            if !row.default.is_empty() {
                writeln!(page, "  default: {}", row.default)?;
            }
            if !row.variables.is_empty() {
                writeln!(page, "  variables: {}", row.variables.join(", "))?;
            }
        }
        Ok(())
    }

    fn ids(&self) -> Option<String> {
        match &self.settings[..] {
            [one] => Some(shown(&one.value)),
            _ => None,
        }
    }
}
