//! What the homeserver tells: what was sent to the device, whose devices changed, and who is in a room.

use std::time::Duration;

use matrix_sdk_crypto::EncryptionSyncChanges;
use ruma::{
    RoomId,
    api::client::{
        filter::{Filter as Listed, FilterDefinition, RoomEventFilter, RoomFilter},
        membership::get_member_events,
        state::get_state_event_for_key,
        sync::sync_events,
    },
    events::{
        StateEventType,
        room::{
            encryption::RoomEncryptionEventContent,
            history_visibility::{HistoryVisibility, RoomHistoryVisibilityEventContent},
        },
    },
    presence::PresenceState,
};

use super::{Account, Error, Known, decryption, left};
use crate::room::Room;

/// Rooms whose members are known between two questions; the one that was asked for longest ago goes.
const ROOMS: usize = 50;
/// What a homeserver tells of at once.
const PAGE: u32 = 100;
/// What it gives at most of what was sent to a device, in one answer.
const TO_DEVICE: usize = 100;
const STATE: [&str; 3] = ["m.room.member", "m.room.encryption", "m.room.history_visibility"];

impl Account {
    /// Takes up what has happened since: what was sent to the device, whose devices are others, who came and went.
    pub(super) async fn sync(&mut self) -> Result<(), Error> {
        loop {
            let was_first = self.since.is_none();
            let response = self.http.send(self.sync_request()).await?;
            if !response.device_lists.is_empty() {
                self.rooms.values_mut().for_each(|known| known.room.session.is_shared = false);
            }
            let is_full = response.to_device.events.len() >= TO_DEVICE;
            let own_keys = Some((
                response.device_one_time_keys_count.clone(),
                response.device_unused_fallback_key_types.clone(),
            ));
            // Where nothing is new the keys stay as they are, and are not written: then a later start asks from where
            // they were.
            if !response.to_device.events.is_empty()
                || !response.device_lists.is_empty()
                || self.own_keys != own_keys
            {
                self.is_unsaved |= !response.to_device.events.is_empty();
                let changes = EncryptionSyncChanges {
                    to_device_events: response.to_device.events,
                    changed_devices: &response.device_lists,
                    one_time_keys_counts: &response.device_one_time_keys_count,
                    unused_fallback_keys: response.device_unused_fallback_key_types.as_deref(),
                    next_batch_token: Some(response.next_batch.clone()),
                };
                let (told, _) = self.machine.receive_sync_changes(changes, &decryption()).await?;
                self.note_begun(told.iter().map(|event| event.as_raw().json().get()));
                self.state.one_time_keys = left(&response.device_one_time_keys_count);
                self.own_keys = own_keys;
            }
            self.since = Some(response.next_batch);
            for (id, joined) in response.rooms.join {
                let Some(known) = self.rooms.get_mut(&id) else { continue };
                if let sync_events::v3::State::Before(state) = &joined.state {
                    state.events.iter().for_each(|event| known.room.change(event));
                }
                joined.timeline.events.iter().for_each(|event| known.room.change(event));
            }
            for id in response.rooms.leave.keys() {
                self.rooms.remove(id);
            }
            // The first answer of all may be two minutes old.
            if !is_full && !was_first {
                return Ok(());
            }
        }
    }

    fn sync_request(&self) -> sync_events::v3::Request {
        let kinds = || Some(STATE.map(str::to_owned).to_vec());
        let mut state = RoomEventFilter::empty();
        state.types = kinds();
        let mut timeline = RoomEventFilter::empty();
        timeline.types = kinds();
        timeline.limit = Some(PAGE.into());
        let mut room = RoomFilter::empty();
        room.rooms = Some(self.rooms.keys().cloned().collect());
        (room.state, room.timeline) = (state, timeline);
        (room.account_data, room.ephemeral) =
            (RoomEventFilter::ignore_all(), RoomEventFilter::ignore_all());
        let mut filter = FilterDefinition::empty();
        (filter.account_data, filter.presence) = (Listed::ignore_all(), Listed::ignore_all());
        filter.room = room;
        let mut request = sync_events::v3::Request::new();
        request.filter = Some(sync_events::v3::Filter::FilterDefinition(filter));
        request.since.clone_from(&self.since);
        request.timeout = Some(Duration::ZERO);
        request.set_presence = PresenceState::Offline;
        request
    }

    /// What is known of a room, which is all of it once the homeserver has been asked for what has happened since.
    pub(super) async fn look_at(&mut self, id: &RoomId) -> Result<(), Error> {
        if let Some(known) = self.rooms.get_mut(id) {
            known.asked = self.asked;
            return Ok(());
        }
        let of = |kind: StateEventType| {
            get_state_event_for_key::v3::Request::new(id.to_owned(), kind, String::new())
        };
        let encryption = match self.http.send(of(StateEventType::RoomEncryption)).await {
            Err(error) if error.is_missing() => return Err(Error::Plain(id.to_owned())),
            found => found?,
        };
        // Whatever it holds, it is encrypted.
        let encryption = serde_json::from_str(encryption.event_or_content.get()).or_else(|_| {
            let unknown = r#"{"algorithm":""}"#;
            serde_json::from_str::<RoomEncryptionEventContent>(unknown)
        })?;
        let visibility = match self.http.send(of(StateEventType::RoomHistoryVisibility)).await {
            Err(error) if error.is_missing() => HistoryVisibility::Shared,
            found => serde_json::from_str(found?.event_or_content.get())
                .map_or(HistoryVisibility::Shared, |it: RoomHistoryVisibilityEventContent| {
                    it.history_visibility
                }),
        };
        let members = self.http.send(get_member_events::v3::Request::new(id.to_owned())).await?;
        let mut room = Room::new(encryption, visibility);
        members.chunk.iter().for_each(|event| room.change(event));
        if self.rooms.len() >= ROOMS
            && let Some(oldest) =
                self.rooms.iter().min_by_key(|(_, known)| known.asked).map(|(id, _)| id.clone())
        {
            self.rooms.remove(&oldest);
        }
        self.rooms.insert(id.to_owned(), Known { room, asked: self.asked });
        Ok(())
    }
}
