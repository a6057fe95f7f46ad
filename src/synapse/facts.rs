//! What a Synapse is that may not be in use yet: it is imported as its processes do it, by its own Python.

use serde::{Deserialize, Serialize};

use super::{Error, script};
use crate::python::Environment;

const SCRIPT: &str = include_str!("facts.py");

/// What decides whether it can take over a database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) version: String,
    /// The version of the Python that it runs in, `3.11`.
    pub(crate) python: String,
    /// What it says of Pythons, `>=3.10.0,<4.0.0`.
    pub(crate) needs_python: Option<String>,
    /// The oldest major version of PostgreSQL that it takes.
    pub(crate) needs_postgres: Option<i32>,
    /// The version of the tables that it makes.
    pub(crate) schema: i32,
    /// The oldest version of the tables whose Synapse can read what this one writes.
    pub(crate) compat: i32,
    /// The versions of rooms that it knows.
    pub(crate) room_versions: Vec<String>,
    /// Those of the background updates asked about that it does not know.
    pub(crate) unknown_updates: Vec<String>,
    /// Modules that were not compiled, and could not be when they were imported.
    pub(crate) uncompiled: Vec<String>,
}

/// Asks the Synapse of an environment, also about these background updates.
pub(crate) async fn ask(environment: &Environment, updates: &[String]) -> Result<Facts, Error> {
    let input = serde_json::to_string(updates).unwrap_or_default();
    let command = script::command(environment, SCRIPT);
    script::answer(command, &input).await?.map_err(Error::NotImported)
}
