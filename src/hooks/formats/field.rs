//! Reading the fields of a body.

use serde_json::{Map, Value};

const NONE: &Value = &Value::Null;

/// What stands at a path such as `project.web_url`; null where there is nothing.
pub(super) fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, |value, name| value.get(name).unwrap_or(NONE))
}

/// The text there; empty where there is none.
pub(super) fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    at(value, path).as_str().unwrap_or_default().trim()
}

/// The first of the texts that says something.
pub(super) fn first<'a>(value: &'a Value, paths: &[&str]) -> &'a str {
    paths.iter().map(|path| text(value, path)).find(|it| !it.is_empty()).unwrap_or_default()
}

/// What stands there in letters, whatever it is.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    }
}

pub(super) fn list<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    at(value, path).as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Whether there is nothing in it.
pub(super) fn is_void(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// Refuses what nobody would see: a field that says something and that is not known.
pub(super) fn only(fields: &Map<String, Value>, of: &str, known: &[&[&str]]) -> Result<(), String> {
    let unknown = fields.iter().find(|(name, value)| {
        !is_void(value) && !known.iter().any(|names| names.contains(&name.as_str()))
    });
    match unknown {
        None => Ok(()),
        Some((name, _)) => Err(format!(
            "`{}` is not known{of}, and nothing is left out in silence; a template can show it",
            name.chars().take(60).collect::<String>().escape_debug()
        )),
    }
}

/// The text of a field; an error where it is something else.
pub(super) fn word<'a>(
    fields: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<&'a str>, String> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("`{name}` is no text")),
    }
}

/// The list of objects in a field; an error where it is something else.
pub(super) fn objects<'a>(
    fields: &'a Map<String, Value>,
    name: &str,
) -> Result<Vec<&'a Map<String, Value>>, String> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => list
            .iter()
            .map(|item| item.as_object().ok_or_else(|| format!("`{name}` has what is no object")))
            .collect(),
        Some(_) => Err(format!("`{name}` is no list")),
    }
}
