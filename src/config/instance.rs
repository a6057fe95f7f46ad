//! What others may know of the installed instance: `instance.env` in the data folder, `NAME=value`
//! lines without a secret. `config/exports.sh` hands them to scenarios; `status --fast` asks there
//! instead of reading all settings.

use std::collections::BTreeMap;

use super::{Config, paths::DataDir};
use crate::files;

/// The lines of the file. Their values must be free of blanks, quotes and shell metacharacters.
pub(crate) const NAMES: [&str; 7] = [
    "MATRIX_SYNAPSE_DATA_DIR",
    "MATRIX_SYNAPSE_HOST",
    "MATRIX_SYNAPSE_PORT",
    "MATRIX_SYNAPSE_BASE_URL",
    "MATRIX_SYNAPSE_SERVER_NAME",
    "MATRIX_SYNAPSE_URL",
    "MATRIX_SYNAPSE_INSTALLED_VERSION",
];

/// The known lines of the file; none where nothing is installed.
pub(crate) fn read(data: &DataDir) -> Result<Option<BTreeMap<&'static str, String>>, files::Error> {
    let Some(text) = files::read_if_exists(&data.instance_file())? else { return Ok(None) };
    let known = |line: &str| {
        let (name, value) = line.split_once('=')?;
        Some((*NAMES.iter().find(|known| **known == name)?, value.to_owned()))
    };
    Ok(Some(text.lines().filter_map(known).collect()))
}

/// Writes the file; true if that changed it. `version` is Synapse's.
pub(crate) fn write(config: &Config, version: &str) -> Result<bool, files::Error> {
    let url = config.local_url();
    let host = url.trim_start_matches("http://");
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let values = [
        config.data.root().display().to_string(),
        host.to_owned(),
        config.server.port.to_string(),
        config.public_url(),
        config.server.name.to_string(),
        url.clone(),
        version.to_owned(),
    ];
    let lines: Vec<String> =
        NAMES.iter().zip(values).map(|(name, value)| format!("{name}={value}\n")).collect();
    files::write_if_changed(&config.data.instance_file(), lines.concat().as_bytes(), files::PUBLIC)
}
