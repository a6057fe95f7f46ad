//! Our module for Synapse: it refuses what is said in the clear in an encrypted room by a device of ours, which may
//! not know yet that the room is encrypted.

use std::path::PathBuf;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{config::Config, data_dir::DataDir};

pub(super) const SOURCE: &str = include_str!("sealing.py");
/// What it is imported by: where it lies in the data folder.
pub(super) const IMPORTED: &str = "rms_modules.sealing";

/// How the ids of all devices begin that this program acts with.
pub(crate) const DEVICES: &str = "RMS_";
/// What such a refusal is known by.
pub(crate) const MARK: &str = "com.vrooli.synapse.in_the_clear";

/// Where Synapse imports it from.
pub(super) fn file(data: &DataDir) -> PathBuf {
    data.modules().join("sealing.py")
}

/// Our modules, as Synapse's settings have them.
pub(super) fn modules(config: &Config) -> Vec<Value> {
    if !config.encryption.enabled {
        return Vec::new();
    }
    // The module itself does not ask for the hash: another source makes other settings, and who has read the old ones
    // is started anew.
    let source = HEXLOWER.encode(&Sha256::digest(SOURCE)[..8]);
    let settings = json!({ "devices": DEVICES, "mark": MARK, "source": source });
    vec![json!({ "module": format!("{IMPORTED}.Sealing"), "config": settings })]
}
