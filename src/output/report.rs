//! What an answer is: a text for people and, by serde, the same for machines. Rendering is pure.

use std::fmt::{self, Write as _};

use serde::Serialize;
use serde_json::Value;

use super::{fields, harmless, paint_error};
use crate::{
    clock,
    error::{Failure, Kind},
};

/// How answers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
    /// A record a line: those of a list, and what else is one document on one line.
    Jsonl,
    Yaml,
    /// `NAME=value` lines: only `credentials` can.
    Env,
}

/// How a person or program wants to see answers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct View {
    pub(crate) format: Format,
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
    /// Whether secrets are shown instead of masked.
    pub(crate) show_secrets: bool,
}

impl View {
    pub(crate) fn is_text(self) -> bool {
        self.format == Format::Text
    }
}

/// What a command answers. It must serialise to a map, so that warnings can stand beside its fields.
pub(crate) trait Report: Serialize {
    fn text(&self, page: &mut String) -> fmt::Result;

    /// What `-v` adds to the text.
    fn details(&self, _: &mut String) -> fmt::Result {
        Ok(())
    }

    /// What `-v` prints: the text and the details, unless it is another text altogether.
    fn long(&self, page: &mut String) -> fmt::Result {
        self.text(page)?;
        let mut details = String::new();
        self.details(&mut details)?;
        if !details.is_empty() && !page.is_empty() && !page.ends_with('\n') {
            page.push('\n');
        }
        page.write_str(&details)
    }

    /// The bare id that `-q` prints in the place of the text: empty for an answer that has none, and
    /// no id at all (the default) where the text is what was asked for.
    fn id(&self) -> Option<&str> {
        None
    }

    /// The same for a list: an id a line.
    fn ids(&self) -> Option<String> {
        self.id().map(str::to_owned)
    }

    /// Whether its text has colours of its own: then what others wrote in it is harmless already.
    fn is_painted(&self) -> bool {
        false
    }

    /// The `NAME=value` lines of `--format env`.
    fn variables(&self) -> Option<String> {
        None
    }
}

/// An answer that one sentence tells: of something that was made, changed or taken away. With `-v` the
/// fields that the sentence does not tell follow it.
pub(crate) trait Sentence: Serialize {
    fn sentence(&self) -> String;

    /// What `-q` prints: the id of the thing, or nothing.
    #[expect(clippy::unnecessary_literal_bound, reason = "others have an id of their own")]
    fn id(&self) -> &str {
        ""
    }

    /// The same of several things: an id a line.
    fn ids(&self) -> String {
        self.id().to_owned()
    }
}

impl<T: Sentence> Report for T {
    fn text(&self, page: &mut String) -> fmt::Result {
        page.write_str(&self.sentence())
    }

    fn details(&self, page: &mut String) -> fmt::Result {
        let value = serde_json::to_value(self).map_err(|_| fmt::Error)?;
        untold(page, &value, &self.sentence())
    }

    fn id(&self) -> Option<&str> {
        Some(Sentence::id(self))
    }

    fn ids(&self) -> Option<String> {
        Some(Sentence::ids(self))
    }
}

/// The fields that a text does not tell, as far as they are single values.
pub(crate) fn untold(page: &mut String, value: &Value, told: &str) -> fmt::Result {
    let Value::Object(map) = value else { return Ok(()) };
    let shown = |(name, value): (&String, &Value)| {
        let shown = match value {
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::String(text) if !told.contains(text.as_str()) => text.clone(),
            _ => return None,
        };
        Some(match (name.strip_suffix("_ms"), value.as_u64().map(clock::of_ms)) {
            (Some(name), Some(moment)) => (name.replace('_', " "), moment),
            _ => (name.replace('_', " "), shown),
        })
    };
    let untold: Vec<(String, String)> = map.iter().filter_map(shown).collect();
    let rows: Vec<(&str, String)> =
        untold.iter().map(|(name, shown)| (name.as_str(), shown.clone())).collect();
    fields(page, &rows)
}

/// Any report, where its type does not matter any more.
pub(crate) trait AnyReport {
    /// The text, as long as it is wanted.
    fn page(&self, view: View) -> Result<String, fmt::Error>;
    fn value(&self) -> Result<Value, serde_json::Error>;
    fn variables(&self) -> Option<String>;
}

impl<T: Report> AnyReport for T {
    fn page(&self, view: View) -> Result<String, fmt::Error> {
        let mut page = String::new();
        match self.ids() {
            Some(ids) if view.quiet => page = ids,
            _ if view.verbose => self.long(&mut page)?,
            _ => self.text(&mut page)?,
        }
        Ok(if self.is_painted() { page } else { harmless::page(&page).into_owned() })
    }

    fn value(&self) -> Result<Value, serde_json::Error> {
        serde_json::to_value(self)
    }

    fn variables(&self) -> Option<String> {
        Report::variables(self)
    }
}

pub(super) fn unwritable(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure { kind: Kind::Bug, error: Box::new(error), hint: None }
}

/// An answer as it is printed, in one document where it is for machines.
pub(crate) fn rendered(
    report: &dyn AnyReport,
    warnings: Vec<String>,
    view: View,
) -> Result<String, Failure> {
    match view.format {
        Format::Text => report.page(view).map_err(unwritable),
        Format::Env => report.variables().ok_or_else(|| {
            Failure::request("only `credentials` has the format `env`")
                .hinted("the formats are text, table, json, jsonl and yaml")
        }),
        Format::Json | Format::Jsonl | Format::Yaml => {
            let value = report.value().map_err(unwritable)?;
            Ok(document(value, warnings, view.format))
        }
    }
}

/// One record of a stream as it is printed: a text, or a JSON document on one line.
pub(crate) fn line(report: &dyn AnyReport, view: View) -> Result<String, Failure> {
    if view.is_text() {
        return report.page(view).map_err(unwritable);
    }
    report.value().map(|value| value.to_string()).map_err(unwritable)
}

/// A document with the warnings as one more field of it.
pub(crate) fn document(mut value: Value, warnings: Vec<String>, format: Format) -> String {
    if let Value::Object(map) = &mut value
        && !warnings.is_empty()
    {
        map.insert("warnings".into(), warnings.into());
    }
    match format {
        Format::Yaml => match serde_yaml::to_string(&value) {
            Ok(text) => text.trim_end().to_owned(),
            // JSON is YAML too.
            Err(_) => value.to_string(),
        },
        _ => value.to_string(),
    }
}

/// An error as it is printed, for machines with what was done before it.
pub(crate) fn failure(
    failure: &Failure,
    done: Option<Value>,
    warnings: Vec<String>,
    format: Format,
) -> String {
    let chain = failure.chain();
    let hint = failure.hint.clone().or_else(|| {
        (failure.kind == Kind::Bug)
            .then(|| "this is a fault of the program: please report it".into())
    });
    if format == Format::Text {
        return paint_error(&chain, hint.as_deref());
    }
    let error = serde_json::json!({
        "kind": failure.kind, "message": chain[0], "because": chain[1..], "hint": hint,
    });
    let mut value = serde_json::json!({ "error": error });
    if let (Value::Object(value), Some(Value::Object(done))) = (&mut value, done) {
        value.extend(done);
    }
    document(value, warnings, format)
}
