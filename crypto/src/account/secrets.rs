//! Secret storage: what the account is known by, at the homeserver, for whoever has its recovery key ([spec]).
//!
//! [spec]: https://spec.matrix.org/latest/client-server-api/#secret-storage

use matrix_sdk_crypto::secret_storage::{AesHmacSha2EncryptedData, SecretStorageKey};
use ruma::{
    api::client::config::{get_global_account_data, set_global_account_data},
    events::{
        EventContentFromType as _, GlobalAccountDataEventType as Kind, StaticEventContent as _,
        secret::request::SecretName,
        secret_storage::{
            default_key::SecretStorageDefaultKeyEventContent as Default_,
            key::SecretStorageKeyEventContent,
        },
    },
    serde::Raw,
};
use serde_json::{Value, json, value::to_raw_value};
use tokio::task;

use super::{Account, Error, backup::backup_key};
use crate::store::{Kept, Stores};

impl Account {
    /// Puts what is kept into the secret storage, and makes one where the account has none. One that another program made
    /// stays as it is.
    pub(super) async fn store_secrets(
        &mut self,
        stores: &Stores,
        kept: &mut Kept,
    ) -> Result<(), Error> {
        if kept.is_stored {
            return Ok(());
        }
        let user = self.machine.user_id().to_owned();
        let (key, is_new) = match self.default_key().await? {
            // What opened that one was lost.
            Some(_) if kept.is_anew && kept.recovery_key.is_none() => {
                (SecretStorageKey::new(), true)
            }
            Some((_, content)) => {
                let Some(recovery_key) = kept.recovery_key.clone() else {
                    return Err(Error::Elsewhere(user));
                };
                (open(recovery_key, content).await?, false)
            }
            None => (SecretStorageKey::new(), true),
        };
        if is_new {
            // Until it is the default key, nobody looks for it.
            self.set_account_data(key.event_type(), json!(key.event_content())).await?;
        }
        for (name, secret) in places(kept) {
            let Some(secret) = secret else { continue };
            let sealed = key.encrypt(secret.clone().into_bytes(), &name);
            let content = json!({ "encrypted": { key.key_id(): sealed } });
            self.set_account_data(Kind::from(name.as_str()), content).await?;
        }
        if is_new {
            kept.recovery_key = Some(key.to_base58());
            stores.keep(&user, kept)?;
            let content = Default_::new(key.key_id().to_owned());
            self.set_account_data(Kind::from(Default_::TYPE), json!(content)).await?;
        }
        (kept.is_stored, kept.is_anew) = (true, false);
        Ok(stores.keep(&user, kept)?)
    }

    /// Takes up what is in the secret storage that this opens, and keeps it.
    pub(super) async fn recover(
        &mut self,
        stores: &Stores,
        recovery_key: String,
    ) -> Result<(), Error> {
        let user = self.machine.user_id().to_owned();
        let (id, content) = self.default_key().await?.ok_or(Error::NoStorage(user.clone()))?;
        let key = open(recovery_key, content).await?;
        let mut found =
            Kept { recovery_key: Some(key.to_base58()), is_stored: true, ..<_>::default() };
        for (name, place) in places(&mut found) {
            *place = self.secret(&key, &id, &name).await?;
        }
        // Whatever was put there: it has to be of the account that others know.
        if let Some(key) = &found.backup_key {
            backup_key(key)?;
        }
        let identity = found.identity();
        let status = self.machine.import_cross_signing_keys(identity).await?;
        if !status.is_complete() {
            return Err(Error::NoStorage(user));
        }
        Ok(stores.keep(&user, &found)?)
    }

    async fn secret(
        &mut self,
        key: &SecretStorageKey,
        id: &str,
        name: &SecretName,
    ) -> Result<Option<String>, Error> {
        let Some(content) = self.account_data(Kind::from(name.as_str())).await? else {
            return Ok(None);
        };
        let content: Value = serde_json::from_str(content.json().get())?;
        let Some(sealed) = content["encrypted"].get(id) else { return Ok(None) };
        let sealed: AesHmacSha2EncryptedData = serde_json::from_value(sealed.clone())?;
        let secret = key.decrypt(&sealed, name).map_err(|_| Error::Secret(name.to_string()))?;
        String::from_utf8(secret).map(Some).map_err(|_| Error::Secret(name.to_string()))
    }

    /// The key of the secret storage that counts, and what is known of it.
    async fn default_key(
        &mut self,
    ) -> Result<Option<(String, SecretStorageKeyEventContent)>, Error> {
        let Some(default) = self.account_data(Kind::from(Default_::TYPE)).await? else {
            return Ok(None);
        };
        // A client that takes it away leaves it empty.
        let Ok(Default_ { key_id, .. }) = serde_json::from_str(default.json().get()) else {
            return Ok(None);
        };
        let kind = format!("m.secret_storage.key.{key_id}");
        let Some(content) = self.account_data(Kind::from(kind.as_str())).await? else {
            return Ok(None);
        };
        let content = SecretStorageKeyEventContent::from_parts(&kind, content.json())?;
        Ok(Some((key_id, content)))
    }

    async fn account_data(
        &mut self,
        kind: Kind,
    ) -> Result<Option<Raw<ruma::events::AnyGlobalAccountDataEventContent>>, Error> {
        let user = self.machine.user_id().to_owned();
        match self.http.send(get_global_account_data::v3::Request::new(user, kind)).await {
            Err(error) if error.is_missing() => Ok(None),
            found => Ok(Some(found?.account_data)),
        }
    }

    async fn set_account_data(&mut self, kind: Kind, content: Value) -> Result<(), Error> {
        let user = self.machine.user_id().to_owned();
        let content = Raw::from_json(to_raw_value(&content)?);
        self.http.send(set_global_account_data::v3::Request::new_raw(user, kind, content)).await?;
        Ok(())
    }
}

/// A recovery key or a passphrase opens it; a passphrase takes a while.
async fn open(
    recovery_key: String,
    content: SecretStorageKeyEventContent,
) -> Result<SecretStorageKey, Error> {
    let opened = move || SecretStorageKey::from_account_data(&recovery_key, content);
    let opened = task::spawn_blocking(opened).await.map_err(|_| Error::Stopped)?;
    opened.map_err(|_| Error::Recovery)
}

fn places(kept: &mut Kept) -> [(SecretName, &mut Option<String>); 4] {
    [
        (SecretName::CrossSigningMasterKey, &mut kept.master_key),
        (SecretName::CrossSigningSelfSigningKey, &mut kept.self_signing_key),
        (SecretName::CrossSigningUserSigningKey, &mut kept.user_signing_key),
        (SecretName::RecoveryKey, &mut kept.backup_key),
    ]
}
