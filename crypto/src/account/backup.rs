//! The backup of room keys at the homeserver, encrypted with a key of the account's own, and their way into files and back
//! ([spec]).
//!
//! [spec]: https://spec.matrix.org/latest/client-server-api/#server-side-key-backups

use std::collections::BTreeSet;

use matrix_sdk_crypto::{
    decrypt_room_key_export, encrypt_room_key_export, olm::ExportedRoomKey,
    store::types::BackupDecryptionKey, types::RoomKeyBackupInfo,
};
use ruma::{
    OwnedRoomId, RoomId,
    api::client::backup::{
        KeyBackupData, add_backup_keys, create_backup_version, get_backup_keys,
        get_backup_keys_for_session, get_latest_backup_info,
    },
    serde::Raw,
};
use serde_json::Value;
use tokio::task;

use super::{Account, Error};
use crate::{
    store::{self, Kept, Stores},
    wire::{Answer, Backup, Imported},
};

/// How often a passphrase is hashed, as clients do.
const ROUNDS: u32 = 500_000;
/// Where a store says that what opens the account's secret storage was kept here.
const KEPT: &str = "kept";
/// The most that is done for a file of another program.
const MOST_ROUNDS: u32 = 2_000_000;

impl Account {
    /// Brings all room keys that are not in the backup there; makes one, and a secret storage for its key, where the account
    /// has none.
    pub(super) async fn back_up(&mut self, stores: &Stores) -> Result<Answer, Error> {
        // What others sent since, and new one-time keys for those that they took.
        self.sync().await?;
        self.outgoing().await?;
        self.leave_lost_backup().await?;
        self.save(stores).await?;
        let kept = stores.kept(self.machine.user_id())?.unwrap_or_default();
        let found = self.http.send(get_latest_backup_info::v3::Request::new()).await?;
        Ok(Answer::Backup(Backup {
            version: found.version,
            keys: found.count.into(),
            recovery_key: kept.recovery_key,
        }))
    }

    /// Has another one be looked for, or made, where the homeserver no longer has the one that is gone on with.
    async fn leave_lost_backup(&mut self) -> Result<(), Error> {
        let Some(version) = self.machine.backup_machine().backup_version().await else {
            return Ok(());
        };
        if self.latest_backup().await?.is_none_or(|found| found.version != version) {
            self.machine.backup_machine().disable_backup().await?;
        }
        Ok(())
    }

    /// What is kept of the account; what was lost of it is written again from the store, where the identity is this
    /// program's own.
    async fn kept(&self, stores: &Stores) -> Result<Option<Kept>, Error> {
        let user = self.machine.user_id();
        if !self.machine.cross_signing_status().await.is_complete() {
            return Ok(None);
        }
        let was_kept = self.machine.store().get_custom_value(KEPT).await?.is_some();
        let damaged = match stores.kept(user) {
            Ok(Some(kept)) if kept.master_key.is_some() => {
                if !was_kept {
                    self.machine.store().set_custom_value(KEPT, Vec::new()).await?;
                }
                return Ok(Some(kept));
            }
            // A person's own devices may have given this one their identity: nothing of theirs is replaced.
            Ok(None) if !was_kept => return Ok(None),
            Ok(_) => None,
            Err(error @ store::Error::Key(_)) => Some(error),
            Err(error) => return Err(error.into()),
        };
        let Some(keys) = self.machine.export_cross_signing_keys().await? else { return Ok(None) };
        eprintln!(
            "what is kept of {user} is written anew: {}",
            damaged.map_or_else(|| "it was lost".to_owned(), |it| it.to_string())
        );
        let backup_key = self.machine.backup_machine().get_backup_keys().await?.decryption_key;
        let backup_key = backup_key.map(|key| key.to_base64());
        let kept = Kept { backup_key, is_anew: true, ..Kept::default() }.with(&keys);
        stores.keep(user, &kept)?;
        Ok(Some(kept))
    }

    /// The same where nobody waits for it.
    pub(crate) async fn save(&mut self, stores: &Stores) -> Result<(), Error> {
        self.is_unsaved = false;
        let Some(mut kept) = self.kept(stores).await? else {
            return Err(Error::Elsewhere(self.machine.user_id().to_owned()));
        };
        let mut is_anew = false;
        loop {
            self.use_backup(stores, &mut kept, true).await?;
            self.store_secrets(stores, &mut kept).await?;
            match self.upload_keys().await {
                // One that was deleted, or that the homeserver knows no more.
                Err(Error::Http(error)) if error.is_other_backup() && !is_anew => {
                    self.machine.backup_machine().disable_backup().await?;
                    is_anew = true;
                }
                uploaded => return uploaded,
            }
        }
    }

