//! What was said in a room, as far as the device has keys for it.

use matrix_sdk_crypto::{
    MegolmError, types::events::room::encrypted::EncryptedEvent, vodozemac::megolm::DecryptionError,
};
use ruma::{RoomId, serde::Raw};
use serde_json::{Value, value::to_raw_value};

use super::{Account, Error, decryption};
use crate::wire::{Answer, Opened};

impl Account {
    pub(super) async fn decrypt(
        &mut self,
        id: &RoomId,
        events: Vec<Value>,
    ) -> Result<Answer, Error> {
        let mut opened = Vec::with_capacity(events.len());
        let mut is_told = false;
        for event in events {
            let raw = Raw::<EncryptedEvent>::from_json(to_raw_value(&event)?);
            let mut found = self.machine.decrypt_room_event(&raw, id, &decryption()).await;
            if matches!(found, Err(MegolmError::MissingRoomKey(_))) && !is_told {
                // Its key may wait at the homeserver.
                self.sync().await?;
                self.outgoing().await?;
                is_told = true;
                found = self.machine.decrypt_room_event(&raw, id, &decryption()).await;
            }
            opened.push(match found {
                Ok(found) => Opened::Clear(serde_json::from_str(found.event.json().get())?),
                Err(MegolmError::Store(error)) => return Err(error.into()),
                Err(error) => Opened::Closed(self.why(&event, &error)),
            });
        }
        Ok(Answer::Decrypted { events: opened })
    }

    /// Why an event stays closed.
    fn why(&self, event: &Value, error: &MegolmError) -> String {
        let code = match error {
            MegolmError::MissingRoomKey(code) => code,
            MegolmError::Decryption(DecryptionError::UnknownMessageIndex(..)) => {
                return "it was sent before this device was given its key".to_owned();
            }
            error => return error.to_string(),
        };
        let since = u64::from(self.machine.device_creation_time().0);
        match code {
            Some(code) => format!("its sender withheld the key: {code}"),
            None if event["origin_server_ts"].as_u64().is_some_and(|sent| sent < since) => {
                "it was sent before this device was there".to_owned()
            }
            None => "its key was never sent to this device".to_owned(),
        }
    }
}
