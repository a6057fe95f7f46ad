//! The list of things in a file, for `content add --file`.

use std::path::Path;

use serde_json::Value;

use crate::{error::Failure, files};

/// A list of mappings out of a YAML or JSON file.
pub(in crate::commands::content) fn items(path: &Path) -> Result<Vec<Value>, Failure> {
    let text = files::read_input(path)?;
    let shape = || {
        Failure::request(format!("`{}` is not a list of mappings in YAML or JSON", path.display()))
            .hinted("each item needs at least `name`")
    };
    match serde_yaml::from_str::<Value>(&text).map_err(|_| shape())? {
        Value::Array(items) if items.iter().all(Value::is_object) => Ok(items),
        item @ Value::Object(_) => Ok(vec![item]),
        _ => Err(shape()),
    }
}
