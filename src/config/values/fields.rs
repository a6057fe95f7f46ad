//! Reads the maps of `settings.yaml` that the operator names, `services` and `profiles`: every key has
//! to be a known one, every value of its kind, and what is wrong is named with its path.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{setting::shown, shape::Shape};
use crate::{
    config::{Error, nearest},
    secret::{MASK, Secret},
};

/// Variables by their names. Each value may be a secret.
pub(crate) type Variables = BTreeMap<String, Secret>;

/// A map of which each key is asked for; what nobody asked for is not known.
pub(crate) struct Fields<'a> {
    path: String,
    map: &'a Map<String, Value>,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(path: impl Into<String>, value: &'a Value) -> Result<Self, Error> {
        let path = path.into();
        match value {
            Value::Object(map) => Ok(Self { path, map, known: Vec::new() }),
            _ => Err(wrong(path, "must be a mapping of keys to values")),
        }
    }

    /// `services.bot.health`
    pub(crate) fn path(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    pub(crate) fn value(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.push(key);
        self.map.get(key).filter(|value| !value.is_null())
    }

    pub(crate) fn read<T: Shape>(&mut self, key: &'static str) -> Result<Option<T>, Error> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let read = T::read(value).map_err(|reason| {
            let is = if value.is_object() || value.is_array() {
                String::new()
            } else {
                format!(": it is `{}`", shown(value))
            };
            wrong(self.path(key), format!("{reason}{is}"))
        });
        read.map(Some)
    }

    pub(crate) fn variables(&mut self, key: &'static str) -> Result<Variables, Error> {
        let value = self.value(key);
        value.map_or(Ok(Variables::new()), |value| variables(&self.path(key), value))
    }

    pub(crate) fn missing(&self, key: &str) -> Error {
        // A misspelt key is the likeliest reason.
        let near = |other: &&String| {
            !self.known.contains(&other.as_str()) && nearest(other, [key].into_iter()).is_some()
        };
        match self.map.keys().find(near) {
            Some(other) => wrong(self.path(key), format!("is missing, and `{other}` is not known")),
            None => wrong(self.path(key), "is missing"),
        }
    }

    /// Names a key that was not asked for.
    pub(crate) fn end(self) -> Result<(), Error> {
        let Some(key) = self.map.keys().find(|key| !self.known.contains(&key.as_str())) else {
            return Ok(());
        };
        let suggestion = nearest(key, self.known.iter().copied()).map(|it| self.path(&it));
        let known = self.known.join(", ");
        Err(Error::UnknownKey { key: self.path(key), suggestion, known })
    }
}

pub(crate) fn wrong(path: impl Into<String>, reason: impl Into<String>) -> Error {
    Error::Entry { path: path.into(), reason: reason.into() }
}

/// The named entries of a map such as `services`, with their paths.
pub(crate) fn entries<'a>(
    path: &str,
    value: Option<&'a Value>,
) -> Result<Vec<(String, &'a String, &'a Value)>, Error> {
    let map = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(map)) => map,
        Some(_) => return Err(wrong(path, "must be a mapping of names to settings")),
    };
    let entry = |(name, value)| (format!("{path}.{name}"), name, value);
    Ok(map.iter().map(entry).collect())
}

/// Nothing of a value is ever part of an error.
pub(crate) fn variables(path: &str, value: &Value) -> Result<Variables, Error> {
    let mut found = Variables::new();
    for (path, name, value) in entries(path, Some(value))? {
        if !is_variable(name) {
            return Err(wrong(path, "is no name of a variable: letters, digits and `_`"));
        }
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Null => String::new(),
            _ => return Err(wrong(path, "must be a text")),
        };
        if text.contains('\0') {
            return Err(wrong(path, "must not contain a NUL byte"));
        }
        found.insert(name.clone(), Secret::new(text));
    }
    Ok(found)
}

/// What is named, without the values of variables: each may be a secret.
pub(crate) fn masked(mut named: Value) -> Value {
    fn mask(value: &mut Value) {
        match value {
            Value::Object(map) => map.values_mut().for_each(mask),
            value => *value = MASK.into(),
        }
    }
    let entries = named.as_object_mut().into_iter().flat_map(Map::values_mut);
    entries.filter_map(|entry| entry.get_mut("environment")).for_each(mask);
    named
}

pub(crate) fn is_variable(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(letter) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// What a service, a group or a profile may be called: it becomes the name of a log file.
pub(crate) fn check_name(path: &str, name: &str) -> Result<(), Error> {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    let good = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if good && name.len() <= 40 && name.chars().all(letter) {
        return Ok(());
    }
    Err(wrong(path, "must have a name of at most 40 of a-z, 0-9, `-` and `_`"))
}
