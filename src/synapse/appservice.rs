//! What the installed Synapse says of registrations of bridges. It reads YAML and expressions in its own
//! way, and does not start with a file that it cannot read.

use serde_json::json;

use super::{Error, script};
use crate::python::Environment;

const SCRIPT: &str = include_str!("appservice.py");

/// Why it cannot read each of these (a name for what is said, and the text), where it cannot.
pub(crate) async fn judge(
    environment: &Environment,
    server: &str,
    registrations: &[(String, String)],
) -> Result<Vec<Option<String>>, Error> {
    if registrations.is_empty() || !environment.is_complete() {
        return Ok(vec![None; registrations.len()]);
    }
    let input = json!({ "server": server, "registrations": registrations }).to_string();
    let command = script::command(environment, SCRIPT);
    script::answer(command, &input).await?.map_err(Error::NoVerdict)
}
