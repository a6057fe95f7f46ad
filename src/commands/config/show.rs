//! `config show`.

use std::fmt::{self, Write as _};

use serde::Serialize;
use serde_json::Value;

use crate::{
    commands::{Outcome, Result},
    config::{
        self,
        setting::{Setting, Source, shown},
    },
    context::Context,
    output::{Output, Report, table},
    secret::MASK,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A setting such as `server.port`, or a section such as `server`
    key: Option<String>,
}

#[derive(Serialize)]
struct Shown {
    settings: Vec<Row>,
    total: usize,
    #[serde(skip)]
    explained: bool,
}

#[derive(Serialize)]
struct Row {
    key: &'static str,
    value: Value,
    source: Source,
    default: &'static str,
    variables: &'static [&'static str],
    documentation: &'static str,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let config = context.config()?;
    let row = |setting: &'static Setting| {
        let value = config.values.0.get(setting.key).map(|(value, _)| value.clone());
        let value = value.unwrap_or_else(|| setting.default.into());
        let masked = setting.secret && !shown(&value).is_empty() && !output.show_secrets;
        Row {
            key: setting.key,
            value: if masked { MASK.into() } else { value },
            source: config.source(setting.key),
            default: setting.default,
            variables: setting.variables,
            documentation: setting.doc,
        }
    };
    let settings: Vec<Row> = match &args.key {
        None => config::settings().map(row).collect(),
        Some(key) => {
            let section = format!("{key}.");
            let of_section = config::settings().filter(|it| it.key.starts_with(&section));
            let rows: Vec<Row> = of_section.map(row).collect();
            if rows.is_empty() { vec![row(config::find(key)?)] } else { rows }
        }
    };
    let explained = output.verbose || args.key.is_some();
    output.emit(&Shown { total: settings.len(), settings, explained });
    Ok(Outcome::Done)
}

impl Report for Shown {
    fn text(&self, page: &mut String) -> fmt::Result {
        if !self.explained {
            let row =
                |row: &Row| vec![row.key.to_owned(), shown(&row.value), row.source.to_string()];
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
            writeln!(page, "  variables: {}", row.variables.join(", "))?;
        }
        Ok(())
    }

    fn id(&self) -> Option<&str> {
        match &self.settings[..] {
            [one] => one.value.as_str(),
            _ => None,
        }
    }
}
