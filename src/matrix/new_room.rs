//! Whether a room that is made here is encrypted from the beginning: what the settings say, where all who are meant to be
//! in it can read there.

use std::collections::BTreeMap;

use ruma::{OwnedUserId, UserId};
use serde_json::{Value, json};

use super::{
    Error,
    admin::users,
    api::{create_room, query_keys},
    client::Client,
    session,
};
use crate::{
    config::{Config, sections::rooms::Encrypt},
    crypto,
};

/// What the settings say; nothing is encrypted where this program could not take part afterwards.
pub(crate) fn wanted(config: &Config) -> Encrypt {
    if can(config) { config.rooms.encrypt } else { Encrypt::Nothing }
}

/// Whether this program can take part in encrypted rooms.
pub(crate) fn can(config: &Config) -> bool {
    config.encryption.enabled && crypto::program().is_some()
}

impl Encrypt {
    /// Whether a room is, as far as that is a matter of who can come in.
    pub(crate) fn covers(self, preset: create_room::Preset) -> bool {
        match self {
            Self::All => true,
            Self::Private => !matches!(preset, create_room::Preset::PublicChat),
            Self::Nothing => false,
        }
    }
}

/// The type of the state that makes a room encrypted.
pub(crate) const ENCRYPTION: &str = "m.room.encryption";

pub(crate) fn algorithm() -> Value {
    json!({ "algorithm": "m.megolm.v1.aes-sha2" })
}

/// Whether a content of that type says how: without it no client sends anything there.
pub(crate) fn is_encryption(content: &Value) -> bool {
    content["algorithm"].is_string()
}

/// The same as a room is made with it.
pub(crate) fn encryption() -> Value {
    json!({ "type": ENCRYPTION, "state_key": "", "content": algorithm() })
}

/// Whether an account is a bridge's, which most probably cannot encrypt. Of other servers nothing is known.
pub(crate) async fn is_bridged(operator: &Client, user: &UserId) -> Result<bool, Error> {
    if user.server_name() != operator.server_name() {
        return Ok(false);
    }
    match operator.send(users::get::Request { user_id: user.to_owned().into() }).await {
        Ok(found) => Ok(found.user.appservice_id.is_some()),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether somebody could read a direct room that is encrypted now: as clients have it, where they have a device with
/// keys. Of a bot one counts that its own program made: the one that we made for it is no help to that.
pub(crate) async fn can_read(
    client: &Client,
    operator: &Client,
    other: &OwnedUserId,
) -> Result<bool, Error> {
    let is_local = other.server_name() == operator.server_name();
    let found = if is_local {
        let request = users::get::Request { user_id: other.clone().into() };
        Some(operator.send(request).await?.user)
    } else {
        None
    };
    if found.as_ref().is_some_and(|user| user.appservice_id.is_some())
        || is_bridged(operator, client.user_id()).await?
    {
        return Ok(false);
    }
    let ours =
        found.filter(users::get::User::is_bot).map(|_| format!("{}_", session::device(other)));
    let device_keys = BTreeMap::from([(other.clone(), Vec::new())]);
    // A server that does not answer is no reason to keep somebody from being written to.
    let Ok(known) = client.send(query_keys::Request { device_keys }).await else {
        return Ok(false);
    };
    let mut devices = known.device_keys.get(other).into_iter().flat_map(BTreeMap::keys);
    Ok(devices.any(|id| ours.as_ref().is_none_or(|ours| !id.starts_with(ours.as_str()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_encrypted_by_who_can_come_in() {
        use create_room::Preset::{PrivateChat, PublicChat, TrustedPrivateChat};
        let covered = |encrypt: Encrypt| {
            [PrivateChat, TrustedPrivateChat, PublicChat].map(|preset| encrypt.covers(preset))
        };
        assert_eq!(covered(Encrypt::Private), [true, true, false]);
        assert_eq!(covered(Encrypt::All), [true; 3]);
        assert_eq!(covered(Encrypt::Nothing), [false; 3]);
    }
}
