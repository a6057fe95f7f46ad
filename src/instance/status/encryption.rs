//! How the devices are that have the keys of encrypted rooms, as the service that keeps them wrote it down.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    config::Config,
    crypto::{self, Device},
    data_dir::DataDir,
    error::Failure,
    files,
    matrix::sealed,
};

/// With fewer one-time keys a device is soon without one: then all who write to it share a key of it.
const FEW: u64 = 10;

#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Encryption {
    pub(crate) devices: Vec<Known>,
    /// Folders with keys that no account goes on with.
    pub(crate) strays: Vec<String>,
    /// What is wrong, each with what to type.
    pub(crate) troubles: Vec<String>,
}

/// The device of an account.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Known {
    pub(crate) user_id: String,
    pub(crate) device_id: String,
    /// Whether its owner has signed it, as far as that is known.
    pub(crate) signed: Option<bool>,
    /// How many one-time keys the homeserver had for it when it was last used.
    pub(crate) one_time_keys: Option<u64>,
}

impl Encryption {
    /// Nothing where no account has said or read anything in an encrypted room.
    pub(crate) fn of(config: &Config) -> Result<Option<Self>, Failure> {
        let data = &config.data;
        let (mut found, mut own) = (Self::default(), Vec::new());
        for session in sealed::devices(data)? {
            let store = crypto::store(data, session.user_id.localpart(), &session.device_id);
            // What is damaged is written anew with the next message.
            let note: Option<Device> =
                files::read_note(&store.join(crypto::NOTE)).unwrap_or_default();
            found.devices.push(Known {
                user_id: session.user_id.into(),
                device_id: session.device_id,
                signed: note.as_ref().map(|note| note.signed),
                one_time_keys: note.map(|note| note.one_time_keys),
            });
            own.push(store);
        }
        found.strays = strays(data, &own)?;
        found.troubles = troubles(&found);
        Ok(Some(found).filter(|it| !it.devices.is_empty() || !it.strays.is_empty()))
    }
}

/// The stores of devices that are no account's any more.
fn strays(data: &DataDir, own: &[PathBuf]) -> Result<Vec<String>, files::Error> {
    let mut strays = Vec::new();
    for user in folders(&crypto::stores(data))? {
        for store in folders(&user)? {
            if !own.contains(&store) {
                strays.push(store.display().to_string());
            }
        }
    }
    Ok(strays)
}

fn folders(path: &Path) -> Result<Vec<PathBuf>, files::Error> {
    if !files::exists(path)? {
        return Ok(Vec::new());
    }
    Ok(files::entries(path)?.into_iter().filter(|path| path.is_dir()).collect())
}

fn troubles(found: &Encryption) -> Vec<String> {
    let mut troubles = Vec::new();
    for Known { user_id, device_id, signed, one_time_keys } in &found.devices {
        if *signed == Some(false) {
            troubles.push(format!(
                "the device {device_id} is not signed, so many clients send it no keys: `content keys restore --as {user_id} --recovery-key-file FILE` signs it"
            ));
        }
        if let Some(left) = one_time_keys.filter(|left| *left < FEW) {
            troubles.push(format!(
                "the homeserver has {left} one-time keys for the device {device_id}: `content keys backup --as {user_id}` brings more"
            ));
        }
    }
    troubles.extend(found.strays.iter().map(|stray| {
        format!("no account goes on with the keys in `{stray}`: remove the folder, unless `logs crypto` says why")
    }));
    troubles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_messages_from_a_device_is_said_with_what_to_type() {
        let device = |signed, one_time_keys| Known {
            user_id: "@a:x".into(),
            device_id: "D".into(),
            signed: Some(signed),
            one_time_keys: Some(one_time_keys),
        };
        let of = |devices, strays| troubles(&Encryption { devices, strays, troubles: Vec::new() });
        assert_eq!(of(vec![device(true, 50)], Vec::new()), Vec::<String>::new());
        let said = of(vec![device(false, 3)], vec!["/d/crypto/stores/b/E".into()]).join("\n");
        assert!(said.contains("D is not signed") && said.contains("has 3 one-time keys"), "{said}");
        assert!(said.contains("`/d/crypto/stores/b/E`"), "{said}");
    }
}