    async fn upload_keys(&mut self) -> Result<(), Error> {
        while let Some((id, request)) = self.machine.backup_machine().backup().await? {
            let request = add_backup_keys::v3::Request::new(request.version, request.rooms);
            let response = self.http.send(request).await?;
            self.machine.mark_request_as_sent(&id, &response).await?;
        }
        Ok(())
    }

    /// Goes on with the backup that the homeserver has, if the key that is kept opens it; makes one where there is none.
    /// Whether there is one then.
    async fn use_backup(
        &mut self,
        stores: &Stores,
        kept: &mut Kept,
        may_make: bool,
    ) -> Result<bool, Error> {
        if self.machine.backup_machine().enabled().await {
            return Ok(true);
        }
        let user = self.machine.user_id().to_owned();
        let key = match &kept.backup_key {
            Some(key) => backup_key(key)?,
            None if may_make => {
                let key = BackupDecryptionKey::new();
                // Before anything is encrypted for it.
                kept.backup_key = Some(key.to_base64());
                kept.is_stored = false;
                stores.keep(&user, kept)?;
                key
            }
            None => return Ok(false),
        };
        let found = self.latest_backup().await?;
        let fits = |found: &get_latest_backup_info::v3::Response| {
            let info = found.algorithm.deserialize_as::<RoomKeyBackupInfo>()?;
            Ok::<_, Error>(key.backup_key_matches(&info))
        };
        let version = match found {
            Some(found) if fits(&found)? => found.version,
            Some(_) if !(may_make && kept.is_anew) => return Err(Error::OtherBackup(user)),
            None if !may_make => return Ok(false),
            _ => self.new_backup(&key).await?,
        };
        let public = key.megolm_v1_public_key();
        public.set_version(version.clone());
        let backup = self.machine.backup_machine();
        backup.save_decryption_key(Some(key), Some(version)).await?;
        backup.enable_backup_v1(public).await?;
        Ok(true)
    }

    /// The backup that the homeserver has.
    async fn latest_backup(
        &mut self,
    ) -> Result<Option<get_latest_backup_info::v3::Response>, Error> {
        match self.http.send(get_latest_backup_info::v3::Request::new()).await {
            Err(error) if error.is_missing() => Ok(None),
            found => Ok(Some(found?)),
        }
    }

    /// Makes one at the homeserver: its version.
    async fn new_backup(&mut self, key: &BackupDecryptionKey) -> Result<String, Error> {
        let mut info = key.to_backup_info();
        self.machine.backup_machine().sign_backup(&mut info).await?;
        let algorithm = Raw::new(&info)?.cast();
        Ok(self.http.send(create_backup_version::v3::Request::new(algorithm)).await?.version)
    }

    /// Brings back what is in the backup; a recovery key opens one of another program as well, and makes the account's
    /// identity this program's own.
    pub(super) async fn restore(
        &mut self,
        stores: &Stores,
        recovery_key: Option<String>,
    ) -> Result<Answer, Error> {
        let user = self.machine.user_id().to_owned();
        self.query(std::slice::from_ref(&user)).await?;
        let is_recovered = recovery_key.is_some();
        if let Some(recovery_key) = recovery_key {
            self.recover(stores, recovery_key).await?;
            self.sign(stores, &user).await?;
        }
        self.leave_lost_backup().await?;
        let mut kept = stores.kept(&user)?.unwrap_or_default();
        if !self.use_backup(stores, &mut kept, false).await? {
            // Then there was an identity to be had.
            return match kept.backup_key {
                _ if is_recovered => self.import(Vec::new(), None, 0).await,
                Some(_) => Err(Error::NoBackup(user)),
                None => Err(Error::Elsewhere(user)),
            };
        }
        let (key, version) = self.opener().await?.ok_or(Error::NoBackup(user))?;
        let found = self.http.send(get_backup_keys::v3::Request::new(version.clone())).await?;
        let mut keys = Vec::new();
        let mut found_keys = 0;
        for (room, backup) in found.rooms {
            for (session, data) in backup.sessions {
                found_keys += 1;
                // Whoever has the public key can put anything there.
                keys.extend(opened(&key, &room, session, &data));
            }
        }
        self.import(keys, Some(&version), found_keys).await
    }

