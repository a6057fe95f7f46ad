//! What a worker of the installed Synapse answers: asked of that Synapse, and remembered.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    data_dir::DataDir,
    files,
    python::Environment,
    synapse::{Error, overrides, script},
};

const SCRIPT: &str = include_str!("endpoints.py");

/// One address of Synapse's API, with the methods that a worker answers there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    /// A regular expression in Python's words, compared with the path as it was written:
    /// `^/_matrix/client/(r0|v3)/rooms/(?P<room_id>[^/]*)/send/…$`.
    pub(crate) pattern: String,
    pub(crate) methods: Vec<String>,
    /// There are no others.
    pub(crate) all: bool,
}

/// What is remembered.
#[derive(Serialize, Deserialize)]
struct Known {
    /// Hash of all that the answer depends on.
    #[serde(default)]
    of: String,
    endpoints: Vec<Endpoint>,
}

/// All of them. `homeserver` is the rendered homeserver.yaml: its experimental features bring
/// endpoints of their own.
pub(crate) async fn read(
    data: &DataDir,
    homeserver: &str,
    environment: &Environment,
) -> Result<Vec<Endpoint>, Error> {
    let settings = overrides::parse(homeserver)
        .map_err(|source| Error::Rendered("homeserver.yaml", Box::new(source)))?;
    let features = match settings.get("experimental_features") {
        Some(Value::Object(features)) => Value::Object(features.clone()).to_string(),
        _ => "{}".to_owned(),
    };
    let hash = Sha256::new()
        .chain_update(SCRIPT)
        .chain_update(environment.identity().unwrap_or_default())
        .chain_update(&features)
        .finalize();
    let of = HEXLOWER.encode(&hash[..16]);
    let note = data.cache().join("endpoints.json");
    let known = files::read_made(&note)?;
    let known: Option<Known> = known.and_then(|text| serde_json::from_str(&text).ok());
    if let Some(known) = known.filter(|known| known.of == of) {
        return Ok(known.endpoints);
    }
    let known = Known { of, ..ask(&features, environment).await? };
    if let Ok(text) = serde_json::to_vec(&known) {
        // Only the next time would be quicker.
        drop(files::write_atomically(&note, &text, files::PRIVATE));
    }
    Ok(known.endpoints)
}

async fn ask(features: &str, environment: &Environment) -> Result<Known, Error> {
    let command = script::command(environment, SCRIPT);
    script::answer(command, features).await?.map_err(Error::NoEndpoints)
}
