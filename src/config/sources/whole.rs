//! A settings file made of what is set now, for another place where nobody has set it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::edit::typed;
use crate::{
    config::{
        self,
        values::{
            setting::{Values, shown},
            source::Source,
        },
    },
    error::Failure,
};

/// What is set and is no secret, by its keys, as far as it is taken.
pub(crate) fn explicit(values: &Values, takes: impl Fn(&str) -> bool) -> BTreeMap<String, Value> {
    let flat = |value: &Value| match value {
        Value::Object(map) => {
            let pairs = map.iter().map(|(key, value)| format!("{key}={}", shown(value)));
            pairs.collect::<Vec<_>>().join(",")
        }
        value => shown(value),
    };
    let set = config::settings().filter(|setting| !setting.secret && takes(setting.key));
    let set = set.filter_map(|setting| {
        let (value, source) = values.0.get(setting.key)?;
        let is_set = *source != Source::Default;
        is_set.then(|| (setting.key.to_owned(), typed(setting, &flat(value))))
    });
    set.collect()
}

/// The text of a settings file with these.
pub(crate) fn document(settings: &BTreeMap<String, Value>) -> Result<String, Failure> {
    let mut sections: BTreeMap<&str, BTreeMap<&str, &Value>> = BTreeMap::new();
    for (key, value) in settings {
        if let Some((section, name)) = key.split_once('.') {
            sections.entry(section).or_default().insert(name, value);
        }
    }
    serde_yaml::to_string(&sections)
        .map_err(|error| Failure::environment(format!("the settings cannot be written: {error}")))
}
