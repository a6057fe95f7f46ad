//! The account's own identity, by which others know its devices.

use std::collections::BTreeMap;

use matrix_sdk_crypto::{Device, SecretImportError, types::requests::AnyIncomingResponse};
use ruma::{
    TransactionId, UserId,
    api::client::keys::{get_keys, upload_signing_keys},
};
use serde::Deserialize;

use super::{Account, Error};
use crate::store::Stores;

impl Account {
    pub(super) async fn own_device(&self) -> Result<Option<Device>, Error> {
        let (user, device) = (self.machine.user_id(), self.machine.device_id());
        Ok(self.machine.get_device(user, device, None).await?)
    }

    /// Refuses to take the place of a device whose keys are elsewhere: the homeserver would change them without a word,
    /// and whoever has sent to it would find that nobody reads it.
    pub(super) async fn require_own(&mut self, is_new: bool) -> Result<(), Error> {
        let (user, device) =
            (self.machine.user_id().to_owned(), self.machine.device_id().to_owned());
        let mut request = get_keys::v3::Request::new();
        request.device_keys = [(user.clone(), vec![device.clone()])].into();
        let known = self.http.send(request).await?;
        let keys = known.device_keys.get(&user).and_then(|devices| devices.get(&device));
        let Some(keys) = keys else {
            // One that was there and is no more has been removed, or is from after what the homeserver knows now.
            let was_there = !is_new && self.since.is_some();
            return if was_there { Err(Error::Lost(device)) } else { Ok(()) };
        };
        #[derive(Deserialize)]
        struct Keys {
            keys: BTreeMap<String, String>,
        }
        let Keys { keys } = serde_json::from_str(keys.json().get())?;
        let own = self.machine.identity_keys().ed25519.to_base64();
        let is_own = keys.get(&format!("ed25519:{device}")).is_some_and(|key| *key == own);
        if is_own { Ok(()) } else { Err(Error::Lost(device)) }
    }

    /// Has the account an identity of its own, and the device signed by it, so that others trust it without having
    /// compared anything. An identity that was made elsewhere stays as it is.
    pub(super) async fn sign(&mut self, stores: &Stores, user: &UserId) -> Result<(), Error> {
        if !self.is_signed().await? {
            self.make_signed(stores, user).await?;
            self.is_signed().await?;
        }
        Ok(())
    }

    async fn is_signed(&mut self) -> Result<bool, Error> {
        let device = self.own_device().await?;
        self.state.signed = device.is_some_and(|it| it.is_cross_signed_by_owner());
        Ok(self.state.signed)
    }

    async fn make_signed(&mut self, stores: &Stores, user: &UserId) -> Result<(), Error> {
        let is_public = self.machine.get_identity(user, None).await?.is_some();
        if !self.machine.cross_signing_status().await.is_complete() && is_public {
            let Some(kept) = stores.kept(user)? else { return Ok(()) };
            match self.machine.import_cross_signing_keys(kept.identity()).await {
                // Another program gave the account a new one.
                Err(SecretImportError::MismatchedPublicKeys { .. }) => return Ok(()),
                imported => {
                    if !imported?.is_complete() {
                        return Ok(());
                    }
                }
            }
        }
        let requests = self.machine.bootstrap_cross_signing(false).await?;
        if let Some(keys) = self.machine.export_cross_signing_keys().await? {
            let kept = stores.kept(user)?.unwrap_or_default();
            if kept.master_key != keys.master_key {
                stores.keep(user, &kept.with(&keys))?;
            }
        }
        if let Some(keys) = requests.upload_keys_req {
            self.send(keys.request_id(), keys.request()).await?;
        }
        if !is_public {
            let made = requests.upload_signing_keys_req;
            let mut upload = upload_signing_keys::v3::Request::new();
            upload.master_key = made.master_key.map(|key| key.to_raw());
            upload.self_signing_key = made.self_signing_key.map(|key| key.to_raw());
            upload.user_signing_key = made.user_signing_key.map(|key| key.to_raw());
            let response = self.http.send(upload).await?;
            let response = AnyIncomingResponse::SigningKeysUpload(&response);
            self.machine.mark_request_as_sent(&TransactionId::new(), response).await?;
        }
        self.http.send(requests.upload_signatures_req).await?;
        self.query(&[user.to_owned()]).await
    }
}
