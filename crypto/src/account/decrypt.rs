//! What was said in a room, as far as the device has keys for it.

use std::collections::BTreeSet;

use matrix_sdk_common::deserialized_responses::{
    EncryptionInfo, VerificationLevel, VerificationState,
};
use matrix_sdk_crypto::{
    MegolmError, types::events::room::encrypted::EncryptedEvent, vodozemac::megolm::DecryptionError,
};
use ruma::{RoomId, serde::Raw};
use serde_json::{Value, value::to_raw_value};

use super::{Account, Error, backup::session, decryption};
use crate::{
    store::Stores,
    wire::{Answer, Opened},
};

impl Account {
    pub(super) async fn decrypt(
        &mut self,
        stores: &Stores,
        id: &RoomId,
        events: Vec<Value>,
    ) -> Result<Answer, Error> {
        let mut opened = self.opened(id, &events).await?;
        if missing(&events, &opened).next().is_some() {
            // Their keys may wait at the homeserver.
            self.sync().await?;
            self.outgoing().await?;
            opened = self.opened(id, &events).await?;
        }
        let sessions = missing(&events, &opened).filter_map(session).collect::<BTreeSet<_>>();
        if !sessions.is_empty() {
            match self.fetch(stores, id, sessions).await {
                Ok(true) => opened = self.opened(id, &events).await?,
                Ok(false) => {}
                // Without a backup it is as before.
                Err(error) => eprintln!("the key backup of {}: {error}", self.machine.user_id()),
            }
        }
        let opened = events.iter().zip(opened).map(|(event, opened)| match opened {
            Ok(opened) => Opened::Clear(opened),
            Err(error) => Opened::Closed(self.why(event, &error)),
        });
        Ok(Answer::Decrypted { events: opened.collect() })
    }

    async fn opened(
        &self,
        id: &RoomId,
        events: &[Value],
    ) -> Result<Vec<Result<Value, Shut>>, Error> {
        let mut opened = Vec::with_capacity(events.len());
        for event in events {
            let raw = Raw::<EncryptedEvent>::from_json(to_raw_value(event)?);
            opened.push(match self.machine.decrypt_room_event(&raw, id, &decryption()).await {
                Ok(found) if is_of_another(&found.encryption_info) => Err(Shut::OfAnother),
                Ok(found) => Ok(serde_json::from_str(found.event.json().get())?),
                Err(MegolmError::Store(error)) => return Err(error.into()),
                Err(error) => Err(Shut::Keys(error)),
            });
        }
        Ok(opened)
    }

    /// Why an event stays closed.
    fn why(&self, event: &Value, error: &Shut) -> String {
        let code = match error {
            Shut::OfAnother => {
                return "it was encrypted by somebody else than its sender".to_owned();
            }
            Shut::Keys(MegolmError::MissingRoomKey(code)) => code,
            Shut::Keys(MegolmError::Decryption(DecryptionError::UnknownMessageIndex(..))) => {
                return "it was sent before this device was given its key".to_owned();
            }
            Shut::Keys(error) => return error.to_string(),
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

/// Why an event could not be opened.
enum Shut {
    Keys(MegolmError),
    /// Somebody sent what another one had said.
    OfAnother,
}

fn is_of_another(info: &EncryptionInfo) -> bool {
    info.verification_state == VerificationState::Unverified(VerificationLevel::MismatchedSender)
}

/// Those of which no key is there, or one for what comes later alone.
fn missing<'a>(
    events: &'a [Value],
    opened: &'a [Result<Value, Shut>],
) -> impl Iterator<Item = &'a Value> {
    events.iter().zip(opened).filter_map(|(event, opened)| {
        let is_missing = matches!(
            opened,
            Err(Shut::Keys(
                MegolmError::MissingRoomKey(_)
                    | MegolmError::Decryption(DecryptionError::UnknownMessageIndex(..))
            ))
        );
        is_missing.then_some(event)
    })
}