    /// What opens the backup that is gone on with.
    async fn opener(&self) -> Result<Option<(BackupDecryptionKey, String)>, Error> {
        let keys = self.machine.backup_machine().get_backup_keys().await?;
        Ok(keys.decryption_key.zip(keys.backup_version))
    }

    /// Looks for keys of these sessions in the backup. Whether there was one of them.
    pub(super) async fn fetch(
        &mut self,
        stores: &Stores,
        room: &RoomId,
        sessions: BTreeSet<String>,
    ) -> Result<bool, Error> {
        let Some(mut kept) = stores.kept(self.machine.user_id())? else { return Ok(false) };
        if !self.use_backup(stores, &mut kept, false).await? {
            return Ok(false);
        }
        let Some((key, version)) = self.opener().await? else { return Ok(false) };
        let mut keys = Vec::new();
        for session in sessions {
            let request = get_backup_keys_for_session::v3::Request::new(
                version.clone(),
                room.to_owned(),
                session.clone(),
            );
            match self.http.send(request).await {
                Err(error) if error.is_missing() => {}
                found => keys.extend(opened(&key, &room.to_owned(), session, &found?.key_data)),
            }
        }
        let is_any = !keys.is_empty();
        self.machine.store().import_room_keys(keys, Some(&version), |_, _| ()).await?;
        Ok(is_any)
    }

    pub(super) async fn export(&mut self, passphrase: String) -> Result<Answer, Error> {
        let keys = self.machine.store().export_room_keys(|_| true).await?;
        let count = keys.len() as u64;
        let made = move || encrypt_room_key_export(&keys, &passphrase, ROUNDS);
        let text = task::spawn_blocking(made).await.map_err(|_| Error::Stopped)??;
        Ok(Answer::Exported { text, keys: count })
    }

    pub(super) async fn import_file(
        &mut self,
        text: String,
        passphrase: String,
    ) -> Result<Answer, Error> {
        if rounds(&text).is_some_and(|rounds| rounds > MOST_ROUNDS) {
            return Err(Error::Rounds);
        }
        let opened = move || decrypt_room_key_export(text.as_bytes(), &passphrase);
        let keys = task::spawn_blocking(opened).await.map_err(|_| Error::Stopped)??;
        let found = keys.len() as u64;
        self.import(keys, None, found).await
    }

    async fn import(
        &mut self,
        keys: Vec<ExportedRoomKey>,
        version: Option<&str>,
        found: u64,
    ) -> Result<Answer, Error> {
        let imported = self.machine.store().import_room_keys(keys, version, |_, _| ()).await?;
        self.is_unsaved = true;
        Ok(Answer::Imported(Imported {
            found,
            new: imported.imported_count as u64,
            signed: self.state.signed,
        }))
    }
}

pub(super) fn backup_key(text: &str) -> Result<BackupDecryptionKey, Error> {
    BackupDecryptionKey::from_base64(text).map_err(|_| Error::BackupKey)
}

fn opened(
    key: &BackupDecryptionKey,
    room: &OwnedRoomId,
    session: String,
    data: &Raw<KeyBackupData>,
) -> Option<ExportedRoomKey> {
    let data = data.deserialize().ok()?;
    let found = key.decrypt_session_data(data.session_data).ok()?;
    Some(ExportedRoomKey::from_backed_up_room_key(room.clone(), session, found))
}

/// How often the passphrase of a file with keys is hashed: it is behind a byte for the version, 16 of salt and 16 to begin
/// with ([spec]).
///
/// [spec]: https://spec.matrix.org/latest/client-server-api/#key-export-format
fn rounds(text: &str) -> Option<u32> {
    let body: String = text.lines().skip_while(|line| !line.starts_with("-----")).skip(1).collect();
    let head = matrix_sdk_crypto::vodozemac::base64_decode(body.get(..52)?).ok()?;
    Some(u32::from_be_bytes(head.get(33..37)?.try_into().ok()?))
}

/// The session that an event was encrypted with.
pub(super) fn session(event: &Value) -> Option<String> {
    event["content"]["session_id"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_often_a_passphrase_is_hashed_is_read_from_the_file() {
        let text = encrypt_room_key_export(&[], "a", 1_234).unwrap();
        assert_eq!(rounds(&text), Some(1_234));
        assert_eq!(rounds("-----BEGIN MEGOLM SESSION DATA-----\nAAAA"), None);
        assert_eq!(rounds("é"), None);
    }
}
