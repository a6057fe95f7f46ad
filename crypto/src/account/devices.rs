//! Whom the account trusts: people by their identities, and devices by those or by themselves.

use matrix_sdk_crypto::{
    CollectStrategy, LocalTrust, SignatureError, UserIdentity, vodozemac::Ed25519SecretKey,
};
use ruma::{DeviceId, OwnedDeviceId, UserId, api::client::keys::upload_signatures};

use super::{Account, Error};
use crate::{
    store::Stores,
    wire::{Signed, Trust, Trusted},
};

impl Account {
    /// Asks for the identity and the devices of somebody anew.
    pub(super) async fn know(&mut self, user: &UserId) -> Result<(), Error> {
        self.machine.update_tracked_users([user]).await?;
        self.query(&[user.to_owned()]).await
    }

    /// The same, and what was sent to this device: another of the same account may have handed on with what it signs.
    async fn take_up(&mut self, user: &UserId) -> Result<(), Error> {
        self.sync().await?;
        self.outgoing().await?;
        self.know(user).await
    }

    pub(super) async fn identity(&self, user: &UserId) -> Result<Option<UserIdentity>, Error> {
        Ok(self.machine.get_identity(user, None).await?)
    }

    pub(super) async fn trust(&mut self, stores: &Stores, user: &UserId) -> Result<Trust, Error> {
        self.take_up(user).await?;
        let identity = self.identity(user).await?;
        let known = self.machine.get_user_devices(user, None).await?;
        let changed = identity.as_ref().is_some_and(UserIdentity::has_verification_violation);
        let mut devices: Vec<Trusted> = known
            .devices()
            .map(|device| {
                let (signed, verified) = (device.is_cross_signed_by_owner(), device.is_verified());
                let keys = match stores.share_with {
                    CollectStrategy::IdentityBasedStrategy => signed && !changed,
                    CollectStrategy::OnlyTrustedDevices => verified,
                    _ => true,
                };
                Trusted {
                    device_id: device.device_id().to_string(),
                    name: device.display_name().map(str::to_owned),
                    ed25519: device.ed25519_key().map(|key| key.to_base64()),
                    signed,
                    verified,
                    keys: keys && !device.is_blacklisted(),
                }
            })
            .collect();
        devices.sort_by(|a, b| a.device_id.cmp(&b.device_id));
        Ok(Trust {
            identity: identity.as_ref().and_then(master_key),
            verified: identity.is_some_and(|it| it.is_verified()),
            changed,
            can_sign: self.machine.cross_signing_status().await.is_complete(),
            devices,
        })
    }

    /// Signs the identity of somebody, or a device of one's own, or trusts one of somebody else: what its key signs says
    /// nothing of its owner's identity, so that is not signed for it.
    pub(super) async fn sign_known(
        &mut self,
        stores: &Stores,
        user: &UserId,
        device: Option<OwnedDeviceId>,
        fingerprint: Option<&str>,
    ) -> Result<Signed, Error> {
        self.take_up(user).await?;
        let signed = match device {
            Some(device) => self.sign_device(user, &device, fingerprint).await,
            None => self.sign_identity(stores, user, fingerprint).await,
        };
        match signed {
            Err(Error::Signature(SignatureError::MissingSigningKey)) => Ok(Signed::NoSecret),
            signed => signed,
        }
    }

    async fn sign_device(
        &mut self,
        user: &UserId,
        device: &DeviceId,
        fingerprint: Option<&str>,
    ) -> Result<Signed, Error> {
        let Some(device) = self.machine.get_device(user, device, None).await? else {
            return Ok(Signed::NoDevice);
        };
        let (Some(given), Some(key)) = (fingerprint, device.ed25519_key()) else {
            return Ok(Signed::NoFingerprint);
        };
        if !is_same(given, &key.to_base64()) {
            return Ok(Signed::Differs(key.to_base64()));
        }
        if user != self.machine.user_id() {
            if device.is_verified() {
                return Ok(Signed::Before);
            }
            device.set_local_trust(LocalTrust::Verified).await?;
            return Ok(Signed::Now);
        }
        if device.is_cross_signed_by_owner() {
            return Ok(Signed::Before);
        }
        self.upload(device.verify().await?).await?;
        self.query(&[user.to_owned()]).await?;
        Ok(Signed::Now)
    }

    async fn sign_identity(
        &mut self,
        stores: &Stores,
        user: &UserId,
        fingerprint: Option<&str>,
    ) -> Result<Signed, Error> {
        let Some(identity) = self.identity(user).await? else { return Ok(Signed::NoIdentity) };
        let Some(key) = master_key(&identity) else { return Ok(Signed::NoIdentity) };
        let given = match fingerprint {
            Some(given) => given.to_owned(),
            None => match kept(stores, user)? {
                Some(kept) => kept,
                None => return Ok(Signed::NoFingerprint),
            },
        };
        if !is_same(&given, &key) {
            return Ok(Signed::Differs(key));
        }
        if identity.is_verified() {
            return Ok(Signed::Before);
        }
        let signature = match identity {
            UserIdentity::Own(own) => own.verify().await?,
            UserIdentity::Other(other) => other.verify().await?,
        };
        self.upload(signature).await?;
        self.query(&[user.to_owned()]).await?;
        Ok(Signed::Now)
    }

    pub(super) async fn forget_verified(&mut self, user: &UserId) -> Result<Signed, Error> {
        self.know(user).await?;
        match self.identity(user).await? {
            None => Ok(Signed::NoIdentity),
            Some(identity) if identity.has_verification_violation() => {
                identity.withdraw_verification().await?;
                Ok(Signed::Now)
            }
            Some(_) => Ok(Signed::Before),
        }
    }

    pub(super) async fn upload(
        &mut self,
        signatures: upload_signatures::v3::Request,
    ) -> Result<(), Error> {
        let response = self.http.send(signatures).await?;
        if response.failures.values().all(|failures| failures.is_empty()) {
            Ok(())
        } else {
            Err(Error::NotSigned)
        }
    }
}

fn master_key(identity: &UserIdentity) -> Option<String> {
    let key = match identity {
        UserIdentity::Own(own) => own.master_key().get_first_key(),
        UserIdentity::Other(other) => other.master_key().get_first_key(),
    };
    Some(key?.to_base64())
}

/// The public key of the identity that was made here for an account.
fn kept(stores: &Stores, user: &UserId) -> Result<Option<String>, Error> {
    let secret = stores.kept(user)?.and_then(|kept| kept.master_key);
    let secret = secret.and_then(|secret| Ed25519SecretKey::from_base64(&secret).ok());
    Ok(secret.map(|secret| secret.public_key().to_base64()))
}

/// Clients show a fingerprint in groups.
fn is_same(given: &str, key: &str) -> bool {
    let given: String = given.chars().filter(|c| !c.is_whitespace()).collect();
    given.trim_end_matches('=') == key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_the_same_in_groups_and_no_other_is() {
        let key = "kC/HmRYw4HNqUp/i4BkwYENrf+hd9tvdB7A1YOf5+Do";
        assert!(is_same(key, key));
        assert!(is_same(" kC/H mRYw 4HNq Up/i4BkwYENrf+hd9tvdB7A1YOf5+Do=\n", key));
        for other in ["", "=", &key[1..], &key.to_lowercase()] {
            assert!(!is_same(other, key), "{other}");
        }
    }
}
